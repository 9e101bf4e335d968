"""Parallel regions: the branches of a `component`, walked by the same interpreter, and the join that ranks them.

This first form walks them one after another in the run's own workspace. The join reads nothing but the context
(`parallel.results`), so that a run can be resumed at it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .attempts import dossier_of, settle
from .context import is_engine_key
from .events import (
    BranchFinished,
    BranchProgressed,
    BranchStarted,
    Event,
    FanInFinished,
    StageFinished,
    StageStarted,
    Warned,
)
from .journal import Forked
from .outcome import NO_USAGE, FailureClass, Json, Outcome, Status, Usage
from .plan import FanInWork, Node, ParallelWork
from .run_dir import Ending
from .state import RunState
from .walk import Arrival, Stage, Walk

MAX_DEPTH = 64  # of regions inside regions
REASON_CHARS = 200  # of a branch's reason in the reason of the whole
RANK: Mapping[str, int] = {Status.SUCCESS: 0, Status.PARTIAL_SUCCESS: 1, Status.RETRY: 2}

Go = Callable[[Walk, Arrival], Ending]


def run_branches(walk: Walk, node: Node, visit: int, go: Go) -> Stage | Ending:
    """Walk every branch up to the join; return how the component ended."""
    assert isinstance(node.work, ParallelWork)  # noqa: S101 - the plan's reader made it so
    started_s = walk.world.clock.now_s()
    walk.world.emit(StageStarted(node.id, node.kind, visit, 1, 1, ""))
    refused = _refused(walk, node)
    if refused:
        outcome = settle(node, Outcome.failed(refused, FailureClass.STRUCTURAL))
        return Stage(node, visit, 1, outcome, {"parallel.results": []}, None, started_s)
    ids = branch_ids([edge.to for edge in node.edges])
    walk.record(Forked(walk.state.branch, node.id, visit, ids))
    results: list[dict[str, Json]] = []
    usage = NO_USAGE
    for branch_id, edge in zip(ids, node.edges, strict=True):
        if walk.is_canceled():
            return walk.canceled(node.id)
        branch = _branch(walk, node, visit, branch_id, node.work.join)
        walk.world.emit(BranchStarted(node.id, visit, branch_id, edge.to))
        ending = go(branch, Arrival(edge.to, edge))
        if walk.is_canceled() and ending.status != "success":
            return walk.canceled(node.id)
        result = _result(branch, branch_id, ending)
        results.append(result)
        usage += branch.state.usage
        walk.world.emit(_finished(node, visit, result))
    outcome = settle(node, _component_outcome(results, usage))
    dossier = dossier_of(node, visit, 1, outcome, "")
    return Stage(node, visit, 1, outcome, {"parallel.results": results}, dossier, started_s)


def _refused(walk: Walk, node: Node) -> str:
    """Return why the region may not be entered; "" when it may. Branches that branch into themselves never end."""
    if node.id in walk.state.branch.split("/")[::3]:
        return f"a branch of {node.id!r} leads back to {node.id!r}; lead it to {walk.stop_at!r}"
    return f"parallel regions are nested deeper than {MAX_DEPTH}" if walk.depth >= MAX_DEPTH else ""


def branch_ids(targets: Sequence[str]) -> list[str]:
    """Return a name per branch: its first node, with a number when two branches begin at the same one."""
    seen: dict[str, int] = {}
    ids = []
    for target in targets:
        seen[target] = seen.get(target, 0) + 1
        ids.append(target if seen[target] == 1 else f"{target}.{seen[target]}")
    return ids


def _branch(walk: Walk, node: Node, visit: int, branch_id: str, join: str) -> Walk:
    """Return a walk of its own: a copy of the context, fresh counts, the same plan, workspace and meter."""
    name = "/".join(part for part in (walk.state.branch, node.id, str(visit), branch_id) if part)
    home = "/".join(part for part in (walk.state.home, "parallel", node.id, str(visit), branch_id) if part)
    state = RunState(walk.state.context, branch=name, home=home)
    state.commit = walk.state.commit

    def emit(event: Event) -> None:
        walk.records.emit(event, name)
        if isinstance(event, StageFinished):
            walk.records.emit(
                BranchProgressed(node.id, visit, branch_id, event.node_id, event.status), walk.state.branch
            )

    return walk._replace(state=state, world=walk.world._replace(emit=emit), depth=walk.depth + 1, stop_at=join)


def _result(branch: Walk, branch_id: str, ending: Ending) -> dict[str, Json]:
    state = branch.state
    last, outcome = state.position.node, state.position.outcome or Outcome.success()
    if ending.status != "success":
        failure_class = FailureClass(ending.failure_class or FailureClass.DETERMINISTIC)
        last, outcome = ending.node, Outcome.failed(ending.reason, failure_class)
    return {
        "id": branch_id,
        "outcome": outcome.word,
        "last_node": last,
        "head_sha": state.commit,
        "failure_class": str(outcome.failure_class or ""),
        "failure_reason": outcome.failure_reason,
        "notes": outcome.notes,
        "context": {
            key: value
            for key, value in state.context.items()
            if not is_engine_key(key) and state.seed.get(key) != value
        },
    }


def _finished(node: Node, visit: int, result: Mapping[str, Any]) -> BranchFinished:
    return BranchFinished(
        node_id=node.id,
        visit=visit,
        branch_id=result["id"],
        last_node=result["last_node"],
        status=result["outcome"],
        failure_class=result["failure_class"],
        reason=result["failure_reason"],
    )


def _component_outcome(results: Sequence[Mapping[str, Any]], usage: Usage) -> Outcome:
    """All failed: fail, transient only if every branch is; some failed: partial_success."""
    failed = [result for result in results if result["outcome"] == Status.FAIL]
    if not failed:
        return Outcome.success(usage=usage)
    told = "; ".join(f"{result['id']}: {result['failure_reason'][:REASON_CHARS]}" for result in failed)
    if len(failed) == len(results):
        transient = all(result["failure_class"] == FailureClass.TRANSIENT_INFRA for result in failed)
        failure_class = FailureClass.TRANSIENT_INFRA if transient else FailureClass.DETERMINISTIC
        return Outcome.failed(f"all parallel branches failed: {told}", failure_class, usage=usage)
    notes = f"{len(failed)} of {len(results)} branches failed: {told}"
    return Outcome(status=Status.PARTIAL_SUCCESS, word="partial_success", notes=notes, usage=usage)


def join(walk: Walk, node: Node, visit: int) -> Stage | Ending:
    """Rank the branches in `parallel.results` and end as their component did; nothing is lost by joining."""
    assert isinstance(node.work, FanInWork)  # noqa: S101 - the plan's reader made it so
    started_s = walk.world.clock.now_s()
    walk.world.emit(StageStarted(node.id, node.kind, visit, 1, 1, ""))
    results: Any = walk.state.context.get("parallel.results")
    if not results:
        reason = f"{node.id!r} joins branches, but none have run; only the branches of a component lead to a join"
        outcome = settle(node, Outcome.failed(reason, FailureClass.STRUCTURAL))
        return Stage(node, visit, 1, outcome, {}, dossier_of(node, visit, 1, outcome, ""), started_s)
    if node.work.prompt is not None:
        walk.world.emit(Warned(f"the prompt of {node.id!r} is not asked yet; the branches are ranked by their outcome"))
    ranked = sorted(
        (result for result in results if result["outcome"] != Status.FAIL),
        key=lambda result: RANK.get(result["outcome"], 3),
    )
    best = ranked[0] if ranked else None
    losers = [result["id"] for result in results if result is not best]
    facts: dict[str, Json] = {
        "parallel.fan_in.best_id": best["id"] if best else "",
        "parallel.fan_in.best_outcome": best["outcome"] if best else "",
        "parallel.fan_in.best_head_sha": best["head_sha"] if best else "",
    }
    updates: dict[str, Json] = {}
    for result in results if node.work.merge == "all" else ranked[:1]:
        if result["outcome"] != Status.FAIL:
            updates |= result["context"]
    walk.world.emit(
        FanInFinished(
            node_id=node.id,
            visit=visit,
            merge=node.work.merge,
            best_id=best["id"] if best else "",
            best_outcome=best["outcome"] if best else "",
            best_head_sha=best["head_sha"] if best else "",
            losers=losers,
        )
    )
    component = _component_outcome(results, NO_USAGE)
    outcome = settle(node, replace(component, context_updates=updates))
    return Stage(node, visit, 1, outcome, facts, dossier_of(node, visit, 1, outcome, ""), started_s)
