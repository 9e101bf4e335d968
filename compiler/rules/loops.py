"""Rules about going round: what bounds a loop, and whether anything leads out of it."""

from collections.abc import Iterator, Mapping, Sequence

from .. import flow
from ..diagnostics import Diagnostic, Severity
from ..graph import Edge, Kind
from .facts import closed_loops, kind_of, some
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "loop_unbounded",
        Severity.INFO,
        "only the built-in limit, or none at all, bounds how often LLM stages go round in a loop",
        "Each turn costs money. The limit of visits that holds when nobody sets one is generous; "
        "with max_node_visits=0 there is none, and the finding is a warning.",
    ),
    Rule(
        "loop_no_exit",
        Severity.ERROR,
        "no edge leads out of a loop",
        "A run that enters it goes round until a limit stops it, and has then failed.",
        whole=True,
    ),
    Rule(
        "self_loop",
        Severity.WARNING,
        "an edge leads from a node to itself",
        "The stage runs again at once, with nothing changed in between. For more attempts there is max_retries, "
        "with a growing delay. With a condition and a limit of visits it is only mentioned.",
    ),
)


def check_bounds(project: Project) -> Iterator[Diagnostic]:
    """loop_unbounded. A restart sets the visits back, but restarts have a limit of their own: they close no loop."""
    graph = project.graph
    if graph.bounds is None or not project.analysis.components:
        return
    visits = graph.bounds.max_visits
    bounded = {node for node, limit in visits.items() if limit.value > 0 and limit.origin.source != "built-in"}
    ways = {
        node: []
        if node in bounded
        else [route.edge.target for route in routes if route.restart is None and route.edge.target not in bounded]
        for node, routes in graph.routes.items()
    }
    for members in flow.components(ways):
        loop = frozenset(members)
        if len(loop) == 1 and members[0] not in ways[members[0]]:
            continue
        stages = [node for node in members if kind_of(graph, node) is Kind.CODERGEN]
        if stages and not project.analysis.reachable.isdisjoint(loop):
            yield _unbounded(project, loop, min(visits[stage].value for stage in stages))


def _unbounded(project: Project, loop: frozenset[str], limit: int) -> Diagnostic:
    graph = project.graph
    edge = _closing_edge(project, loop)
    stages = [node.id for node in sorted((graph.nodes[id_] for id_ in loop), key=lambda node: node.order)]
    round_ = f"this edge closes a loop of {some(stages, 3)}" if len(loop) > 1 else f'"{edge.source}" goes round'
    if limit:
        message = f"{round_}, which only the built-in max_node_visits={limit} bounds"
        help_ = (
            "set max_node_visits on the graph, or max_visits on a stage of the loop, to what you are ready to pay for"
        )
        return Diagnostic("loop_unbounded", edge.span, message, subject=edge.name, help=help_)
    message = f"{round_}, which nothing bounds: max_node_visits is 0"
    help_ = "set max_node_visits on the graph, or max_visits on a stage of the loop"
    return Diagnostic("loop_unbounded", edge.span, message, Severity.WARNING, subject=edge.name, help=help_)


def _closing_edge(project: Project, loop: frozenset[str]) -> Edge:
    """Return the edge that leads back to the first stage of `loop`, from the last that does."""
    nodes = project.graph.nodes
    first = min(loop, key=lambda id_: nodes[id_].order)
    back = [edge for edge in project.graph.incoming[first] if edge.source in loop]
    return max(back, key=lambda edge: (nodes[edge.source].order, edge.order))


def check_closed(project: Project) -> Iterator[Diagnostic]:
    """loop_no_exit."""
    graph = project.graph
    for loop in closed_loops(project.analysis):
        stages = sorted((graph.nodes[id_] for id_ in loop), key=lambda node: node.order)
        if stages[0].id not in project.analysis.reachable_with_retries:
            continue
        yield Diagnostic(
            "loop_no_exit",
            stages[0].span,
            f"no edge leads out of the loop of {some([stage.id for stage in stages])}",
            subject=stages[0].id,
            help="add an edge with a condition, such as outcome=success, to a stage outside it or to an exit",
        )


def check_self(project: Project) -> Iterator[Diagnostic]:
    """self_loop."""
    graph = project.graph
    limits: Mapping[str, int] = {}
    if graph.bounds is not None:
        limits = {edge.source: graph.bounds.max_visits[edge.source].value for edge in _self_edges(graph.edges)}
    for edge in _self_edges(graph.edges):
        chosen = edge.conditional or kind_of(graph, edge.source) is Kind.HUMAN
        limit = limits.get(edge.source, 0)
        yield Diagnostic(
            "self_loop",
            edge.span,
            f'"{edge.source}" leads to itself'
            + (f", at most {limit} times" if limit else ", without a limit of visits"),
            Severity.INFO if chosen and limit else None,
            subject=edge.name,
            help="for more attempts use max_retries; for a repair lead the edge to the stage that can change something",
        )


def _self_edges(edges: Sequence[Edge]) -> Iterator[Edge]:
    return (edge for edge in edges if edge.source == edge.target)


CHECKS: tuple[Check, ...] = (check_bounds, check_closed, check_self)
