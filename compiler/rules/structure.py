"""Rules about the graph's shape: one way in, a way out, nothing that hangs in the air."""

from collections.abc import Iterator, Sequence

from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..graph import Edge, Graph, Kind, Node
from ..passes.resolve_kinds import KIND_OF_ID
from ..source import Span
from ..suggest import did_you_mean
from .facts import Nearby, closed_loops, kind_of, some
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "start_node",
        Severity.ERROR,
        "the pipeline has no start node, or more than one",
        "A run begins at the one node of shape Mdiamond; without it there is no beginning, with two it is a guess.",
        spec=True,
        whole=True,
    ),
    Rule(
        "terminal_node",
        Severity.ERROR,
        "the pipeline has no exit node",
        "A run ends at a node of shape Msquare, where goal gates are checked; without one it cannot end well. "
        "Several exits are fine.",
        spec=True,
        whole=True,
    ),
    Rule(
        "start_no_incoming",
        Severity.ERROR,
        "an edge leads into the start node",
        "The start only marks where a run begins. To begin again, lead the edge to the first stage, "
        "with loop_restart=true if the context shall be fresh.",
        spec=True,
    ),
    Rule(
        "exit_no_outgoing",
        Severity.ERROR,
        "an edge leads out of an exit node",
        "A run that reaches an exit is over, so the edge is never followed.",
        spec=True,
    ),
    Rule(
        "reachability",
        Severity.ERROR,
        "no way leads from the start to a node",
        "The stage never runs: nearly always an edge was forgotten, or leads to another node than was meant.",
        spec=True,
        whole=True,
    ),
    Rule(
        "exit_reachable",
        Severity.ERROR,
        "no way leads from the start to any exit",
        "Whatever the stages report, the run cannot end well: it goes round until a limit stops it, or gets stuck.",
        whole=True,
    ),
    Rule(
        "edge_target_exists",
        Severity.ERROR,
        "an edge names a node that no statement declares",
        "Graphviz invents the missing node. Here it would be a live LLM stage whose only prompt is its own name, "
        "so a typing mistake would cost money and go unnoticed.",
        spec=True,
        fix="unsafe",
        whole=True,
    ),
    Rule(
        "conditional_outgoing",
        Severity.WARNING,
        "a conditional node has a single edge",
        "A diamond chooses among edges; with one there is nothing to choose, and a branch was probably lost.",
        whole=True,
    ),
    Rule(
        "dead_end_node",
        Severity.ERROR,
        "a node that is no exit has no edge",
        "A run that gets there cannot go on: it fails although the stage succeeded. Other engines report success "
        "without ever having reached an exit, and so without having checked a goal gate.",
        whole=True,
    ),
    Rule(
        "cannot_reach_exit",
        Severity.ERROR,
        "from a node on, no way leads to an exit",
        "Once the run has taken this turn it can only fail, however well its stages do.",
        whole=True,
    ),
    Rule(
        "direction_valid",
        Severity.WARNING,
        "rankdir is not one of TB, LR, BT, RL",
        "Graphviz ignores any other word and draws from top to bottom.",
    ),
)

DIRECTIONS = ("TB", "LR", "BT", "RL")


def check_ends(project: Project) -> Iterator[Diagnostic]:
    """start_node, terminal_node, start_no_incoming, exit_no_outgoing."""
    graph, analysis = project.graph, project.analysis
    if not analysis.starts:
        yield Diagnostic(
            "start_node", graph.name_span, f'"{graph.name}" has no start node; give one node shape=Mdiamond',
            subject=graph.name,
        )  # fmt: skip
    for id_ in analysis.starts[1:]:
        yield Diagnostic(
            "start_node",
            graph.nodes[id_].span,
            f'"{id_}" is a second start node; a pipeline has exactly one',
            subject=id_,
            related=(Related(graph.nodes[analysis.starts[0]].span, f'"{analysis.starts[0]}" is the first'),),
        )
    if not analysis.exits:
        yield Diagnostic(
            "terminal_node", graph.name_span, f'"{graph.name}" has no exit node; give at least one node shape=Msquare',
            subject=graph.name,
        )  # fmt: skip
    for start in analysis.starts:
        for edge in graph.incoming[start]:
            yield Diagnostic(
                "start_no_incoming",
                edge.span,
                f'this edge leads into the start node "{start}"; lead it to the stage that shall run again',
                subject=edge.name,
            )
    for exit_ in analysis.exits:
        for edge in graph.outgoing[exit_]:
            yield Diagnostic(
                "exit_no_outgoing",
                edge.span,
                f'this edge leads out of the exit node "{exit_}", where the run is over; drop it',
                subject=edge.name,
            )


def check_reachability(project: Project) -> Iterator[Diagnostic]:
    """reachability, exit_reachable."""
    graph, analysis = project.graph, project.analysis
    if not analysis.starts:
        return
    for node in graph.nodes.values():
        if node.declared and node.id not in analysis.reachable_with_retries:
            yield Diagnostic("reachability", node.span, _why_unreached(graph, node), subject=node.id)
    start = analysis.starts[0]
    if analysis.exits and start not in analysis.reaches_exit:
        yield Diagnostic(
            "exit_reachable",
            graph.nodes[start].span,
            f'no way leads from "{start}" to {"an" if len(analysis.exits) > 1 else "the"} exit'
            f" ({some(analysis.exits)})",
            subject=start,
            help="lead an edge from a stage that the run reaches to an exit",
        )


