"""Set for each node which declarations of the model stylesheet hold; the node's own attributes are not looked at."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..attributes import specs
from ..graph import Attribute, Attributes, Graph, Node
from ..run_config import RunConfig
from ..stylesheet import StyleRule, parse_stylesheet


class _Declared(NamedTuple):
    order: int  # of its rule
    attribute: Attribute


Declarations = Mapping[str, _Declared]
_NONE: Declarations = {}


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    sheet = graph.attributes.get("model_stylesheet")
    if sheet is None or not sheet.text.strip():
        return graph
    by_selector = _by_selector(parse_stylesheet(sheet.value)[0])
    shape_by_default = str(specs("node")["shape"].default)
    alike: dict[tuple[str, tuple[str, ...]], Attributes] = {}  # nodes of one shape and the same classes share theirs
    styled: dict[str, Attributes] = {}
    for node in graph.nodes.values():
        look = _shape(node, shape_by_default), node.classes
        if look not in alike:
            alike[look] = _cascade(by_selector, *look)
        own = by_selector.get(("id", node.id), _NONE)
        found = {**alike[look], **_attributes(own)} if own else alike[look]
        if found:
            styled[node.id] = found
    return graph._replace(styled=styled)


def _shape(node: Node, by_default: str) -> str:
    shape = node.attributes.get("shape")
    return shape.text if shape is not None else by_default


def _by_selector(rules: Sequence[StyleRule]) -> Mapping[tuple[str, str], Declarations]:
    """Return what each selector declares; of two declarations of the same property the later holds."""
    found: dict[tuple[str, str], dict[str, _Declared]] = {}
    for order, rule in enumerate(rules):
        declared = found.setdefault((rule.kind, rule.name), {})
        declared.update({attribute.key: _Declared(order, attribute) for attribute in rule.declarations})
    return found


def _cascade(by_selector: Mapping[tuple[str, str], Declarations], shape: str, classes: Sequence[str]) -> Attributes:
    """Return what holds by `*`, then the shape, then the classes, among which the later rule wins."""
    of_classes: dict[str, _Declared] = {}
    for name in classes:
        for key, declared in by_selector.get(("class", name), _NONE).items():
            if key not in of_classes or of_classes[key].order < declared.order:
                of_classes[key] = declared
    star, of_shape = by_selector.get(("*", ""), _NONE), by_selector.get(("shape", shape), _NONE)
    return _attributes({**star, **of_shape, **of_classes})


def _attributes(declarations: Declarations) -> Attributes:
    return {key: declared.attribute for key, declared in declarations.items()}
