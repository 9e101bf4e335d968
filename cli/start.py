"""A run begun, or gone on with, and watched: what `exec`, `run` and `exec --resume` share."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from attractor.runtime.console import JsonView, Lines, PlainView, QuietView, one_line
from attractor.runtime.events import Listener
from attractor.runtime.launch import GoesOn, Launch, Result, launch
from attractor.runtime.plan import Plan
from attractor.runtime.preflight.findings import Verdict, table
from attractor.runtime.run_dir import RunDirError
from attractor.runtime.schema import complaint
from attractor.runtime.scripted import Scenario
from attractor.runtime.steps import STEPS, simulated

from .main import ExitCode
from .run_place import remember

MAX_PLAN_BYTES = 1 << 30


class Refused(Exception):
    """The run cannot begin; the text says why, `code` how the command exits."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.code = code


class Loaded(NamedTuple):
    plan: Plan
    text: bytes
    path: str  # as given; for `run`: that of run.yaml
    base: Path  # run.yaml's folder


class Run(NamedTuple):
    """Which run it is, and who answers in it."""

    id: str
    folder: Path
    scenario: Scenario | None
    auto_approve: bool
    goes_on: GoesOn | None = None


def start(loaded: Loaded, arguments: argparse.Namespace, run: Run, stdout: TextIO) -> int:
    """Begin a run, or go on with one; return the exit code.

    Raises:
        Refused: it cannot begin.
    """
    scenario, run_id = run.scenario, run.id
    if scenario is None:
        _check_scripts(loaded.plan)
    lines = Lines(stdout)
    with _view(arguments, loaded.plan, run_id, stdout, lines) as view:
        asked = Launch(
            plan=loaded.plan,
            plan_text=loaded.text,
            plan_path=loaded.path,
            base=loaded.base,
            folder=run.folder,
            run_id=run_id,
            steps=STEPS if scenario is None else simulated(scenario),
            simulated=scenario is not None,
            auto_approve=run.auto_approve,
            listeners=(view,),
            stdin=sys.stdin,
            stdout=stdout,
            interactive=not arguments.json and sys.stdin.isatty() and stdout.isatty(),
            pause_view=getattr(view, "paused", _nothing),
            scenario=(scenario.document or None) if scenario is not None else None,
            goes_on=run.goes_on,
            preflight=scenario is None and not arguments.skip_preflight,
        )
        remember(asked.folder)
        try:
            result = launch(asked, os.environ)
        except RunDirError as error:
            raise Refused(str(error)) from None
    if not arguments.json:
        _last_line(result, asked.folder, lines)
    return _exit_code(result)


def _exit_code(result: Result) -> int:
    if result.ending.status == "canceled" and result.signal:
        return 128 + result.signal
    if _may_not_begin(result):
        return ExitCode.PREFLIGHT
    return ExitCode.OK if result.ending.status == "success" else ExitCode.FINDINGS


def _may_not_begin(result: Result) -> bool:
    return result.preflight is not None and not result.preflight.passed


def _last_line(result: Result, folder: Path, lines: Lines) -> None:
    status, reason = result.ending.status, result.ending.reason
    if result.preflight is not None and _may_not_begin(result):
        lines.write(f"{table(result.preflight, (Verdict.WARN, Verdict.FAIL))}\n")
    elif reason and status != "success":
        lines.write(f"{one_line(reason)}\n")
    lines.write(f"{status}: {folder}" + (f" on branch {result.branch}" if result.branch else "") + "\n")


def _check_scripts(plan: Plan) -> None:
    """Refuse a plan whose scenarios are none: only an edited one can hold such."""
    for key, provider in plan.providers.items():
        wrong = complaint("scenario", provider.script) if provider.script is not None else ""
        if wrong:
            raise Refused(f"the plan's scenario for provider {key!r} is none: {wrong}")


@contextmanager
def _view(arguments: argparse.Namespace, plan: Plan, run_id: str, stdout: TextIO, lines: Lines) -> Iterator[Listener]:
    """Yield who is told of events: the live view on a terminal, else lines."""
    if arguments.json:
        yield JsonView(lines)
    elif arguments.quiet:
        yield QuietView()
    elif stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from attractor.runtime.live_console import LiveView
        from attractor.runtime.real_world import RealClock

        with LiveView(plan, run_id, RealClock()) as view:
            yield view
    else:
        yield PlainView(lines, plan.nodes)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
