"""All paths of a plan, shortest first, until nothing new is found or the bound is reached.

Two paths that stand before the same node, and that nothing can tell apart from there on, are one: only the shorter one
goes on. A node is entered three times at most on a path: loops are unrolled twice.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeVar

from .. import fan_in, interpreter
from ..context import as_text
from ..events import BreakerTripped, EdgeSelected, Event, GoalGateUnsatisfied, LoopRestartBlocked
from ..loops import components
from ..outcome import Json, Status
from ..plan import PASSIVE_KINDS, Kind, Node, Plan
from ..routing import ways_on
from ..run_dir import Ending
from ..state import RunState
from ..steps.choice import CHOSEN
from ..steps.manager import steers
from ..walk import Arrival, Stage, Walk
from . import regions
from .lookahead import answered, fork, walk_in_memory
from .menu import WORKING, Menu, Turn, asks
from .place import End, Ended, Place, Step, Trail, steps

MOST_STATES = 10_000
MOST_VISITS = 3

Visited = tuple[Stage, Turn | None, Place]  # a visit, how it was answered, and the path to it
What = TypeVar("What")


class Found(NamedTuple):
    """Shortest paths. A way is (node, edge, to); an end is (how, node)."""

    nodes: dict[str, Trail]
    ways: dict[tuple[str, int, str], Trail | None]
    ends: dict[tuple[str, str], Ended]
    past: dict[str, Ended]  # stage -> a success although the stage failed and did not make up for it


class Search:
    def __init__(self, plan: Plan, most: int = MOST_STATES, *, marks: bool = False) -> None:
        """`marks`: look for successes past a failed stage, too, which takes more states."""
        self.plan = plan
        self.menu = Menu(plan)
        self.found = Found({}, {}, {}, {})
        self.states = 0
        self.capped = False
        self.races: set[str] = set()
        self._most = most
        self._marks = marks
        self._loops = components({node.id: [way.to for way in ways_on(plan, node)] for node in plan.nodes.values()})
        self._reads_before = {"previous_node", "previous_outcome"} & set(self.menu.readings.engine)

    def run(self) -> Found:
        walk = walk_in_memory(self.plan)
        for end in self.ends(walk, Place(walk.state, Arrival(self.plan.start), None, {}, ())):
            self._note_end(end)
        return self.found

    def ends(self, walk: Walk, first: Place) -> Iterator[End]:
        """Yield every end of the walk that begins at `first`, for a branch its arrival at the join."""
        tie, seen = count(), set()
        waiting = [(first.length, next(tie), first)]
        while waiting:
            place = heapq.heappop(waiting)[2]
            if place.arrival.node_id == walk.stop_at:
                yield End(
                    place, Ending("success", f"arrived at {walk.stop_at!r}", "", place.state.position.node), "exit"
                )
                continue
            key = self._key(walk, place)
            if key in seen:
                continue
            if self.states >= self._most:
                self.capped = True
                return
            seen.add(key)
            self.states += 1
            for after in self._enter(walk, place):
                if isinstance(after, End):
                    yield after
                elif self._key(walk, after) not in seen:
                    heapq.heappush(waiting, (after.length, next(tie), after))

    def _enter(self, walk: Walk, place: Place) -> Iterator[Place | End]:
        """Yield what may follow from visiting the next node."""
        node = self.plan.nodes[place.arrival.node_id]
        visit = place.state.visits.get(node.id, 0) + 1
        if place.state.earlier.get(node.id, 0) + visit > MOST_VISITS:
            return
        heard: list[Event] = []
        looking = fork(walk, place.state, heard.append)
        ending = interpreter.may_not_enter(looking, node, visit)
        if ending is not None:
            yield End(place, ending, _how(node, Status.FAIL, heard))
            return
        for visited in self._visits(looking, node, visit, place):
            yield from self._conclude(walk, *visited)

    def _visits(self, walk: Walk, node: Node, visit: int, place: Place) -> Iterator[Visited]:
        """Yield each way in which the visit may end."""
        match node.kind:
            case Kind.START | Kind.EXIT | Kind.CONDITIONAL:
                yield interpreter.pass_through(walk, node, visit), None, place
            case Kind.PARALLEL:
                for stage, after in regions.visits(self, walk, node, visit, place):
                    yield stage, None, after
            case Kind.FAN_IN:
                yield from self._joins(walk, node, visit, place)
            case Kind.CODERGEN | Kind.TOOL | Kind.HUMAN | Kind.MANAGER:
                if steers(node):
                    self.races.add(node.id)
                for turn in self._turns(node, visit, place):
                    yield answered(walk, node, visit, turn), turn, place

    def _turns(self, node: Node, visit: int, place: Place, ids: Sequence[str] = ()) -> Sequence[Turn]:
        """Return the answers to try; the one that was given, where a scenario can give no other."""
        at = (node.id, place.state.earlier.get(node.id, 0) + visit)
        given = place.turns.get(at)
        if given is None and place.state.branch:
            asked = (step for step in steps(place.trail) if (step.node, step.overall) == at)
            given = next((step.turn for step in asked if step.turn is not None), None)
        return self.menu.turns(node, place.state.context, ids) if given is None else [given]

    def _joins(self, walk: Walk, node: Node, visit: int, place: Place) -> Iterator[Visited]:
        if not asks(node):
            stage = fan_in.join(walk, node, visit, place.arrival)
            assert isinstance(stage, Stage)  # noqa: S101 - nobody is asked, so nothing can end the run
            yield stage, None, place
            return
        results: Any = walk.state.context.get("parallel.results") or ()
        for turn in self._turns(node, visit, place, [str(each["id"]) for each in results]):

            def ask(asking: Walk, node: Node, visit: int, _arrival: Arrival, ranked: Any, turn: Turn = turn) -> Stage:
                stage = answered(asking, node, visit, turn)
                chosen = turn.get("preferred_label") or str(ranked[0]["id"])
                return stage._replace(facts={**stage.facts, CHOSEN: chosen})

            stage = fan_in.join(walk, node, visit, place.arrival, ask)
            assert isinstance(stage, Stage)  # noqa: S101 - `ask` ends no run
            yield stage, turn, place

    def _conclude(self, walk: Walk, stage: Stage, turn: Turn | None, before: Place) -> Iterator[Place | End]:
        heard: list[Event] = []
        walk = fork(walk, before.state, heard.append)
        onward = interpreter.conclude(walk, stage)
        overall = before.state.earlier.get(stage.node.id, 0) + stage.visit
        step = _step(walk, stage, onward, heard)._replace(overall=overall, turn=turn)
        turns = before.turns
        if turn is not None and walk.depth:
            turns = {**turns, (stage.node.id, overall): turn}
        place = Place(walk.state, Arrival(""), Trail(before.trail, step, before.length + 1), turns, before.mark)
        for marked in self._marked(stage, place):
            self._note(marked)
            if isinstance(onward, Ending):
                yield End(marked, onward, _how(stage.node, stage.outcome.status, heard))
            else:
                yield marked._replace(arrival=onward)

    def _marked(self, stage: Stage, place: Place) -> Iterator[Place]:
        """Yield the path as it is, and once more with the stage marked if it failed; nothing if its mark is void."""
        node, failed = stage.node, stage.outcome.status is Status.FAIL
        if not self._marks:
            yield place
            return
        if node.id in place.mark and not (failed and node.id == place.mark[-1]) and node.kind is not Kind.PARALLEL:
            return  # it was made up for; a region's own visit ends after those of the stages in it
        yield place
        if failed and not place.mark and (node.kind in WORKING or node.kind is Kind.HUMAN):
            regions_ = tuple(place.state.branch.split("/")[::3]) if place.state.branch else ()
            yield place._replace(mark=(*regions_, node.id))

    def _note(self, place: Place) -> None:
        assert place.trail is not None  # noqa: S101 - a step was just made
        step = place.trail.step
        _keep_shortest(self.found.nodes, step.node, place.trail)
        if step.to:
            _keep_shortest(self.found.ways, (step.node, step.edge, step.to), place.trail)

    def note_branch(self, node: Node, edge: int, place: Place) -> None:
        """Note that a branch was entered."""
        _keep_shortest(self.found.ways, (node.id, edge, node.edges[edge].to), place.trail)

    def _note_end(self, end: End) -> None:
        ended, mark = Ended(end.place.trail, end.ending), end.place.mark
        _keep_shorter(self.found.ends, (end.how, end.ending.node), ended)
        if mark and end.ending.status == "success":
            _keep_shorter(self.found.past, mark[-1], ended)

    # when two paths are one

    def _key(self, walk: Walk, place: Place) -> tuple[object, ...]:
        """Return all that decides where the path may lead from here."""
        state, node = place.state, self.plan.nodes[place.arrival.node_id]
        return (
            node.id,
            state.earlier.get(node.id, 0) + state.visits.get(node.id, 0),
            self._last(state, node),
            self._context(state.context, node),
            () if walk.depth else self._open_gates(state),
            self._about_to_trip(state, node),
            place.mark,
        )

    def _last(self, state: RunState, node: Node) -> object:
        """Return what of the last outcome is passed on, or read."""
        at, outcome, _ = state.position
        before = (at, outcome.word if outcome else "") if self._reads_before else ()
        if outcome is None or (node.kind not in PASSIVE_KINDS and node.kind is not Kind.FAN_IN):
            return before
        joined = at if node.kind is Kind.FAN_IN else ""
        return (
            before, joined, outcome.word, outcome.failure_class, outcome.preferred_label,
            tuple(outcome.suggested_next_ids),
        )  # fmt: skip

    def _context(self, context: Mapping[str, Json], node: Node) -> object:
        live = () if node.kind in WORKING else sorted(self.menu.readings.after[node.id])
        values = tuple(as_text(context.get(key)) for key in (*self.menu.readings.engine, *live))
        return (values, self.results(context, node)) if node.kind is Kind.FAN_IN else values

    def results(self, context: Mapping[str, Json], node: Node) -> object:
        """Return what of the branches' results matters from the join on."""
        results: Any = context.get("parallel.results") or ()
        return tuple((each["id"], each["outcome"], self.handed_on(each, node)) for each in results)

    def handed_on(self, result: Mapping[str, Any], join: Node) -> object:
        """Return what of a branch is read after the join: of its context, and its name if that counts."""
        live = sorted(self.menu.readings.after[join.id])
        named = str(result["id"]) if "parallel.fan_in.best_id" in self.menu.readings.engine else ""
        return named, tuple((key, as_text(result["context"].get(key))) for key in live if key in result["context"])

    def _about_to_trip(self, state: RunState, node: Node) -> str:
        """Return the last failure on the node's loop that ends the run when it happens once more; "" for none."""
        most = self.plan.limits.signature_limit - 1
        loop = self._loops[node.id]
        near = [each for each, times in state.signatures.items() if times >= most and each.partition("|")[0] in loop]
        return near[-1] if near and most < MOST_VISITS else ""

    def _open_gates(self, state: RunState) -> tuple[str, ...]:
        met = (Status.SUCCESS, Status.PARTIAL_SUCCESS)
        return tuple(id_ for id_, word in state.words.items() if self.plan.nodes[id_].goal_gate and word not in met)


