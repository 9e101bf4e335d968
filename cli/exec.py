"""Run a plan.

The run directory explains everything that the run did; by default it is made
below the user's state folder. The last line on stdout says the result, the run
directory and the branch; with --json it is the last event.

examples:
  attractor exec pipeline.plan.json
  attractor exec pipeline.plan.json --simulate            no model is asked
  attractor exec pipeline.plan.json --simulate=bad-day.yaml --run-dir out
  attractor exec --resume out                             after a crash

exit codes: 0 the pipeline ended in success; 1 it failed; 2 asked wrongly, or an
invalid or stale plan; 3 what the run needs is missing; 130, 143 stopped by a
signal
"""

import argparse
import os
import re
import time
from pathlib import Path
from typing import Any, TextIO

from attractor.runtime.plan import ManagerWork, Plan
from attractor.runtime.read_plan import PlanError, read_plan, stale_sources
from attractor.runtime.scripted import Scenario

from .disk import Disk
from .plan_file import MAX_PLAN_BYTES, missing_plan, not_a_plan
from .run_file import is_graph
from .run_place import state_folder
from .start import Loaded, Refused, Run, start

RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.|lock\b|$)){0,127}")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="a plan.json that `attractor compile` wrote")
    parser.add_argument("--allow-edited", action="store_true", help="run a plan whose digest does not match")
    parser.add_argument("--require-fresh", action="store_true", help="refuse a plan whose sources changed since")
    parser.add_argument("--base", metavar="DIR", help="run.yaml's folder; default: the plan's, or the current one")
    parser.add_argument("--resume", metavar="DIR", help="go on with the run in this run directory")
    parser.add_argument("--retry-failed", action="store_true", help="with --resume: run the node again that failed it")
    add_run_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a plan is run, the same for `exec` and `run`."""
    parser.add_argument("--run-dir", metavar="DIR", help="where the run leaves its files; must not exist yet")
    parser.add_argument("--run-id", metavar="ID", help="name of the run and of its branch")
    parser.add_argument("--simulate", nargs="?", const="", metavar="SCENARIO",
                        help="ask no model: answer as --simulate=SCENARIO says, else every stage succeeds")  # fmt: skip
    parser.add_argument("--auto-approve", action="store_true", help="take the default at every human gate")
    before = parser.add_mutually_exclusive_group()
    before.add_argument("--preflight-only", action="store_true",
                        help="look for keys, programs and an answer of every model; run nothing")  # fmt: skip
    before.add_argument("--skip-preflight", action="store_true", help="run without looking for them first")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print only the last line")
    shown.add_argument("--json", action="store_true", help="print the events, one JSON object per line")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if arguments.plan is None and arguments.simulate:  # `--simulate PLAN`: a scenario is given with `=`
        arguments.plan, arguments.simulate = arguments.simulate, ""
    try:
        if arguments.resume is not None:
            if arguments.preflight_only:
                raise Refused("--preflight-only does not go with --resume; name the plan instead of the run")
            from .resume import resume

            return resume(arguments, stdout, stderr)
        if arguments.retry_failed:
            raise Refused("--retry-failed goes with --resume DIR")
        if arguments.plan is None:
            raise Refused(f"name the plan to run, as in: attractor exec PLAN{missing_plan('')}")
        return execute(_load(arguments, stderr), arguments, stdout, stderr)
    except Refused as refusal:
        stderr.write(f"attractor exec: {refusal}\n")
        return refusal.code


def _load(arguments: argparse.Namespace, stderr: TextIO) -> Loaded:
    path = Path(arguments.plan)
    if is_graph(arguments.plan):
        raise Refused(not_a_plan(arguments.plan))
    try:
        text = Disk().read(arguments.plan, MAX_PLAN_BYTES)
        plan = read_plan(text, arguments.plan, allow_edited=arguments.allow_edited)
    except OSError as error:
        hint = missing_plan(arguments.plan) if isinstance(error, FileNotFoundError) else ""
        raise Refused(f"cannot read {arguments.plan!r}: {(error.strerror or str(error)).lower()}{hint}") from None
    except (PlanError, ValueError) as error:
        raise Refused(str(error)) from None
    base = _base(arguments.base, path.parent, plan)
    doubts = stale_sources(plan, base)
    if doubts and arguments.require_fresh:
        raise Refused("; ".join(doubts) + "; compile it again with `attractor compile`")
    for doubt in doubts:
        stderr.write(f"attractor exec: warning: {doubt}\n")
    return Loaded(plan, text, arguments.plan, base)


def _base(given: str | None, beside: Path, plan: Plan) -> Path:
    """Return run.yaml's folder: as given, else the plan's or the current one, whichever holds a source."""
    if given is not None:
        if not Path(given).is_dir():
            raise Refused(f"--base is not a folder: {given!r}")
        return Path(given).resolve()
    for folder in (beside, Path()):
        if any((folder / source.path).is_file() for source in plan.sources):
            return folder.resolve()
    return beside.resolve()


def execute(loaded: Loaded, arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    """Run a plan that was read, and return the exit code; `exec` and `run` share it.

    Raises:
        Refused: the run cannot begin.
    """
    scenario = _scenario(arguments.simulate, loaded.plan, stderr)
    run_id = _run_id(arguments.run_id, loaded.plan.name)
    if arguments.preflight_only:
        if scenario is not None:
            raise Refused("--simulate asks no model, so there is nothing for --preflight-only; leave one of them out")
        from .preflight import look_only

        return look_only(loaded.plan, arguments, run_id, _folder(arguments.run_dir, "preflight", run_id), stdout)
    folder = _folder(arguments.run_dir, "runs", run_id)
    return start(loaded, arguments, Run(run_id, folder, scenario, arguments.auto_approve), stdout)


def _scenario(path: str | None, plan: Plan, stderr: TextIO) -> Scenario | None:
    """Return the scenario of `--simulate`; None without the option."""
    if path is None:
        return None
    if not path:
        return Scenario({})
    from .scenario import read_scenario_file

    scenario = read_scenario_file(path, stderr)
    if scenario is None:
        raise Refused(f"{path} is not a scenario that can be played; see `attractor schema scenario`")
    known = _node_ids(plan)
    for node_id in scenario.node_ids:
        if node_id not in known:
            from attractor.compiler.suggest import did_you_mean

            hint = did_you_mean(node_id, known)
            raise Refused(f"{path} names node {node_id!r}, which the plan does not have" + (hint and f"; {hint}"))
    return scenario


def _node_ids(plan: Plan) -> list[str]:
    """Return the nodes that a scenario may name: the plan's, and those of its child pipelines."""
    ids = list(plan.nodes)
    children: list[Any] = [node.work.child for node in plan.nodes.values() if isinstance(node.work, ManagerWork)]
    while children:
        nodes = (children.pop() or {}).get("nodes", ())
        ids += [node["id"] for node in nodes]
        children += [node["child"] for node in nodes if "child" in node]
    return ids


def _run_id(given: str | None, name: str) -> str:
    """Return the given id, or one that sorts by time: `20261122T190500Z-rogue_fast-3f9a`."""
    if given is None:
        return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{name[:60]}-{os.urandom(2).hex()}"
    if not RUN_ID.fullmatch(given):
        raise Refused(f"--run-id {given!r} is no name for a folder and a branch; use letters, digits, `_`, `-` and `.`")
    return given


def _folder(given: str | None, kind: str, run_id: str) -> Path:
    if given is not None:
        return Path(os.path.abspath(given))
    return state_folder() / kind / run_id
