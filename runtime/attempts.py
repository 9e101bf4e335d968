"""One visit of a working stage: attempts with back-off until an outcome stands."""

import json
import os
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

from . import retry, routing, status
from .context import facts_of, is_engine_key
from .environment import StageVariables
from .events import StageAttemptFinished, StageRetryBlocked, StageRetryScheduled, StageStarted
from .failure import classify, signature
from .files import folder_name
from .meter import Deadline
from .outcome import NO_USAGE, Dossier, FailureClass, Json, Outcome, Status
from .plan import CodergenWork, Kind, Node, ToolWork
from .run_dir import Ending
from .steps.contract import Report, Visit
from .walk import Arrival, Stage, Walk
from .world import Cancellation

LLM_KINDS = (Kind.CODERGEN, Kind.MANAGER, Kind.FAN_IN)
TAIL_CHARS = 4_000


class Attempt(NamedTuple):
    outcome: Outcome
    report: Report


def run_stage(walk: Walk, node: Node, visit: int, arrival: Arrival) -> Stage | Ending:
    """Return how the visit ended, or how the walk ends when it may not be finished: canceled, or over a limit.

    A visit that was not finished is not in the journal; a resumed run makes it again.
    """
    started_s, usage = walk.world.clock.now_s(), NO_USAGE
    for attempt in count(1):
        trip = walk.meter.money_is_spent() if node.kind in LLM_KINDS else None
        if trip is not None:
            return walk.tripped(trip, node.id, limit=True)
        made = _attempt(walk, node, visit, attempt, arrival)
        if made.report.usage is not NO_USAGE:
            usage += made.report.usage
        interrupted = _interrupted(walk, node, made.outcome)
        if interrupted is not None:
            return interrupted
        outcome = made.outcome
        if outcome.status is not Status.RETRY or not is_routed(walk, node, outcome, made.report.facts):
            decision = retry.decide(node, outcome, attempt)
            if decision is retry.Decision.AGAIN:
                stopped = _back_off(walk, node, visit, attempt, outcome)
                if stopped is not None:
                    return stopped
                continue
            outcome = _accept(walk, node, visit, attempt, outcome, decision)
        dossier = dossier_of(node, visit, attempt, outcome, made.report.output_tail[-TAIL_CHARS:])
        outcome = outcome if usage is NO_USAGE else replace(outcome, usage=usage)
        return Stage(node, visit, attempt, outcome, made.report.facts, dossier, started_s)
    raise AssertionError("unreachable")


def dossier_of(node: Node, visit: int, attempts: int, outcome: Outcome, tail: str) -> Dossier | None:
    if outcome.status not in (Status.FAIL, Status.RETRY):
        return None
    return Dossier(node.id, visit, attempts, str(outcome.failure_class or ""), outcome.failure_reason, tail)


def settle(node: Node, outcome: Outcome) -> Outcome:
    """Return the outcome with its word known, and with reason, class and signature when it is a failure or a retry."""
    if outcome.status is Status.CUSTOM and outcome.word not in node.outcomes:
        allowed = ", ".join(node.outcomes)
        reason = f"unexpected outcome word {outcome.word!r}; {node.id!r} may end with: {allowed}"
        outcome = replace(outcome, status=Status.FAIL, word="fail", failure_reason=reason, failure_class=None)
    unfit = _not_json(outcome.context_updates)
    if unfit:
        reason = f"context_updates hold what JSON cannot: {unfit}"
        outcome = Outcome.failed(reason, FailureClass.DETERMINISTIC, notes=outcome.notes)
    if outcome.status is Status.FAIL:
        reason = outcome.failure_reason or outcome.notes or "failed without giving a reason"
        failure_class = outcome.failure_class or classify(reason)
    elif outcome.status is Status.RETRY:
        reason, failure_class = outcome.failure_reason, outcome.failure_class or classify(outcome.failure_reason)
    else:
        return outcome
    marked = signature(node.id, failure_class, outcome.failure_signature or reason)
    return replace(outcome, failure_reason=reason, failure_class=failure_class, failure_signature=marked)


def _not_json(updates: Mapping[str, Json]) -> str:
    """Return why the updates cannot be written down; "" when they can."""
    if updates:
        try:
            json.dumps(dict(updates), allow_nan=False)
        except (ValueError, TypeError, RecursionError) as error:
            return str(error)
    return ""


