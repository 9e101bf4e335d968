"""A run from its directory to its last line: workspace, setup, walk, final.json, on every way out."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, TextIO

from . import interpreter, own_environment
from .environment import SECRET, input_variables
from .events import Listener, Warned
from .git import GitError
from .meter import RunMeter
from .outcome import Outcome
from .people import AutoApprove, Nobody, OpenPeople, Terminal
from .plan import Plan
from .real_world import RealClock, StopSignals
from .run_dir import Ending, Manifest, RunDir
from .setup import run_setup
from .shell import RealShell
from .state import RunState
from .steps.contract import RunFacts
from .walk import Steps, Walk
from .workspace import RealWorkspace, WorkspaceError, open_workspace
from .world import People, World


class Launch(NamedTuple):
    """What to run, where, and who watches."""

    plan: Plan
    plan_text: bytes
    plan_path: str
    base: Path  # run.yaml's folder: what the plan's paths are relative to
    folder: Path  # the run directory, to be made
    run_id: str
    steps: Steps
    simulated: bool
    auto_approve: bool
    listeners: Sequence[Listener]
    stdin: TextIO
    stdout: TextIO
    interactive: bool  # whether a person can be asked through them
    pause_view: Callable[[], AbstractContextManager[object]] = nullcontext


class Result(NamedTuple):
    ending: Ending
    branch: str
    signal: int  # that stopped the run; 0 = none


def launch(asked: Launch, environment: Mapping[str, str]) -> Result:
    """Run the plan and return how it ended.

    Raises:
        RunDirError: the run directory cannot be used; nothing has happened.
    """
    keys = {provider.api.api_key_env for provider in asked.plan.providers.values() if provider.api}
    own_environment.hide(lambda name: name in keys or SECRET.fullmatch(name) is not None)
    clock = RealClock()
    records = RunDir.create(asked.folder, asked.run_id, asked.plan_text, clock, asked.listeners)
    with StopSignals() as stop:
        try:
            run = _Run(asked, records, clock, stop, environment)
            return Result(run.go(), run.branch, stop.signal)
        finally:
            records.close()


class _Run:
    """One run: what its parts share, and what final.json needs to know however it ends."""

    def __init__(
        self, asked: Launch, records: RunDir, clock: RealClock, stop: StopSignals, environment: Mapping[str, str]
    ) -> None:
        self._asked = asked
        self._records = records
        self._clock = clock
        self._stop = stop
        self._environment = environment
        self._state = RunState(asked.plan.context)
        self._workspace: RealWorkspace | None = None

    @property
    def branch(self) -> str:
        return self._workspace.branch if self._workspace else ""

    def go(self) -> Ending:
        ending = Ending("fail", "internal error: the run ended without a result", "structural", "")
        try:
            ending = self._walk()
        except KeyboardInterrupt:  # the second signal
            ending = Ending("canceled", f"{self._stop.reason}, twice", "", self._state.position.node)
        except BaseException as error:
            ending = Ending("fail", f"internal error: {type(error).__name__}: {error}", "structural", "")
            raise
        finally:
            ending, commit = self._hand_over(ending)
            self._records.finish(ending, self._state.spent(), commit or self._state.commit, self._state.restarts)
        return ending

    def _walk(self) -> Ending:
        asked, plan = self._asked, self._asked.plan
        try:
            workspace = open_workspace(
                plan.workspace,
                asked.base / plan.workspace.repo,
                asked.folder,
                asked.run_id,
                self._environment,
                self._warn,
            )
        except WorkspaceError as error:
            return Ending("fail", str(error), "structural", "")
        self._workspace = workspace
        meter = RunMeter(self._clock, plan.limits)
        world = World(
            clock=self._clock,
            shell=RealShell(self._environment, plan.env_pass),
            workspace=workspace,
            people=self._people(),
            cancellation=self._stop,
            emit=self._records.emit,
            meter=meter,
            keys=self._environment,
        )
        self._write_manifest(workspace)
        failed = run_setup(plan.setup, world, asked.folder / "setup", self._setup_variables(workspace.folder))
        if failed is not None:
            return self._setup_failed(failed)
        facts = RunFacts(asked.run_id, asked.folder, workspace.base_sha)
        return interpreter.run(Walk(plan, facts, self._state, world, meter, asked.steps, self._records))

    def _hand_over(self, ending: Ending) -> tuple[Ending, str]:
        """Let the workspace record what is left; a run whose work is lost has not succeeded."""
        if self._workspace is None:
            return ending, ""
        try:
            return ending, self._workspace.finish(f"attractor({self._asked.run_id}): {ending.status}")
        except GitError as error:
            if ending.status == "success":
                ending = Ending("fail", f"the run's work could not be committed: {error}", "structural", "")
        return ending, ""

    def _setup_failed(self, failed: Outcome) -> Ending:
        if self._stop.reason:
            return Ending("canceled", self._stop.reason, "", "")
        return Ending("fail", failed.failure_reason, str(failed.failure_class), "")

    def _setup_variables(self, folder: Path) -> dict[str, str]:
        return {
            "ATTRACTOR_RUN_ID": self._asked.run_id,
            "ATTRACTOR_WORKSPACE": str(folder),
            **input_variables(self._asked.plan.inputs),
        }

    def _people(self) -> People:
        asked = self._asked
        if asked.auto_approve or asked.simulated:
            return AutoApprove()
        match asked.plan.human_mode:
            case "auto_approve":
                return AutoApprove()
            case "fail":
                return Nobody()
            case "console" if asked.interactive:
                terminal = Terminal(asked.stdin, asked.stdout, asked.pause_view)
                return OpenPeople(asked.folder, self._warn, terminal)
            case _:  # file, and a console without a terminal
                return OpenPeople(asked.folder, self._warn)

    def _write_manifest(self, workspace: RealWorkspace) -> None:
        plan = self._asked.plan
        self._records.write_manifest(
            Manifest(
                name=plan.name,
                goal=plan.goal,
                digest=plan.digest,
                plan_path=self._asked.plan_path,
                workspace=str(workspace.folder),
                mode="worktree" if workspace.branch else "directory",
                branch=workspace.branch,
                base_sha=workspace.base_sha,
                pid=os.getpid(),
                simulated=self._asked.simulated,
            )
        )

    def _warn(self, message: str) -> None:
        self._records.emit(Warned(message))
