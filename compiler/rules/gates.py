"""Rules about goal gates: a gate must be passed, must be able to hold, and must be able to be tried again."""

from collections.abc import Iterator, Sequence

from .. import flow
from ..diagnostics import Diagnostic, Related, Severity
from ..graph import Edge, Graph, Kind
from ..source import Span
from .conjunctions import OUTCOME
from .facts import (
    SATISFYING,
    WORKING,
    flag,
    is_success_exit,
    kind_of,
    listed,
    value_span,
)
from .regions import Region, region_of
from .registry import Check, Project, Rule
from .retry_targets import Jump, jumps_of
from .told import words_named

RULES: tuple[Rule, ...] = (
    Rule(
        "goal_gate_has_retry",
        Severity.WARNING,
        "a goal gate has no retry target, on the node or on the graph",
        "When the gate is not satisfied at the exit, the run fails at once, with no second chance.",
        spec=True,
    ),
    Rule(
        "goal_gate_missing_node_retry_target",
        Severity.INFO,
        "a goal gate has no retry target of its own",
        "The graph's target serves every gate alike, and may repeat more, or less, than this one needs.",
    ),
    Rule(
        "goal_gate_exit_status_contract",
        Severity.ERROR,
        "a goal gate's edge leads to a success exit on an outcome that does not satisfy the gate",
        "A gate is satisfied by success and partial_success alone. With any other outcome the exit sends the run back, "
        "so this edge goes round until a limit stops it.",
    ),
    Rule(
        "goal_gate_prompt_status_hint",
        Severity.WARNING,
        "a goal gate's prompt asks for an outcome that does not satisfy the gate, and never for success",
        "A gate is satisfied by success and partial_success alone: a stage that reports what it was told to report "
        "never satisfies it.",
    ),
    Rule(
        "gate_bypassable",
        Severity.WARNING,
        "a way from the start to a success exit does not pass a goal gate",
        "Only visited gates are checked at an exit. A run that takes the other way succeeds without the gate.",
        whole=True,
    ),
    Rule(
        "gate_not_reentrant",
        Severity.ERROR,
        "no way leads back from a goal gate's retry target to the gate",
        "The gate keeps the outcome it had, so that the exit sends the run to the target again and again, "
        "until a limit stops it.",
        whole=True,
    ),
    Rule(
        "retry_target_no_progress",
        Severity.WARNING,
        "between a goal gate's retry target and the gate nothing does any work",
        "The gate would look at the same state again.",
        whole=True,
    ),
    Rule(
        "gate_auto_status",
        Severity.WARNING,
        "a goal gate has auto_status=true",
        "An agent that ends without a word would satisfy the gate: it passes without evidence.",
    ),
    Rule(
        "gate_on_passive_node",
        Severity.WARNING,
        "goal_gate is set on a node that does no work",
        "Start, exit, conditional and fan-out nodes have no result of their own to be held to.",
    ),
    Rule(
        "gate_in_branch",
        Severity.WARNING,
        "a goal gate stands inside a parallel region",
        "Outcomes of a branch are judged by the join and do not reach the check at the exit.",
        whole=True,
    ),
    Rule(
        "no_goal_gate",
        None,
        "the pipeline has no goal gate",
        "Without one, reaching an exit is all that success means. Off unless a project asks for it.",
    ),
)

_PASSIVE = {
    Kind.START: "a start node",
    Kind.EXIT: "an exit node",
    Kind.CONDITIONAL: "a conditional node, which only passes an outcome on",
    Kind.PARALLEL: "a fan-out, whose join decides",
}
_AT_WORK = WORKING - {Kind.PARALLEL}
_MOST_NODES = 1_000_000  # that the searches for ways back may look at in one graph


def gates_of(graph: Graph) -> list[str]:
    return [
        node.id
        for node in graph.nodes.values()
        if "goal_gate" in node.attributes and flag(node.attributes, "goal_gate")
    ]


def _gate_span(graph: Graph, gate: str) -> Span:
    node = graph.nodes[gate]
    return value_span(node.attributes.get("goal_gate"), node.span)