def _step(walk: Walk, stage: Stage, onward: Arrival | Ending, heard: Sequence[Event]) -> Step:
    node, word = stage.node, stage.outcome.word
    selected = next((event for event in heard if isinstance(event, EdgeSelected)), None)
    if isinstance(onward, Ending):
        return Step(node.id, walk.state.branch, stage.visit, word, "", -1, onward.reason)
    edge = next((index for index, each in enumerate(node.edges) if each is onward.edge), -1)
    why = selected.why if selected else _why(heard)
    return Step(node.id, walk.state.branch, stage.visit, word, onward.node_id, edge, why)


def _why(heard: Sequence[Event]) -> str:
    gate = next((event for event in heard if isinstance(event, GoalGateUnsatisfied)), None)
    return f"goal gate {gate.gate!r} ended in {gate.status}" if gate else "join"


def _how(node: Node, status: Status, heard: Sequence[Event]) -> str:
    for event in heard:
        match event:
            case BreakerTripped():
                return event.breaker
            case LoopRestartBlocked():
                return "restart_blocked"
            case GoalGateUnsatisfied():
                return "goal_gate"
            case _:
                pass
    if node.kind is Kind.EXIT:
        return "exit"
    return "failure" if status in (Status.FAIL, Status.RETRY) else "no_way_on"