def _why_unreached(graph: Graph, node: Node) -> str:
    sources = list(dict.fromkeys(edge.source for edge in graph.incoming[node.id] if edge.source != node.id))
    if not sources:
        return f'no edge leads to "{node.id}"; add one, or remove the node'
    return (
        f'"{node.id}" cannot be reached from the start; edges lead to it only from {some(sources)}, not reached either'
    )


def check_undeclared(project: Project) -> Iterator[Diagnostic]:
    """edge_target_exists."""
    graph = project.graph
    missing = [node for node in graph.nodes.values() if not node.declared]
    if not missing:
        return
    nearby = Nearby(node.id for node in graph.nodes.values() if node.declared)
    starts = _statement_starts(graph)
    for node in missing:
        mentions = sorted(
            {edge.source_span for edge in graph.outgoing[node.id]}
            | {edge.target_span for edge in graph.incoming[node.id]},
            key=lambda span: span.start,
        )
        place = mentions[0] if mentions else node.span
        near = nearby.closest(node.id)
        yield Diagnostic(
            "edge_target_exists",
            place,
            f'"{node.id}" is not declared; '
            + (Nearby.hint(near) or f"declare it, as in `{node.id} [{_attributes(node)}]`"),
            subject=node.id,
            related=tuple(Related(span, "also named here") for span in mentions[1:4]),
            fix=_renamed(node, mentions, near) or _declared(graph, node, starts),
        )


def _renamed(node: Node, mentions: Sequence[Span], near: Sequence[str]) -> Fix | None:
    """Return the fix for a misspelt id, when only one declared node can be meant: `step_2` is no misspelt `step_1`."""
    if len(near) != 1 or node.id.strip("0123456789_") == near[0].strip("0123456789_"):
        return None
    return Fix(f'write "{near[0]}"', tuple(Edit(span, near[0]) for span in mentions), safe=False)


def _declared(graph: Graph, node: Node, starts: Sequence[int]) -> Fix:
    at = starts[min(edge.order for edge in (*graph.outgoing[node.id], *graph.incoming[node.id]))]
    text = graph.source.text
    blanks = text[text.rfind("\n", 0, at) + 1 : at]
    gap = f"\n{blanks}" if not blanks.strip() else " "
    shape, _, _ = _attributes(node).partition(",")
    edit = Edit(graph.source.span(at, at), f"{node.id} [{shape}]{gap}")
    return Fix(f'declare "{node.id}"', (edit,), safe=False)


def _attributes(node: Node) -> str:
    """Return what a declaration of the node would say: its id may tell that it is the start or an exit."""
    match KIND_OF_ID.get(node.id.lower()):
        case Kind.START:
            return "shape=Mdiamond"
        case Kind.EXIT:
            return "shape=Msquare"
        case _:
            return 'shape=box, prompt="..."'


def _statement_starts(graph: Graph) -> list[int]:
    """Return for each edge where its statement begins: a chain gives several edges."""
    starts: list[int] = []
    before: Edge | None = None
    for edge in graph.edges:
        chained = before is not None and before.target_span == edge.source_span
        starts.append(starts[-1] if chained else edge.source_span.start)
        before = edge
    return starts


def check_ways_on(project: Project) -> Iterator[Diagnostic]:
    """conditional_outgoing, dead_end_node, cannot_reach_exit: each names the place where the way is lost, once."""
    graph, analysis = project.graph, project.analysis
    reached = analysis.reachable_with_retries
    caught = {node for loop in closed_loops(analysis) for node in loop}  # loop_no_exit reports these
    for node in graph.nodes.values():
        kind, edges = kind_of(graph, node.id), graph.outgoing[node.id]
        if not node.declared or kind is None or kind is Kind.EXIT:
            continue
        if kind is Kind.CONDITIONAL and len(edges) == 1:
            yield Diagnostic(
                "conditional_outgoing",
                node.span,
                f'"{node.id}" has nothing to choose: its only edge leads to "{edges[0].target}"',
                subject=node.id,
                help="add the edges for the other outcomes, or remove the node",
            )
        if not edges and node.id in reached:
            yield Diagnostic(
                "dead_end_node",
                node.span,
                f'"{node.id}" has no edge, so a run that gets here cannot go on; lead it to a stage or to an exit',
                subject=node.id,
            )
        elif node.id in reached and analysis.exits and node.id not in caught and _turns_away(project, node):
            yield Diagnostic(
                "cannot_reach_exit",
                node.span,
                f'from "{node.id}" no way leads to an exit ({some(analysis.exits)})',
                subject=node.id,
                help="add an edge to an exit (one with exit_status=fail reports a failure)",
            )


def _turns_away(project: Project, node: Node) -> bool:
    """Whether exits are lost at `node`: a neighbour before it still has a way to one."""
    analysis = project.analysis
    if node.id in analysis.reaches_exit or node.id in analysis.starts:
        return False
    return any(source in analysis.reaches_exit for source in analysis.predecessors[node.id])


def check_direction(project: Project) -> Iterator[Diagnostic]:
    """direction_valid."""
    attribute = project.graph.attributes.get("rankdir")
    if attribute is None or attribute.text.strip() in DIRECTIONS:
        return
    hint = did_you_mean(attribute.text, DIRECTIONS) or f"use one of {', '.join(DIRECTIONS)}"
    yield Diagnostic(
        "direction_valid", attribute.value_span, f'rankdir="{attribute.text}" means nothing; {hint}', subject="rankdir"
    )


CHECKS: tuple[Check, ...] = (check_ends, check_reachability, check_undeclared, check_ways_on, check_direction)
