"""`attractor exec --resume`: go on with a run, with the plan and the options that it began with."""

import argparse
import json
import os
from pathlib import Path
from typing import TextIO

from attractor.runtime.launch import GoesOn
from attractor.runtime.plan import Plan
from attractor.runtime.read_plan import PlanError, read_plan
from attractor.runtime.real_world import RealClock
from attractor.runtime.resume import NotResumable, Stopped, resumption, stopped_run
from attractor.runtime.scripted import Scenario

from .disk import Disk
from .start import MAX_PLAN_BYTES, Loaded, Refused, Run, start

FIXED = ("run_dir", "run_id", "simulate", "require_fresh", "preflight_only")  # what a run keeps


def resume(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:  # noqa: ARG001
    """Go on with the run in `--resume DIR`, and return the exit code.

    Raises:
        Refused: it cannot go on.
    """
    given = [name for name in FIXED if getattr(arguments, name)]
    if arguments.simulate == "":
        given.append("simulate")
    if given:
        raise Refused(f"--{given[0].replace('_', '-')} does not go with --resume: a run keeps what it began with")
    folder = Path(os.path.abspath(arguments.resume))
    try:
        with stopped_run(folder, RealClock().utc()) as stopped:
            loaded = _load(arguments, stopped)
            entry = resumption(stopped, loaded.plan, retry_failed=arguments.retry_failed)
            manifest = stopped.manifest
            run = Run(
                id=manifest["run_id"],
                folder=folder,
                scenario=_scenario(folder) if manifest["simulated"] else None,
                auto_approve=arguments.auto_approve or manifest["auto_approve"],
                goes_on=GoesOn(stopped, entry),
            )
            return start(loaded, arguments, run, stdout)
    except NotResumable as refusal:
        raise Refused(str(refusal)) from None


def _load(arguments: argparse.Namespace, stopped: Stopped) -> Loaded:
    """Read the run's plan; it has to be the one that the run began with, and the one that is named, if one is."""
    path = stopped.folder / "plan.json"
    plan, text = _plan(str(path), allow_edited=arguments.allow_edited)
    digest = stopped.manifest["digest"]
    if plan.digest != digest and not arguments.allow_edited:
        raise Refused(f"{path} is not the plan that the run began with; run it as it is with --allow-edited")
    if arguments.plan is not None and _plan(arguments.plan, allow_edited=True)[0].digest != digest:
        raise Refused(
            f"{arguments.plan} is not the plan that the run began with ({digest[:19]}…); "
            f"leave it out to go on with that one, or start a new run"
        )
    base = Path(arguments.base).resolve() if arguments.base is not None else Path(stopped.manifest["base"])
    return Loaded(plan, text, stopped.manifest["plan_path"], base)


def _plan(path: str, *, allow_edited: bool) -> tuple[Plan, bytes]:
    try:
        text = Disk().read(path, MAX_PLAN_BYTES)
        return read_plan(text, path, allow_edited=allow_edited), text
    except OSError as error:
        raise Refused(f"cannot read {path!r}: {(error.strerror or str(error)).lower()}") from None
    except (PlanError, ValueError) as error:
        raise Refused(str(error)) from None


def _scenario(folder: Path) -> Scenario:
    try:
        return Scenario(json.loads((folder / "scenario.json").read_bytes()))
    except FileNotFoundError:  # every stage succeeds
        return Scenario({})
    except (OSError, ValueError) as error:
        raise Refused(f"the run was simulated, and its scenario cannot be read: {error}") from None
