"""Rules about what a node is: its shape, its type, and what its kind cannot do without."""

from collections.abc import Iterator

from ..attributes import specs
from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..graph import Attribute, Kind, Node
from ..source import Span
from ..suggest import closest, did_you_mean
from .facts import some, word
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "type_known",
        Severity.ERROR,
        "the type of a node is not known",
        "Other engines run a node of unknown type as an LLM stage, without a word. Here it is refused.",
        spec=True,
        fix="unsafe",
    ),
    Rule(
        "shape_unknown",
        Severity.ERROR,
        "the shape of a node stands for no kind of stage",
        "Shapes say what a node does. Other engines run an unknown one as an LLM stage, without a word; "
        "here it is refused, unless `type` says what the node is.",
        spec=True,  # such a node has no kind, so that no plan could be written
        fix="unsafe",
    ),
    Rule(
        "manager_has_child_graph",
        Severity.ERROR,
        "a manager stage has no child pipeline",
        "A manager (shape house) supervises the pipeline that the graph's `stack.child_dotfile` names; "
        "without one it fails on every attempt.",
        spec=True,  # the child is compiled into the plan
    ),
)

# What people write who mean another thing: from Graphviz, and from other engines.
MEANT_SHAPE = {"rect": "box", "rectangle": "box", "square": "box", "ellipse": "box", "oval": "box", "plaintext": "box"}
MEANT_TYPE = {
    "agent": "codergen", "llm": "codergen", "prompt": "codergen", "human": "wait.human", "command": "tool",
    "shell": "tool", "script": "tool", "branch": "conditional", "fan_in": "parallel.fan_in", "fan_out": "parallel",
    "manager": "stack.manager_loop", "end": "exit", "terminal": "exit",
}  # fmt: skip


def check_kinds(project: Project) -> Iterator[Diagnostic]:
    """type_known, shape_unknown: one finding per place, however many nodes a default reaches."""
    types, shapes = specs("node")["type"].enum, specs("node")["shape"].enum
    wrong: dict[Span, tuple[str, Attribute, list[Node]]] = {}
    for node in project.graph.nodes.values():
        type_, shape = node.attributes.get("type"), node.attributes.get("shape")
        if type_ is not None and type_.text.strip():
            if type_.text.strip() not in types:
                wrong.setdefault(type_.value_span, ("type_known", type_, []))[2].append(node)
        elif shape is not None and shape.text.strip() and shape.text.strip() not in shapes:
            wrong.setdefault(shape.value_span, ("shape_unknown", shape, []))[2].append(node)
    for rule, attribute, nodes in wrong.values():
        known, meant = (types, MEANT_TYPE) if rule == "type_known" else (shapes, MEANT_SHAPE)
        yield _unknown(rule, attribute, [node.id for node in nodes], known, meant)


def _unknown(
    rule: str, attribute: Attribute, nodes: list[str], known: tuple[str, ...], meant: dict[str, str]
) -> Diagnostic:
    written = attribute.text.strip()
    near = [meant[written.lower()]] if written.lower() in meant else closest(written, known, 2)
    hint = did_you_mean(written, known) if written.lower() not in meant else f'did you mean "{near[0]}"?'
    return Diagnostic(
        rule,
        attribute.value_span,
        f'{attribute.key} "{written}" of {some(nodes)} is no kind of stage; {hint or "there are " + ", ".join(known)}',
        subject=nodes[0],
        fix=Fix(f'write "{near[0]}"', (Edit(attribute.value_span, f'"{near[0]}"'),), safe=False)
        if len(near) == 1
        else None,
    )


def check_manager(project: Project) -> Iterator[Diagnostic]:
    """manager_has_child_graph."""
    graph = project.graph
    if word(graph.attributes, "stack.child_dotfile", "graph"):
        return
    for id_ in project.analysis.of_kind(Kind.MANAGER):
        yield Diagnostic(
            "manager_has_child_graph",
            graph.nodes[id_].span,
            f'"{id_}" is a manager, but the graph names no child pipeline; '
            'write stack.child_dotfile="child.dot" among the graph\'s attributes',
            subject=id_,
        )


CHECKS: tuple[Check, ...] = (check_kinds, check_manager)
