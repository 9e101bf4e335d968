"""Set every node's kind from its `type`, its shape, or its id; a node whose type or shape is unknown gets none."""

from collections.abc import Mapping

from ..attributes import origin_of, specs
from ..graph import Graph, Kind, Level, Node, Origin, Sourced
from ..run_config import RunConfig

KIND_OF_SHAPE: Mapping[str, Kind] = {
    "Mdiamond": Kind.START,
    "circle": Kind.START,
    "Msquare": Kind.EXIT,
    "doublecircle": Kind.EXIT,
    "box": Kind.CODERGEN,
    "hexagon": Kind.HUMAN,
    "diamond": Kind.CONDITIONAL,
    "component": Kind.PARALLEL,
    "tripleoctagon": Kind.FAN_IN,
    "parallelogram": Kind.TOOL,
    "house": Kind.MANAGER,
}
KIND_OF_ID: Mapping[str, Kind] = {"start": Kind.START, "exit": Kind.EXIT, "end": Kind.EXIT}
KIND_OF_TYPE: Mapping[str, Kind] = {kind.value: kind for kind in Kind}


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    by_default = Sourced(KIND_OF_SHAPE[str(specs("node")["shape"].default)], Origin("built-in", None, "shape"))
    kinds = {node.id: kind for node in graph.nodes.values() if (kind := _kind(node, by_default)) is not None}
    return graph._replace(kinds=kinds)


def _kind(node: Node, by_default: Sourced[Kind]) -> Sourced[Kind] | None:
    """Return the kind by type, own shape, id, shape by default: the first of them that the node has."""
    attributes = node.attributes
    given = attributes.get("type")
    if given is not None and given.text:
        kind = KIND_OF_TYPE.get(given.text)
        return None if kind is None else Sourced(kind, origin_of(given, "node"))
    shape = attributes.get("shape")
    if shape is None or shape.level is not Level.OWN:
        by_id = KIND_OF_ID.get(node.id.lower())
        if by_id is not None:
            return Sourced(by_id, Origin("derived", node.span, "id"))
    if shape is None:
        return by_default
    kind = KIND_OF_SHAPE.get(shape.text)
    return None if kind is None else Sourced(kind, origin_of(shape, "node"))
