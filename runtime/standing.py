"""Where a run stands, for whoever asks from outside: read from its directory, whatever state that is in."""

import shlex
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .outcome import Json
from .plan import Plan
from .questions import Asked, questions_of
from .read_plan import PlanError, read_plan
from .run_files import RunFiles
from .story import Spent, Story, VisitTold, read_story

DIED = "died"
GOING = ("running", "waiting")


class Step(NamedTuple):
    """What somebody may want to do next."""

    what: str
    command: str


class Standing(NamedTuple):
    run_id: str
    name: str
    goal: str
    folder: str
    state: str  # running | waiting (for a person) | success | fail | canceled | died (its process is gone)
    reason: str
    failure_class: str
    node: str  # where it ended
    started_at: str
    last_event_at: str
    elapsed_ms: int
    pid: int
    is_alive: bool
    simulated: bool
    workspace: str
    branch: str
    commit: str
    restarts: int
    done: int  # nodes that were visited to the end
    nodes: int
    spent: Spent
    running: tuple[VisitTold, ...]
    failed: tuple[VisitTold, ...]  # whose last visit failed
    interrupted: tuple[VisitTold, ...]  # whose last visit was cut off: a resumed run makes it again
    questions: tuple[Asked, ...]  # that are open
    next_steps: tuple[Step, ...]


def standing(run: RunFiles, now: datetime | None = None) -> Standing:
    """Return where the run stands `now`."""
    return standing_of(run, read_story(run), now or datetime.now(UTC))


def standing_of(run: RunFiles, story: Story, now: datetime) -> Standing:
    """Return the same for a run whose story was read already."""
    is_alive = run.is_alive()
    manifest, final = run.manifest() or {}, run.final()
    is_over = story.end is not None or (final is not None and not is_alive)
    if not is_over:
        final = None  # of before it was resumed
    is_asked = is_alive and not is_over
    questions = tuple(each for each in questions_of(run.folder) if each.over is None) if is_asked else ()
    state = _state(story, final, is_over=is_over, is_alive=is_alive, asks=bool(questions))
    plan = plan_of(run)
    return Standing(
        run_id=str(manifest.get("run_id") or (story.last.stamp.run_id if story.last else run.folder.name)),
        name=str(manifest.get("name") or (plan.name if plan else "")),
        goal=str(manifest.get("goal") or (plan.goal if plan else "")),
        folder=str(run.folder),
        state=state,
        reason=_reason(story, final, state, run.pid()),
        failure_class=str(final["failure_class"]) if final else getattr(story.end, "failure_class", ""),
        node=str(final["node"]) if final else story.end.node_id if story.end else "",
        started_at=str(manifest.get("started_at") or story.first_ts),
        last_event_at=story.last.stamp.ts if story.last else "",
        elapsed_ms=_elapsed_ms(story, final, now if state in GOING else None),
        pid=run.pid(),
        is_alive=is_alive,
        simulated=bool(manifest.get("simulated")),
        workspace=str(manifest.get("workspace", "")),
        branch=str(manifest.get("branch", "")),
        commit=str(final["commit"]) if final else _last_commit(story),
        restarts=story.restarts,
        done=len({visit.node_id for visit in story.visits if visit.status not in ("running", "interrupted")}),
        nodes=len(plan.nodes) if plan else 0,
        spent=_spent(story, final),
        running=tuple(story.running),
        failed=_last_visits(story, "fail", "retry"),
        interrupted=_last_visits(story, "interrupted"),
        questions=questions,
        next_steps=tuple(_next_steps(run, manifest, state, questions)),
    )


def plan_of(run: RunFiles) -> Plan | None:
    """Return the plan of the run; None when it cannot be read."""
    try:
        return read_plan((run.folder / "plan.json").read_bytes(), "plan.json", allow_edited=True)
    except (OSError, PlanError):
        return None


def since_ms(ts: str, now: datetime) -> int:
    """Return how long ago an event's time was; never less than nothing, for clocks jump."""
    try:
        return max(0, round((now - datetime.fromisoformat(ts)).total_seconds() * 1000))
    except ValueError:
        return 0


