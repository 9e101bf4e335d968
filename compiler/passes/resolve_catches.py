"""Set each stage's catch: the conditional node to which its failure falls through, past the stages in between."""

from collections.abc import Mapping

from ..graph import Graph, Kind
from ..run_config import RunConfig

# A failure starts at one of these, and travels past them only: whatever else stands on the way ends the search.
STAGES = frozenset({Kind.CODERGEN, Kind.TOOL, Kind.MANAGER})


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    ways = _single_ways(graph)
    ends = _ends(graph, ways)
    catches = {
        node: end
        for node, way in ways.items()
        if (end := ends[node]) is not None and way != end  # else nothing routes it, or its own `always` edge does
    }
    return graph._replace(catches=catches)


def _single_ways(graph: Graph) -> Mapping[str, str]:
    """Return for each stage with a single, unconditional way on, that is no restart, where it leads."""
    ways = {}
    for node, routes in graph.routes.items():
        kind = graph.kinds.get(node)
        if kind is None or kind.value not in STAGES or len(routes) != 1:
            continue
        route = routes[0]
        if route.kind in {"then", "always"} and route.restart is None:
            ways[node] = route.edge.target
    return ways


def _ends(graph: Graph, ways: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return for each stage the conditional node at the end of its way; None when the way ends elsewhere or turns."""
    ends: dict[str, str | None] = {}
    for first in ways:
        path = []
        at = first
        while at in ways and at not in ends:
            ends[at] = None  # while it is on the path: a way that comes back here has no end
            path.append(at)
            at = ways[at]
        kind = graph.kinds.get(at)
        end = ends.get(at, at if kind is not None and kind.value is Kind.CONDITIONAL else None)
        for node in path:
            ends[node] = end
    return ends
