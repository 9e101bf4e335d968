"""The walk: from node to node until the pipeline ends. It decides nothing that the plan has decided.

For each node: visit bound, attempts with back-off, status ingestion, context updates, breakers, commit and journal,
next edge, restart or go on, and at an exit the goal gates. The parts that take a page are next door: `attempts` (one
visit of a stage), `branches` and `fan_in` (parallel regions), `children` (managers), and pure: `routing`, `retry`,
`breakers`.
"""

from contextlib import suppress

from . import branches, breakers, children, fan_in, routing, status
from .attempts import run_stage
from .context import FAILURE_KEYS, clip, facts_of, is_engine_key
from .events import (
    ContextKeyRefused,
    EdgeSelected,
    GoalGateUnsatisfied,
    LoopRestartBlocked,
    LoopRestarted,
    RunStarted,
    StageFinished,
    StageStarted,
)
from .files import cut_off
from .git import GitError
from .journal import Begun, Ended, Finished, Restarted, Resumed
from .outcome import NO_USAGE, FailureClass, Json, Outcome, Status
from .plan import PASSIVE_KINDS, ExitWork, Kind, Node, ParallelWork, Restart
from .routing import Hop
from .run_dir import Ending
from .state import fresh_context
from .walk import Arrival, Stage, Walk


def run(walk: Walk, resumed: Resumed | None = None) -> Ending:
    """Walk the whole pipeline, from its start or from where it stands; leave a journal, events and a snapshot behind.

    Args:
        resumed: how a run goes on that an earlier process has begun.
    """
    try:
        if resumed is None:
            _begin(walk)
        else:
            walk.record(resumed)
            walk.records.snapshot(walk.state)
        ending = walk_on(walk, Arrival(walk.plan.start))
    except OSError as error:  # the run directory or the workspace: the disk is full, a folder went away
        return _cut_off(walk, error)
    ending = _stalled(walk, ending)
    if walk.is_of_run:  # other branches may be about to write where a child has finished
        status.tidy(walk.world.workspace.folder)
    with suppress(OSError):  # what is on disk is enough to say where the run stood
        walk.record(Ended(ending.status, ending.reason, ending.node))
        walk.records.snapshot(walk.state)
    return ending


def _begin(walk: Walk) -> None:
    plan, workspace = walk.plan, walk.world.workspace
    walk.record(Begun(plan.digest, dict(walk.state.seed)))
    walk.world.emit(
        RunStarted(plan.name, plan.goal, plan.digest, str(workspace.folder), workspace.branch, workspace.base_sha)
    )
    walk.records.snapshot(walk.state)


def _stalled(walk: Walk, ending: Ending) -> Ending:
    """A run that the watchdog stopped has failed; nobody wanted it to stop."""
    if ending.status != "canceled" or not walk.world.pulse.stalled:
        return ending
    return ending._replace(status="fail", failure_class=FailureClass.TRANSIENT_INFRA)


def _cut_off(walk: Walk, error: OSError) -> Ending:
    """Return how a walk ends that could not be written down: not in the journal, so a resumed run goes on."""
    return Ending("fail", cut_off(error), FailureClass.TRANSIENT_INFRA, walk.state.position.node)


def walk_on(walk: Walk, first: Arrival) -> Ending:
    """Walk on from where the state stands; from `first` when nothing has happened yet."""
    at, outcome, restart_to = walk.state.position
    if restart_to:
        edges = walk.plan.nodes[at].edges if at else ()
        fits = (edge for edge in edges if edge.to == restart_to and (edge.restart is not None) == (outcome is None))
        return go(walk, Arrival(restart_to, next(fits, None)), wanted=outcome is not None)
    if not at or outcome is None:
        return go(walk, first)
    node = walk.plan.nodes[at]
    trip = _repeats(walk, node, outcome)  # it may have been the last thing that was written down
    if trip is not None:
        return walk.tripped(trip, at)
    onward = follow(walk, node, outcome)
    return onward if isinstance(onward, Ending) else go(walk, onward)