def _length(trail: Trail | None) -> int:
    return trail.length if trail else 0


def _keep_shortest(found: dict[What, Any], what: What, trail: Trail | None) -> None:
    if what not in found or _length(found[what]) > _length(trail):
        found[what] = trail


def _keep_shorter(found: dict[What, Ended], what: What, ended: Ended) -> None:
    if what not in found or _length(found[what].trail) > _length(ended.trail):
        found[what] = ended


def search(plan: Plan, most: int = MOST_STATES) -> "Searched":
    """Look at all paths twice: for everything that can be reached, and for successes past a failed stage."""
    plain, marked = Search(plan, most), Search(plan, most, marks=True)
    found, also = plain.run(), marked.run()
    for way, trail in also.ways.items():
        _keep_shortest(found.ways, way, trail)
    for node, trail in also.nodes.items():
        _keep_shortest(found.nodes, node, trail)
    for what, ended in also.ends.items():
        _keep_shorter(found.ends, what, ended)
    cut = sorted(plain.menu.cut | marked.menu.cut)
    races = sorted(plain.races | marked.races)
    return Searched(
        found=found._replace(past=also.past),
        states=plain.states,
        past_states=marked.states,
        capped=plain.capped,
        past_capped=marked.capped,
        most=most,
        cut=cut,
        races=races,
    )


class Searched(NamedTuple):
    """What was found, and how far the search went: `states` places were looked at, `past_states` for `found.past`."""

    found: Found
    states: int
    past_states: int
    capped: bool
    past_capped: bool
    most: int
    cut: Sequence[str]  # nodes that could answer in more ways than were tried
    races: Sequence[str]  # regions and managers of which a scenario cannot say how they end