def to_json(it: Standing, now: datetime) -> dict[str, Json]:
    return {
        "run_id": it.run_id,
        "name": it.name,
        "goal": it.goal,
        "folder": it.folder,
        "state": it.state,
        "reason": it.reason,
        "failure_class": it.failure_class,
        "node": it.node,
        "started_at": it.started_at,
        "last_event_at": it.last_event_at,
        "elapsed_ms": it.elapsed_ms,
        "pid": it.pid,
        "is_alive": it.is_alive,
        "simulated": it.simulated,
        "workspace": it.workspace,
        "branch": it.branch,
        "commit": it.commit,
        "restarts": it.restarts,
        "nodes_done": it.done,
        "nodes": it.nodes,
        "usage": {
            "llm_calls": it.spent.llm_calls,
            "input_tokens": it.spent.input_tokens,
            "output_tokens": it.spent.output_tokens,
            "cost_usd": it.spent.cost_usd,
        },
        "running": [_visit_json(visit) | {"elapsed_ms": since_ms(visit.started, now)} for visit in it.running],
        "failed": [
            _visit_json(visit) | {"failure_class": visit.failure_class, "reason": visit.reason} for visit in it.failed
        ],
        "interrupted": [_visit_json(visit) for visit in it.interrupted],
        "questions": [_question_json(asked) for asked in it.questions],
        "next": [step._asdict() for step in it.next_steps],
    }


def _visit_json(visit: VisitTold) -> dict[str, Json]:
    attempt = visit.attempts[-1]
    return {
        "node": visit.node_id,
        "in_branch": visit.branch,
        "kind": visit.kind,
        "visit": visit.number,
        "attempt": attempt.number,
        "attempts": attempt.of,
        "started_at": visit.started,
        "folder": attempt.folder,
    }


def _question_json(asked: Asked) -> dict[str, Json]:
    question = asked.question
    return {
        "id": question.id,
        "text": question.text,
        "asked_at": asked.asked_at,
        "default": question.default,
        "timeout_ms": question.timeout_ms,
        "options": [
            {"target": option.target, "label": option.label, "accelerator": option.accelerator}
            for option in question.options
        ],
    }


def _state(story: Story, final: dict[str, Any] | None, *, is_over: bool, is_alive: bool, asks: bool) -> str:
    if is_over:
        return str(final["status"]) if final else story.end.status if story.end else DIED
    if not is_alive:
        return DIED
    return "waiting" if asks else "running"


def _reason(story: Story, final: dict[str, Any] | None, state: str, pid: int) -> str:
    if final is not None:
        return str(final["reason"])
    if state == DIED:
        return f"its process {pid} is gone, and it left no result"
    return story.end.reason if story.end else ""


def _elapsed_ms(story: Story, final: dict[str, Any] | None, now: datetime | None) -> int:
    if final is not None:
        return int(final["duration_ms"])
    if not story.first_ts or story.last is None:
        return 0
    return since_ms(story.first_ts, now or datetime.fromisoformat(story.last.stamp.ts))


def _spent(story: Story, final: dict[str, Any] | None) -> Spent:
    if final is None:
        return story.spent()
    usage = final["usage"]
    return Spent(usage["llm_calls"], usage["input_tokens"], usage["output_tokens"], usage["cost_usd"])


def _last_commit(story: Story) -> str:
    return next((visit.commit for visit in reversed(story.visits) if visit.commit and not visit.branch), "")


def _last_visits(story: Story, *statuses: str) -> tuple[VisitTold, ...]:
    """Return the working stages whose last visit ended so: what was mended is left out."""
    last = {(visit.branch, visit.node_id): visit for visit in story.visits}
    return tuple(visit for visit in last.values() if visit.status in statuses and visit.kind != "conditional")


def _next_steps(run: RunFiles, manifest: dict[str, Any], state: str, questions: tuple[Asked, ...]) -> list[Step]:
    place = shlex.quote(str(run.folder))
    steps = [Step("answer", f"attractor answer {place} {each.question.id} CHOICE") for each in questions]
    if state in GOING:
        steps += [Step("watch", f"attractor logs {place} --follow"), Step("stop", f"attractor stop {place}")]
    elif state == "success":
        if manifest.get("branch"):
            steps.append(Step("take the work", f"git merge {manifest['branch']}"))
        steps.append(Step("read about it", f"attractor report {place}"))
    else:
        again = " --retry-failed" if state == "fail" else ""
        steps.append(Step("go on", f"attractor exec --resume {place}{again}"))
        steps.append(Step("see why", f"attractor logs {place}"))
    return steps
