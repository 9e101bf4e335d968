"""Rules about attributes that have no effect where they stand, or that should stand and do not."""

import re
from collections.abc import Iterator, Mapping, Sequence

from ..attributes import read_str, specs
from ..diagnostics import Diagnostic, Edit, Fix, Severity
from ..graph import Attribute, Edge, Kind, Level, Node
from .facts import kind_of
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "attr_ignored_for_handler",
        Severity.WARNING,
        "an attribute that this kind of node does not use",
        "The prompt of a diamond never runs, and the command of an LLM stage neither: usually the shape is wrong.",
    ),
    Rule(
        "start_shape",
        Severity.INFO,
        "a node is the start or an exit only by its id",
        "It is understood, but other engines and people go by the shape, and Graphviz draws a plain box.",
        fix="safe",
    ),
    Rule(
        "thread_id_requires_fidelity_full",
        Severity.WARNING,
        "a thread_id has no effect, because the fidelity there is not full",
        "Only stages of fidelity full share a session; with any other the stage begins a new one each time.",
    ),
)

_ADVICE: Mapping[tuple[Kind, str], str] = {
    (Kind.TOOL, "prompt"): "a tool runs tool_command and asks no model",
    (Kind.CONDITIONAL, "prompt"): "a diamond routes on the outcome of the stage before it; ask there, or use shape=box",
    (Kind.CODERGEN, "tool_command"): "use shape=parallelogram to run a command",
    (Kind.HUMAN, "timeout"): "use human.timeout",
    (Kind.FAN_IN, "join_policy"): "the component that fans out has it",
    (Kind.FAN_IN, "error_policy"): "the component that fans out has it",
    (Kind.PARALLEL, "merge"): "the tripleoctagon that joins the branches has it",
}
_BEHIND_ID = r"\s*+(?:(?P<open>\[)(?P<close>\s*+\])?|(?=[A-Za-z_;}]|\Z))"


def check_kinds(project: Project) -> Iterator[Diagnostic]:
    """attr_ignored_for_handler: only what stands on the node itself; a default is for those it suits."""
    graph = project.graph
    table = specs("node")
    for node in graph.nodes.values():
        kind = kind_of(graph, node.id)
        for key, attribute in node.attributes.items():
            spec = table.get(key)
            if kind is None or spec is None or not spec.kinds or kind in spec.kinds or attribute.level is not Level.OWN:
                continue
            yield Diagnostic(
                "attr_ignored_for_handler",
                attribute.key_span,
                f'"{key}" has no effect on a node of kind {kind}; it is for {_kinds(spec.kinds)}',
                subject=node.id,
                help=_ADVICE.get((kind, key), ""),
            )


def check_start_shape(project: Project) -> Iterator[Diagnostic]:
    """start_shape."""
    graph = project.graph
    for node in graph.nodes.values():
        kind = graph.kinds.get(node.id)
        if kind is None or kind.origin.source != "derived":
            continue
        shape = "Mdiamond" if kind.value is Kind.START else "Msquare"
        yield Diagnostic(
            "start_shape",
            node.span,
            f'"{node.id}" is {"the start" if kind.value is Kind.START else "an exit"} by its id only; '
            f"give it shape={shape}",
            subject=node.id,
            fix=_shape_fix(node, shape) if node.declared else None,
        )


def _shape_fix(node: Node, shape: str) -> Fix | None:
    """Insert the shape into the node's brackets, or with new ones; None where a comment stands between."""
    source, at = node.span.source, node.span.end
    behind = re.compile(_BEHIND_ID).match(source.text, at)
    if behind is None:
        return None
    if behind["open"]:
        at = behind.end("open")
        text = f"shape={shape}" if behind["close"] else f"shape={shape}, "
    else:
        text = f" [shape={shape}]"
    return Fix(f"add shape={shape}", (Edit(source.span(at, at), text),))


def check_threads(project: Project) -> Iterator[Diagnostic]:
    """thread_id_requires_fidelity_full, on nodes and edges; a graph's default thread is for those it suits."""
    graph = project.graph
    for node in graph.nodes.values():
        thread, memory = node.attributes.get("thread_id"), graph.memories.get(node.id)
        if thread is None or not thread.text or memory is None or memory.fidelity.value in ("full", ""):
            continue
        if not any(_fidelity(edge) == "full" for edge in graph.incoming[node.id]):
            yield _lone_thread(thread, memory.fidelity.value, node.id)
    for edge in graph.edges:
        thread, memory = edge.attributes.get("thread_id"), graph.memories.get(edge.target)
        fidelity = _fidelity(edge) or (memory.fidelity.value if memory is not None else "")
        if thread is not None and thread.text and fidelity not in ("full", ""):
            yield _lone_thread(thread, fidelity, edge.name)


def _fidelity(edge: Edge) -> str:
    return read_str(edge.attributes, specs("edge")["fidelity"]) or ""


def _lone_thread(thread: Attribute, fidelity: str, subject: str) -> Diagnostic:
    return Diagnostic(
        "thread_id_requires_fidelity_full",
        thread.key_span,
        f"thread_id has no effect with fidelity {fidelity}; add fidelity=full, or remove it",
        subject=subject,
    )


def _kinds(kinds: Sequence[str]) -> str:
    return f"{', '.join(kinds[:-1])} and {kinds[-1]}" if len(kinds) > 1 else kinds[0]


CHECKS: tuple[Check, ...] = (check_kinds, check_start_shape, check_threads)
