"""A path as a scenario: played with `exec --simulate`, it takes that very path."""

from collections.abc import Mapping
from typing import Any

from ..plan import Kind, Node, Plan
from .menu import Turn, promises
from .place import Trail, steps

PLAIN: Turn = {}  # a turn of a scenario that succeeds


def scenario_of(plan: Plan, trail: Trail | None, description: str) -> dict[str, Any]:
    """Return the scenario; what the path does not visit succeeds, and so does what comes after it."""
    turns: dict[str, dict[int, Turn]] = {}
    for step in steps(trail):
        if step.turn is not None:
            turns.setdefault(step.node, {})[step.overall] = step.turn
    nodes = {node.id: _answers(node, turns.get(node.id, {})) for node in plan.nodes.values()}
    named = {node_id: answers for node_id, answers in nodes.items() if answers is not None}
    return {"version": 1, "description": description, "nodes": named}


def _answers(node: Node, by_visit: Mapping[int, Turn]) -> Any:
    """Return the answers of a node, visit by visit; None for one that needs none."""
    plain = dict(promises(node))
    told = [_written(by_visit[visit], plain) for visit in sorted(by_visit)]
    while told and told[-1] == plain:
        told.pop()
    if not told:  # who is not named does its work, or is asked
        return plain if plain or node.kind in (Kind.TOOL, Kind.MANAGER, Kind.HUMAN) else None
    return [*told, plain]


def _written(turn: Turn, plain: Turn) -> Turn:
    return dict(turn) or plain


def path_text(trail: Trail | None, most: int = 0) -> str:
    """Return a path on one line, outcomes other than success told; the middle left out if it is longer than `most`."""
    told = [_step_text(step.node, step.word) for step in steps(trail)]
    if trail is not None and trail.step.to:
        told.append(trail.step.to)
    if most and len(told) > most:
        left_out = len(told) - most + 1
        told = [*told[: most // 2], f"… {left_out} more …", *told[len(told) - (most - 1 - most // 2) :]]
    return " > ".join(told)


def _step_text(node: str, word: str) -> str:
    return node if word == "success" else f"{node}={word}"
