"""Open a plan.json for a command that looks at plans."""

import argparse
from typing import TextIO

from attractor.compiler.load_plan import UnusablePlan, load_plan
from attractor.compiler.plan import Plan

from .disk import Disk

MAX_PLAN_BYTES = 1 << 30


def add_allow_edited(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-edited", action="store_true", help="take a plan whose digest does not match")


def open_plan(path: str, command: str, stderr: TextIO, *, allow_edited: bool) -> Plan | None:
    """Return the plan at `path`; None when there is none, and `stderr` says why."""
    try:
        return load_plan(path, Disk().read(path, MAX_PLAN_BYTES), allow_edited=allow_edited)
    except UnusablePlan as error:
        stderr.write(f"attractor {command}: {error}\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        stderr.write(f"attractor {command}: cannot read {path!r}: {reason.lower()}\n")
    return None
