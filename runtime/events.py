"""What a run tells about itself: one light value per event, one table of them, one function to a line.

Events are past tense and carry facts, never secrets. `EVENTS` is the table: the schema of `progress.ndjson`
(`schemas/event.schema.json`) and the docs are generated from it by `event_schema.py`; after a change here run
`python -m attractor.runtime.event_schema > schemas/event.schema.json`.
A field name means the same in every event; `FIELDS` says what.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .outcome import Json


class RunStarted(NamedTuple):
    """The walk is about to begin."""

    name: str
    goal: str
    digest: str
    workspace: str
    branch: str
    base_sha: str


class RunResumed(NamedTuple):
    """Another process goes on with the run, after a crash, a signal or a failure; earlier last lines do not count."""

    digest: str
    workspace: str
    branch: str
    commit: str
    journal_lines: int
    after: str
    retry: str
    llm_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class PreflightFinished(NamedTuple):
    """What the plan needs was looked for before anything was spent."""

    passed: bool
    failures: Sequence[str]
    warnings: Sequence[str]


class SetupStarted(NamedTuple):
    """A setup command is about to run in the workspace."""

    number: int
    command: str


class SetupFinished(NamedTuple):
    """A setup command ended."""

    number: int
    command: str
    exit_code: int
    duration_ms: int
    reason: str


class StageStarted(NamedTuple):
    """An attempt of a stage begins."""

    node_id: str
    kind: str
    visit: int
    attempt: int
    attempts: int
    folder: str


class StageOutput(NamedTuple):
    """A stage printed something; at most a few of these per second, the rest is in its files."""

    node_id: str
    visit: int
    attempt: int
    stream: str
    text: str


class StageAttemptFinished(NamedTuple):
    """An attempt ended and its result was read."""

    node_id: str
    visit: int
    attempt: int
    status: str
    failure_class: str
    reason: str
    source: str
    duration_ms: int


class StageRetryScheduled(NamedTuple):
    """Another attempt will be made after a delay."""

    node_id: str
    visit: int
    attempt: int
    attempts: int
    delay_ms: int
    reason: str


class StageRetryBlocked(NamedTuple):
    """Attempts were left, but this failure is not one that another attempt can cure."""

    node_id: str
    visit: int
    attempt: int
    attempts: int
    failure_class: str
    reason: str


class StageFinished(NamedTuple):
    """A visit of a node is over; its journal line is on disk."""

    node_id: str
    kind: str
    visit: int
    attempt: int
    status: str
    failure_class: str
    reason: str
    signature: str
    commit: str
    notes: str
    duration_ms: int
    llm_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class EdgeSelected(NamedTuple):
    """Why the walk went where it went. `candidates` were looked at in this order."""

    node_id: str
    from_: str  # in the line `from`, a word that Python keeps for itself
    to: str
    why: str
    status: str
    label: str
    candidates: Sequence[Mapping[str, Json]]
    skipped: Sequence[str]


class GoalGateUnsatisfied(NamedTuple):
    """An exit was reached while a visited goal gate had not succeeded."""

    node_id: str
    gate: str
    status: str
    to: str


class LoopRestarted(NamedTuple):
    """The run starts over with a fresh context."""

    node_id: str
    to: str
    restarts: int
    folder: str
    persist_keys: Sequence[str]


class LoopRestartBlocked(NamedTuple):
    """A restart edge was chosen, but it restarts only after transient failures."""

    node_id: str
    to: str
    failure_class: str
    reason: str


class BreakerTripped(NamedTuple):
    """A bound on repetition was reached; the walk it belongs to ends."""

    node_id: str
    breaker: str
    limit: int
    value: int
    signature: str
    reason: str


class LimitReached(NamedTuple):
    """One of run.yaml's limits was reached; the run ends."""

    limit_name: str
    limit: float
    value: float
    reason: str


class CheckpointSaved(NamedTuple):
    """A snapshot of the journal was written."""

    journal_lines: int
    node_id: str


class LlmRequestSent(NamedTuple):
    """A model was asked."""

    node_id: str
    visit: int
    attempt: int
    provider: str
    model: str
    request: int


