"""The join of a parallel region: which branch is the best, and what of the branches' work and words is taken over.

It ends as its component did. A region that failed hands nothing on but its results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import joins
from .attempts import dossier_of, run_stage, settle
from .events import FanInFinished, StageStarted
from .git import GitError
from .outcome import FailureClass, Json, Outcome, Status
from .plan import FanInWork, Kind, Node, ParallelWork
from .run_dir import Ending
from .steps import choice
from .walk import Arrival, Stage, Walk

NONE: Mapping[str, Any] = {"id": "", "outcome": "", "head_sha": ""}


Ask = Callable[[Walk, Node, int, Arrival, Sequence[joins.Result]], Stage | Ending]


def join(walk: Walk, node: Node, visit: int, arrival: Arrival, ask: Ask | None = None) -> Stage | Ending:
    """Rank the branches in `parallel.results`, or let the node's prompt choose; merge the best, or all of them.

    Args:
        ask: who chooses where a prompt asks for it; default: the node's model.
    """
    started_s = walk.world.clock.now_s()
    results: Sequence[Any] = walk.state.context.get("parallel.results") or ()  # type: ignore[assignment]
    component = _component(walk, node)
    if component is None or not results:
        walk.world.emit(StageStarted(node.id, node.kind, visit, 1, 1, ""))
        reason = f"{node.id!r} joins branches, but none have run; only the branches of a component lead to a join"
        outcome = settle(node, Outcome.failed(reason, FailureClass.STRUCTURAL))
        return Stage(node, visit, 1, outcome, _facts(NONE), dossier_of(node, visit, 1, outcome, ""), started_s)
    ranked = [] if component.status is Status.FAIL else joins.ranked(results)
    if _work(node).prompt is None or len(ranked) < 2:
        walk.world.emit(StageStarted(node.id, node.kind, visit, 1, 1, ""))
        asked = Stage(node, visit, 1, Outcome.success(), {}, None, started_s)
    else:
        chosen = (ask or _ask)(walk, node, visit, arrival, ranked)
        if isinstance(chosen, Ending):
            return chosen
        if chosen.outcome.status is Status.FAIL:
            return chosen._replace(facts={**chosen.facts, **_facts(NONE)})
        asked = chosen
    best = _best(ranked, asked)
    return _take_over(walk, asked, component, results, best)


def _work(node: Node) -> FanInWork:
    assert isinstance(node.work, FanInWork)  # noqa: S101 - the plan's reader made it so
    return node.work


def _component(walk: Walk, node: Node) -> Outcome | None:
    """Return how the component ended whose branches arrive here; None when the walk came from elsewhere."""
    at, outcome, _ = walk.state.position
    work = walk.plan.nodes[at].work if at else None
    return outcome if isinstance(work, ParallelWork) and work.join == node.id else None


def _ask(walk: Walk, node: Node, visit: int, arrival: Arrival, ranked: Sequence[joins.Result]) -> Stage | Ending:
    """Let the node's model choose: one stage, with attempts like any other."""
    model = walk.steps.get(Kind.CODERGEN)
    steps = dict(walk.steps)
    if model is not None:
        steps[Kind.FAN_IN] = choice.choosing(ranked, model)
    return run_stage(walk._replace(steps=steps), node, visit, arrival)


def _best(ranked: Sequence[joins.Result], asked: Stage) -> joins.Result:
    chosen = asked.facts.get(choice.CHOSEN)
    return next((each for each in ranked if each["id"] == chosen), ranked[0] if ranked else NONE)


def _take_over(
    walk: Walk, asked: Stage, component: Outcome, results: Sequence[joins.Result], best: joins.Result
) -> Stage:
    """Merge, hand on what the merged branches wrote into the context, and end as the component did."""
    node, visit, merges = asked.node, asked.visit, _work(asked.node).merge
    merged = [each for each in results if joins.succeeded(each)] if merges == "all" else [best]
    outcome = replace(component.passed_on(), failure_signature="", usage=asked.outcome.usage)
    if best is NONE:
        merged = []
    trouble = _merge(walk, node, merges, merged)
    if trouble:
        outcome, best, merged = Outcome.failed(*trouble, usage=asked.outcome.usage), NONE, []
    updates: dict[str, Json] = {}
    for each in merged:
        updates |= each["context"]  # type: ignore[arg-type]
    if asked.outcome.notes:
        outcome = replace(outcome, notes="; ".join(part for part in (asked.outcome.notes, outcome.notes) if part))
    losers = [str(each["id"]) for each in results if each is not best]
    facts = _facts(best)
    walk.world.emit(FanInFinished(node.id, visit, merges, best["id"], best["outcome"], best["head_sha"], losers))  # type: ignore[arg-type]
    outcome = settle(node, replace(outcome, context_updates=updates))
    tail = walk.state.dossier.output_tail if walk.state.dossier else ""
    dossier = dossier_of(node, visit, asked.attempts, outcome, tail)
    return asked._replace(outcome=outcome, facts=facts, dossier=dossier)


def _facts(best: joins.Result) -> dict[str, Json]:
    return {
        "parallel.fan_in.best_id": best["id"],
        "parallel.fan_in.best_outcome": best["outcome"],
        "parallel.fan_in.best_head_sha": best["head_sha"],
    }


def _merge(walk: Walk, node: Node, merges: str, merged: Sequence[joins.Result]) -> tuple[str, FailureClass] | None:
    """Bring the branches' commits into this walk's workspace; return why that failed, or None."""
    heads = {str(each["id"]): str(each["head_sha"]) for each in merged if each["head_sha"]}
    try:
        if merges == "best":
            for head in heads.values():
                walk.world.workspace.take(head)
            return None
        message = f"attractor({walk.run.run_id}): {node.id} merges"
        conflicts = walk.world.workspace.merge(heads, message) if heads else {}
    except GitError as error:
        return f"the branches could not be merged: {error}", FailureClass.STRUCTURAL
    if not conflicts:
        return None
    ids = list(heads)
    told = "; ".join(
        f"{id_!r} after {', '.join(map(repr, ids[: ids.index(id_)]))} in {', '.join(files)}"
        for id_, files in conflicts.items()
    )
    reason = f"merge=all: the branches conflict, and nothing was merged: {told}"
    return reason, FailureClass.DETERMINISTIC