def check_gates(project: Project) -> Iterator[Diagnostic]:
    """The rules about gates that look at one node, and no_goal_gate."""
    graph = project.graph
    gates = gates_of(graph)
    if not gates:
        yield Diagnostic(
            "no_goal_gate",
            graph.name_span,
            f'"{graph.name}" has no node with goal_gate=true; set it on the stage that must succeed',
        )
    shared = jumps_of(graph)
    inside = region_of(project) if gates else {}
    for gate in gates:
        node, span, kind = graph.nodes[gate], _gate_span(graph, gate), kind_of(graph, gate)
        if kind in _PASSIVE:
            yield Diagnostic(
                "gate_on_passive_node",
                span,
                f'"{gate}" is {_PASSIVE[kind]}; set goal_gate on the stage whose result counts',
                subject=gate,
            )
            continue
        if gate in inside:  # no exit looks at it: gate_in_branch says so
            pass
        elif not jumps_of(graph, gate) and not shared:
            yield Diagnostic(
                "goal_gate_has_retry",
                span,
                f'goal gate "{gate}" has no retry target, so the run fails when it is not satisfied',
                subject=gate,
                help='set retry_target="STAGE" on the node or on the graph',
            )
        elif not jumps_of(graph, gate):
            yield Diagnostic(
                "goal_gate_missing_node_retry_target",
                span,
                f'goal gate "{gate}" has no retry target of its own; the run would go back to the graph\'s, '
                f'"{shared[0].target}"',
                subject=gate,
                related=(Related(shared[0].attribute.value_span, "the graph's retry target"),),
            )
        if flag(node.attributes, "auto_status"):
            yield Diagnostic(
                "gate_auto_status",
                value_span(node.attributes.get("auto_status"), span),
                f'goal gate "{gate}" has auto_status=true: an agent that reports nothing would satisfy it',
                subject=gate,
                help="remove auto_status and let the prompt ask for an outcome",
            )


def check_contract(project: Project) -> Iterator[Diagnostic]:
    """goal_gate_exit_status_contract, goal_gate_prompt_status_hint."""
    graph = project.graph
    for gate in gates_of(graph):
        if kind_of(graph, gate) not in WORKING:
            continue
        for edge in _edges_of_outcome(graph, gate):
            if not is_success_exit(graph, edge.target):
                continue
            for clause in edge.condition:
                if clause.key == OUTCOME and clause.op == "=" and clause.literal not in SATISFYING:
                    yield Diagnostic(
                        "goal_gate_exit_status_contract",
                        clause.literal_span,
                        f'goal gate "{gate}" is not satisfied by outcome={clause.literal}, '
                        f'so the exit "{edge.target}" would send the run back each time',
                        subject=edge.name,
                        help="end with outcome=success, or lead this edge to an exit with exit_status=fail",
                    )
        yield from _prompt_hint(graph, gate)


def _edges_of_outcome(graph: Graph, gate: str) -> Iterator[Edge]:
    """Yield the gate's edges, and those of the conditional nodes that only the gate leads to."""
    pending, seen = [gate], {gate}
    while pending:
        for edge in graph.outgoing[pending.pop()]:
            yield edge
            alone = all(other.source in seen for other in graph.incoming[edge.target])
            if alone and edge.target not in seen and kind_of(graph, edge.target) is Kind.CONDITIONAL:
                seen.add(edge.target)
                pending.append(edge.target)


def _prompt_hint(graph: Graph, gate: str) -> Iterator[Diagnostic]:
    prompt = graph.prompts.get(gate)
    if prompt is None:
        return
    named = words_named(prompt.written.text)
    others = [word for word in named if word not in SATISFYING and word not in {"fail", "retry", "skipped"}]
    if others and not SATISFYING & named.keys():
        yield Diagnostic(
            "goal_gate_prompt_status_hint",
            prompt.written.span(*named[others[0]]),
            f'the prompt of goal gate "{gate}" asks for {listed(others)}, which does not satisfy a gate; '
            "ask for success or partial_success",
            subject=gate,
        )


