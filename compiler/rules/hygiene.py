"""Rules about what a graph says without meaning it: defaults that reach too far, ids and shapes that clash."""

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Attribute, Graph, Kind, Level
from ..passes.resolve_kinds import KIND_OF_SHAPE
from ..source import Span
from .facts import WORKING, kind_of, some
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "shape_type_conflict",
        Severity.WARNING,
        "the shape and the type of a node stand for different kinds",
        "The type holds. Who looks at the drawing, or uses an engine that goes by the shape, sees another pipeline.",
    ),
    Rule(
        "id_case_collision",
        Severity.WARNING,
        "the ids of two nodes differ in capital letters only",
        "They are two stages, and one folder of results on a file system that does not tell the letters apart, "
        "as those of macOS and Windows.",
    ),
    Rule(
        "default_block_leak",
        Severity.WARNING,
        "a default reaches nodes or edges for which it cannot have been meant",
        "`node [..]` and `edge [..]` hold for all that follows in their scope: also for the start, the exits, and the "
        "edges between them.",
    ),
    Rule(
        "unused_default",
        Severity.INFO,
        "a default stands behind all that it could hold for",
        "Defaults hold for what follows them. This one changes nothing; it was probably meant to stand further up.",
    ),
)

_LEAKING_EDGE_KEYS = ("condition", "loop_restart")


def check_shapes(project: Project) -> Iterator[Diagnostic]:
    """shape_type_conflict: both on the node itself. default_block_leak: a default type over a node's own shape."""
    graph = project.graph
    leaks: dict[Span, tuple[Attribute, list[str]]] = {}
    for node in graph.nodes.values():
        type_, shape = node.attributes.get("type"), node.attributes.get("shape")
        kind = kind_of(graph, node.id)
        if type_ is None or shape is None or kind is None or shape.level is not Level.OWN or not type_.text.strip():
            continue
        drawn = KIND_OF_SHAPE.get(shape.text.strip())
        if drawn is None or drawn is kind:
            continue
        if type_.level is Level.DEFAULT:
            leaks.setdefault(type_.value_span, (type_, []))[1].append(node.id)
        elif not (kind is Kind.CODERGEN and drawn is Kind.CODERGEN):
            yield Diagnostic(
                "shape_type_conflict",
                type_.value_span,
                f'the type of "{node.id}", {kind}, holds, but its shape, {shape.text.strip()}, is that of {drawn}; '
                f"give it shape={_shape_of(kind)}, or drop the type",
                subject=node.id,
                related=(Related(shape.value_span, "the shape"),),
            )
    for attribute, nodes in leaks.values():
        yield _leak(graph, attribute, nodes, f"type={attribute.text.strip()} overrides the shape of {some(nodes, 3)}")


def _shape_of(kind: Kind) -> str:
    return next(shape for shape, each in KIND_OF_SHAPE.items() if each is kind)


def check_leaks(project: Project) -> Iterator[Diagnostic]:
    """default_block_leak: goal gates that do no work, conditions and restarts out of the start."""
    graph = project.graph
    gates: dict[Span, tuple[Attribute, list[str]]] = {}
    for node in graph.nodes.values():
        gate = node.attributes.get("goal_gate")
        everywhere = gate is not None and gate.level is Level.DEFAULT and gate.text.strip() == "true"
        if gate is not None and everywhere and kind_of(graph, node.id) not in WORKING:
            gates.setdefault(gate.value_span, (gate, []))[1].append(node.id)
    for attribute, nodes in gates.values():
        yield _leak(graph, attribute, nodes, f"goal_gate=true also reaches {some(nodes, 3)}, which do no work")
    edges: dict[Span, tuple[Attribute, list[str]]] = {}
    for start in project.analysis.starts:
        for edge in graph.outgoing[start]:
            for key in _LEAKING_EDGE_KEYS:
                found = edge.attributes.get(key)
                if found is not None and found.level is Level.DEFAULT and found.text.strip() not in {"", "false"}:
                    edges.setdefault(found.value_span, (found, []))[1].append(edge.name)
    for attribute, names in edges.values():
        yield _leak(graph, attribute, names, f"every edge that follows has this {attribute.key}, also {some(names, 2)}")


def _leak(graph: Graph, attribute: Attribute, subjects: list[str], message: str) -> Diagnostic:
    nodes = graph.nodes
    place = attribute.key_span.to(attribute.value_span)
    related = tuple(Related(nodes[each].span, f'"{each}"') for each in subjects[:3] if each in nodes)
    help_ = "write it where it is meant, or put what it is meant for into a subgraph with a default of its own"
    return Diagnostic("default_block_leak", place, message, subject=attribute.key, related=related, help=help_)


def check_ids(project: Project) -> Iterator[Diagnostic]:
    """id_case_collision."""
    first: dict[str, str] = {}
    nodes = project.graph.nodes
    for id_ in nodes:
        other = first.setdefault(id_.lower(), id_)
        if other != id_:
            yield Diagnostic(
                "id_case_collision",
                nodes[id_].span,
                f'"{id_}" and "{other}" differ in capital letters only; give one of them another name',
                subject=id_,
                related=(Related(nodes[other].span, f'"{other}"'),),
            )


CHECKS: tuple[Check, ...] = (check_shapes, check_leaks, check_ids)
