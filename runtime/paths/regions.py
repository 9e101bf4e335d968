"""Parallel regions on a path: each branch is searched by itself, and its ends are joined in the ways that matter.

One branch at a time ends in each of its ways while the others all do well, or all fail; which branch is late must make
no difference, because a scenario does not say that.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, permutations
from typing import Any, NamedTuple, Protocol

from .. import joins
from ..attempts import dossier_of, settle
from ..branches import branch_ids, refused_entry, result_of
from ..journal import Forked
from ..outcome import NO_USAGE, FailureClass, Outcome, Status
from ..plan import Edge, Node, ParallelWork, Plan
from ..walk import Arrival, Stage, Walk
from .lookahead import fork
from .place import End, Place, Trail, steps

MOST_ORDERS = 24


class Searching(Protocol):
    """The search that comes upon a region."""

    plan: Plan
    races: set[str]  # regions that end as their fastest branch does, whatever the branches do

    def ends(self, walk: Walk, first: Place) -> Iterator[End]: ...

    def note_branch(self, node: Node, edge: int, place: Place) -> None: ...

    def handed_on(self, result: Mapping[str, Any], join: Node) -> object: ...


class Branch(NamedTuple):
    """One way in which a branch may end."""

    result: joins.Result
    end: End


def visits(search: Searching, walk: Walk, node: Node, visit: int, place: Place) -> Iterator[tuple[Stage, Place]]:
    """Yield each way in which the region may end, with the path through its branches."""
    assert isinstance(node.work, ParallelWork)  # noqa: S101 - the plan's reader made it so
    refused = refused_entry(walk, node)
    if refused:
        outcome = settle(node, Outcome.failed(refused, FailureClass.STRUCTURAL))
        dossier = dossier_of(node, visit, 1, outcome, "")
        yield Stage(node, visit, 1, outcome, {"parallel.results": []}, dossier, 0.0), place
        return
    if node.id in place.mark:
        return  # the branches begin anew: whoever failed in them is not past
    ids = branch_ids([edge.to for edge in node.edges])
    walk.state.apply(Forked(walk.state.branch, node.id, visit, ids, ""))
    branches = [_branch(search, walk, node, id_, edge, place) for id_, edge in zip(ids, node.edges, strict=True)]
    for chosen in _joined(search, node, branches):
        after = _after(place, [each.end.place for each in chosen])
        if after is not None:
            results = [each.result for each in chosen]
            outcome = settle(node, joins.outcome_of(node.work, results, NO_USAGE))
            dossier = dossier_of(node, visit, 1, outcome, "")
            yield Stage(node, visit, 1, outcome, {"parallel.results": results}, dossier, 0.0, ""), after


def _branch(search: Searching, walk: Walk, node: Node, id_: str, edge: Edge, place: Place) -> list[Branch]:
    """Return the ends of a branch that differ in what the join makes of them, the shortest of each."""
    assert isinstance(node.work, ParallelWork)  # noqa: S101 - the plan's reader made it so
    assert walk.state.region is not None  # noqa: S101 - it was just forked
    join = search.plan.nodes[node.work.join]
    inner = fork(walk, walk.state.region.branches[id_], walk.world.emit)
    inner = inner._replace(depth=walk.depth + 1, stop_at=node.work.join)
    first = place._replace(state=inner.state, arrival=Arrival(edge.to, edge))
    search.note_branch(node, next(index for index, each in enumerate(node.edges) if each is edge), first)
    found: dict[object, Branch] = {}
    for end in search.ends(inner, first):
        result = result_of(walk, end.place.state, id_, end.ending, None)
        what = (result["outcome"], result["failure_class"], search.handed_on(result, join), end.place.mark)
        if what not in found or found[what].end.place.length > end.place.length:
            found[what] = Branch(result, end)
    return sorted(found.values(), key=lambda branch: (len(branch.end.place.mark), branch.end.place.length))


def _joined(search: Searching, node: Node, branches: Sequence[Sequence[Branch]]) -> Iterator[Sequence[Branch]]:
    """Yield the combinations to try, each once."""
    assert isinstance(node.work, ParallelWork)  # noqa: S101 - the plan's reader made it so
    if not all(branches):
        return  # a branch that was not searched to any end
    well = [_first(each, lambda branch: joins.succeeded(branch.result)) for each in branches]
    badly = [_first(each, _failed_deterministically) for each in branches]
    transient = [_first(each, _failed_transiently) for each in branches]
    tried: list[Sequence[Branch]] = [well]
    for index, ends in enumerate(branches):
        for end in ends:
            tried += [[*others[:index], end, *others[index + 1 :]] for others in (well, badly)]
    tried.append(transient)
    settled = [each for each in tried if _whatever_is_late(search, node.work, [branch.result for branch in each])]
    if not settled:
        search.races.add(node.id)
    yield from {tuple(map(id, each)): each for each in settled or [well]}.values()


def _first(ends: Sequence[Branch], fits: Callable[[Branch], bool]) -> Branch:
    return next((end for end in ends if fits(end)), ends[0])


def _failed_deterministically(branch: Branch) -> bool:
    return joins.failed(branch.result) and branch.result["failure_class"] != FailureClass.TRANSIENT_INFRA


def _failed_transiently(branch: Branch) -> bool:
    return joins.failed(branch.result) and branch.result["failure_class"] == FailureClass.TRANSIENT_INFRA


def _whatever_is_late(search: Searching, work: ParallelWork, results: Sequence[joins.Result]) -> bool:
    """Return whether the region ends alike in whatever order its branches end."""
    if work.join_policy == "wait_all" and work.error_policy != "fail_fast":
        return True
    join = search.plan.nodes[work.join]
    ends = set()
    for order in islice(permutations(range(len(results))), MOST_ORDERS):
        told = _until_decided(work, results, order)
        outcome = joins.outcome_of(work, told, NO_USAGE)
        ranked = joins.ranked(told) if outcome.status is not Status.FAIL else []
        ends.add((outcome.word, outcome.failure_class, tuple(search.handed_on(each, join) for each in ranked[:1])))
    return len(ends) == 1


def _until_decided(work: ParallelWork, results: Sequence[joins.Result], order: Sequence[int]) -> list[joins.Result]:
    """Return the results when the branches end in this order, and those that are not needed any more are canceled."""
    canceled: Mapping[str, object] = {"outcome": joins.CANCELED, "failure_class": FailureClass.CANCELED}
    told: dict[int, joins.Result] = {}
    for index in order:
        late = joins.decided(work, len(results), list(told.values()))
        told[index] = {**results[index], **canceled} if late else results[index]  # type: ignore[dict-item]
    return [told[index] for index in range(len(results))]


def _after(place: Place, ends: Sequence[Place]) -> Place | None:
    """Return the path through all branches; None where they want different answers of one visit, or have two marks."""
    turns, trail, marks = dict(place.turns), place.trail, {end.mark for end in ends} - {place.mark}
    if len(marks) > 1 or sum(end.mark in marks for end in ends) > 1:
        return None
    for end in ends:
        for at, turn in end.turns.items():
            if turns.setdefault(at, turn) != turn:
                return None
        for step in steps(end.trail, place.length):
            trail = Trail(trail, step, trail.length + 1 if trail else 1)
    return place._replace(trail=trail, turns=turns, mark=next(iter(marks), place.mark))