def _repeats(walk: Walk, node: Node, outcome: Outcome) -> breakers.Trip | None:
    """Return the breaker that trips because `node` has ended so too often; the state knows of this visit."""
    signature = breakers.counted_signature(node, outcome)
    count = walk.state.signatures.get(signature, 0)
    return breakers.signatures(walk.plan.limits, node, signature, count, outcome)


def go(walk: Walk, arrival: Arrival, *, wanted: bool = False) -> Ending:
    """Walk on from `arrival` until the walk ends; a branch ends when it arrives at its join.

    Args:
        wanted: a person asks for the first visit, whatever bound there is on visits.
    """
    while arrival.node_id != walk.stop_at:
        node = walk.plan.nodes[arrival.node_id]
        visit = walk.state.visits.get(node.id, 0) + 1
        ending = may_not_enter(walk, node, visit, wanted=wanted)
        if ending is not None:
            return ending
        wanted = False
        stage = _visit(walk, node, visit, arrival)
        if isinstance(stage, Ending):
            return stage
        onward = conclude(walk, stage)
        if isinstance(onward, Ending):
            return onward
        arrival = onward
    return Ending("success", f"arrived at {walk.stop_at!r}", "", walk.state.position.node)


def may_not_enter(walk: Walk, node: Node, visit: int, *, wanted: bool = False) -> Ending | None:
    """Return how the walk ends instead of visiting `node`, if it does; `wanted`: whatever the bound on visits."""
    if walk.is_canceled():
        return walk.canceled(node.id)
    trip = walk.meter.time_is_up()
    if trip is not None:
        return walk.tripped(trip, node.id, limit=True)
    trip = None if wanted else breakers.visits(node, visit)
    return walk.tripped(trip, node.id) if trip is not None else None


def _visit(walk: Walk, node: Node, visit: int, arrival: Arrival) -> Stage | Ending:
    match node.kind:
        case Kind.TOOL | Kind.CODERGEN | Kind.HUMAN:
            return run_stage(walk, node, visit, arrival)
        case Kind.MANAGER:
            steps = {**walk.steps, Kind.MANAGER: children.manager_step(walk, run)}
            return run_stage(walk._replace(steps=steps), node, visit, arrival)
        case Kind.PARALLEL:
            return branches.run_branches(walk, node, visit, walk_on)
        case Kind.FAN_IN:
            return fan_in.join(walk, node, visit, arrival)
        case Kind.START | Kind.EXIT | Kind.CONDITIONAL:
            return pass_through(walk, node, visit)


def pass_through(walk: Walk, node: Node, visit: int) -> Stage:
    """Visit a node that does no work: it ends as what came before it did."""
    walk.world.emit(StageStarted(node.id, node.kind, visit, 1, 1, ""))
    previous = walk.state.position.outcome
    outcome = previous.passed_on() if previous and node.kind is not Kind.START else Outcome.success()
    return Stage(node, visit, 1, outcome, {}, walk.state.dossier, walk.world.clock.now_s())


def conclude(walk: Walk, stage: Stage) -> Arrival | Ending:
    """Write a finished visit down and return where the walk goes."""
    ending = _write_down(walk, stage)
    return ending if ending is not None else follow(walk, stage.node, stage.outcome)


def _write_down(walk: Walk, stage: Stage) -> Ending | None:
    """Put a finished visit into workspace, journal, state and events; return the ending if a breaker trips."""
    node, outcome, state = stage.node, stage.outcome, walk.state
    signature = breakers.counted_signature(node, outcome)
    commit, trouble = (stage.commit, "") if stage.commit is not None else _commit(walk, node, outcome)
    walk.record(
        Finished(
            branch=state.branch,
            node=node.id,
            visit=stage.visit,
            attempts=stage.attempts,
            outcome=outcome,
            context=_context_of(walk, stage),
            cleared=_cleared(walk, stage),
            signature=signature,
            dossier=stage.dossier,
            paused_ms=walk.meter.paused_ms,
            elapsed_ms=walk.meter.elapsed_ms,
            commit=commit,
        )
    )
    walk.world.emit(_finished_event(walk, stage, signature, commit))
    if walk.depth == 0:
        walk.records.snapshot_if_due(state)
    if trouble:
        return Ending("fail", trouble, FailureClass.STRUCTURAL, node.id)
    trip = _repeats(walk, node, outcome)
    return walk.tripped(trip, node.id) if trip is not None else None