def _attempt(walk: Walk, node: Node, visit: int, attempt: int, arrival: Arrival) -> Attempt:
    clock, state = walk.world.clock, walk.state
    folder = walk.records.stage_folder(state.home, node.id, visit, attempt)
    workspace = walk.world.workspace.folder
    gone = not os.path.isdir(workspace)  # made anew it would be empty, and a stage might be content with that
    files = status.StatusFiles("", ())
    if not gone:
        files = _status_files(walk, node, visit, attempt)
    walk.world.emit(StageStarted(node.id, node.kind, visit, attempt, node.attempts, folder))
    started_s = clock.now_s()
    timeout = _stage_timeout(walk, node)
    world = walk.world._replace(cancellation=_cancellation(walk, node, timeout))
    step = walk.steps.get(node.kind)
    if gone:
        report = _unable(f"the workspace is gone: {workspace}")
    elif step is None:
        report = _unable(f"this attractor cannot run nodes of kind {node.kind}")
    else:
        report = step(_visit(walk, node, visit, attempt, arrival, walk.run.folder / folder, files), world)
        if node.kind is Kind.CODERGEN:
            walk.threads.begin(_thread(node, arrival) or node.id)
    walk.meter.charge(report.usage)
    ingested = status.ingest(node, report.outcome, files)
    outcome = settle(node, _if_timed_out(_without_outputs(node, ingested.outcome, workspace), timeout))
    walk.records.write_outcome(folder, outcome)
    walk.world.emit(
        StageAttemptFinished(
            node.id,
            visit,
            attempt,
            outcome.word,
            str(outcome.failure_class or ""),
            outcome.failure_reason,
            ingested.source,
            round((clock.now_s() - started_s) * 1000),
        )
    )
    return Attempt(outcome, report)


def _status_files(walk: Walk, node: Node, visit: int, attempt: int) -> status.StatusFiles:
    """Return where the attempt may report. Branches in one folder may not meet there, so they have no fallback."""
    workspace, branch = walk.world.workspace, walk.state.branch
    alone = not branch or bool(workspace.branch)
    name = node.id if alone else f"{branch.replace('/', '.')}.{node.id}"
    files = status.prepare(workspace.folder, folder_name(name), node, visit, attempt)
    return files if alone else files._replace(fallbacks=())


def _unable(reason: str) -> Report:
    return Report(Outcome.failed(reason, FailureClass.STRUCTURAL))


def _visit(
    walk: Walk, node: Node, visit: int, attempt: int, arrival: Arrival, folder: Path, files: status.StatusFiles
) -> Visit:
    state, edge, workspace = walk.state, arrival.edge, walk.world.workspace.folder
    fidelity, thread = (edge.fidelity if edge else None) or node.fidelity, _thread(node, arrival)
    previous = state.position.outcome
    here: dict[str, Json] = {
        "current_node": node.id,
        "previous_node": state.position.node,
        "previous_outcome": previous.word if previous else "",
    }
    variables = StageVariables(
        run_id=walk.run.run_id,
        node_id=node.id,
        visit=visit,
        attempt=attempt,
        workspace=workspace,
        stage_folder=folder,
        status_path=Path(files.primary),
        fallback_path=workspace / status.FALLBACKS[-1],
        previous_node=state.position.node,
        previous_outcome=previous.word if previous else "",
        inputs=walk.plan.inputs,
    )
    return Visit(
        plan=walk.plan,
        run=walk.run,
        node=node,
        number=visit,
        overall=state.earlier.get(node.id, 0) + visit,
        attempt=attempt,
        restarts=state.restarts,
        branch=state.branch,
        folder=folder,
        workspace=workspace,
        context=ChainMap(here, state.context),
        words=state.words,
        previous=previous,
        previous_node=state.position.node,
        dossier=state.dossier,
        environment=variables.as_environment(),
        status_files=files,
        fidelity=fidelity,
        thread=thread,
        cold=walk.threads.is_cold(thread or node.id),
    )


def _thread(node: Node, arrival: Arrival) -> str:
    """Return the session that stages of fidelity full share; "" for the node's own."""
    return (arrival.edge.thread if arrival.edge else None) or node.thread


