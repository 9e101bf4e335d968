"""Which of the places that may set an attribute wins: node, stylesheet, node default, graph, the table's default."""

from typing import TypeVar

from .attributes import AttributeSpec, Value, origin_of, read, specs
from .graph import Attribute, Attributes, Graph, Level, Node, Origin, Sourced

T = TypeVar("T")


def winning(graph: Graph, node: Node, name: str) -> Attribute | None:
    """Return the attribute of `node` that holds: its own, else the stylesheet's, else a `node [..]` default's."""
    written = node.attributes.get(name)
    if written is not None and written.level is Level.OWN:
        return written
    styled = graph.styled.get(node.id)
    return written if styled is None else styled.get(name, written)


def node_value(graph: Graph, node: Node, spec: AttributeSpec) -> Sourced[Value] | None:
    """Return the first usable value of a node's attribute and where it came from; None when no place sets one."""
    written = node.attributes.get(spec.name)
    styled = graph.styled.get(node.id, {}).get(spec.name)
    if written is None and styled is None:
        return None
    own_first = written is not None and written.level is Level.OWN
    for attribute in (written, styled) if own_first else (styled, written):
        if attribute is not None:
            found = attribute_value({spec.name: attribute}, spec)
            if found is not None:
                return found
            if not attribute.text:  # "" unsets what stands below it
                return None
    return None


def attribute_value(attributes: Attributes, spec: AttributeSpec) -> Sourced[Value] | None:
    """Return the value that `attributes` set for `spec`, with its origin; None when it is absent, unset or wrong."""
    attribute = attributes.get(spec.name)
    if attribute is None:
        return None
    value = read(attributes, spec)
    return None if value is None else Sourced(value, origin_of(attribute, spec.scope))


def graph_value(graph: Graph, name: str) -> Sourced[Value]:
    """Return the value of a graph attribute: as written, else the table's default."""
    spec = specs("graph")[name]
    return attribute_value(graph.attributes, spec) or Sourced(spec.default, Origin("built-in", None, name))


def typed(found: Sourced[Value] | None, of: type[T]) -> Sourced[T] | None:
    """Narrow a value to exactly the type `of`: a bool is no int here; durations are ints of milliseconds."""
    if found is None or type(found.value) is not of:
        return None
    return Sourced(found.value, found.origin)
