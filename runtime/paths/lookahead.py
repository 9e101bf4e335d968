"""A walk in memory: the interpreter's own functions, with a world that records nothing and in which no time passes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import retry
from ..attempts import dossier_of, is_routed, settle
from ..events import Event
from ..journal import Entry
from ..meter import RunMeter
from ..outcome import Json, Outcome, Status
from ..plan import Kind, Node, Plan
from ..questions import named
from ..run_dir import RunDir
from ..scripted import Turn, turn_of
from ..state import RunState
from ..steps.contract import RunFacts
from ..steps.human import choice_of, options_of
from ..steps.scripted import outcome_of, text_of, tool_facts
from ..walk import Stage, Walk
from ..world import World


class _Still:
    """A clock, a cancellation and a workspace in one: nothing moves."""

    folder, branch, base_sha, reason = Path(), "", "", ""

    def now_s(self) -> float:
        return 0.0

    def utc(self) -> str:
        return ""

    def wait(self, seconds: float) -> bool:  # noqa: ARG002
        return False

    def commit(self, message: str) -> str:  # noqa: ARG002
        return ""


class _NoRecords(RunDir):
    """A run directory that is nowhere."""

    def __init__(self) -> None:
        pass

    def append(self, entry: Entry) -> None:
        pass

    def emit(self, event: Event, branch: str = "") -> None:
        pass

    def snapshot(self, state: RunState) -> None:
        pass

    def snapshot_if_due(self, state: RunState) -> None:
        pass


def walk_in_memory(plan: Plan) -> Walk:
    """Return a walk that stands before the start. Its limits of money and time are off: what is spent nobody knows."""
    still: Any = _Still()
    limits = plan.limits._replace(max_llm_calls=None, max_total_tokens=None, max_cost_usd=None, max_wall_ms=None)
    meter = RunMeter(still, limits)
    world = World(still, None, still, None, still, _ignore, meter)  # type: ignore[arg-type]
    return Walk(plan, RunFacts("", Path(), ""), RunState(plan.context), world, meter, {}, _NoRecords())


def _ignore(event: Event) -> None:
    pass


def fork(walk: Walk, state: RunState, emit: Callable[[Event], None]) -> Walk:
    """Return the walk with a state of its own, copied from `state`."""
    return walk._replace(state=state.copy(), world=walk.world._replace(emit=emit))


def answered(walk: Walk, node: Node, visit: int, document: Mapping[str, Any]) -> Stage:
    """Return the visit of a stage whose every attempt answers with the turn in `document`."""
    turn = turn_of(document)
    said, facts = _said(node, turn)
    outcome = settle(node, said)
    attempts = 1
    if outcome.status is not Status.RETRY or not is_routed(walk, node, outcome, facts):
        again = retry.decide(node, outcome, 1) is retry.Decision.AGAIN
        attempts = node.attempts if again else 1
        outcome = retry.spent(node, outcome)
    return Stage(node, visit, attempts, outcome, facts, dossier_of(node, visit, attempts, outcome, ""), 0.0)


def _said(node: Node, turn: Turn) -> tuple[Outcome, Mapping[str, Json]]:
    outcome = outcome_of(turn, node) or Outcome.success()
    match node.kind:
        case Kind.HUMAN:
            return _chosen(node, turn, outcome)
        case Kind.TOOL:
            return outcome, tool_facts(turn, outcome)
        case _:
            return outcome, {"last_response": text_of(turn, node)}


def _chosen(node: Node, turn: Turn, outcome: Outcome) -> tuple[Outcome, Mapping[str, Json]]:
    options: Sequence[Any] = options_of(node)
    option = named(options, turn.preferred_label)
    if option is None or outcome.status is not Status.SUCCESS:
        return outcome, {}
    report = choice_of(option, "", "answered by the scenario")
    return report.outcome or outcome, report.facts