def follow(walk: Walk, node: Node, outcome: Outcome) -> Arrival | Ending:
    """Return where the walk goes after `node`. A function of plan, state and outcome, so a resumed run repeats it."""
    if node.kind is Kind.EXIT:
        return _leave(walk, node)
    if isinstance(node.work, ParallelWork):
        return Arrival(node.work.join)
    hop = routing.next_hop(node, outcome, walk.state.context)
    if not hop.to:
        return _stuck(walk, node, outcome)
    if hop.edge is not None and hop.edge.restart is not None:
        return _restart(walk, node, outcome, hop)
    _tell(walk, node, outcome, hop)
    return Arrival(hop.to, hop.edge)


def _stuck(walk: Walk, node: Node, outcome: Outcome) -> Ending:
    if outcome.status in (Status.FAIL, Status.RETRY):
        at = walk.state.dossier.node if walk.state.dossier else node.id
        failure_class = str(outcome.failure_class or FailureClass.DETERMINISTIC)
        return Ending("fail", f"{at!r} failed: {outcome.failure_reason}", failure_class, at)
    return Ending("fail", routing.no_way_on(node, outcome), FailureClass.STRUCTURAL, node.id)


def _leave(walk: Walk, node: Node) -> Arrival | Ending:
    """End the walk at an exit, unless a goal gate sends it back."""
    assert isinstance(node.work, ExitWork)  # noqa: S101 - the plan's reader made it so
    if walk.depth > 0:
        reason = f"a branch left its parallel region and arrived at exit {node.id!r} instead of {walk.stop_at!r}"
        return Ending("fail", reason, FailureClass.STRUCTURAL, node.id)
    if node.work.exit_status == "fail":
        dossier = walk.state.dossier
        reason = f"ended at {node.id!r}, an exit that reports failure"
        if dossier is not None:
            return Ending(
                "fail", f"{reason}; {dossier.node!r} failed: {dossier.reason}", dossier.failure_class, node.id
            )
        return Ending("fail", reason, FailureClass.DETERMINISTIC, node.id)
    gate = routing.unsatisfied_gate(walk.plan, walk.state.words.items())
    if gate is None:
        return Ending("success", f"arrived at exit {node.id!r}", "", node.id)
    walk.world.emit(GoalGateUnsatisfied(node.id, gate.node, gate.word, gate.to))
    if gate.to:
        return Arrival(gate.to)
    reason = f"goal gate {gate.node!r} ended in {gate.word} and has no retry target; give it retry_target=NODE"
    return Ending("fail", reason, FailureClass.DETERMINISTIC, gate.node)


