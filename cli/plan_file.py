"""Open a plan.json for a command that looks at plans."""

import argparse
import os
from typing import TextIO

from attractor.compiler.load_plan import UnusablePlan, load_plan
from attractor.compiler.plan import Plan

from .disk import Disk
from .run_file import is_graph

MAX_PLAN_BYTES = 1 << 30


def add_allow_edited(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-edited", action="store_true", help="take a plan whose digest does not match")


def not_a_plan(path: str) -> str:
    """Return what the file at `path` is by its name, and what to do with it; "" when it may be a plan."""
    if path.endswith((".yaml", ".yml")):
        return f"{path!r} is no plan; `attractor compile {path}` makes one of a run.yaml"
    if is_graph(path):
        return f"{path!r} is a graph; `attractor compile RUN.yaml` makes a plan of it, with the run.yaml that names it"
    return ""


def missing_plan(path: str) -> str:
    """Return what to do about a plan that is not there: which there are beside it, or how to get one."""
    folder = os.path.dirname(path)
    plans = [name for name in Disk().names(folder) if name.endswith(".plan.json")]
    if plans:
        return (
            f"; there is {os.path.join(folder, plans[0])}" if len(plans) == 1 else f"; there are {', '.join(plans[:5])}"
        )
    return "; `attractor compile` writes plans"


def open_plan(path: str, command: str, stderr: TextIO, *, allow_edited: bool) -> Plan | None:
    """Return the plan at `path`; None when there is none, and `stderr` says why."""
    if problem := not_a_plan(path):
        stderr.write(f"attractor {command}: {problem}\n")
        return None
    try:
        return load_plan(path, Disk().read(path, MAX_PLAN_BYTES), allow_edited=allow_edited)
    except UnusablePlan as error:
        stderr.write(f"attractor {command}: {error}\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = missing_plan(path) if isinstance(error, FileNotFoundError) else ""
        stderr.write(f"attractor {command}: cannot read {path!r}: {reason.lower()}{hint}\n")
    return None
