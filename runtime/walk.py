"""One walk: its state, its world and its way of writing down what happened. The main walk has branches as children."""

from collections.abc import Mapping
from typing import NamedTuple

from .breakers import Trip
from .events import BreakerTripped, LimitReached
from .journal import Entry
from .meter import RunMeter
from .outcome import Dossier, Json, Outcome
from .plan import Edge, Kind, Node, Plan
from .run_dir import Ending, RunDir
from .state import RunState
from .steps.contract import RunFacts, Step
from .world import World

Steps = Mapping[Kind, Step]


class Threads:
    """Which conversations this process has had. One that an earlier process had is told, once, what came before it."""

    def __init__(self, *, resumed: bool = False) -> None:
        self._resumed = resumed
        self._known: set[str] = set()

    def is_cold(self, thread: str) -> bool:
        """Whether an earlier process may have talked in it, and this one has not."""
        return self._resumed and thread not in self._known

    def begin(self, thread: str) -> None:
        if self._resumed:
            self._known.add(thread)


class Walk(NamedTuple):
    plan: Plan
    run: RunFacts
    state: RunState
    world: World  # its `emit` knows the branch
    meter: RunMeter
    steps: Steps
    records: RunDir
    depth: int = 0  # of nested branches; 0 is the main walk
    stop_at: str = ""  # the join that ends a branch
    threads: Threads = Threads()

    def record(self, entry: Entry) -> None:
        """Make the entry true: first on disk, then in the state."""
        self.records.append(entry)
        self.state.apply(entry)

    def tripped(self, trip: Trip, node_id: str, *, limit: bool = False) -> Ending:
        """Tell which bound ended the walk, and end it."""
        if limit:
            self.world.emit(LimitReached(trip.breaker, trip.limit, trip.value, trip.reason))
        else:
            self.world.emit(
                BreakerTripped(node_id, trip.breaker, int(trip.limit), int(trip.value), trip.signature, trip.reason)
            )
        return Ending("fail", trip.reason, trip.failure_class, node_id)

    @property
    def is_of_run(self) -> bool:
        """Whether this is the run's own walk, not that of a branch or of a child pipeline."""
        return self.depth == 0 and not self.meter.is_lent

    def is_canceled(self) -> bool:
        return bool(self.world.cancellation.reason)

    def canceled(self, node_id: str) -> Ending:
        return Ending("canceled", self.world.cancellation.reason, "", node_id)


class Arrival(NamedTuple):
    """A node the walk is about to visit, and the edge that led there (None: the start, a jump, a restart)."""

    node_id: str
    edge: Edge | None = None


class Stage(NamedTuple):
    """A visit that is over, before it is written down."""

    node: Node
    visit: int
    attempts: int
    outcome: Outcome
    facts: Mapping[str, Json]  # engine keys that the step knows
    dossier: Dossier | None  # what the next stages have to know of a failure
    started_s: float
    commit: str | None = None  # that holds its work already; None: it is still to be made