def _stage_timeout(walk: Walk, node: Node) -> Deadline | None:
    """A tool's own bound is its command's; a gate's is the question's."""
    if not node.timeouts.stage_ms or node.kind in (Kind.TOOL, Kind.HUMAN):
        return None
    reason = f"timed out after {node.timeouts.stage_ms / 1000:g} s (timeout of {node.id!r})"
    return Deadline(walk.world.cancellation, walk.world.clock, node.timeouts.stage_ms / 1000, reason)


def _cancellation(walk: Walk, node: Node, timeout: Deadline | None) -> Cancellation:
    """Return what tells the stage to stop. While a person is asked, the run's clock stands still."""
    inner = timeout or walk.world.cancellation
    left_s = None if node.kind is Kind.HUMAN else walk.meter.left_s()
    return inner if left_s is None else Deadline(inner, walk.world.clock, left_s, "the run's time is up")


def _without_outputs(node: Node, outcome: Outcome, workspace: Path) -> Outcome:
    """Return the outcome; a failure instead, when it is none and outputs that the stage promised do not exist."""
    promised = node.work.outputs if isinstance(node.work, ToolWork | CodergenWork) else ()
    if not promised or outcome.status in (Status.FAIL, Status.RETRY):
        return outcome
    missing = [path for path in promised if not (workspace / path).exists()]
    if not missing:
        return outcome
    reason = f"promised outputs are missing: {', '.join(missing)}"
    return Outcome.failed(reason, FailureClass.DETERMINISTIC, notes=outcome.notes)


def _if_timed_out(outcome: Outcome, timeout: Deadline | None) -> Outcome:
    if timeout is None or not timeout.passed or outcome.failure_class is not FailureClass.CANCELED:
        return outcome
    return Outcome.failed(timeout.reason, FailureClass.TRANSIENT_INFRA)


def _interrupted(walk: Walk, node: Node, outcome: Outcome) -> Ending | None:
    """Return how the walk ends if the attempt failed because it was told to stop."""
    if outcome.failure_class is None:
        return None
    if walk.is_canceled():
        return walk.canceled(node.id)
    trip = None
    if outcome.failure_class is FailureClass.CANCELED:
        trip = walk.meter.time_is_up()
    elif outcome.failure_class is FailureClass.BUDGET_EXHAUSTED and node.kind in LLM_KINDS:
        trip = walk.meter.money_is_spent()  # a limit of the run, reached in the middle of a stage
    return walk.tripped(trip, node.id, limit=True) if trip is not None else None


def is_routed(walk: Walk, node: Node, outcome: Outcome, facts: Mapping[str, Json]) -> bool:
    """Return whether an edge asks for this `retry` outcome; then no further attempt is made."""
    own = {key: value for key, value in outcome.context_updates.items() if not is_engine_key(key)}
    context = ChainMap(facts_of(outcome), dict(facts), own, walk.state.context)
    return routing.retry_hop(node, outcome, context) is not None


def _back_off(walk: Walk, node: Node, visit: int, attempt: int, outcome: Outcome) -> Ending | None:
    delay_ms = retry.delay_ms(node.backoff, walk.run.run_id, node.id, visit, attempt)
    reason = outcome.failure_reason or outcome.notes
    walk.world.emit(StageRetryScheduled(node.id, visit, attempt, node.attempts, delay_ms, reason))
    left_s = walk.meter.left_s()
    with walk.world.pulse.still():
        seconds = delay_ms / 1000 if left_s is None else max(0.0, min(left_s, delay_ms / 1000))
        stopped = walk.world.cancellation.wait(seconds)
    if stopped:
        return walk.canceled(node.id)
    trip = walk.meter.time_is_up()
    return walk.tripped(trip, node.id, limit=True) if trip is not None else None


def _accept(walk: Walk, node: Node, visit: int, attempt: int, outcome: Outcome, decision: retry.Decision) -> Outcome:
    match decision:
        case retry.Decision.BLOCKED:
            walk.world.emit(
                StageRetryBlocked(
                    node.id, visit, attempt, node.attempts, str(outcome.failure_class or ""), outcome.failure_reason
                )
            )
            return retry.spent(node, outcome)
        case retry.Decision.SPENT | retry.Decision.KEEP | retry.Decision.AGAIN:
            return retry.spent(node, outcome)
