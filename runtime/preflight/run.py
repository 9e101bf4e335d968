"""All checks of a plan and of the child pipelines in it, each once; no failure keeps another from being found."""

from collections.abc import Iterator
from pathlib import Path

from ..files import write_json
from ..plan import ManagerWork, Plan, Probe
from ..read_plan import plan_of
from . import local
from .findings import REPORT, Check, Doors, Findings, Verdict, report

MOST_DEPTH = 64


def preflight(plan: Plan, doors: Doors) -> Findings:
    """Look for everything that the plan needs."""
    found: dict[tuple[str, ...], Check] = {}
    asked: set[object] = set()
    for each in _plans(plan, 0):
        here = [
            *local.failovers(each),
            *local.keys(each, doors.environment),
            *local.executables(each, doors.environment),
            *local.toolchains(each, doors.environment),
        ]
        here += _probes(each, asked, here, doors)
        for check in here:
            found.setdefault((check.name, check.subject, check.provider, check.mode, check.transport, check.effort,
                              check.host), check)  # fmt: skip
    return Findings(tuple(found.values()))


def _probes(plan: Plan, asked: set[object], before: list[Check], doors: Doors) -> list[Check]:
    """Make the probes that are not in `asked` yet, and put them there: a child's are often those of its parent."""
    if not plan.preflight.probes:
        message = "not asked: run.yaml switches preflight.prompt_probes off"
        names = [name for name in local.used(plan) if plan.providers[name].backend == "api"]
        return [Check("probe", name, Verdict.SKIP, message, provider=name) for name in names]
    whom = {probe: (probe, _address(plan, probe)) for probe in plan.preflight.probes}
    new = tuple(probe for probe, what in whom.items() if what not in asked)
    asked.update(whom.values())
    if not new:
        return []
    from . import probes  # brings the HTTP client along

    plan = plan._replace(preflight=plan.preflight._replace(probes=new))
    return probes.run(plan, probes.reasons_to_skip(before), doors)


def _address(plan: Plan, probe: Probe) -> tuple[str, ...]:
    api = plan.providers[probe.provider].api
    return (api.protocol, api.base_url, api.path) if api is not None else ()


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
