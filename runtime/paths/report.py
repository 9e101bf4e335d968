"""What a search found, as `schemas/paths.schema.json` describes it and as a table for people."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..plan import ExitWork, Plan
from ..routing import condition_text, ways_on
from .place import Trail, steps
from .search import MOST_VISITS, Searched
from .witness import path_text

LINE_STEPS = 9  # of a path in the table
ENDS = {
    "failure": "a failure that no edge, retry target or catch takes",
    "no_way_on": "an outcome that no edge matches",
    "goal_gate": "a goal gate without a retry target",
    "restart_blocked": "a restart that its edge does not allow",
}


def as_json(plan: Plan, searched: Searched) -> dict[str, Any]:
    found = searched.found
    return {
        "version": 1,
        "name": plan.name,
        "digest": plan.digest,
        "search": {
            "states": searched.states,
            "past_states": searched.past_states,
            "most_states": searched.most,
            "capped": searched.capped,
            "past_capped": searched.past_capped,
            "loops_unrolled": MOST_VISITS - 1,
            "answers_cut": list(searched.cut),
            "races": list(searched.races),
        },
        "nodes": [
            {"id": node.id, "kind": node.kind, "path": _path(found.nodes.get(node.id))} for node in plan.nodes.values()
        ],
        "edges": list(_edges(plan, searched)),
        "jumps": list(_jumps(plan, searched)),
        "exits": [
            {"id": exit_id, "status": _status(plan, exit_id), "path": _path(found.nodes.get(exit_id))}
            for exit_id in plan.exits
        ],
        "ends": [
            {"how": how, "node": node, "reason": ended.ending.reason, "path": _path(ended.trail)}
            for (how, node), ended in _other_ends(searched)
        ],
        "past_failure": [
            {"node": node, "exit": ended.ending.node, "path": _path(ended.trail)}
            for node, ended in sorted(found.past.items())
        ],
        "unreachable": unreached(plan, searched),
    }


def unreached(plan: Plan, searched: Searched) -> list[str]:
    return [node_id for node_id in plan.nodes if node_id not in searched.found.nodes]


def untaken(plan: Plan, searched: Searched) -> list[str]:
    """Return the edges that no path takes, from nodes that paths do reach."""
    return [
        f"{edge['from']} -> {edge['to']}"
        for edge in _edges(plan, searched)
        if edge["path"] is None and edge["from"] in searched.found.nodes
    ]


def _status(plan: Plan, exit_id: str) -> str:
    work = plan.nodes[exit_id].work
    return work.exit_status if isinstance(work, ExitWork) else "success"


def _path(trail: Trail | None) -> list[dict[str, Any]] | None:
    if trail is None:
        return None
    return [
        {"node": each.node, "branch": each.branch, "visit": each.visit, "outcome": each.word, "to": each.to}
        for each in steps(trail)
    ]


def _edges(plan: Plan, searched: Searched) -> Iterator[dict[str, Any]]:
    for node in plan.nodes.values():
        for index, edge in enumerate(node.edges):
            trail = searched.found.ways.get((node.id, index, edge.to))
            yield {
                "from": node.id,
                "to": edge.to,
                "index": index,
                "condition": condition_text(edge),
                "label": edge.label,
                "restarts": edge.restart is not None,
                "path": _path(trail),
            }


def _jumps(plan: Plan, searched: Searched) -> Iterator[dict[str, Any]]:
    """Yield the ways without an edge: to retry targets, catches and joins."""
    for node in plan.nodes.values():
        targets = dict.fromkeys(way.to for way in ways_on(plan, node) if way.edge < 0)
        for target in targets:
            trail = searched.found.ways.get((node.id, -1, target))
            yield {"from": node.id, "to": target, "why": trail.step.why if trail else "", "path": _path(trail)}


def _other_ends(searched: Searched) -> Sequence[tuple[tuple[str, str], Any]]:
    ends = ((what, ended) for what, ended in searched.found.ends.items() if what[0] != "exit")
    return sorted(ends, key=lambda each: (each[0][0] not in ENDS, each[0]))


# the table


def as_text(plan: Plan, searched: Searched) -> Iterator[str]:
    """Yield the lines of the table."""
    found = searched.found
    yield from _summary(plan, searched)
    yield from _section("exits", [(id_, _status(plan, id_), found.nodes.get(id_)) for id_ in plan.exits])
    past = [(id_, f"ends at {ended.ending.node}", ended.trail) for id_, ended in sorted(found.past.items())]
    yield from _section("success past a failed stage", past)
    ends = [(id_, ENDS.get(how, how), ended.trail) for (how, id_), ended in _other_ends(searched)]
    yield from _section("other ends", ends)
    yield from _section("edges", list(_edge_rows(plan, searched)))
    for title, names in (
        ("unreachable nodes", unreached(plan, searched)),
        ("edges never taken", untaken(plan, searched)),
    ):
        if names:
            yield ""
            yield title
            yield from (f"  {name}" for name in names)


def _summary(plan: Plan, searched: Searched) -> Iterator[str]:
    edges = sum(len(node.edges) for node in plan.nodes.values())
    looked = searched.states + searched.past_states
    yield f"{plan.name}: {len(plan.nodes)} nodes, {edges} edges; {looked} states searched, loops unrolled twice"
    if searched.capped or searched.past_capped:
        what = "every section" if searched.capped else "only the section on failed stages"
        yield f"stopped at {searched.most} states: what is missing below may exist; this concerns {what}"
    for node_id in searched.cut:
        yield f"node {node_id!r} can answer in more ways than were tried: what is missing below may exist"
    for node_id in searched.races:
        why = "which branch is late, or what a steered child does"
        yield f"how {node_id!r} ends depends on what no scenario says ({why}): a path through it may not be taken"


def _edge_rows(plan: Plan, searched: Searched) -> Iterator[tuple[str, str, Trail | None]]:
    for node in plan.nodes.values():
        for index, edge in enumerate(node.edges):
            trail = searched.found.ways.get((node.id, index, edge.to))
            if trail is not None:
                what = condition_text(edge) or edge.label
                yield f"{node.id} -> {edge.to}", f"{what} (restart)".strip() if edge.restart else what, trail


def _section(title: str, rows: Sequence[tuple[str, str, Trail | None]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield title
    first, second = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    for name, what, trail in rows:
        path = f"{trail.length:>3}  {path_text(trail, LINE_STEPS)}" if trail else "  -  no path leads there"
        yield f"  {name:<{min(first, 44)}}  {what:<{min(second, 44)}}  {path}".rstrip()


def exits_well(plan: Plan, searched: Searched) -> bool:
    """Return whether a path ends in success."""
    found = searched.found
    return any(_status(plan, exit_id) != "fail" and ("exit", exit_id) in found.ends for exit_id in plan.exits)


def trail_to(plan: Plan, searched: Searched, target: str) -> tuple[Trail | None, str]:
    """Return the path that `target` asks for, or why there is none.

    Args:
        target: NODE, "A -> B", "past NODE", or an end as the table names it: "failure NODE".
    """
    found, words = searched.found, target.replace("->", " -> ").split()
    match words:
        case [node_id] if node_id in plan.nodes:
            return _or_why(found.nodes.get(node_id), f"no path leads to {node_id!r}")
        case [source, "->", to] if source in plan.nodes and to in plan.nodes:
            ways = [trail for way, trail in found.ways.items() if (way[0], way[2]) == (source, to) and trail]
            return _or_why(
                min(ways, key=lambda trail: trail.length, default=None), f"no path goes from {source!r} to {to!r}"
            )
        case ["past", node_id] if node_id in plan.nodes:
            ended = found.past.get(node_id)
            return _or_why(ended.trail if ended else None, f"no path succeeds past a failed {node_id!r}")
        case [how, node_id] if node_id in plan.nodes:
            ended = found.ends.get((how, node_id))
            return _or_why(ended.trail if ended else None, f"no path ends in {how!r} at {node_id!r}")
        case _:
            return None, f"the plan has no node {unknown_node(plan, target)!r}"


def unknown_node(plan: Plan, target: str) -> str:
    """Return the word of a target that should be a node and is none; "" when there is none such."""
    words = target.replace("->", " ").split()
    meant = words if "->" in target else words[-1:]
    return next((word for word in meant if word not in plan.nodes), "")


def _or_why(trail: Trail | None, why: str) -> tuple[Trail | None, str]:
    return trail, "" if trail is not None else why
