"""Rules about attributes: their names, their values, and where they have no effect."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..attributes import SCOPES, AttributeSpec, Reading, aliases, graphviz_names, read_value, specs
from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..graph import Attribute, Attributes, Kind, Level
from ..suggest import closest, did_you_mean, distance
from .facts import kind_of, listed
from .registry import Check, Project, Rule
from .styles import style_rules

RULES: tuple[Rule, ...] = (
    Rule(
        "unknown_attribute",
        Severity.WARNING,
        "an attribute that neither attractor nor Graphviz knows",
        "Nothing reads it, so a misspelt `prompt` or `max_retries` has no effect and nobody notices.",
        fix="unsafe",
    ),
    Rule(
        "attr_misplaced",
        Severity.WARNING,
        "an attribute stands where it has no meaning: a node's on an edge, a graph's in a subgraph",
        "It is not read there, so what it was to change stays as it was.",
    ),
    Rule(
        "attr_legacy_alias",
        Severity.INFO,
        "an attribute is written under an old or foreign name",
        "It is understood, but tools and people know it by one name, and the plan holds only that.",
        fix="safe",
    ),
    Rule(
        "attr_type",
        Severity.ERROR,
        "the value of an attribute is not of its type",
        "Other engines fall back to the default in silence: goal_gate=yes is then no gate at all.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "attr_enum",
        Severity.ERROR,
        "the value of an attribute is not one of its words",
        "A word that nothing knows would silently mean the default.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "attr_range",
        Severity.ERROR,
        "a number is too small or too large for its attribute",
        "The value cannot be used, and to guess another one would hide the mistake.",
        spec=True,
    ),
    Rule(
        "duration_valid",
        Severity.ERROR,
        "a duration is not a whole number with one unit: ms, s, m, h or d",
        "Engines have read `15m` as 15 seconds, and killed stages that had fourteen minutes left.",
        spec=True,
    ),
    Rule(
        "timeout_unitless",
        Severity.WARNING,
        "a duration has no unit and is read as seconds",
        "Whoever meant milliseconds waits a thousand times longer.",
        fix="safe",
    ),
    Rule(
        "fidelity_valid",
        Severity.ERROR,
        "a fidelity is none of full, truncate, compact, summary:low, summary:medium, summary:high",
        "An unknown word would silently mean compact, and the stage would not see the history it was to build on.",
        spec=True,
        fix="unsafe",
    ),
)

# Names from other engines and from habit, and what they are here.
_FOREIGN: Mapping[str, Mapping[str, str]] = {
    "graph": {"default_retries": "default_max_retries", "stylesheet": "model_stylesheet"},
    "node": {
        "command": "tool_command",
        "script": "tool_command",
        "cmd": "tool_command",
        "handler": "type",
        "node_type": "type",
        "system_prompt": "prompt",
        "instructions": "prompt",
        "provider": "llm_provider",
        "retries": "max_retries",
        "effort": "reasoning_effort",
    },
    "edge": {"when": "condition", "if": "condition", "restart": "loop_restart"},
}
_TRUTH = {
    "yes": "true",
    "on": "true",
    "1": "true",
    "y": "true",
    "no": "false",
    "off": "false",
    "0": "false",
    "n": "false",
}
_OWN_RULES = {"fidelity": "fidelity_valid", "default_fidelity": "fidelity_valid"}
_ELSEWHERE = frozenset({"shape", "type"})  # kinds.py looks at them
_NAMED_ON_TOOLS = frozenset({"command", "script", "cmd"})  # tool_command_required speaks of them


class _Place(NamedTuple):
    """Where attributes stand: the table that they come from, and what to call the thing that has them."""

    scope: str  # graph | subgraph | node | edge
    subject: str


def _places(project: Project) -> Iterator[tuple[_Place, Attributes]]:
    graph = project.graph
    yield _Place("graph", graph.name), graph.attributes
    for subgraph in graph.subgraphs:
        yield _Place("subgraph", subgraph.name), subgraph.attributes
    for node in graph.nodes.values():
        yield _Place("node", node.id), node.attributes
    for edge in graph.edges:
        yield _Place("edge", edge.name), edge.attributes
    for rule in style_rules(graph):
        for declared in rule.declarations:
            yield _Place("node", rule.selector), {declared.key: declared}


def check_each(project: Project) -> Iterator[Diagnostic]:
    """Names and values. An attribute that several nodes or edges share is looked at once."""
    tables = {scope: specs(scope) for scope in SCOPES}
    tables["subgraph"] = {key: tables["node"][key] for key in ("label", "class")}
    free = {scope: {key for key, spec in table.items() if _takes_any_text(spec)} for scope, table in tables.items()}
    seen: set[int] = set()
    for place, attributes in _places(project):
        table = tables[place.scope]
        for key, attribute in attributes.items():
            at = attribute.key_span.start
            if at in seen:
                continue
            seen.add(at)
            spec = table.get(key)
            if spec is None:
                yield from _unknown(project, place, attribute)
                continue
            if spec.aliases and attribute.written_key != key and attribute.level is not Level.STYLESHEET:
                yield _legacy(attribute)
            if key in free[place.scope] or (place.scope == "node" and key in _ELSEWHERE):
                continue
            reading = read_value(attribute, spec)
            if reading.problem or reading.unitless:
                yield _wrong(attribute, spec, reading, place)


def _takes_any_text(spec: AttributeSpec) -> bool:
    return spec.type not in {"integer", "number", "boolean", "duration"} and not spec.enum and not spec.items


def _unknown(project: Project, place: _Place, attribute: Attribute) -> Iterator[Diagnostic]:
    key = attribute.key
    if key in graphviz_names(place.scope):
        return
    if key in _NAMED_ON_TOOLS and _misses_its_command(project, place):
        return
    elsewhere = [scope for scope in SCOPES if scope != place.scope and (key in specs(scope) or key in aliases(scope))]
    if elsewhere:
        yield Diagnostic(
            "attr_misplaced",
            attribute.key_span,
            f'"{key}" belongs to {_plural(elsewhere)}; on {_article(place.scope)} it has no effect; move or drop it',
            subject=place.subject,
        )
        return
    table = "graph" if place.scope == "subgraph" else place.scope
    foreign = _FOREIGN[table].get(key.lower()) if place.scope != "subgraph" else None
    known = [*specs(table), *aliases(table)] if place.scope != "subgraph" else ["label", "class"]
    near = [foreign] if foreign else closest(key, known, 2)
    hint = f'did you mean "{foreign}"?' if foreign else did_you_mean(key, known)
    yield Diagnostic(
        "unknown_attribute",
        attribute.key_span,
        f'{_article(place.scope)} has no attribute "{key}"; '
        + (hint or "it has no effect; drop it, or see docs/attributes.md"),
        subject=place.subject,
        fix=_renamed(attribute, near[0]) if len(near) == 1 and (foreign or distance(key, near[0], 2) <= 2) else None,
    )


def _renamed(attribute: Attribute, name: str, *, safe: bool = False) -> Fix:
    return Fix(f'write "{name}"', (Edit(attribute.key_span, name),), safe)


def _misses_its_command(project: Project, place: _Place) -> bool:
    node = project.graph.nodes.get(place.subject) if place.scope == "node" else None
    return (
        node is not None
        and kind_of(project.graph, node.id) is Kind.TOOL
        and not ("tool_command" in node.attributes and node.attributes["tool_command"].text.strip())
    )


def _legacy(attribute: Attribute) -> Diagnostic:
    return Diagnostic(
        "attr_legacy_alias",
        attribute.key_span,
        f'"{attribute.written_key}" is called "{attribute.key}"',
        subject=attribute.key,
        fix=_renamed(attribute, attribute.key, safe=True),
    )


def _wrong(attribute: Attribute, spec: AttributeSpec, reading: Reading, place: _Place) -> Diagnostic:
    rule = _OWN_RULES.get(spec.name) or f"attr_{reading.problem}"
    span, message, fix = attribute.value_span, reading.message, None
    if reading.unitless:
        rule, text = "timeout_unitless", attribute.text.strip()
        message = f"{spec.name}={text} has no unit; it is read as {text} seconds"
        fix = Fix(f'write "{text}s"', (Edit(span, f'"{text}s"'),))
    elif reading.problem == "duration":
        rule = "duration_valid"
    words = _words_for(spec)
    near = _near(attribute.text, words)
    if near:
        message += f"; did you mean {listed(near)}?"
        if len(near) == 1 and attribute.level is not Level.STYLESHEET:
            fix = Fix(f'write "{near[0]}"', (Edit(span, f'"{near[0]}"' if attribute.quoted else near[0]),), safe=False)
    return Diagnostic(rule, span, message, subject=place.subject, fix=fix)


def _words_for(spec: AttributeSpec) -> Sequence[str]:
    return ("true", "false") if spec.type == "boolean" else spec.enum


def _near(text: str, words: Sequence[str]) -> Sequence[str]:
    if words == ("true", "false"):
        truth = _TRUTH.get(text.strip().lower())
        return [truth] if truth else closest(text, words, 1)
    return closest(text, words, 2)


def _plural(scopes: Sequence[str]) -> str:
    return " and ".join({"graph": "the graph", "node": "nodes", "edge": "edges"}[scope] for scope in scopes)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


CHECKS: tuple[Check, ...] = (check_each,)