class LlmResponseReceived(NamedTuple):
    """A model answered."""

    node_id: str
    visit: int
    attempt: int
    provider: str
    model: str
    request: int
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float | None
    duration_ms: int


class LlmRetryScheduled(NamedTuple):
    """The same model will be asked again after a delay."""

    node_id: str
    visit: int
    attempt: int
    provider: str
    model: str
    request: int
    delay_ms: int
    reason: str


class LlmFailedOver(NamedTuple):
    """The next entry of the node's chain is asked from here on."""

    node_id: str
    visit: int
    attempt: int
    from_provider: str
    from_model: str
    to_provider: str
    to_model: str
    reason: str


class QuestionAsked(NamedTuple):
    """A person has to choose."""

    node_id: str
    visit: int
    attempt: int
    question: str
    text: str
    options: Sequence[str]


class QuestionAnswered(NamedTuple):
    """Somebody, or a default, chose; `to` is empty when nobody did."""

    node_id: str
    visit: int
    attempt: int
    question: str
    to: str
    reason: str


class BranchStarted(NamedTuple):
    """A branch of a parallel node begins."""

    node_id: str
    visit: int
    branch_id: str
    to: str


class BranchProgressed(NamedTuple):
    """A stage inside a branch finished."""

    node_id: str
    visit: int
    branch_id: str
    stage: str
    status: str


class BranchFinished(NamedTuple):
    """A branch reached the join, or ended before it."""

    node_id: str
    visit: int
    branch_id: str
    last_node: str
    status: str
    failure_class: str
    reason: str


class FanInFinished(NamedTuple):
    """The branches were ranked and joined."""

    node_id: str
    visit: int
    merge: str
    best_id: str
    best_outcome: str
    best_head_sha: str
    losers: Sequence[str]


class ChildStarted(NamedTuple):
    """A manager started its child pipeline, which has a run directory of its own."""

    node_id: str
    visit: int
    attempt: int
    name: str
    folder: str


class ChildProgressed(NamedTuple):
    """A stage of a child pipeline finished."""

    node_id: str
    visit: int
    attempt: int
    stage: str
    status: str


class ChildFinished(NamedTuple):
    """A child pipeline ended."""

    node_id: str
    visit: int
    attempt: int
    status: str
    reason: str


class ManagerCycled(NamedTuple):
    """A manager looked at its child."""

    node_id: str
    visit: int
    attempt: int
    cycle: int
    child_status: str
    stage: str
    said: str


class ContextKeyRefused(NamedTuple):
    """A stage tried to write a key that belongs to the engine; the key was left alone."""

    node_id: str
    visit: int
    key: str


class StallDetected(NamedTuple):
    """Nothing real happened for too long; the run is canceled."""

    stall_timeout_ms: int
    idle_ms: int


class Warned(NamedTuple):
    """Something that a person should know and that changes nothing."""

    message: str


class RunCompleted(NamedTuple):
    """The pipeline ended in success; the last line."""

    status: str
    reason: str
    node_id: str
    folder: str
    branch: str
    commit: str
    duration_ms: int


class RunFailed(NamedTuple):
    """The pipeline failed; the last line."""

    status: str
    reason: str
    failure_class: str
    node_id: str
    folder: str
    branch: str
    commit: str
    duration_ms: int


class RunCanceled(NamedTuple):
    """The run was stopped; the last line."""

    status: str
    reason: str
    node_id: str
    folder: str
    branch: str
    commit: str
    duration_ms: int


Event = (
    RunStarted
    | RunResumed
    | PreflightFinished
    | SetupStarted
    | SetupFinished
    | StageStarted
    | StageOutput
    | StageAttemptFinished
    | StageRetryScheduled
    | StageRetryBlocked
    | StageFinished
    | EdgeSelected
    | GoalGateUnsatisfied
    | LoopRestarted
    | LoopRestartBlocked
    | BreakerTripped
    | LimitReached
    | CheckpointSaved
    | LlmRequestSent
    | LlmResponseReceived
    | LlmRetryScheduled
    | LlmFailedOver
    | QuestionAsked
    | QuestionAnswered
    | BranchStarted
    | BranchProgressed
    | BranchFinished
    | FanInFinished
    | ChildStarted
    | ChildProgressed
    | ChildFinished
    | ManagerCycled
    | ContextKeyRefused
    | StallDetected
    | Warned
    | RunCompleted
    | RunFailed
    | RunCanceled
)

