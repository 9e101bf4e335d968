"""Set the limits that end a run which goes in circles: restarts, repeated failures, visits of each node."""

from ..attributes import specs
from ..cascade import attribute_value, graph_value, typed
from ..graph import Bounds, Graph, Origin, Sourced
from ..run_config import RunConfig


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    spec = specs("node")["max_visits"]
    visits = _limit(graph, "max_node_visits")
    return graph._replace(
        bounds=Bounds(
            max_restarts=_limit(graph, "max_restarts"),
            signature_limit=_limit(graph, "loop_restart_signature_limit"),
            persist_keys=_persist_keys(graph),
            max_visits={
                node.id: typed(attribute_value(node.attributes, spec), int) or visits for node in graph.nodes.values()
            },
        ),
    )


def _limit(graph: Graph, name: str) -> Sourced[int]:
    limit = typed(graph_value(graph, name), int)
    assert limit is not None, name  # noqa: S101 - the table has a default for each
    return limit


def _persist_keys(graph: Graph) -> Sourced[tuple[str, ...]]:
    keys, origin = graph_value(graph, "loop_restart_persist_keys")
    return Sourced(tuple(dict.fromkeys(keys)), origin) if isinstance(keys, tuple) else Sourced((), Origin("built-in"))
