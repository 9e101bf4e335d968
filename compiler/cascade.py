"""Which of the places that may set an attribute wins: node, stylesheet, node default, graph, the table's default."""

from typing import TypeVar, cast

from .attributes import AttributeSpec, Value, origin_of, read_value, specs
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
    of_style = graph.styled.get(node.id)
    styled = None if of_style is None else of_style.get(spec.name)
    if styled is None:
        return None if written is None else _sourced(written, spec)
    own_first = written is not None and written.level is Level.OWN
    for attribute in (written, styled) if own_first else (styled, written):
        if attribute is not None:
            found = _sourced(attribute, spec)
            if found is not None:
                return found
            if not attribute.text:  # "" unsets what stands below it
                return None
    return None


def attribute_value(attributes: Attributes, spec: AttributeSpec) -> Sourced[Value] | None:
    """Return the value that `attributes` set for `spec`, with its origin; None when it is absent, unset or wrong."""
    attribute = attributes.get(spec.name)
    return None if attribute is None else _sourced(attribute, spec)


def _sourced(attribute: Attribute, spec: AttributeSpec) -> Sourced[Value] | None:
    value = read_value(attribute, spec).value
    return None if value is None or value in ("", ()) else Sourced(value, origin_of(attribute, spec.scope))


def graph_value(graph: Graph, name: str) -> Sourced[Value]:
    """Return the value of a graph attribute: as written, else the table's default."""
    spec = specs("graph")[name]
    return attribute_value(graph.attributes, spec) or Sourced(spec.default, Origin("built-in", None, name))


def typed(found: Sourced[Value] | None, of: type[T]) -> Sourced[T] | None:
    """Narrow a value to exactly the type `of`: a bool is no int here; durations are ints of milliseconds."""
    return None if found is None or type(found.value) is not of else cast(Sourced[T], found)
