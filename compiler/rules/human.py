"""Rules about human gates: what is offered, and what is taken when nobody answers."""

from collections.abc import Iterator, Sequence

from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Edge, Kind, Route
from ..passes.resolve_routes import option_named, written_key
from ..suggest import did_you_mean
from .conjunctions import OUTCOME
from .facts import listed
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "human_default_choice_unknown",
        Severity.ERROR,
        "the default choice of a human gate is none of its options",
        "Where nobody answers in time, or nobody is asked, the gate could then only fail.",
    ),
    Rule(
        "human_edge_unlabelled",
        Severity.WARNING,
        "an option of a human gate has no label",
        "The person is offered the id of a node, and has to guess what choosing it means.",
    ),
    Rule(
        "human_duplicate_accelerator",
        Severity.WARNING,
        "two options of a human gate have the same key",
        "Only one of them can have it; the other is chosen by its number, which nobody expects.",
    ),
    Rule(
        "human_timeout_no_default",
        Severity.INFO,
        "a human gate stops waiting, and nothing says what then",
        "When nobody has answered in time the gate fails, and as nothing routes that the run ends.",
    ),
)


def check_default_choice(project: Project) -> Iterator[Diagnostic]:
    """human_default_choice_unknown."""
    graph = project.graph
    for node in project.analysis.of_kind(Kind.HUMAN):
        default, routes = graph.nodes[node].attributes.get("human.default_choice"), graph.routes.get(node, ())
        if default is None or not routes or not default.text.strip() or option_named(routes, default.text) is not None:
            continue
        options = list(dict.fromkeys(route.edge.target for route in routes))
        hint = did_you_mean(default.text, options) or f"its options are {listed(options, 'and')}"
        yield Diagnostic(
            "human_default_choice_unknown",
            default.value_span,
            f'"{default.text.strip()}" is no option of "{node}"; {hint}',
            subject=node,
        )


def check_options(project: Project) -> Iterator[Diagnostic]:
    """human_edge_unlabelled, human_duplicate_accelerator, human_timeout_no_default."""
    graph = project.graph
    for node in project.analysis.of_kind(Kind.HUMAN):
        options = [route for route in graph.routes.get(node, ()) if not _waits_for_failure(route.edge)]
        options.sort(key=lambda route: route.edge.order)
        for route in options:
            if not route.label.strip() and graph.nodes[route.edge.target].declared:
                yield Diagnostic(
                    "human_edge_unlabelled",
                    route.edge.span,
                    f'"{node}" offers this option as "{route.edge.target}", the id of a node; give it label="..."',
                    subject=route.edge.name,
                )
        yield from _same_keys(node, options)
        timeout = graph.nodes[node].attributes.get("human.timeout")
        choice = graph.nodes[node].attributes.get("human.default_choice")
        routed = len(options) < len(graph.outgoing[node]) or graph.on_fail.get(node) or node in graph.catches
        if timeout is not None and timeout.text.strip() and choice is None and not routed:
            yield Diagnostic(
                "human_timeout_no_default",
                timeout.key_span.to(timeout.value_span),
                f'when nobody answers "{node}" within {timeout.text.strip()} it fails, and the run with it',
                subject=node,
                help="set human.default_choice, or add an edge for outcome=fail",
            )


def _waits_for_failure(edge: Edge) -> bool:
    return any(
        clause.key == OUTCOME and clause.op != "set" and (clause.op == "=") != (clause.literal == "success")
        for clause in edge.condition
    )


def _same_keys(node: str, options: Sequence[Route]) -> Iterator[Diagnostic]:
    first: dict[str, Route] = {}
    for route in options:
        key = written_key(route.label)
        other = first.setdefault(key.casefold(), route)
        if key and other is not route:
            label, before = route.edge.attributes["label"], other.edge.attributes["label"]
            yield Diagnostic(
                "human_duplicate_accelerator",
                label.value_span,
                f'two options of "{node}" have the key {key}, "{other.label.strip()}" and "{route.label.strip()}"; '
                "give one of them another",
                subject=route.edge.name,
                related=(Related(before.value_span, "the other"),),
            )


CHECKS: tuple[Check, ...] = (check_default_choice, check_options)
