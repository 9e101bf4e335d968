"""A run from its directory to its last line: workspace, setup, walk, final.json, on every way out."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from . import interpreter, own_environment
from .environment import SECRET, input_variables
from .events import Listener, PreflightFinished, RunResumed, StallDetected, Warned
from .files import cut_off, write_json
from .git import GitError
from .journal import Resumed
from .lock import Busy, RunLock
from .meter import RunMeter
from .orphans import end_orphans
from .outcome import NO_USAGE, Json, Outcome
from .own_programs import own_programs
from .people import AutoApprove, Nobody, OpenPeople, Terminal
from .plan import Plan
from .preflight.findings import Doors, Findings, Verdict
from .preflight.run import look
from .real_world import RealClock, StopSignals
from .reopening import Left, reopen_workspace
from .resume import Stopped
from .run_dir import Ending, Manifest, RunDir, RunDirError
from .setup import run_setup
from .shell import RealShell
from .state import RunState
from .steps.contract import RunFacts
from .walk import Steps, Threads, Walk
from .watchdog import Watchdog, WatchedShell
from .workspace import RealWorkspace, WorkspaceError, WorktreeWorkspace, open_workspace
from .world import People, Pulse, Unwatched, World


class GoesOn(NamedTuple):
    """A run whose lock is held, and how it goes on."""

    stopped: Stopped
    entry: Resumed


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
    scenario: Mapping[str, Json] | None = None  # that answers; kept, so that the run can go on with it
    goes_on: GoesOn | None = None  # with a run that an earlier process has begun
    preflight: bool = False  # look for what the plan needs before anything is spent


class Result(NamedTuple):
    ending: Ending
    branch: str
    signal: int  # that stopped the run; 0 = none
    preflight: Findings | None  # None: it was left out


def launch(asked: Launch, environment: Mapping[str, str]) -> Result:
    """Run the plan and return how it ended.

    Raises:
        RunDirError: the run directory cannot be used; nothing has happened.
    """
    keys = {provider.api.api_key_env for provider in asked.plan.providers.values() if provider.api}
    own_environment.hide(lambda name: name in keys or SECRET.fullmatch(name) is not None)
    clock = RealClock()
    with ExitStack() as held:
        if asked.goes_on is None:
            RunDir.make(asked.folder)
            held.enter_context(_lock(asked.folder, clock))
        with StopSignals() as stop:
            watchdog = _watchdog(asked, clock, lambda reason, idle_ms: stalled(reason, idle_ms))
            records = _records(asked, clock, (*asked.listeners, *([watchdog.heard] if watchdog else [])))

            def stalled(reason: str, idle_ms: int) -> None:
                stop.cancel(reason)
                with suppress(OSError):
                    records.emit(StallDetected(asked.plan.policy.stall_timeout_ms, idle_ms))

            try:
                run = _Run(asked, records, clock, stop, environment, watchdog or Unwatched())
                with watchdog or nullcontext():
                    return Result(run.go(), run.branch, stop.signal, run.findings)
            finally:
                records.close()


def _lock(folder: Path, clock: RealClock) -> RunLock:
    try:
        return RunLock(folder, clock.utc())
    except Busy as error:
        raise RunDirError(str(error)) from None
    except OSError as error:
        raise RunDirError(f"run directory {str(folder)!r} cannot be written: {error.strerror}") from None


def _watchdog(asked: Launch, clock: RealClock, on_stall: Callable[[str, int], None]) -> Watchdog | None:
    policy = asked.plan.policy
    if not policy.stall_timeout_ms:
        return None
    return Watchdog(clock, policy.stall_timeout_ms, policy.stall_check_interval_ms, on_stall)


def _records(asked: Launch, clock: RealClock, listeners: Sequence[Listener]) -> RunDir:
    if asked.goes_on is not None:
        _, manifest, at = asked.goes_on.stopped
        return RunDir.reopen(asked.folder, clock, listeners, manifest, at)
    return RunDir.create(asked.folder, asked.run_id, asked.plan_text, clock, listeners)


def _told(goes_on: GoesOn, state: RunState) -> RunResumed:
    (_, manifest, at), entry = goes_on
    spent = entry.interrupted
    return RunResumed(
        digest=manifest["digest"],
        workspace=manifest["workspace"],
        branch=manifest["branch"],
        commit=state.head(),
        journal_lines=at.journal_lines,
        after=entry.at if entry.retry else state.position.node,
        retry=entry.retry,
        llm_calls=spent.llm_calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=spent.cost_usd,
    )


class _Run:
    """One run: what its parts share, and what final.json needs to know however it ends."""

    def __init__(
        self,
        asked: Launch,
        records: RunDir,
        clock: RealClock,
        stop: StopSignals,
        environment: Mapping[str, str],
        pulse: Pulse,
    ) -> None:
        self._asked = asked
        self._records = records
        self._clock = clock
        self._stop = stop
        self._environment = environment
        self._pulse = pulse
        self._began = clock.utc()
        self._goes_on = asked.goes_on
        begun = asked.goes_on is not None and asked.goes_on.stopped.has_begun
        self._state = asked.goes_on.stopped.state if asked.goes_on and begun else RunState(asked.plan.context)
        interrupted = asked.goes_on.entry.interrupted if asked.goes_on else NO_USAGE  # no entry of the journal yet
        self._meter = RunMeter(
            clock,
            asked.plan.limits,
            usage=self._state.spent() + self._state.interrupted + interrupted,
            elapsed_ms=self._state.elapsed_ms,
            paused_ms=self._state.paused_ms,
        )
        self._workspace: RealWorkspace | None = None
        self.findings: Findings | None = None

    @property
    def branch(self) -> str:
        return self._workspace.branch if self._workspace else ""

    def go(self) -> Ending:
        try:
            ending = self._walk()
        except KeyboardInterrupt:  # a second signal, and something that did not end by itself
            ending = Ending("canceled", self._stop.reason, "", self._state.position.node)
        except OSError as error:
            ending = self._cut_off(error)
        except BaseException as error:
            self._finish(Ending("fail", f"internal error: {type(error).__name__}: {error}", "structural", ""))
            raise
        return self._finish(ending)

    def _walk(self) -> Ending:
        asked, plan = self._asked, self._asked.plan
        if asked.scenario is not None:
            write_json(asked.folder / "scenario.json", asked.scenario)
        self._write_manifest()  # from here on the run can be resumed
        if self._goes_on is not None:
            self._records.emit(_told(self._goes_on, self._state))
            orphans = end_orphans(asked.run_id, asked.folder, has_begun=self._goes_on.stopped.has_begun)
            if orphans:
                self._warn(f"ended what the earlier process had left running: {', '.join(map(str, orphans))}")
        stopped = self._preflight() if asked.preflight else None
        if stopped is not None:
            return stopped
        try:
            workspace = self._open_workspace()
            entry = self._entry(workspace)
        except (WorkspaceError, GitError) as error:
            return Ending("fail", str(error), "structural", "")
        self._workspace = workspace
        shell = WatchedShell(RealShell(self._environment, plan.env_pass), self._pulse)
        self._stop.at_once = shell.kill
        world = World(
            clock=self._clock,
            shell=shell,
            workspace=workspace,
            people=self._people(),
            cancellation=self._stop,
            emit=self._records.emit,
            meter=self._meter,
            keys=self._environment,
            pulse=self._pulse,
        )
        mode = "worktree" if workspace.branch else "directory"
        self._write_manifest(str(workspace.folder), mode, workspace.branch, workspace.base_sha)
        failed = run_setup(plan.setup, world, asked.folder / "setup", self._setup_variables(workspace.folder))
        if failed is not None:
            return self._setup_failed(failed)
        facts = RunFacts(asked.run_id, asked.folder, workspace.base_sha)
        threads = Threads(resumed=self._goes_on is not None)
        walk = Walk(plan, facts, self._state, world, self._meter, asked.steps, self._records, threads=threads)
        return interpreter.run(walk, entry)

    def _preflight(self) -> Ending | None:
        """Look for what the plan needs; return how the run ends if it may not begin. What this spends counts apart."""
        doors = Doors(self._environment, self._stop, self._clock)
        with self._pulse.still():  # every probe has a bound of its own
            self.findings = found = look(self._asked.plan, self._asked.folder, self._asked.run_id, doors)
        failed, warned = ([check.line for check in found.of(each)] for each in (Verdict.FAIL, Verdict.WARN))
        self._records.emit(PreflightFinished(found.passed, failed, warned))
        if self._stop.reason:
            return Ending("canceled", self._stop.reason, "", "")
        return None if found.passed else Ending("fail", found.reason, "structural", "")

    def _entry(self, workspace: RealWorkspace) -> Resumed | None:
        """Return how the walk goes on; None when it is to begin."""
        if self._goes_on is None or not self._goes_on.stopped.has_begun:
            return None
        entry = self._goes_on.entry
        if self._is_mended and isinstance(workspace, WorktreeWorkspace):
            return entry._replace(commit=workspace.take_in(f"attractor({self._asked.run_id}): changed by hand"))
        return entry

    @property
    def _is_mended(self) -> bool:
        """Whether what has changed since the run ended is the work of a person, who wants another try."""
        state = self._state
        return self._goes_on is not None and state.region is None and self._goes_on.entry.retry in state.words

    def _open_workspace(self) -> RealWorkspace:
        asked, settings = self._asked, self._asked.plan.workspace
        repo = asked.base / settings.repo
        manifest = self._goes_on.stopped.manifest if self._goes_on else {}
        if not manifest.get("mode"):  # the earlier process had none yet
            return open_workspace(
                settings, repo, asked.folder, asked.run_id, self._environment, self._warn, self._announce
            )
        left = Left(
            mode=manifest["mode"],
            branch=manifest["branch"],
            base_sha=manifest["base_sha"],
            commit=self._state.head(),
            has_begun=bool(self._state.position.node),
            is_mended=self._is_mended,
            aside=asked.folder / self._records.aside,
        )
        return reopen_workspace(settings, repo, asked.folder, left, self._environment, self._warn)

    def _finish(self, ending: Ending) -> Ending:
        """Let the workspace and the run directory record how the run ended; return that, or why they cannot."""
        commit = ""
        try:
            ending, commit = self._hand_over(ending)
        except KeyboardInterrupt:
            ending = Ending("canceled", self._stop.reason, "", ending.node)
        self._stop.calm()
        if self._stop.twice and ending.status == "canceled":
            ending = ending._replace(reason=f"{ending.reason}, twice")
        usage = self._state.spent()
        try:
            self._records.finish(
                ending,
                usage,
                commit or self._state.head(),
                self._state.restarts,
                interrupted=self._meter.usage.beyond(usage),
            )
        except OSError as error:
            return self._cut_off(error)
        return ending

    def _cut_off(self, error: OSError) -> Ending:
        return Ending("fail", cut_off(error), "transient_infra", self._state.position.node)

    def _hand_over(self, ending: Ending) -> tuple[Ending, str]:
        """Let the workspace record what is left; a run whose work is lost has not succeeded."""
        if self._workspace is None:
            return ending, ""
        message = f"attractor({self._asked.run_id}): {ending.status}"
        try:
            return ending, self._workspace.finish(message, push=ending.status != "canceled")
        except GitError as error:
            if ending.status == "success":
                ending = Ending("fail", f"the run's work could not be committed: {error}", "structural", "")
        except OSError as error:
            ending = self._cut_off(error) if ending.status == "success" else ending
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

    def _announce(self, branch: str, base_sha: str) -> None:
        """Write down which branch the run is about to make, so that a resumed run knows it for its own."""
        self._write_manifest("", "worktree", branch, base_sha)

    def _write_manifest(self, workspace: str = "", mode: str = "", branch: str = "", base_sha: str = "") -> None:
        asked, plan = self._asked, self._asked.plan
        before = self._goes_on.stopped.manifest if self._goes_on else {}
        place = {"workspace": workspace, "mode": mode, "branch": branch, "base_sha": base_sha}
        if not mode:
            place |= {key: str(before.get(key, "")) for key in place}
        self._records.write_manifest(
            Manifest(
                name=plan.name,
                goal=plan.goal,
                digest=plan.digest,
                plan_path=asked.plan_path,
                pid=os.getpid(),
                simulated=asked.simulated,
                base=str(asked.base),
                auto_approve=asked.auto_approve,
                own_programs=own_programs(asked.base, self._environment.get("PATH", "")),
                resumed=[*before["resumed"], {"at": self._began, "pid": os.getpid()}] if before else [],
                **place,
            )
        )

    def _warn(self, message: str) -> None:
        self._records.emit(Warned(message))
