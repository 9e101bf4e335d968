"""A run as lines of text: one per event, for logs, pipes and CI. `live_console.py` is its form for a terminal."""

import os
from collections.abc import Iterable
from typing import TextIO

from . import events as e
from .events import Record, to_line

NODE_WIDTH = 32
LINE_CHARS = 240


class QuietView:
    """Shows nothing: the last line is the cli's."""

    def __call__(self, record: Record) -> None:
        pass


class Lines:
    """A stream of lines whose reader may leave at any time (`… | head`): the run goes on, unseen."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_open = True

    def write(self, text: str) -> None:
        if not self.is_open:
            return
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self.is_open = False
            _drop(self._out)


def _drop(out: TextIO) -> None:
    """Lead a closed pipe's descriptor to nowhere, or Python would complain about what is buffered when it ends."""
    try:
        descriptor = out.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class JsonView:
    """Passes the event stream on as it is."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __call__(self, record: Record) -> None:
        self._lines.write(to_line(record))


class PlainView:
    """Writes one line per event: time of day (UTC), node, what happened."""

    def __init__(self, lines: Lines, node_ids: Iterable[str] = ()) -> None:
        self._lines = lines
        self._width = min(NODE_WIDTH, max(map(len, node_ids), default=0))

    def __call__(self, record: Record) -> None:
        place = place_of(record)
        self._lines.write(f"{record.stamp.ts[11:19]}  {place:<{self._width}}  {shown(record.event)}\n")


def place_of(record: Record) -> str:
    """Return the node that a record is about, with its branch; "run" for what concerns the whole."""
    if isinstance(record.event, RunEvent):
        return "run"
    node_id = str(getattr(record.event, "node_id", "")) or "run"
    branch = record.stamp.branch.rpartition("/")[2]
    return node_id if branch in ("", node_id) else f"{branch}/{node_id}"


def shown(event: e.Event) -> str:
    """Return what happened on one line of bearable length."""
    text = one_line(describe(event))
    return text if len(text) <= LINE_CHARS else text[: LINE_CHARS - 1] + "…"


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters."""
    text = " ".join(text.split())
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


StageEvent = (
    e.StageStarted
    | e.StageOutput
    | e.StageAttemptFinished
    | e.StageRetryScheduled
    | e.StageRetryBlocked
    | e.StageFinished
    | e.ContextKeyRefused
)
WayEvent = (
    e.EdgeSelected
    | e.GoalGateUnsatisfied
    | e.LoopRestarted
    | e.LoopRestartBlocked
    | e.BreakerTripped
    | e.LimitReached
    | e.BranchStarted
    | e.BranchProgressed
    | e.BranchFinished
    | e.FanInFinished
    | e.ChildStarted
    | e.ChildProgressed
    | e.ChildFinished
    | e.ManagerCycled
)
RunEvent = (
    e.RunStarted
    | e.RunResumed
    | e.PreflightFinished
    | e.SetupStarted
    | e.SetupFinished
    | e.CheckpointSaved
    | e.StallDetected
    | e.Warned
    | e.RunCompleted
    | e.RunFailed
    | e.RunCanceled
)
TalkEvent = (
    e.LlmRequestSent
    | e.LlmResponseReceived
    | e.LlmRetryScheduled
    | e.LlmFailedOver
    | e.QuestionAsked
    | e.QuestionAnswered
)


def describe(event: e.Event) -> str:
    """Return what happened, for people; may span lines where a reason does."""
    if isinstance(event, StageEvent):
        return _stage(event)
    if isinstance(event, WayEvent):
        return _way(event)
    if isinstance(event, TalkEvent):
        return _talk(event)
    return _run(event)


def _stage(event: StageEvent) -> str:
    match event:
        case e.StageStarted():
            return f"started ({event.kind}{counted(event.visit, event.attempt, event.attempts)})"
        case e.StageOutput():
            return f"| {last_line(event.text)}"
        case e.StageAttemptFinished():
            return f"attempt {event.attempt} ended in {event.status} ({duration(event.duration_ms)})"
        case e.StageRetryScheduled():
            return f"attempt {event.attempt} of {event.attempts} follows in {duration(event.delay_ms)}: {event.reason}"
        case e.StageRetryBlocked():
            return f"no further attempt, the failure is {event.failure_class}: {event.reason}"
        case e.StageFinished():
            why = f": {event.reason}" if event.reason else f": {event.notes}" if event.notes else ""
            return f"{event.status} ({duration(event.duration_ms)}{spent(event)}){why}"
        case e.ContextKeyRefused():
            return f"may not set {event.key!r}: the key belongs to the engine"


