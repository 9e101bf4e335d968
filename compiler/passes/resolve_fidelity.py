"""Set how much each stage sees of what went before, and which session it shares; an edge may say otherwise."""

from ..attributes import specs
from ..cascade import attribute_value, graph_value, typed
from ..graph import Graph, Memory, Origin, Sourced
from ..run_config import RunConfig


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    table = specs("node")
    by_default = Memory(
        fidelity=typed(graph_value(graph, "default_fidelity"), str) or Sourced("", Origin("built-in")),
        thread=typed(graph_value(graph, "default_thread_id"), str) or Sourced("", Origin("built-in")),
    )
    memories: dict[str, Memory] = {}
    for node in graph.nodes.values():
        fidelity = typed(attribute_value(node.attributes, table["fidelity"]), str)
        thread = typed(attribute_value(node.attributes, table["thread_id"]), str)
        if fidelity is None and thread is None:
            memories[node.id] = by_default
        else:
            memories[node.id] = Memory(fidelity or by_default.fidelity, thread or by_default.thread)
    return graph._replace(memories=memories)
