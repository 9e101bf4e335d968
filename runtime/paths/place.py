"""Paths as values: a path is the place where it stands, with the way it came and the answers it was given."""

from collections.abc import Mapping
from typing import NamedTuple

from ..run_dir import Ending
from ..state import RunState
from ..walk import Arrival
from .menu import Turn


class Step(NamedTuple):
    """A visit on a path, and where it led."""

    node: str
    branch: str  # "" in the main walk
    visit: int  # in its pass
    word: str
    to: str  # "" where the walk ends
    edge: int  # its place among the node's edges; -1: a jump, or the end
    why: str
    overall: int = 0  # visits since its walk began, this one included
    turn: Turn | None = None  # how it answered; None: it was not asked


class Trail(NamedTuple):
    """A path, from its last step back to its first."""

    before: "Trail | None"
    step: Step
    length: int


Turns = Mapping[tuple[str, int], Turn]  # (node, visit since its walk began) -> how it answers


class Place(NamedTuple):
    """Where a path stands: before a node."""

    state: RunState
    arrival: Arrival
    trail: Trail | None
    turns: Turns  # of the visits in branches: a scenario knows no passes of a region, so the next pass answers alike
    mark: tuple[str, ...]  # a stage that failed and has not made up for it, behind the regions that it is in

    @property
    def length(self) -> int:
        return self.trail.length if self.trail else 0


class End(NamedTuple):
    """Where a path ends. `how`: exit, failure, no_way_on, goal_gate, restart_blocked, or the name of a breaker."""

    place: Place
    ending: Ending
    how: str


class Ended(NamedTuple):
    """An end that was found, without the state it left."""

    trail: Trail | None
    ending: Ending


def steps(trail: Trail | None, after: int = 0) -> list[Step]:
    """Return a path from its first step to its last, without the first `after`."""
    found = []
    while trail is not None and trail.length > after:
        found.append(trail.step)
        trail = trail.before
    return found[::-1]
