"""A manager: it starts a child pipeline, looks at it now and then, steers it if it is told to, and ends when it ends.

What the child is, and how it runs beside the manager, is a `Child`; here is only what a manager does with one.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from ..context import as_text, holds
from ..events import ManagerCycled, Warned
from ..outcome import NO_USAGE, FailureClass, Json, Outcome, Status, Usage
from ..plan import CodergenWork, Kind, ManagerWork, Node, Prompt
from ..status import outcome_of_word
from ..world import World
from .contract import Report, Step, Visit
from .prompt import PromptError, render

MOST_CHARS = 2_000  # of the child's last words in a steering prompt


class Look(NamedTuple):
    """What a manager sees of its child."""

    status: str  # waiting | running | done
    outcome: str  # how it ended: success | fail | canceled; "" before
    node: str  # the stage that finished last
    word: str  # how that stage ended
    finished: int  # visits so far
    reason: str  # why it ended so
    failure_class: str
    context: Mapping[str, Json]  # what its stages wrote
    last_response: str
    folder: str  # of its files, relative to the run directory

    def facts(self) -> dict[str, Json]:
        return {
            "stack.child.status": self.status,
            "stack.child.outcome": self.outcome,
            "stack.child.node": self.node,
            "stack.child.folder": self.folder,
        }


class Child(Protocol):
    def start(self) -> None: ...

    def look(self) -> Look: ...

    def wait(self, seconds: float) -> None:
        """Return when the child has ended, the time is over, or the run is to stop."""
        ...

    def steer(self, note: str) -> None:
        """Let the child's next LLM stage read the note."""
        ...

    def stop(self, reason: str) -> None:
        """Stop the child and wait for its end."""
        ...

    @property
    def usage(self) -> Usage: ...


def steers(node: Node) -> bool:
    """Return whether a model may steer the child."""
    return isinstance(node.work, ManagerWork) and "steer" in node.work.actions


def supervise(visit: Visit, world: World, child: Child, model: Step | None) -> Report:
    """Run one attempt of a manager; `model` answers when it steers."""
    work = visit.node.work
    assert isinstance(work, ManagerWork)  # noqa: S101 - the plan's reader made it so
    unable = _unable(visit, work, model)
    if unable:
        return Report(Outcome.failed(unable, FailureClass.STRUCTURAL))
    steering = _Steering(visit, world, work, model)
    if work.autostart:
        child.start()
    try:
        outcome = _cycles(visit, world, work, child, steering)
    finally:
        child.stop("its manager has ended")
        steering.close()
    look = child.look()
    facts = look.facts() | ({"last_response": look.last_response} if look.last_response else {})
    outcome = replace(outcome, context_updates=look.context) if outcome.failure_class is None else outcome
    return Report(outcome, facts=facts, usage=child.usage + steering.usage, output_tail=look.reason)


def _unable(visit: Visit, work: ManagerWork, model: Step | None) -> str:
    if not work.child:
        return "there is no child pipeline to manage; name it with the graph attribute stack.child_dotfile"
    if not (visit.workspace / work.workdir).resolve().is_relative_to(visit.workspace.resolve()):
        return f"stack.child_workdir={work.workdir!r} leads out of the workspace; name a folder in it"
    steers = "steer" in work.actions
    if steers and (work.llm is None or model is None):
        return "manager.actions says steer, but the node has no model to ask; give it llm_model and a prompt"
    if not work.autostart and not steers:
        return "nothing starts the child: stack.child_autostart=false, and manager.actions has no steer that could"
    return ""


