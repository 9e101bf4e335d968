"""Did the walk go where the plan leads? Its ways are computed anew from the plan and the journal, line by line.

The journal's lines are applied to a fresh state, as a resumed run does it; after each the next node follows from the
plan alone, and the next line has to be of it.
"""

from collections.abc import Iterator

from .. import routing
from ..branches import branch_ids
from ..checkpoint import apply_line
from ..journal import Finished, Restarted, from_json
from ..outcome import FailureClass, Outcome, Status
from ..plan import Edge, ExitWork, Kind, Node, ParallelWork, Plan
from ..state import RunState, branch_name
from .evidence import Checked, Evidence, Finding, Line, chain_of

Expected = tuple[str, ...]  # the nodes that may come next in a walk; empty: none


def as_planned(evidence: Evidence) -> Checked:
    """Each visit follows from the one before it, keeps its node's bounds, and is told of."""
    if evidence.plan is None:
        return Checked(0, [])
    replay = Replay(evidence.plan)
    findings = [finding for line in evidence.journal for finding in replay.next(line)]
    findings += _untold(evidence)
    return Checked(len(evidence.journal), findings)


class Replay:
    """Applies the journal, and says what comes unexpectedly."""

    def __init__(self, plan: Plan) -> None:
        self.state = RunState({})
        self._plan = plan
        self._expected: dict[str, Expected] = {"": (plan.start,)}
        self._why: dict[str, str] = {}
        self._restart: dict[str, str] = {}  # by walk: where a restart edge leads that has to be restarted along

    def next(self, line: Line) -> Iterator[Finding]:
        entry = line.value.get("entry")
        branch = str(line.value.get("branch", ""))
        try:
            before = self.state.walk_of(branch)
            parsed = from_json(line.value)
            if isinstance(parsed, Finished):
                yield from self._visited(line, before, parsed)
            elif isinstance(parsed, Restarted):
                yield from self._restarted(line, before, parsed)
            apply_line(self.state, line.value)
            if isinstance(parsed, Finished):
                self._go_on(before, parsed)
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            yield line.finding(f"does not follow from the lines before it: {entry} {error}")
            return
        if entry == "forked":
            self._forked(line)
        elif entry == "resumed" and line.value.get("retry"):
            self._expected[branch] = (*self._expected.get(branch, ()), str(line.value["retry"]))
        elif entry == "ended":
            yield from self._ended(line)

    def _visited(self, line: Line, before: RunState, entry: Finished) -> Iterator[Finding]:
        node = self._plan.nodes.get(entry.node)
        if node is None:
            yield line.finding(f"{entry.node!r} is no node of the plan")
            return
        leads_to = self._restart.pop(before.branch, "")
        if leads_to:
            edge = f"{before.position.node} -> {leads_to}"
            yield line.finding(f"{entry.node!r} was visited along the restart edge {edge} without a restart")
        elif entry.node not in self._expected.get(before.branch, ()):
            after = f"after {before.position.node!r}" if before.position.node else "at the start"
            wanted = " or ".join(map(repr, self._expected.get(before.branch, ()))) or "the end"
            yield line.finding(f"{entry.node!r} was visited {after}, the plan leads to {wanted}")
        visit = before.visits.get(node.id, 0) + 1
        if entry.visit != visit:
            yield line.finding(f"visit {entry.visit} of {node.id!r} is visit {visit}")
        again = before.position.restart_to, before.position.outcome is not None
        by_hand = again == (node.id, True)  # by a person, with --retry-failed
        if node.max_visits and entry.visit > node.max_visits and not by_hand:
            yield line.finding(f"visit {entry.visit} of {node.id!r}, it may be visited {node.max_visits} times")
        if entry.attempts > node.attempts:
            yield line.finding(f"{node.id!r} made {entry.attempts} attempts, it has {node.attempts}")
        if entry.outcome.status is Status.CUSTOM and entry.outcome.word not in node.outcomes:
            yield line.finding(f"{node.id!r} ended in {entry.outcome.word!r}, it may end in {', '.join(node.outcomes)}")

    def _go_on(self, state: RunState, entry: Finished) -> None:
        node = self._plan.nodes.get(entry.node)
        if node is None:
            return
        to, edge = self._way_on(state, node, entry.outcome)
        self._expected[state.branch] = (to,) if to else ()
        if edge is not None and edge.restart is not None:
            self._restart[state.branch] = edge.to

    def _way_on(self, state: RunState, node: Node, outcome: Outcome) -> tuple[str, Edge | None]:
        if isinstance(node.work, ParallelWork):
            return node.work.join, None
        if isinstance(node.work, ExitWork):
            gate = None
            if node.work.exit_status != "fail" and not state.branch:
                gate = routing.unsatisfied_gate(self._plan, state.words.items())
            return (gate.to if gate else ""), None
        hop = routing.next_hop(node, outcome, state.context)
        return hop.to, hop.edge

    def _forked(self, line: Line) -> None:
        value = line.value
        node = self._plan.nodes[value["node"]]
        ids = branch_ids([edge.to for edge in node.edges])
        for id_, edge in zip(ids, node.edges, strict=True):
            name = branch_name(value["branch"], value["node"], value["visit"], id_)
            self._expected[name] = (edge.to,)
            self._restart.pop(name, None)

    def _restarted(self, line: Line, before: RunState, entry: Restarted) -> Iterator[Finding]:
        leads_to = self._restart.pop(before.branch, "")
        node, outcome = self._plan.nodes.get(entry.node), before.position.outcome
        if node is None or entry.node != before.position.node or leads_to != entry.to:
            yield line.finding(f"restarts along {entry.node} -> {entry.to}, which the plan does not ask for here")
        else:
            edge = next(edge for edge in node.edges if edge.to == entry.to and edge.restart is not None)
            if edge.restart is not None and outcome is not None and not _may(edge.restart.on, outcome):
                cause = f"{outcome.failure_class or outcome.word}: {outcome.failure_reason}"
                yield line.finding(f"restarts after {cause}; the edge {entry.node} -> {entry.to} allows it not")
        if entry.restarts != before.restarts + 1:
            yield line.finding(f"restart {entry.restarts} is restart {before.restarts + 1}")
        if entry.restarts > self._plan.limits.max_restarts:
            yield line.finding(f"restart {entry.restarts}, max_restarts is {self._plan.limits.max_restarts}")
        self._expected[before.branch] = (entry.to,)

    def _ended(self, line: Line) -> Iterator[Finding]:
        """A success has arrived at an exit that reports one."""
        self._restart.pop("", None)
        if line.value.get("status") != "success":
            return
        node = self._plan.nodes.get(self.state.position.node)
        if node is None or not isinstance(node.work, ExitWork) or node.work.exit_status == "fail":
            yield line.finding(f"the run ended in success at {self.state.position.node!r}, which is no exit for that")
        elif self._expected.get(""):
            gates = ", ".join(self._expected[""])
            yield line.finding(f"the run ended in success though a goal gate leads back to {gates}")


