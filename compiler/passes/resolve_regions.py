"""Set the join of each component: the nearest tripleoctagon on every one of its branches."""

from collections.abc import Iterator, Mapping

from ..graph import Graph, Kind
from ..run_config import RunConfig

# How many steps all searches of one graph may take together, per node and edge: enough for any graph whose regions
# are closed, and a bound for those where every search runs through the whole graph in vain.
STEPS_PER_PART = 40


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    search = _Search(graph)
    joins = {}
    for node, kind in graph.kinds.items():
        if kind.value is Kind.PARALLEL:
            join = search.join_of(node)
            if join is not None:
                joins[node] = join
    return graph._replace(joins=joins)


class _Search:
    """Walks the branches of one component after another; `steps` is what is left of the bound."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kinds: Mapping[str, Kind] = {node: kind.value for node, kind in graph.kinds.items()}
        self.steps = STEPS_PER_PART * (len(graph.nodes) + len(graph.edges)) + 1000

    def join_of(self, component: str) -> str | None:
        """Return the join; of several the one whose farthest branch, then whose branches together, are nearest."""
        starts = dict.fromkeys(edge.target for edge in self.graph.outgoing[component])
        for past_joins in (False, True):
            reached: dict[str, list[int]] = {}
            for start in starts:
                for join, distance in self._joins_from(start, component, past_joins):
                    reached.setdefault(join, []).append(distance)
            common = [(max(far), sum(far), join) for join, far in reached.items() if len(far) == len(starts)]
            if common:
                return min(common)[2]
        return None

    def _joins_from(self, start: str, component: str, past_joins: bool) -> Iterator[tuple[str, int]]:
        """Yield the joins on the branch that begins at `start`, with their distance; those of inner components not.

        The search ends at joins, and only if no join is common to all branches does it look past them.
        """
        seen = {component, start}
        layer = [(start, 0)]  # node, and how many inner components are open there
        distance = 0
        while layer:
            beyond = []
            for node, inner in layer:
                self.steps -= 1
                if self.steps < 0:
                    return
                match self.kinds.get(node):
                    case Kind.PARALLEL:
                        inner += 1
                    case Kind.FAN_IN if inner:
                        inner -= 1
                    case Kind.FAN_IN:
                        yield node, distance
                        if not past_joins:
                            continue
                    case _:
                        pass
                for edge in self.graph.outgoing[node]:
                    if edge.target not in seen:
                        seen.add(edge.target)
                        beyond.append((edge.target, inner))
            layer = beyond
            distance += 1
