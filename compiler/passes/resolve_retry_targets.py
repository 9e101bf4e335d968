"""Set where each node goes after a failure that nothing routes; a goal gate also has the graph's targets."""

from collections.abc import Sequence

from ..attributes import read_bool, read_str, specs
from ..graph import Attributes, Graph
from ..run_config import RunConfig

TARGETS = ("retry_target", "fallback_retry_target")


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    of_graph = _targets(graph, graph.attributes, "graph")
    gate = specs("node")["goal_gate"]
    on_fail: dict[str, Sequence[str]] = {}
    for node in graph.nodes.values():
        targets = _targets(graph, node.attributes, "node")
        if read_bool(node.attributes, gate):
            targets += of_graph
        on_fail[node.id] = tuple(dict.fromkeys(targets))
    return graph._replace(on_fail=on_fail)


def _targets(graph: Graph, attributes: Attributes, scope: str) -> list[str]:
    """Return the targets that name a node; a rule reports the others."""
    table = specs(scope)
    named = [read_str(attributes, table[name]) for name in TARGETS if name in attributes]
    return [target for target in named if target is not None and target in graph.nodes]