def _restart(walk: Walk, node: Node, outcome: Outcome, hop: Hop) -> Arrival | Ending:
    """Start over at the edge's target with a fresh context, if the edge allows it after this outcome."""
    restart = hop.edge.restart if hop.edge else None
    assert restart is not None  # noqa: S101 - the caller looked
    _tell(walk, node, outcome, hop)
    if not _may_restart(restart, outcome):
        walk.world.emit(LoopRestartBlocked(node.id, hop.to, str(outcome.failure_class or ""), outcome.failure_reason))
        after = "transient_infra failures" if restart.on == "transient_infra" else "anything but cancellation"
        reason = (
            f"loop_restart blocked: the edge {node.id} -> {hop.to} restarts after {after}, "
            f"this one is {outcome.failure_class}: {outcome.failure_reason}"
        )
        return Ending("fail", reason, str(outcome.failure_class or ""), node.id)
    trip = breakers.restarts(walk.plan.limits, walk.state.restarts + 1, walk.state.dossier)
    if trip is not None:
        return walk.tripped(trip, node.id)
    number, state, keys = walk.state.restarts + 1, walk.state, walk.plan.policy.persist_keys
    home = f"{state.base}/{restart.log_dir}-{number}" if state.base else f"{restart.log_dir}-{number}"
    walk.record(Restarted(state.branch, node.id, hop.to, number, home, fresh_context(state, keys, node.id)))
    walk.world.emit(LoopRestarted(node.id, hop.to, number, home, keys))
    if walk.depth == 0:
        walk.records.snapshot(state)
    return Arrival(hop.to, hop.edge)


def _may_restart(restart: Restart, outcome: Outcome) -> bool:
    if outcome.status not in (Status.FAIL, Status.RETRY):
        return True
    if restart.on == "transient_infra":
        return outcome.failure_class is FailureClass.TRANSIENT_INFRA
    return outcome.failure_class is not FailureClass.CANCELED


def _tell(walk: Walk, node: Node, outcome: Outcome, hop: Hop) -> None:
    candidates = [candidate._asdict() for candidate in hop.candidates]
    label = hop.edge.label if hop.edge else ""
    passed_over = routing.passed_over(walk.plan, node, hop)
    walk.world.emit(EdgeSelected(node.id, node.id, hop.to, hop.why, outcome.word, label, candidates, passed_over))


def _commit(walk: Walk, node: Node, outcome: Outcome) -> tuple[str, str]:
    """Return the commit and "", or "" and what went wrong."""
    try:
        return walk.world.workspace.commit(f"attractor({walk.run.run_id}): {node.id} ({outcome.word})"), ""
    except GitError as error:
        return "", f"the work of {node.id!r} could not be committed: {error}"


def _context_of(walk: Walk, stage: Stage) -> dict[str, Json]:
    """Return the keys that a visit sets: the stage's own, then the engine's."""
    node, outcome, state = stage.node, stage.outcome, walk.state
    keys: dict[str, Json] = {}
    for key, value in outcome.context_updates.items():
        if is_engine_key(key):
            walk.world.emit(ContextKeyRefused(node.id, stage.visit, key))
        else:
            keys[key] = value
    keys |= clip(stage.facts)
    keys |= facts_of(outcome)
    keys["current_node"] = node.id
    keys["previous_node"] = state.position.node
    keys["previous_outcome"] = state.position.outcome.word if state.position.outcome else ""
    if node.kind not in PASSIVE_KINDS:
        keys["last_stage"] = node.id
    return keys


def _cleared(walk: Walk, stage: Stage) -> tuple[str, ...]:
    """A working stage that succeeds ends what its predecessors failed at; a conditional passes it on."""
    if stage.node.kind in PASSIVE_KINDS or stage.outcome.failure_class is not None:
        return ()
    return tuple(key for key in FAILURE_KEYS if key in walk.state.context)


def _finished_event(walk: Walk, stage: Stage, signature: str, commit: str) -> StageFinished:
    outcome = stage.outcome
    spent = NO_USAGE if stage.node.kind is Kind.PARALLEL else outcome.usage  # its branches' stages have told theirs
    return StageFinished(
        node_id=stage.node.id,
        kind=stage.node.kind,
        visit=stage.visit,
        attempt=stage.attempts,
        status=outcome.word,
        failure_class=str(outcome.failure_class or ""),
        reason=outcome.failure_reason,
        signature=signature,
        commit=commit,
        notes="" if stage.node.kind in PASSIVE_KINDS else outcome.notes,  # told already, by the stage that wrote them
        duration_ms=round((walk.world.clock.now_s() - stage.started_s) * 1000),
        llm_calls=spent.llm_calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=spent.cost_usd,
    )
