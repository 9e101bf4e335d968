"""What a run told, put together: its visits with their attempts, its ways, its restarts. Made from events alone.

`Story` grows by `hear` and by nothing else; whoever shows a run (status, report, the index of runs) reads it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import events as e
from .console import describe, place_of
from .events import Record, Stamp
from .run_files import RunFiles

ENDS = e.RunCompleted | e.RunFailed | e.RunCanceled
UNFINISHED = ("running", "interrupted")


@dataclass(slots=True)
class AttemptTold:
    """One attempt of a stage."""

    number: int
    of: int
    folder: str  # relative to the run directory; "" for nodes that do no work
    started: str
    status: str = "running"
    failure_class: str = ""
    reason: str = ""
    source: str = ""
    duration_ms: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    models: list[str] = field(default_factory=list)  # that were asked, "PROVIDER MODEL", in order


@dataclass(slots=True)
class VisitTold:
    """One visit of a node."""

    node_id: str
    branch: str  # "" in the main walk
    kind: str
    number: int
    restarts: int  # how often its walk had started over
    seq: int  # of the event that began it
    started: str
    attempts: list[AttemptTold]
    status: str = "running"  # then the outcome's word, or "interrupted"
    failure_class: str = ""
    reason: str = ""
    notes: str = ""
    commit: str = ""
    duration_ms: int = 0
    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    to: str = ""  # where the walk went from here
    why: str = ""

    @property
    def place(self) -> str:
        branch = self.branch.rpartition("/")[2]
        return self.node_id if branch in ("", self.node_id) else f"{branch}/{self.node_id}"

    @property
    def failed(self) -> bool:
        return self.status in ("fail", "retry")


@dataclass(slots=True)
class Happening:
    """Something worth telling that is no visit: a restart, a failover, a breaker, a question, a warning."""

    name: str  # the event's
    ts: str
    place: str
    text: str


@dataclass(slots=True)
class Spent:
    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0

    def add(self, calls: int, input_tokens: int, output_tokens: int, cost_usd: float | None) -> None:
        self.llm_calls += calls
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.cost_usd = None if self.cost_usd is None or cost_usd is None else self.cost_usd + cost_usd


TOLD = (
    e.RunResumed
    | e.LoopRestarted
    | e.LoopRestartBlocked
    | e.LlmFailedOver
    | e.BreakerTripped
    | e.LimitReached
    | e.GoalGateUnsatisfied
    | e.StallDetected
    | e.QuestionAnswered
    | e.StageRetryScheduled
    | e.StageRetryBlocked
    | e.ContextKeyRefused
    | e.Warned
)


class Story:
    """`visits` are in the order in which they began."""

    def __init__(self) -> None:
        self.visits: list[VisitTold] = []
        self.happenings: list[Happening] = []
        self.began: e.RunStarted | None = None
        self.end: e.RunCompleted | e.RunFailed | e.RunCanceled | None = None  # None while it goes on
        self.first_ts = ""
        self.last: Record | None = None
        self.restarts = 0
        self._open: dict[tuple[str, str], VisitTold] = {}
        self._walks: dict[str, int] = {}  # restarts by branch
        self._latest: dict[tuple[str, str], VisitTold] = {}

    @property
    def running(self) -> list[VisitTold]:
        return sorted(self._open.values(), key=lambda visit: visit.seq)

    def latest(self, visit: VisitTold) -> VisitTold:
        """Return the last visit of the same node in the same branch."""
        return self._latest[(visit.branch, visit.node_id)]

    def spent(self) -> Spent:
        """Return what the finished visits and the attempts that are under way have used."""
        spent = Spent()
        for visit in self.visits:
            if visit.status not in UNFINISHED:
                spent.add(visit.llm_calls, visit.input_tokens, visit.output_tokens, visit.cost_usd)
                continue
            for attempt in visit.attempts:
                spent.add(attempt.requests, attempt.input_tokens, attempt.output_tokens, attempt.cost_usd)
        return spent

    def hear(self, record: Record) -> None:
        stamp, event = record
        self.first_ts = self.first_ts or stamp.ts
        self.last = record
        if not isinstance(event, ENDS):
            self.end = None  # a run that was resumed goes on after its end
        if isinstance(event, TOLD):
            self.happenings.append(Happening(record.name, stamp.ts, place_of(record), describe(event)))
        match event:
            case e.RunStarted():
                self.began = event
            case e.RunResumed():
                self.interrupt()
            case e.LoopRestarted():
                self._walks[stamp.branch] = event.restarts
                self.restarts += 1
            case e.EdgeSelected():
                self._went(stamp, event)
            case e.RunCompleted() | e.RunFailed() | e.RunCanceled():
                self.end = event
                self.interrupt()
            case _:
                self._stage(stamp, event)

    def interrupt(self) -> None:
        """Call what is still under way interrupted: its run is over, or its process is gone."""
        for visit in self._open.values():
            visit.status = "interrupted"
            for attempt in visit.attempts:
                if attempt.status == "running":
                    attempt.status = "interrupted"
        self._open.clear()

    def _went(self, stamp: Stamp, event: e.EdgeSelected) -> None:
        visit = self._latest.get((stamp.branch, event.from_))
        if visit is not None:
            visit.to, visit.why = event.to, event.why

    def _stage(self, stamp: Stamp, event: e.Event) -> None:
        node_id = getattr(event, "node_id", "")
        if isinstance(event, e.StageStarted):
            self._started(stamp, event)
            return
        visit = self._open.get((stamp.branch, node_id))
        if visit is None:
            return
        attempt = visit.attempts[-1]
        match event:
            case e.StageAttemptFinished():
                attempt.status, attempt.failure_class, attempt.reason = event.status, event.failure_class, event.reason
                attempt.source, attempt.duration_ms = event.source, event.duration_ms
            case e.StageFinished():
                self._finished(stamp, visit, event)
            case e.LlmRequestSent():
                attempt.requests += 1
                model = f"{event.provider} {event.model}"
                if model not in attempt.models:
                    attempt.models.append(model)
            case e.LlmResponseReceived():
                attempt.input_tokens += event.input_tokens
                attempt.output_tokens += event.output_tokens
                known = attempt.cost_usd is not None and event.cost_usd is not None
                attempt.cost_usd = (attempt.cost_usd or 0) + (event.cost_usd or 0) if known else None
            case _:
                pass

    def _started(self, stamp: Stamp, event: e.StageStarted) -> None:
        key = (stamp.branch, event.node_id)
        attempt = AttemptTold(event.attempt, event.attempts, event.folder, stamp.ts)
        visit = self._open.get(key)
        if visit is not None and visit.number == event.visit and event.attempt > visit.attempts[-1].number:
            visit.attempts.append(attempt)
            return
        if visit is not None:  # its process was killed; this is the next one, which makes the visit again
            visit.status = visit.attempts[-1].status = "interrupted"
        restarts = self._walks.get(stamp.branch, 0)
        visit = VisitTold(
            event.node_id, stamp.branch, event.kind, event.visit, restarts, stamp.seq, stamp.ts, [attempt]
        )
        self._open[key] = self._latest[key] = visit
        self.visits.append(visit)

    def _finished(self, stamp: Stamp, visit: VisitTold, event: e.StageFinished) -> None:
        del self._open[(stamp.branch, event.node_id)]
        visit.status, visit.failure_class, visit.reason = event.status, event.failure_class, event.reason
        visit.notes, visit.commit, visit.duration_ms = event.notes, event.commit, event.duration_ms
        visit.llm_calls, visit.cost_usd = event.llm_calls, event.cost_usd
        visit.input_tokens, visit.output_tokens = event.input_tokens, event.output_tokens
        last = visit.attempts[-1]
        if last.status == "running":  # a node that does no work tells of no attempt
            last.status, last.duration_ms = event.status, event.duration_ms


def told(records: Iterable[Record]) -> Story:
    story = Story()
    for record in records:
        story.hear(record)
    return story


def read_story(run: RunFiles) -> Story:
    """Return the story of a run directory; what a process left under way that is gone is interrupted."""
    story = told(run.records())
    if story.end is None and not run.is_alive():
        story.interrupt()
    return story
