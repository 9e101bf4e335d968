"""Rules about the words between stages and edges: what a prompt asks for, and what conditions wait for."""

import re
from collections.abc import Iterator

from ..condition import OUTCOMES
from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Clause, Edge, Kind
from ..suggest import did_you_mean
from .conjunctions import OUTCOME
from .facts import kind_of, listed
from .registry import Check, Project, Rule
from .told import Told, speaks_of_status

RULES: tuple[Rule, ...] = (
    Rule(
        "outcome_never_produced",
        Severity.WARNING,
        "a condition waits for a word of one's own that no prompt before it mentions",
        "The stage does not know when to report the word, so the edge is never taken.",
    ),
    Rule(
        "outcome_unrouted",
        Severity.WARNING,
        "a prompt asks for a word of one's own that no edge compares",
        "A word that no condition knows is taken for a failure: `unexpected outcome word`.",
        whole=True,
    ),
    Rule(
        "context_key_never_set",
        Severity.WARNING,
        "a condition reads a context key that nothing sets",
        "The key stays empty, so that the condition always decides the same way.",
    ),
    Rule(
        "status_outcome_field_confusion",
        Severity.ERROR,
        "a prompt asks for a status file with two different outcomes, as `status` and as `outcome`",
        "Only one of the two is read, and an edge waits for the other.",
    ),
)

ENGINE_KEYS = frozenset({
    "outcome", "preferred_label", "failure_reason", "failure_class", "failure_signature", "current_node",
    "previous_node", "previous_outcome", "last_stage", "last_response", "tool.output", "tool.exit_status",
    "human.gate.selected", "human.gate.label", "human.gate.note", "parallel.results", "parallel.fan_in.best_id",
    "parallel.fan_in.best_outcome", "parallel.fan_in.best_head_sha", "stack.child.status", "stack.child.outcome",
    "stack.child.node", "stack.child.folder", "loop_restart.iteration", "loop_restart.from_node",
})  # fmt: skip

_OBJECT = r"\{[^{}]*+\}"
_FIELD = r"""["'](status|outcome)["']\s*+:\s*+["']([A-Za-z_]++)["']"""
_NAMES = r"[A-Za-z_][A-Za-z0-9_]*+(?>(?:\.[A-Za-z0-9_]++)*)"


def check_words(project: Project) -> Iterator[Diagnostic]:
    """outcome_never_produced, outcome_unrouted."""
    graph, told = project.graph, Told(project)
    for edge in graph.edges:
        for clause in edge.condition:
            if clause.key == OUTCOME and clause.op == "=" and clause.literal and clause.literal not in OUTCOMES:
                yield from _never_produced(project, told, edge, clause)
    for node in project.analysis.of_kind(Kind.CODERGEN):
        known = graph.outcomes.get(node, ())
        for word, place in told.named(node).items():
            if word not in known and word not in OUTCOMES:
                own = [each for each in known if each not in OUTCOMES]
                hint = did_you_mean(word, known) or (f"edges know {listed(own, 'and')}" if own else "")
                yield Diagnostic(
                    "outcome_unrouted",
                    graph.prompts[node].written.span(*place),
                    f'the prompt of "{node}" asks for outcome "{word}", which no edge compares, '
                    "so reporting it is a failure" + (f"; {hint}" if hint else ""),
                    subject=node,
                    related=(Related(graph.nodes[node].span, f'"{node}"'),),
                    help=f'add an edge with condition="outcome={word}", or ask for one of {", ".join(OUTCOMES)}',
                )


def _never_produced(project: Project, told: Told, edge: Edge, clause: Clause) -> Iterator[Diagnostic]:
    stages = [each for each in told.feeders(edge.source) if kind_of(project.graph, each) is Kind.CODERGEN]
    unread = any(each not in project.graph.prompts for each in stages)
    if not stages or unread or told.misspelt(edge.source, clause.literal) or told.mentions(edge.source, clause.literal):
        return
    yield Diagnostic(
        "outcome_never_produced",
        clause.literal_span,
        f'no prompt mentions "{clause.literal}", so {listed(stages[:3])} will not report it',
        subject=edge.name,
        help=f"say in the prompt when to report outcome={clause.literal}",
    )


def check_context_keys(project: Project) -> Iterator[Diagnostic]:
    """context_key_never_set. Silent with a scripted provider: its scenario sets keys that no prompt mentions."""
    config = project.config
    if config is not None and any(provider.backend == "scripted" for provider in config.providers.values()):
        return
    mentioned: set[str] | None = None
    for edge in project.graph.edges:
        for clause in edge.condition:
            key = clause.key.removeprefix("context.")
            if key == clause.key or key in ENGINE_KEYS or key.startswith("graph."):
                continue
            if key.startswith("inputs."):
                if config is not None and key.removeprefix("inputs.") not in config.inputs:
                    yield _unset(edge, clause, f'run.yaml has no input "{key.removeprefix("inputs.")}"')
                continue
            mentioned = _mentioned(project) if mentioned is None else mentioned
            if key not in mentioned and key.rpartition(".")[2] not in mentioned:
                hint = did_you_mean(key, ENGINE_KEYS) or "no prompt mentions it, and the engine does not set it"
                yield _unset(edge, clause, f'nothing sets "{key}"; {hint}')


def _mentioned(project: Project) -> set[str]:
    """Return every name in any prompt or command, with and without the dotted parts before it."""
    told, found = Told(project), set()
    for node in project.graph.nodes:
        for name in re.findall(_NAMES, told.text(node)):
            found.add(name)
            found.update(name.split("."))
            found.add(name.removeprefix("context."))
    return found


def _unset(edge: Edge, clause: Clause, message: str) -> Diagnostic:
    return Diagnostic("context_key_never_set", clause.key_span, message, subject=edge.name)


def check_status_fields(project: Project) -> Iterator[Diagnostic]:
    """status_outcome_field_confusion."""
    for node, prompt in project.graph.prompts.items():
        text = prompt.written.text
        if "{" not in text or "outcome" not in text or not speaks_of_status(text):
            continue
        field_in = re.compile(_FIELD)
        for match in re.finditer(_OBJECT, text):
            fields = {field[1]: field for field in field_in.finditer(text, *match.span())}
            if len(fields) == 2 and fields["status"][2] != fields["outcome"][2]:
                field = fields["outcome"]
                yield Diagnostic(
                    "status_outcome_field_confusion",
                    prompt.written.span(*field.span()),
                    f'the prompt of "{node}" asks for status "{fields["status"][2]}" and outcome "{field[2]}" at once; '
                    "keep the one that edges compare",
                    subject=node,
                )


CHECKS: tuple[Check, ...] = (check_words, check_context_keys, check_status_fields)
