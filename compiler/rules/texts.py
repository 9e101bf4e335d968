"""Rules about what stands in prompts and other texts: keys, places of one machine, gaps, what nobody reads."""

import re
from collections.abc import Iterable, Iterator

from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..graph import Attributes, Prompt
from ..secret_literals import may_hold_a_key, secrets_in
from ..source import MappedText, Span
from .registry import Check, Project, Rule
from .told import Told

RULES: tuple[Rule, ...] = (
    Rule(
        "prompt_secret",
        Severity.ERROR,
        "a key or token itself stands in the graph, or in a prompt file",
        "It goes to the model's vendor, into the plan, into every log, and into the repository's history for ever. "
        "What is found is never shown.",
    ),
    Rule(
        "prompt_placeholder",
        Severity.ERROR,
        "a text is a gap that somebody meant to fill in",
        "The model would be asked `TODO`, or a vendor for the model DEFAULT_MODEL.",
    ),
    Rule(
        "prompt_double_escaped_newline",
        Severity.WARNING,
        "a prompt holds a backslash and an n where a new line was meant",
        "The model reads all as one line with `\\n` in it: `\\\\n` in a quoted string is a backslash and an n.",
        fix="unsafe",
    ),
    Rule(
        "prompt_absolute_path",
        Severity.WARNING,
        "a prompt names a folder of one person's machine",
        "A run works in a worktree of its own. An agent that is sent to an absolute path leaves it, and changes the "
        "author's own checkout, or finds nothing on another machine.",
    ),
    Rule(
        "prompt_reserved_retry",
        Severity.WARNING,
        "a prompt asks for the outcome retry, and the stage has no attempt left to give",
        "`retry` asks for another attempt. Without retries, and without an edge for it, it is a failure.",
    ),
    Rule(
        "prompt_too_long",
        Severity.INFO,
        "a prompt in the graph is longer than 8,000 characters",
        "Nobody reviews it there, and each call of the stage pays for it. A file in the repository can be read by the "
        "agent when it needs it, and a prompt_file has a diff of its own.",
    ),
    Rule(
        "prompt_duplicate",
        Severity.INFO,
        "two long prompts are nearly the same",
        "A change to one is forgotten in the other. A prompt_file says it once.",
    ),
)

MOST_CHARS = 8_000

_NOTHING_BUT = r"(?i:\s*+(?:TODO|FIXME|TBD|XXX)\b)"
_GAP = r"\[(?:INLINE|INSERT|PASTE) [^\]\n]{0,200}\]"
_GAP_VALUE = r"(?:DEFAULT|YOUR|SOME)_[A-Z_]*+|(?:CHANGE|REPLACE)_?ME|(?i:todo|fixme|tbd|xxx)|<[a-z][a-z -]*+>"
_OF_NODES = ("llm_model", "llm_provider", "tool_command")
_OF_GRAPHS = ("goal", "model_stylesheet")
_NEW_LINES = r"(?>(?:\\n){2,})|(?<=[.:;!?])\\n(?=[A-Z0-9*#-])"
_LONE_HOME = r"(?<![\w/.~:$}\])-])(?:/Users|/home)/[A-Za-z0-9_.-]++(?:/[^\s\"'`,;)\]]*+)?|\b[A-Za-z]:\\(?=\w)[\w\\.-]++"
_SHORT = 400


def check_secrets(project: Project) -> Iterator[Diagnostic]:
    """prompt_secret, in every text of the graph and in its prompt files."""
    graph = project.graph
    bearers = [("", graph.attributes)]
    bearers += [(node.id, node.attributes) for node in graph.nodes.values()]
    bearers += [(edge.name, edge.attributes) for edge in graph.edges if edge.attributes]
    seen: set[int] = set()
    for owner, attributes in bearers:
        for key, attribute in attributes.items():
            text = attribute.value.text
            if len(text) > 15 and may_hold_a_key(text) and attribute.value_span.start not in seen:
                seen.add(attribute.value_span.start)  # a default is many nodes' attribute
                yield from _secrets(owner, key, attribute.value)
    for name, source in graph.files.items():
        if may_hold_a_key(source.text):
            yield from _secrets(name, "prompt_file", MappedText(source.text, source, 0))


def _secrets(owner: str, key: str, value: MappedText) -> Iterator[Diagnostic]:
    for start, end in secrets_in(value.text):
        where = f'"{key}" of "{owner}"' if owner else f'"{key}"'
        yield Diagnostic(
            "prompt_secret",
            value.span(start, end),
            f"{where} holds what looks like a key or token; take it out, and take it back where it was issued",
            subject=owner or key,
            help="commands get what env.pass of run.yaml names; providers what api_key_env names",
        )


def check_gaps(project: Project) -> Iterator[Diagnostic]:
    """prompt_placeholder."""
    graph = project.graph
    nothing_but, gap, value = re.compile(_NOTHING_BUT), re.compile(_GAP), re.compile(_GAP_VALUE)
    for node, prompt in graph.prompts.items():
        text = prompt.written.text
        found = nothing_but.match(text) or (gap.search(text) if "[" in text else None)
        if found is not None:
            yield _gap(node, prompt.written.span(*found.span()), f'the prompt of "{node}" has a gap')
    for node_ in graph.nodes.values():
        yield from _gaps_among(node_.id, node_.attributes, _OF_NODES, value)
    yield from _gaps_among("", graph.attributes, _OF_GRAPHS, value)


