"""Which way on: language.md section 7 as pure functions. Edges come from the plan in the order in which they are tried.

The walk asks `next_hop` after every node; the answer names all candidates and why the chosen one won, so that the log
can answer "why did it go there?".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .context import holds, normalise_label
from .outcome import Json, Outcome, Status
from .plan import Edge, EdgeKind, ExitWork, Kind, Node, ParallelWork, Plan


class Candidate(NamedTuple):
    """An edge or a target that was looked at, and what became of it."""

    to: str
    kind: str  # an edge's kind, or retry_target | catch
    when: str
    verdict: str


class Hop(NamedTuple):
    """Where the walk goes. `edge` None: not along an edge (retry target or catch). `to` "": nowhere."""

    to: str
    edge: Edge | None
    why: str
    candidates: Sequence[Candidate]


def next_hop(node: Node, outcome: Outcome, context: Mapping[str, Json]) -> Hop:
    """Return where the walk goes after `node` ended with `outcome`."""
    match outcome.status:
        case Status.SUCCESS | Status.PARTIAL_SUCCESS | Status.SKIPPED | Status.CUSTOM:
            return _after_success(node, outcome, context)
        case Status.RETRY:
            return retry_hop(node, outcome, context) or _after_failure(node, outcome, context)
        case Status.FAIL:
            return _after_failure(node, outcome, context)


def retry_hop(node: Node, outcome: Outcome, context: Mapping[str, Json]) -> Hop | None:
    """Return the way on that names `outcome=retry`, which is taken before another attempt is made."""
    for index, edge in enumerate(node.edges):
        named = any(c.key == "outcome" and c.op == "=" and c.literal == "retry" for c in edge.when)
        if named and holds(edge.when, outcome, context):
            return _taken(node, index, "condition names outcome=retry", "retry outcomes are asked for first")
    return None


def _after_success(node: Node, outcome: Outcome, context: Mapping[str, Json]) -> Hop:
    matching = _first_if(node, outcome, context)
    if matching is not None:
        return _taken(node, matching, "condition matches", "condition does not match")
    plain = [
        index
        for index, edge in enumerate(node.edges)
        if edge.kind in (EdgeKind.ELSE, EdgeKind.ALWAYS, EdgeKind.THEN)
    ]  # fmt: skip
    label = normalise_label(outcome.preferred_label)
    for index in plain if label else ():
        if node.edges[index].match == label:
            return _taken(node, index, "label equals preferred_label", "another edge has the preferred label")
    for index in plain if outcome.suggested_next_ids else ():
        if node.edges[index].to in outcome.suggested_next_ids:
            return _taken(node, index, "target is in suggested_next_ids", "another edge's target was suggested")
    if plain:
        why = "only unconditional edge" if len(plain) == 1 else "best of the unconditional edges"
        return _taken(node, plain[0], why, "condition does not match")
    return Hop("", None, "", _looked_at(node, "condition does not match"))


def _after_failure(node: Node, outcome: Outcome, context: Mapping[str, Json]) -> Hop:
    matching = _first_if(node, outcome, context)
    if matching is not None:
        return _taken(node, matching, "condition matches", "condition does not match")
    for kind, why in (
        (EdgeKind.ELSE, "no condition matches the failure"),
        (EdgeKind.ALWAYS, "edge into a conditional"),
    ):
        for index, edge in enumerate(node.edges):
            if edge.kind is kind:
                return _taken(node, index, why, "condition does not match")
    looked_at = _looked_at(node, "does not carry a failure")
    if node.on_fail:
        chosen = Candidate(node.on_fail[0], "retry_target", "", "taken")
        return Hop(node.on_fail[0], None, "retry target", (*looked_at, chosen))
    if node.catch is not None:
        chosen = Candidate(node.catch, "catch", "", "taken")
        return Hop(node.catch, None, "catch: the failure falls through to a conditional", (*looked_at, chosen))
    return Hop("", None, "", looked_at)


def passed_over(plan: Plan, node: Node, hop: Hop) -> tuple[str, ...]:
    """Return the stages that a caught failure does not run: those on the single ways from `node` to its catch."""
    if not hop.candidates or hop.candidates[-1].kind != "catch":
        return ()
    passed: dict[str, None] = {}  # an edited plan may lead in a circle
    at = node
    while len(at.edges) == 1 and at.edges[0].to != node.catch and at.edges[0].to not in passed:
        at = plan.nodes[at.edges[0].to]
        passed[at.id] = None
    return tuple(passed)


def _first_if(node: Node, outcome: Outcome, context: Mapping[str, Json]) -> int | None:
    for index, edge in enumerate(node.edges):
        if edge.kind is EdgeKind.IF and holds(edge.when, outcome, context):
            return index
    return None


def _taken(node: Node, chosen: int, why: str, before: str) -> Hop:
    """`before`: why the conditional edges that were tried first were passed over."""
    edge = node.edges[chosen]
    candidates = tuple(
        Candidate(other.to, other.kind, condition_text(other), _verdict(other, index, chosen, before))
        for index, other in enumerate(node.edges)
    )
    return Hop(edge.to, edge, why, candidates)


def _verdict(edge: Edge, index: int, chosen: int, before: str) -> str:
    if index == chosen:
        return "taken"
    if index < chosen:
        return "condition does not match" if edge.kind is EdgeKind.IF else before
    return "not tried"


def _looked_at(node: Node, plain: str) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            edge.to, edge.kind, condition_text(edge), "condition does not match" if edge.kind is EdgeKind.IF else plain
        )
        for edge in node.edges
    )


def condition_text(edge: Edge) -> str:
    """Return the condition as an author would write it; "" for none."""
    return " && ".join(clause.key if clause.op == "set" else "".join(clause) for clause in edge.when)


def no_way_on(node: Node, outcome: Outcome) -> str:
    """Return why a walk ends at a node that did not fail and has no way on."""
    if not node.edges:
        return f"node {node.id!r} is not an exit and no edge leads on from it"
    return f"no edge of {node.id!r} matches outcome={outcome.word}"


class Way(NamedTuple):
    """A step that a walk may take, whatever it takes to take it."""

    to: str
    edge: int  # its place among the node's edges; -1: a jump to a retry target, a catch or a join
    restarts: bool


def ways_on(plan: Plan, node: Node) -> Iterator[Way]:
    """Yield every step that may follow `node`. `next_hop` takes no other, nor does a goal gate or a region."""
    for index, edge in enumerate(node.edges):
        yield Way(edge.to, index, restarts=edge.restart is not None)
    if node.on_fail and node.kind is not Kind.EXIT:
        yield Way(node.on_fail[0], -1, restarts=False)
    elif node.catch is not None:
        yield Way(node.catch, -1, restarts=False)
    if isinstance(node.work, ParallelWork):
        yield Way(node.work.join, -1, restarts=False)
    if isinstance(node.work, ExitWork) and node.work.exit_status != "fail":
        for gate in plan.nodes.values():
            if gate.goal_gate and gate.on_fail:
                yield Way(gate.on_fail[0], -1, restarts=False)


class Gate(NamedTuple):
    """A goal gate that has not been reached."""

    node: str
    word: str
    to: str  # its retry target; "" for none


def unsatisfied_gate(plan: Plan, words: Iterable[tuple[str, str]]) -> Gate | None:
    """Return the first visited goal gate that did not end in success or partial_success.

    Args:
        words: (node, outcome word) of each visited node, in the order in which they last ended.
    """
    for node_id, word in words:
        node = plan.nodes[node_id]
        if node.goal_gate and word not in (Status.SUCCESS, Status.PARTIAL_SUCCESS):
            return Gate(node_id, word, node.on_fail[0] if node.on_fail else "")
    return None