def _way(event: WayEvent) -> str:
    match event:
        case e.EdgeSelected():
            over = f", passing over {', '.join(event.skipped)}" if event.skipped else ""
            return f"-> {event.to} ({event.why}{over})"
        case e.GoalGateUnsatisfied():
            return f"goal gate {event.gate} ended in {event.status}" + (f"; back to {event.to}" if event.to else "")
        case e.LoopRestarted():
            return f"restart {event.restarts}: the run starts over at {event.to}"
        case e.LoopRestartBlocked():
            return f"no restart at {event.to}: {event.reason}"
        case e.BreakerTripped() | e.LimitReached():
            return event.reason
        case e.BranchStarted():
            return f"branch {event.branch_id} begins at {event.to}"
        case e.BranchProgressed():
            return f"branch {event.branch_id}: {event.stage} {event.status}"
        case e.BranchFinished():
            return f"branch {event.branch_id} ended in {event.status}" + (f": {event.reason}" if event.reason else "")
        case e.FanInFinished():
            return f"joined: best is {event.best_id or 'none'} ({event.best_outcome})"
        case e.ChildStarted():
            return f"child pipeline {event.name!r} begins in {event.folder}"
        case e.ChildProgressed():
            return f"child: {event.stage} {event.status}"
        case e.ChildFinished():
            return f"child pipeline ended in {event.status}: {event.reason}"
        case e.ManagerCycled():
            return f"look {event.cycle}: {event.child_status}" + (f", told {event.said!r}" if event.said else "")


def _talk(event: TalkEvent) -> str:
    match event:
        case e.LlmRequestSent():
            return f"asked {event.provider} {event.model} (request {event.request})"
        case e.LlmResponseReceived():
            tokens = f"{event.input_tokens} in, {event.output_tokens} out"
            why = f"{event.finish_reason}, {tokens}, {duration(event.duration_ms)}"
            return f"{event.provider} {event.model} answered ({why})"
        case e.LlmRetryScheduled():
            return f"asking {event.provider} {event.model} again in {duration(event.delay_ms)}: {event.reason}"
        case e.LlmFailedOver():
            return (
                f"from {event.from_provider} {event.from_model} to {event.to_provider} {event.to_model}: {event.reason}"
            )
        case e.QuestionAsked():
            return f"asks: {event.text} [{', '.join(event.options)}]"
        case e.QuestionAnswered():
            return f"chose {event.to}" + (f" ({event.reason})" if event.reason else "") if event.to else event.reason


def _run(event: RunEvent) -> str:
    match event:
        case e.RunStarted():
            return f"started {event.name!r} in {event.workspace}" + (f" on {event.branch}" if event.branch else "")
        case e.RunResumed():
            place = f"after {event.after}" if event.after else "from the start"
            return f"goes on {place}" + (f", with another try of {event.retry}" if event.retry else "")
        case e.PreflightFinished():
            if not event.passed:  # the last lines say which
                return f"preflight failed, {len(event.failures)} checks" if event.failures[1:] else "preflight failed"
            return "; ".join(("preflight passed", *(f"warning: {each}" for each in event.warnings)))
        case e.SetupStarted():
            return f"setup {event.number}: {event.command}"
        case e.SetupFinished():
            return f"setup {event.number} {event.reason or 'done'} ({duration(event.duration_ms)})"
        case e.CheckpointSaved():
            return f"checkpoint saved after {event.journal_lines} journal lines"
        case e.StallDetected():
            return f"no progress for {duration(event.idle_ms)}"
        case e.Warned():
            return f"warning: {event.message}"
        case e.RunCompleted() | e.RunFailed() | e.RunCanceled():
            return f"{event.status} ({duration(event.duration_ms)})" + (f": {event.reason}" if event.reason else "")


def counted(visit: int, attempt: int, attempts: int) -> str:
    """Return which visit and attempt it is, where there is more than one."""
    return (f", visit {visit}" if visit > 1 else "") + (f", attempt {attempt} of {attempts}" if attempts > 1 else "")


def spent(event: e.StageFinished) -> str:
    if not event.llm_calls:
        return ""
    return f", {event.input_tokens + event.output_tokens} tokens, {cost(event.cost_usd)}"


def cost(usd: float | None) -> str:
    return "cost unknown" if usd is None else f"${usd:.2f}" if usd >= 0.01 or not usd else f"${usd:.4f}"


def duration(ms: int) -> str:
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
