"""What several rules ask of a resolved graph, each computed once, when first asked for."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from . import flow
from .graph import Graph, Kind


class Analysis:
    """Questions about a graph that has gone through the passes; every answer is a plain value."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def of_kind(self, kind: Kind) -> Sequence[str]:
        """Return the nodes of `kind`, in order of first mention."""
        return self._by_kind.get(kind, ())

    @cached_property
    def _by_kind(self) -> Mapping[Kind, Sequence[str]]:
        found: dict[Kind, list[str]] = {}
        for node, kind in self.graph.kinds.items():
            found.setdefault(kind.value, []).append(node)
        return found

    @cached_property
    def starts(self) -> Sequence[str]:
        return self.of_kind(Kind.START)

    @cached_property
    def exits(self) -> Sequence[str]:
        return self.of_kind(Kind.EXIT)

    @cached_property
    def successors(self) -> flow.Adjacency:
        """Node -> the targets of its edges, in order of declaration."""
        return {node: [edge.target for edge in edges] for node, edges in self.graph.outgoing.items()}

    @cached_property
    def predecessors(self) -> flow.Adjacency:
        return {node: [edge.source for edge in edges] for node, edges in self.graph.incoming.items()}

    @cached_property
    def reachable(self) -> frozenset[str]:
        """What edges lead to from the starts."""
        return flow.reachable(self.successors, self.starts)

    @cached_property
    def reachable_with_retries(self) -> frozenset[str]:
        """What edges and the retry targets of reached nodes lead to."""
        on_fail = self.graph.on_fail
        ways = {node: [*targets, *on_fail.get(node, ())] for node, targets in self.successors.items()}
        return flow.reachable(ways, self.starts)

    @cached_property
    def reaches_exit(self) -> frozenset[str]:
        """The nodes from which edges lead to an exit; exits are among them."""
        return flow.reachable(self.predecessors, self.exits)

    @cached_property
    def components(self) -> Sequence[frozenset[str]]:
        """The cyclic strongly connected components: of two nodes or more, or of one with an edge to itself."""
        return [
            frozenset(members)
            for members in flow.components(self.successors)
            if len(members) > 1 or members[0] in self.successors[members[0]]
        ]

    @cached_property
    def component_of(self) -> Mapping[str, int]:
        """Node on a cycle -> index into `components`."""
        return {node: at for at, members in enumerate(self.components) for node in members}

    @cached_property
    def dominators(self) -> Mapping[str, str]:
        """Node -> the last node that every way from the first start to it passes; only nodes that can be reached."""
        return flow.immediate_dominators(self.successors, self.starts[0]) if self.starts else {}

    def dominates(self, first: str, second: str) -> bool:
        """Return whether every way from the start to `second` passes `first` (or is it); false out of reach."""
        above = self.dominators
        at: str | None = second
        while at is not None:
            if at == first:
                return first in above or first == (self.starts or ("",))[0]
            at = above.get(at)
        return False

    @cached_property
    def domains(self) -> Mapping[str, frozenset[str]]:
        """Node -> the outcome words with which its edges may have to deal.

        A stage's `retry` is among them only where one of its conditions names it: elsewhere it leads to another
        attempt, and to fail or partial_success when those are spent.
        """
        named = self.retry_routed
        return {
            node: frozenset(words)
            if node in named or self.graph.kinds[node].value is Kind.CONDITIONAL
            else frozenset(words) - {"retry"}
            for node, words in self.graph.outcomes.items()
        }

    @cached_property
    def retry_routed(self) -> frozenset[str]:
        """The nodes with an edge whose condition names `outcome=retry`."""
        wanted = ("outcome", "=", "retry")
        return frozenset(edge.source for edge in self.graph.edges if any(wanted == c[:3] for c in edge.condition))