def _may(on: str, outcome: Outcome) -> bool:
    if outcome.status not in (Status.FAIL, Status.RETRY):
        return True
    if on == "transient_infra":
        return outcome.failure_class is FailureClass.TRANSIENT_INFRA
    return outcome.failure_class is not FailureClass.CANCELED


def _untold(evidence: Evidence) -> Iterator[Finding]:
    """The events tell of the visits that the journal holds, in order, and of no others."""
    journal = _grouped(evidence.journal, "entry", "finished")
    events = _grouped(evidence.events, "event", "stage_finished")
    was_resumed = any(line.value.get("event") == "run_resumed" for line in evidence.events)
    for visit in sorted({*journal, *events}):
        held, told = journal.get(visit, []), events.get(visit, [])
        for said, line in zip(held, told, strict=False):
            word, status = said.value["outcome"]["word"], line.value["status"]
            if word != status and len(held) == len(told):
                yield line.finding(f"tells that {visit[1]!r} ended in {status}, {said.file}:{said.number} says {word}")
        for line in told[len(held) :]:
            yield line.finding(f"tells that {visit[1]!r} finished visit {visit[2]}, the journal holds no such visit")
        for said in held[len(told) :] if not was_resumed else ():  # a process may be killed between the two
            yield said.finding(f"visit {visit[2]} of {visit[1]!r} is told of nowhere in progress.ndjson")


