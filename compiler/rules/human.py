"""Rules about human gates: what is offered, and what is taken when nobody answers."""

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Severity
from ..graph import Kind
from ..passes.resolve_routes import option_named
from ..suggest import did_you_mean
from .facts import listed
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "human_default_choice_unknown",
        Severity.ERROR,
        "the default choice of a human gate is none of its options",
        "Where nobody answers in time, or nobody is asked, the gate could then only fail.",
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


CHECKS: tuple[Check, ...] = (check_default_choice,)
