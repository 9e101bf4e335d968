"""Stop a run: ask its process to end its stages, write down where it stands, and
go.

examples:
  attractor stop latest
  attractor stop RUN --force --wait 5

exit codes: 0 it stopped; 1 it was not running, or is still there; 2 there is no
such run
"""

import argparse
import os
import signal
import time
from typing import TextIO

from attractor.runtime.console import duration, one_line
from attractor.runtime.run_files import RunFiles
from attractor.runtime.standing import GOING, Standing, standing

from .main import ExitCode
from .run_place import add_run, open_run

POLL_S = 0.05
AT_ONCE_S = 5.0  # for the second signal, before the process is killed


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--wait", type=_seconds, default=20.0, metavar="SECONDS", help="how long to wait; default: 20")
    parser.add_argument(
        "--force", action="store_true", help="end it in any case, when the time is up; it can be resumed"
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("must lie between 0 and 86400")
    return seconds


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    found = open_run(arguments.run, "stop", stderr)
    if found is None:
        return ExitCode.USAGE
    it = standing(found)
    if it.state not in GOING:
        stderr.write(f"attractor stop: the run does not run: {it.state}, {one_line(it.reason)}\n")
        return ExitCode.FINDINGS
    if not found.is_here():
        stderr.write(f"attractor stop: process {it.pid} is not on this machine, or in a container; stop it there\n")
        return ExitCode.FINDINGS
    began = time.monotonic()
    try:
        how = _stop(found, it.pid, arguments.wait, force=arguments.force)
    except PermissionError:
        stderr.write(f"attractor stop: process {it.pid} belongs to another user\n")
        return ExitCode.FINDINGS
    after = duration(round((time.monotonic() - began) * 1000))
    if how is None:
        stderr.write(
            f"attractor stop: process {it.pid} is still there after {after}; it was asked to stop, and "
            f"`attractor stop --force` ends it in any case\n"
        )
        return ExitCode.FINDINGS
    _tell(standing(found), how, after, stdout)
    return ExitCode.OK


def _stop(found: RunFiles, pid: int, wait_s: float, *, force: bool) -> str | None:
    """Return how it was stopped; None while it is still there."""
    if _signaled(found, pid, signal.SIGTERM, wait_s):
        return "stopped"
    if not force:
        return None
    if _signaled(found, pid, signal.SIGTERM, AT_ONCE_S):
        return "stopped at once"
    return "killed" if _signaled(found, pid, signal.SIGKILL, AT_ONCE_S) else None


def _signaled(found: RunFiles, pid: int, number: int, wait_s: float) -> bool:
    """Send the signal, unless the process is another one by now; return whether it is gone."""
    if not found.is_alive() or found.pid() != pid:
        return True
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    until = time.monotonic() + wait_s
    while found.is_alive():
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_S)
    return True


def _tell(it: Standing, how: str, after: str, stdout: TextIO) -> None:
    stdout.write(f"{how} after {after}: {it.run_id} is {it.state}: {one_line(it.reason)}\n")
    for step in it.next_steps[:1]:
        stdout.write(f"{step.what}: {step.command}\n")