def _grouped(lines: list[Line], field: str, name: str) -> dict[tuple[str, str, int], list[Line]]:
    """Return the lines of this kind by branch, node and visit; a restart counts visits anew."""
    found: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        value = line.value
        if value.get(field) == name:
            node = value["node"] if field == "entry" else value["node_id"]
            branch = value["branch"] if field == "entry" else value.get("in_branch", "")
            found.setdefault((branch, node, value["visit"]), []).append(line)
    return found


def restarts_restart(evidence: Evidence) -> Checked:
    """After a restart edge the run starts over, or ends; and it starts over nowhere else."""
    if evidence.plan is None:
        return Checked(0, [])
    findings: list[Finding] = []
    looked_at = 0
    asked: dict[str, tuple[Line, bool]] = {}  # by walk: the restart edge that was chosen last
    for line in evidence.events:
        event, branch = line.value, str(line.value.get("in_branch", ""))
        match event.get("event"):
            case "edge_selected":
                may, must = _restarting(evidence.plan, event["from"], event["to"])
                looked_at += must
                if may:
                    asked[branch] = (line, must)
            case "loop_restart":
                looked_at += 1
                chosen = asked.pop(branch, None)
                if chosen is None or chosen[0].value["to"] != event["to"]:
                    findings.append(line.finding(f"starts over at {event['to']!r}, no restart edge was chosen before"))
                elif not (evidence.folder / event["folder"]).is_dir() and _goes_on(evidence, line):
                    findings.append(line.finding(f"starts over in {event['folder']}, there is no such folder"))
            case "stage_started":
                chosen = asked.pop(branch, None)
                if chosen is not None and chosen[1]:
                    way = f"{chosen[0].value['from']} -> {chosen[0].value['to']}"
                    findings.append(chosen[0].finding(f"chose the restart edge {way}, and no restart followed"))
            case "loop_restart_blocked" | "breaker_tripped":
                asked.pop(branch, None)
            case _:
                pass
    return Checked(looked_at, findings)


def _restarting(plan: Plan, source: str, target: str) -> tuple[bool, bool]:
    """Return whether an edge between the two restarts, and whether each one does."""
    node = plan.nodes.get(source)
    restarting = [edge.restart is not None for edge in node.edges if edge.to == target] if node else []
    return any(restarting), bool(restarting) and all(restarting)


def _goes_on(evidence: Evidence, line: Line) -> bool:
    """Return whether a stage with a folder began after the restart and in it."""
    place = f"{line.value['folder']}/"
    return any(
        later.value.get("event") == "stage_started" and str(later.value.get("folder", "")).startswith(place)
        for later in evidence.events
    )


def toolchain_before_models(evidence: Evidence) -> Checked:
    """No model was asked before the tools that every way to a model leads through had ended for the first time."""
    if evidence.plan is None:
        return Checked(0, [])
    gates = toolchain_gates(evidence.plan)
    findings = []
    first_asked: Line | None = None
    seen: set[str] = set()
    for line in evidence.events:
        event = line.value
        if event.get("event") == "llm_request" and first_asked is None:
            first_asked = line
        elif event.get("event") == "stage_finished" and event["node_id"] in gates and event["node_id"] not in seen:
            seen.add(event["node_id"])
            if first_asked is not None:
                asked = f"{first_asked.value['provider']} {first_asked.value['model']} was asked in line"
                what = f"{event['node_id']!r}, which stands before every model, ended in {event['status']} after"
                findings.append(line.finding(f"{what} {asked} {first_asked.number}"))
    return Checked(len(gates), findings)


def toolchain_gates(plan: Plan) -> frozenset[str]:
    """Return the tools that every way from the start to a node that asks a model leads through."""
    models = {node.id for node in plan.nodes.values() if chain_of(node)}
    if not models:
        return frozenset()
    tools = (node.id for node in plan.nodes.values() if node.kind is Kind.TOOL)
    return frozenset(tool for tool in tools if not models & _reachable(plan, tool))


def _reachable(plan: Plan, without: str) -> set[str]:
    """Return the nodes that can be reached from the start without visiting that one."""
    found: set[str] = set()
    waiting = [plan.start]
    while waiting:
        at = waiting.pop()
        if at == without or at in found or at not in plan.nodes:
            continue
        found.add(at)
        node = plan.nodes[at]
        waiting += [edge.to for edge in node.edges]
        waiting += node.on_fail
        waiting += [node.catch] if node.catch else []
    return found