EVENTS: Mapping[type[Event], str] = {
    RunStarted: "run_started",
    RunResumed: "run_resumed",
    PreflightFinished: "preflight_finished",
    SetupStarted: "setup_started",
    SetupFinished: "setup_finished",
    StageStarted: "stage_started",
    StageOutput: "stage_output",
    StageAttemptFinished: "stage_attempt_finished",
    StageRetryScheduled: "stage_retry_scheduled",
    StageRetryBlocked: "stage_retry_blocked",
    StageFinished: "stage_finished",
    EdgeSelected: "edge_selected",
    GoalGateUnsatisfied: "goal_gate_unsatisfied",
    LoopRestarted: "loop_restart",
    LoopRestartBlocked: "loop_restart_blocked",
    BreakerTripped: "breaker_tripped",
    LimitReached: "limit_reached",
    CheckpointSaved: "checkpoint_saved",
    LlmRequestSent: "llm_request",
    LlmResponseReceived: "llm_response",
    LlmRetryScheduled: "llm_retry",
    LlmFailedOver: "llm_failover",
    QuestionAsked: "question_asked",
    QuestionAnswered: "question_answered",
    BranchStarted: "branch_started",
    BranchProgressed: "branch_progress",
    BranchFinished: "branch_finished",
    FanInFinished: "fan_in_finished",
    ChildStarted: "child_started",
    ChildProgressed: "child_progress",
    ChildFinished: "child_finished",
    ManagerCycled: "manager_cycle",
    ContextKeyRefused: "context_key_refused",
    StallDetected: "stall_detected",
    Warned: "warning",
    RunCompleted: "run_completed",
    RunFailed: "run_failed",
    RunCanceled: "run_canceled",
}

# Somebody talks, nothing moves: what the stall watchdog does not count as progress.
NO_PROGRESS: tuple[type[Event], ...] = (CheckpointSaved, ManagerCycled, StallDetected, Warned)