def _gaps_among(
    owner: str, attributes: Attributes, keys: Iterable[str], value: re.Pattern[str]
) -> Iterator[Diagnostic]:
    for key in keys:
        attribute = attributes.get(key)
        if attribute is not None and value.fullmatch(attribute.text.strip()) is not None:
            yield _gap(owner or key, attribute.value_span, f"{key} has a gap")


def _gap(subject: str, place: Span, message: str) -> Diagnostic:
    shown = place.text.strip('"').strip()
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    return Diagnostic("prompt_placeholder", place, f'{message}, "{shown}"; write what is meant', subject=subject)


def check_prompts(project: Project) -> Iterator[Diagnostic]:
    """prompt_double_escaped_newline, prompt_absolute_path, prompt_reserved_retry, prompt_too_long."""
    graph, told = project.graph, Told(project)
    home = re.compile(_LONE_HOME)
    seen: set[Span] = set()
    for node, prompt in graph.prompts.items():
        text, place = prompt.written.text, prompt.written.span()
        if place in seen:
            continue
        seen.add(place)
        inline = place.source is graph.source
        slash, backslash = "/" in text, "\\" in text  # one character is found in no time
        if backslash and inline and "\\n" in text:
            yield from _escaped_lines(node, prompt)
        if (slash and ("/Users" in text or "/home" in text)) or (backslash and ":\\" in text):
            yield from _homes(node, prompt, home)
        if "retry" in text and _cannot_retry(project, node) and "retry" in told.named(node):
            yield Diagnostic(
                "prompt_reserved_retry",
                prompt.written.span(*told.named(node)["retry"]),
                f'the prompt of "{node}" asks for outcome retry, but the stage has one attempt, so it would fail',
                subject=node,
                help='give it max_retries, or an edge with condition="outcome=retry", or ask for fail',
            )
        if inline and len(text) > MOST_CHARS:
            yield Diagnostic(
                "prompt_too_long",
                prompt.written.span(0, min(60, len(text))),
                f'the prompt of "{node}" has {len(text):,} characters; move it to a prompt_file, '
                "or what it quotes to a file that the agent reads",
                subject=node,
            )


def _escaped_lines(node: str, prompt: Prompt) -> Iterator[Diagnostic]:
    text = prompt.written.text
    found = list(re.finditer(_NEW_LINES, text))
    if not found or ("\n" in text and not any("\\n\\n" in match[0] for match in found)):
        return
    each = re.compile(r"\\n")
    edits = [
        Edit(prompt.written.span(*at.span()), "\\n") for match in found for at in each.finditer(text, *match.span())
    ]
    yield Diagnostic(
        "prompt_double_escaped_newline",
        prompt.written.span(*found[0].span()),
        f'the prompt of "{node}" holds a backslash and an n, not a new line; write \\n with one backslash',
        subject=node,
        fix=Fix("write \\n", tuple(edits), safe=False),
    )


def _homes(node: str, prompt: Prompt, home: re.Pattern[str]) -> Iterator[Diagnostic]:
    for match in home.finditer(prompt.written.text):
        yield Diagnostic(
            "prompt_absolute_path",
            prompt.written.span(*match.span()),
            f'the prompt of "{node}" names {match[0]}, a place of one machine; write it relative to the workspace',
            subject=node,
        )
        return


def _cannot_retry(project: Project, node: str) -> bool:
    retries = project.graph.retries.get(node)
    once = retries is not None and retries.attempts.value == 1 and not retries.allow_partial.value
    return once and node not in project.analysis.retry_routed


def check_duplicates(project: Project) -> Iterator[Diagnostic]:
    """prompt_duplicate: each prompt with the first that it resembles, found by one of its three longest lines."""
    graph = project.graph
    holders: dict[str, str] = {}
    first_with: dict[str, str] = {}
    for node, prompt in graph.prompts.items():
        text = prompt.written.text
        if len(text) < _SHORT or prompt.written.source is not graph.source:
            continue
        twin = first_with.setdefault(text, node)
        if twin != node:
            if graph.prompts[twin].written.span() != prompt.written.span():  # else a default that both have
                yield _twins(project, twin, node)
            continue
        longest = sorted(_lines(text), key=len)[-3:]
        near = next((holders[line] for line in longest if line in holders), None)
        if near is not None and _alike(text, graph.prompts[near].written.text):
            yield _twins(project, near, node)
            continue
        for line in longest:
            holders.setdefault(line, node)


def _lines(text: str) -> list[str]:
    """Return the lines and sentences of a prompt."""
    return text.replace(". ", ".\n").split("\n")


def _alike(text: str, other: str) -> bool:
    """Whether nine tenths of the longer of two prompts are lines of both."""
    mine, theirs = set(_lines(text)), set(_lines(other))
    return sum(map(len, mine & theirs)) >= 0.9 * max(sum(map(len, mine)), sum(map(len, theirs)))


def _twins(project: Project, first: str, second: str) -> Diagnostic:
    prompts = project.graph.prompts
    written = prompts[second].written
    return Diagnostic(
        "prompt_duplicate",
        written.span(0, min(60, len(written.text))),
        f'the prompt of "{second}" is nearly that of "{first}"; put what they share into a prompt_file',
        subject=second,
        related=(Related(prompts[first].written.span(0, 1), f'the prompt of "{first}"'),),
    )


CHECKS: tuple[Check, ...] = (check_secrets, check_gaps, check_prompts, check_duplicates)
