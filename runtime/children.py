"""A child pipeline beside its manager: the same interpreter on a nested plan, with a run directory of its own."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .context import is_engine_key
from .crew import Crew, Recall
from .events import NO_PROGRESS, ChildFinished, ChildProgressed, ChildStarted, Record, StageFinished
from .outcome import NO_USAGE, Usage
from .plan import Kind, ManagerWork
from .read_plan import plan_of
from .run_dir import Ending, Manifest, RunDir
from .state import RunState
from .steps import manager
from .steps.contract import NOT_PLAYED, Report, RunFacts, Step, Visit
from .steps.prompt import STEERED
from .walk import Walk
from .world import Answer, Cancellation, People, Question, World

Run = Callable[[Walk], Ending]


def manager_step(walk: Walk, run: Run) -> Step:
    """Return the step of a manager node of `walk`; `run` walks a whole pipeline. A scenario may play the manager."""
    played = walk.steps.get(Kind.MANAGER)

    def step(visit: Visit, world: World) -> Report:
        report = played(visit, world) if played is not None else NOT_PLAYED
        if report is not NOT_PLAYED:
            return report
        return manager.supervise(visit, world, _Child(walk, visit, world, run), walk.steps.get(Kind.CODERGEN))

    return step


class _Child:
    """The child of one attempt of a manager. It walks in a thread of its own; the rest is the manager's thread."""

    def __init__(self, above: Walk, visit: Visit, world: World, run: Run) -> None:
        self._above = above
        self._visit = visit
        self._world = world
        self._run = run
        self._crew = Crew()
        self._recall = Recall(world.cancellation)
        self._notes: list[str] = []
        self._walk: Walk | None = None
        self._ending: Ending | None = None

    @property
    def usage(self) -> Usage:
        return self._walk.state.spent() if self._walk else NO_USAGE

    def start(self) -> None:
        if self._walk is None:
            walk = self._walk = self._open()
            visit, folder = self._visit, self._relative(walk.run.folder)
            self._world.emit(ChildStarted(visit.node.id, visit.number, visit.attempt, walk.plan.name, folder))
            self._crew.start("child", lambda: self._go(walk))

    def look(self) -> manager.Look:
        walk, ending = self._walk, self._ending
        if walk is None:
            return manager.Look("waiting", "", "", "", 0, "", "", {}, "", "")
        state = walk.state
        node, outcome, _ = state.position
        context = dict(state.context)
        return manager.Look(
            status="done" if ending else "running",
            outcome=ending.status if ending else "",
            node=node,
            word=outcome.word if outcome else "",
            finished=sum(state.visits.copy().values()) + sum(state.earlier.copy().values()),
            reason=ending.reason if ending else "",
            failure_class=ending.failure_class if ending else "",
            context={k: v for k, v in context.items() if not is_engine_key(k) and state.seed.get(k) != v},
            last_response=str(context.get("last_response", "")),
            folder=self._relative(walk.run.folder),
        )

    def wait(self, seconds: float) -> None:
        if not len(self._crew):
            self._world.cancellation.wait(seconds if self._walk is None else 0)
            return
        try:
            ended = self._crew.next(seconds)
        except BaseException as error:
            self._crew.abandon(error, self._world.shell, [self._recall])
            raise
        if ended is not None:
            self._end(ended[1])

    def steer(self, note: str) -> None:
        self._notes.append(note)

    def stop(self, reason: str) -> None:
        self._recall.stop(reason)
        while len(self._crew):
            self.wait(1.0)

    def _end(self, ending: Ending) -> None:
        visit = self._visit
        self._ending = ending
        self._world.emit(ChildFinished(visit.node.id, visit.number, visit.attempt, ending.status, ending.reason))

    def _relative(self, folder: Path) -> str:
        return folder.relative_to(self._above.run.folder).as_posix()

    def _open(self) -> Walk:
        """Make the child's run directory, world and state."""
        visit, above, work = self._visit, self._above, self._visit.node.work
        assert isinstance(work, ManagerWork)  # noqa: S101 - the plan's reader made it so
        document: Mapping[str, Any] = work.child
        plan = plan_of(document)
        run_id = f"{above.run.run_id}.{visit.node.id}"
        text = json.dumps(document, ensure_ascii=False).encode()
        records = RunDir.create(_free(visit.folder / "child"), run_id, text, self._world.clock, [self._hear])
        name = f"{visit.branch.replace('/', '.')}.{visit.node.id}.{visit.overall}.{visit.attempt}".lstrip(".")
        workspace = self._world.workspace.inside(work.workdir, name)
        records.write_manifest(
            Manifest(
                name=plan.name,
                goal=plan.goal,
                digest=plan.digest,
                plan_path="plan.json",
                workspace=str(workspace.folder),
                mode="worktree" if workspace.branch else "directory",
                branch=workspace.branch,
                base_sha=workspace.base_sha,
                pid=os.getpid(),
                simulated=False,
            )
        )
        meter = above.meter.within(plan.limits)
        world = self._world._replace(
            workspace=workspace,
            people=_Asked(name, self._world.people),
            cancellation=self._recall,
            emit=records.emit,
            meter=meter,
        )
        own = {key: value for key, value in visit.context.items() if not is_engine_key(key)}
        state = RunState({**own, **plan.context})
        facts = RunFacts(run_id, records.folder, above.run.base_sha)
        steps = {kind: self._steered(step) if kind is Kind.CODERGEN else step for kind, step in above.steps.items()}
        return Walk(plan, facts, state, world, meter, steps, records)

    def _go(self, walk: Walk) -> Ending:
        """Walk the child; in its own thread."""
        ending = Ending("fail", "internal error: the child ended without a result", "structural", "")
        try:
            ending = self._run(walk)
        finally:
            walk.records.finish(ending, walk.state.spent(), walk.state.commit, walk.state.restarts)
            walk.records.close()
            walk.meter.close()
        return ending

    def _hear(self, record: Record) -> None:
        """Tell the parent's stream of each stage that the child finished."""
        event, visit = record.event, self._visit
        if not isinstance(event, NO_PROGRESS):
            self._world.pulse.beat()
        if isinstance(event, StageFinished):
            self._world.emit(ChildProgressed(visit.node.id, visit.number, visit.attempt, event.node_id, event.status))

    def _steered(self, step: Step) -> Step:
        """Let a stage read what the manager has said since the last one."""

        def steered(visit: Visit, world: World) -> Report:
            notes, self._notes[:] = list(self._notes), []
            if notes:
                visit = visit._replace(context={**visit.context, STEERED: "\n\n".join(notes)})
            return step(visit, world)

        return steered


def _free(folder: Path) -> Path:
    """Return the folder, or one beside it when an interrupted attempt has left its child there."""
    number = 1
    place = folder
    while place.exists():
        number += 1
        place = folder.with_name(f"{folder.name}-{number}")
    return place


class _Asked:
    """People who are asked on behalf of a child: its questions are told apart from those of other pipelines."""

    def __init__(self, name: str, people: People) -> None:
        self._name = name
        self._people = people

    def ask(self, question: Question, cancellation: Cancellation) -> Answer:
        return self._people.ask(replace(question, id=f"{self._name}-{question.id}"), cancellation)
