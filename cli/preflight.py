"""`attractor exec --preflight-only`: look for what a plan needs, report, and run nothing."""

import argparse
import os
from pathlib import Path
from typing import TextIO

from attractor.runtime.plan import Plan
from attractor.runtime.preflight.findings import REPORT, Doors, Verdict, table
from attractor.runtime.preflight.run import look
from attractor.runtime.real_world import RealClock, StopSignals
from attractor.runtime.run_dir import RunDir, RunDirError

from .main import ExitCode
from .start import Refused


def look_only(plan: Plan, arguments: argparse.Namespace, run_id: str, folder: Path, stdout: TextIO) -> int:
    """Print what was found, and where the report is; return the exit code.

    Raises:
        Refused: the folder of the report cannot be used.
    """
    try:
        RunDir.make(folder)
        with StopSignals() as stop:
            found = look(plan, folder, run_id, Doors(os.environ, stop, RealClock()))
    except RunDirError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"cannot write {str(folder / REPORT)!r}: {error.strerror or error}") from None
    if arguments.json:
        stdout.write((folder / REPORT).read_text(encoding="utf-8"))
    else:
        shown = (Verdict.FAIL,) if arguments.quiet else tuple(Verdict)
        stdout.write(f"{table(found, shown)}\n{folder / REPORT}\n")
    if stop.reason:
        return 128 + stop.signal
    return ExitCode.OK if found.passed else ExitCode.PREFLIGHT