def check_position(project: Project) -> Iterator[Diagnostic]:
    """gate_in_branch, gate_bypassable."""
    graph, analysis = project.graph, project.analysis
    gates = [gate for gate in gates_of(graph) if kind_of(graph, gate) in WORKING and gate in analysis.reachable]
    if not gates:
        return
    regions = region_of(project)
    exits = [exit_ for exit_ in analysis.exits if is_success_exit(graph, exit_) and exit_ in analysis.reachable]
    on_every_way = _dominators_of_all(project, exits)
    for gate in gates:
        region: Region | None = regions.get(gate)
        if region is not None:
            yield Diagnostic(
                "gate_in_branch",
                _gate_span(graph, gate),
                f'goal gate "{gate}" stands in a branch of "{region.fork}", whose join decides; '
                "set goal_gate on a stage behind the join",
                subject=gate,
                related=(Related(graph.nodes[region.fork].span, "the branches begin here"),),
            )
        elif exits and gate not in on_every_way:
            exit_ = next(each for each in exits if not analysis.dominates(gate, each))
            yield Diagnostic(
                "gate_bypassable",
                _gate_span(graph, gate),
                f'a way from the start to "{exit_}" does not pass goal gate "{gate}", and then nobody checks it',
                subject=gate,
                help="lead every way through the gate, or end the other way in an exit with exit_status=fail",
            )


def _dominators_of_all(project: Project, nodes: Sequence[str]) -> frozenset[str]:
    """Return what every way to every one of `nodes` passes: the common part of their lines of dominators."""
    above = project.analysis.dominators
    common: dict[str, None] | None = None
    for node in nodes:
        line: dict[str, None] = {}
        at: str | None = node
        while at is not None and (common is None or at not in common):
            line[at] = None
            at = above.get(at)
        if common is None:
            common = line
        else:
            while common and next(iter(common)) != at:
                del common[next(iter(common))]
    return frozenset(common or ())


def check_way_back(project: Project) -> Iterator[Diagnostic]:
    """gate_not_reentrant, retry_target_no_progress."""
    graph = project.graph
    ahead_of: dict[str, _Ahead] = {}
    inside = region_of(project)
    looked_at = 0
    for gate in gates_of(graph):
        jump = _resolved(graph, gate)
        if jump is None or jump.target == gate or gate in inside or kind_of(graph, gate) not in WORKING:
            continue
        target = jump.target
        ahead = ahead_of.setdefault(target, _Ahead(project.analysis.successors, target))
        looked_at += ahead.look_for(gate)
        if looked_at > _MOST_NODES:
            message = "too many goal gates to look for the way back to each"
            yield Diagnostic("check_skipped", _gate_span(graph, gate), message, subject="gate_not_reentrant")
            return
        if gate not in ahead.seen:
            yield Diagnostic(
                "gate_not_reentrant",
                jump.attribute.value_span,
                f'no way leads from the retry target "{target}" back to goal gate "{gate}", so it stays unsatisfied',
                subject=gate,
                related=(Related(_gate_span(graph, gate), "the gate"),),
                help="name a stage before the gate",
            )
        elif kind_of(graph, target) not in _AT_WORK and not _works_between(project, target, gate):
            yield Diagnostic(
                "retry_target_no_progress",
                jump.attribute.value_span,
                f'between the retry target "{target}" and goal gate "{gate}" no stage does any work',
                subject=gate,
                help="name a stage that changes what the gate looks at",
            )


class _Ahead:
    """What lies ahead of one node, looked for only as far as has been asked."""

    def __init__(self, successors: flow.Adjacency, start: str) -> None:
        self._successors = successors
        self._pending = [start]
        self.seen = {start}

    def look_for(self, node: str) -> int:
        """Look until `node` is seen, or everything is; return how many nodes that added."""
        before = len(self.seen)
        while node not in self.seen and self._pending:
            fresh = [target for target in self._successors[self._pending.pop()] if target not in self.seen]
            self.seen.update(fresh)
            self._pending.extend(fresh)
        return len(self.seen) - before


def _resolved(graph: Graph, gate: str) -> Jump | None:
    """Return the first retry target of `gate` that can be one."""
    for jump in (*jumps_of(graph, gate), *jumps_of(graph)):
        if jump.target in graph.nodes and kind_of(graph, jump.target) is not Kind.EXIT:
            return jump
    return None


def _works_between(project: Project, target: str, gate: str) -> bool:
    """Whether a stage that works can be reached from `target` without passing the gate."""
    ways = project.analysis.successors
    seen, pending = {target, gate}, [target]
    while pending:
        node = pending.pop()
        if kind_of(project.graph, node) in _AT_WORK:
            return True
        fresh = [each for each in ways[node] if each not in seen]
        seen.update(fresh)
        pending.extend(fresh)
    return False


CHECKS: tuple[Check, ...] = (check_gates, check_contract, check_position, check_way_back)
