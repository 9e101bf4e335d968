"""All checks of a plan and of the child pipelines in it, each once; no failure keeps another from being found."""

from collections.abc import Iterator
from pathlib import Path

from ..files import write_json
from ..plan import ManagerWork, Plan
from ..read_plan import plan_of
from . import local
from .findings import REPORT, Check, Doors, Findings, Verdict, report

MOST_DEPTH = 64


def preflight(plan: Plan, doors: Doors) -> Findings:
    """Look for everything that the plan needs."""
    found: dict[object, Check] = {}
    for each in _plans(plan, 0):
        here = [
            *local.failovers(each),
            *local.keys(each, doors.environment),
            *local.executables(each, doors.environment),
            *local.toolchains(each, doors.environment),
        ]
        here += _probes(each, here, doors)
        for check in here:
            found.setdefault((check.name, check.subject, *check[4:9], check.host), check)
    return Findings(tuple(found.values()))


def _probes(plan: Plan, before: list[Check], doors: Doors) -> list[Check]:
    if plan.preflight.probes:
        from . import probes  # brings the HTTP client along

        return probes.run(plan, probes.reasons_to_skip(before), doors)
    message = "not asked: run.yaml switches preflight.prompt_probes off"
    asked = [name for name in local.used(plan) if plan.providers[name].backend == "api"]
    return [Check("probe", name, Verdict.SKIP, message, provider=name) for name in asked]


def _plans(plan: Plan, depth: int) -> Iterator[Plan]:
    yield plan
    for node in plan.nodes.values():
        if isinstance(node.work, ManagerWork) and node.work.child and depth < MOST_DEPTH:
            yield from _plans(plan_of(node.work.child), depth + 1)


def look(plan: Plan, folder: Path, run_id: str, doors: Doors) -> Findings:
    """Look for everything that the plan needs, and leave the report in `folder`, whatever was found. Raises OSError."""
    started = doors.clock.utc()
    found = preflight(plan, doors)
    written = report(found, run_id, plan.name, plan.digest, started, doors.clock.utc())
    write_json(folder / REPORT, written)
    return found