def _cycles(visit: Visit, world: World, work: ManagerWork, child: Child, steering: "_Steering") -> Outcome:
    """Look, steer and wait until the child has ended, the stop condition holds, or the cycles are used up."""
    for cycle in range(1, work.max_cycles + 1):
        if cycle > 1 or work.autostart:  # a child that waits is not waited for
            child.wait(work.poll_interval_ms / 1000)
        look = child.look()
        ended = _ended(visit, world, work, look)
        steered = Outcome.success() if ended else steering.steer(cycle, look)
        told = steered.notes or steered.preferred_label
        world.emit(ManagerCycled(visit.node.id, visit.number, visit.attempt, cycle, look.status, look.node, told))
        if ended:
            return ended
        if steered.preferred_label == "stop":
            child.stop(f"its manager stopped it: {steered.notes or steered.failure_reason or 'no reason given'}")
            return replace(steered, preferred_label="")
        if steered.preferred_label == "start":
            child.start()
        if steered.notes:
            child.steer(steered.notes)
    look = child.look()
    where = f"still runs after {look.node!r}" if look.status == "running" else "was never started"
    reason = f"the child pipeline {where}, and manager.max_cycles={work.max_cycles} is reached"
    return Outcome.failed(f"{reason}; raise manager.max_cycles or manager.poll_interval", FailureClass.BUDGET_EXHAUSTED)


def _ended(visit: Visit, world: World, work: ManagerWork, look: Look) -> Outcome | None:
    """Return how the manager ends; None while the child is to go on."""
    if world.cancellation.reason:
        return Outcome.failed(world.cancellation.reason, FailureClass.CANCELED)
    if look.status == "done":
        if look.outcome == "success":
            return Outcome.success(notes=f"the child pipeline ended in success: {look.reason}")
        failure_class = FailureClass(look.failure_class or FailureClass.CANCELED)
        return Outcome.failed(f"the child pipeline ended in {look.outcome}: {look.reason}", failure_class)
    seen = ChainMap(look.facts(), dict(look.context), dict(visit.context))
    if work.stop_condition and holds(work.stop_condition, outcome_of_word(look.word), seen):
        return Outcome.success(notes=f"manager.stop_condition holds after {look.node!r}")
    return None


class _Steering:
    """Asks the manager's model, once a cycle, whether the child is on course."""

    def __init__(self, visit: Visit, world: World, work: ManagerWork, model: Step | None) -> None:
        self._visit, self._world, self._work = visit, world, work
        self._model = model if "steer" in work.actions else None
        self.usage = NO_USAGE

    def steer(self, cycle: int, look: Look) -> Outcome:
        """Return what the model says: notes for the child, and start or stop as preferred label."""
        if self._model is None or self._work.llm is None:
            return Outcome.success()
        visit = self._visit
        try:
            text = f"{render(visit, self._work.prompt).rstrip()}\n\n{described(look)}".lstrip()
        except PromptError as error:
            return Outcome.failed(str(error), FailureClass.DETERMINISTIC)
        folder = visit.folder / f"steer-{cycle}"
        folder.mkdir(exist_ok=True)
        asks = CodergenWork("one_shot", Prompt(text, "plain", ()), self._work.llm, ())
        node = visit.node._replace(kind=Kind.CODERGEN, work=asks)
        report = self._model(visit._replace(node=node, folder=folder, overall=cycle), self._world)
        self.usage += report.usage
        self._world.meter.running(self, self.usage)
        return self._read(report)

    def _read(self, report: Report) -> Outcome:
        """A model that could not be asked has nothing to say: the child goes on without it."""
        outcome = report.outcome or Outcome.success()
        label = outcome.preferred_label.strip().lower()
        if outcome.status is Status.FAIL and label != "stop":
            self._world.emit(Warned(f"{self._visit.node.id!r} could not steer its child: {outcome.failure_reason}"))
            return Outcome.success()
        return replace(outcome, preferred_label=label if label in ("start", "stop") else "", context_updates={})

    def close(self) -> None:
        self._world.meter.running(self, NO_USAGE)


def described(look: Look) -> str:
    """Return what the model has to know of the child, and how it answers."""
    lines = [
        "# The child pipeline",
        "",
        f"- status: {look.status}, stages finished: {look.finished}",
        f"- last stage: {look.node or 'none yet'}" + (f", which ended in {look.word}" if look.word else ""),
        *([f"- context: {as_text(look.context)}"[:MOST_CHARS]] if look.context else []),
        *(["", look.last_response[:MOST_CHARS]] if look.last_response else []),
        "",
        "Call the tool `report_outcome` with status=success. Its notes are given to the child's next stage: leave them "
        "empty when it is on course. preferred_label=start begins a child that waits; preferred_label=stop ends it, "
        "with status=fail as a failure.",
    ]
    return "\n".join(lines)
