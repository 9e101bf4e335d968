"""What a run does not show: the ways in which it was easier than the next one will be, each in a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..plan import Plan
from ..run_files import RunFiles
from ..standing import Standing, plan_of
from ..story import Story

MOST_NAMED = 12
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def residual_risks(run: RunFiles, story: Story, it: Standing) -> list[str]:
    """Return the risks that are left after the run, however well it ended."""
    plan, manifest = plan_of(run), run.manifest() or {}
    risks = [*_stand_ins(plan, manifest), *_preflight(run.document("preflight_report.json"), manifest)]
    if plan is not None:
        risks += _not_walked(plan, story)
    risks += _unsure(it, manifest)
    return risks


def _stand_ins(plan: Plan | None, manifest: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("simulated"):
        yield "the run was simulated: a scenario answered for models, and for the tools that it names"
    programs = manifest.get("own_programs", ())
    if programs:
        yield f"programs came from the run's own repository, not from the machine: {_listed(programs)}"
    providers = plan.providers.items() if plan and not manifest.get("simulated") else ()
    local = [key for key, each in providers if each.api and urlsplit(each.api.base_url).hostname in LOCAL_HOSTS]
    scripted = [key for key, each in providers if each.backend == "scripted"]
    if local:
        yield f"no vendor was asked: {_listed(local)} answered from this machine"
    if scripted:
        yield f"{_listed(scripted)} answered from a script"


def _preflight(report: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("simulated"):
        return
    if report is None:
        yield "nothing was tried before the run: there is no preflight report"
        return
    doubtful = [str(each.get("name")) for each in report.get("checks", ()) if each.get("status") in ("warn", "skip")]
    if doubtful:
        yield f"preflight was not sure of: {_listed(list(dict.fromkeys(doubtful)))}"


def _not_walked(plan: Plan, story: Story) -> Iterator[str]:
    visited = {visit.node_id for visit in story.visits}
    unvisited = [node for node in plan.nodes if node not in visited]
    if unvisited:
        yield f"{len(unvisited)} of {len(plan.nodes)} nodes were not visited: {_listed(unvisited)}"
    taken = {(visit.node_id, visit.to) for visit in story.visits}
    ways = [(node.id, edge.to) for node in plan.nodes.values() for edge in node.edges if edge.kind != "branch"]
    untaken = [f"{start} -> {to}" for start, to in dict.fromkeys(ways) if (start, to) not in taken]
    if untaken:
        yield f"{len(untaken)} of {len(set(ways))} ways were not taken: {_listed(untaken)}"


def _unsure(it: Standing, manifest: Mapping[str, Any]) -> Iterator[str]:
    if it.spent.cost_usd is None:
        yield "what it cost is not known: a model has no price"
    if manifest.get("auto_approve"):
        yield "no person was asked: human gates took their default"
    if manifest.get("resumed"):
        times = len(manifest["resumed"])
        yield f"the run was interrupted and resumed, {times} time{'' if times == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