# What a field says, wherever it stands.
FIELDS: Mapping[str, str] = {
    "after": "The node that ended last before the run was cut off; empty for none.",
    "ts": "When, in UTC.",
    "seq": "Number of the line, from 1, without gaps.",
    "run_id": "Which run.",
    "in_branch": "COMPONENT/VISIT/TARGET of the branch it happened in; absent in the main walk.",
    "attempt": "Number of the attempt, from 1; of a finished stage: how many were made.",
    "attempts": "How many attempts the node has.",
    "base_sha": "The commit the run began at; empty without git.",
    "best_head_sha": "The winning branch's last commit; empty without git.",
    "best_id": "The winning branch; empty when all failed.",
    "best_outcome": "How the winning branch ended.",
    "branch": "The run's git branch; empty without git.",
    "branch_id": "Which of the component's branches: its first node.",
    "breaker": "The bound that was reached.",
    "cache_read_tokens": "Tokens read from the provider's cache.",
    "cache_write_tokens": "Tokens written to the provider's cache.",
    "candidates": "What was looked at, in order: to, kind, when (the condition), verdict.",
    "child_status": "waiting, running or done.",
    "command": "A shell command.",
    "commit": "The commit that holds the state; empty without one.",
    "cost_usd": "What it cost; null when a price is not known.",
    "cycle": "How often the manager has looked, from 1.",
    "delay_ms": "How long is waited first.",
    "digest": "The plan's digest.",
    "duration_ms": "How long it took.",
    "exit_code": "124 after a timeout, 128 + N after signal N.",
    "failure_class": "transient_infra, deterministic, canceled, budget_exhausted or structural; empty for no failure.",
    "failures": "What stands in the way.",
    "finish_reason": "Why the model stopped.",
    "folder": "Where the files are: of a stage relative to the run directory, of a run absolute.",
    "from_model": "The model that was given up.",
    "from_provider": "The provider that was given up.",
    "gate": "The goal gate.",
    "from": "The node that the walk left.",
    "goal": "What the pipeline is for.",
    "idle_ms": "How long nothing real happened.",
    "input_tokens": "Tokens read, cached ones included.",
    "journal_lines": "How many lines of the journal the snapshot holds.",
    "key": "A key of the context.",
    "kind": "Kind of the node.",
    "label": "Label of the edge; empty when none was taken.",
    "last_node": "Where it ended.",
    "limit": "The bound.",
    "limit_name": "Its key under `limits` in run.yaml.",
    "llm_calls": "Requests to models.",
    "losers": "The other branches.",
    "merge": "best or all.",
    "message": "What to know.",
    "model": "The model that was asked.",
    "name": "Name of the pipeline.",
    "node_id": "The node it is about; of a run's end: where it ended.",
    "notes": "What the stage wants to be known.",
    "number": "Which command, from 1.",
    "options": "The labels to choose from.",
    "output_tokens": "Tokens written, reasoning included.",
    "passed": "Whether the run may begin.",
    "persist_keys": "Context keys that survive a restart.",
    "provider": "The provider that was asked.",
    "question": "Its id, also the name of its files.",
    "reason": "Why, for people.",
    "retry": "The node that is visited again because it failed the run; empty for none.",
    "said": "What the manager told its child: a note, start or stop; empty for nothing.",
    "request": "Number of the request within the attempt, from 1.",
    "restarts": "How often the walk has started over, this time included.",
    "signature": "The failure without what differs from time to time; empty when nothing is counted.",
    "skipped": "Stages that a caught failure passed over.",
    "source": "What said how it ended: step, status file, fallback status file, auto_status or missing.",
    "stage": "The stage that finished.",
    "stall_timeout_ms": "How long nothing real may happen.",
    "status": "The outcome word; of a run: success, fail or canceled.",
    "stream": "stdout or stderr.",
    "text": "The words themselves.",
    "to": "The node it leads to; empty for nowhere.",
    "to_model": "The model asked from now on.",
    "to_provider": "The provider asked from now on.",
    "value": "What was reached.",
    "visit": "Number of the visit, from 1; a restart begins again at 1.",
    "warnings": "What is doubtful but does not stand in the way.",
    "why": "Why this way and not another.",
    "workspace": "The folder stages work in.",
}

TERMINAL = frozenset({"run_completed", "run_failed", "run_canceled"})


class Stamp(NamedTuple):
    """When and where an event happened."""

    ts: str  # RFC 3339, UTC, milliseconds
    seq: int  # from 1, without gaps
    run_id: str
    branch: str  # "" in the main walk


class Record(NamedTuple):
    """An event as it was recorded; live views receive these."""

    stamp: Stamp
    event: Event

    @property
    def name(self) -> str:
        return EVENTS[type(self.event)]


Listener = Callable[[Record], None]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_line(record: Record) -> str:
    """Return the record as one line of JSON, newline included; `in_branch` is left out in the main walk."""
    stamp, event = record
    head: dict[str, object] = {"ts": stamp.ts, "seq": stamp.seq, "run_id": stamp.run_id, "event": EVENTS[type(event)]}
    if stamp.branch:
        head["in_branch"] = stamp.branch
    return _encode(head | {written(name): value for name, value in event._asdict().items()}) + "\n"


def written(field: str) -> str:
    """Return the name of an event's field in its line."""
    return field.rstrip("_")


_KINDS: Mapping[str, type[Event]] = {name: kind for kind, name in EVENTS.items()}


def from_json(line: Mapping[str, Any]) -> Record | None:
    """Return the record of a line; None for an event that this attractor does not know.

    Raises:
        KeyError: the line lacks a field of its event.
    """
    kind = _KINDS.get(line["event"])
    if kind is None:
        return None
    event: Event = kind(**{field: line[written(field)] for field in kind._fields})
    return Record(Stamp(line["ts"], line["seq"], line["run_id"], line.get("in_branch", "")), event)
