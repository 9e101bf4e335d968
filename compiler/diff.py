"""What changed in meaning between two plans: not in text, not in order of writing, not in where values came from."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .explain import condition_text

# How a plan came about, not what it does.
_NOT_MEANING = {"plan_version", "digest", "compiler", "sources", "provenance", "nodes"}
_CONTEXT_LINES = 1


class Change(NamedTuple):
    """One field that differs. None stands for a field that one side does not have."""

    field: str
    old: Any
    new: Any


class EdgeChange(NamedTuple):
    what: str  # added | removed | changed | reordered
    edge: str
    changes: Sequence[Change] = ()


class NodeChange(NamedTuple):
    id: str
    fields: Sequence[Change]
    edges: Sequence[EdgeChange]
    child: "PlanDiff | None"


class PlanDiff(NamedTuple):
    run: Sequence[Change]
    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[NodeChange]

    @property
    def is_empty(self) -> bool:
        return not (self.run or self.added or self.removed or self.changed)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> PlanDiff:
    """Return what `new` does differently from `old`."""
    before = {node["id"]: node for node in old["nodes"]}
    after = {node["id"]: node for node in new["nodes"]}
    return PlanDiff(
        run=_changes(_flat(old, _NOT_MEANING), _flat(new, _NOT_MEANING)),
        added=[id_ for id_ in after if id_ not in before],
        removed=[id_ for id_ in before if id_ not in after],
        changed=[
            change for id_ in after if id_ in before and (change := _node_change(before[id_], after[id_])) is not None
        ],
    )


def _node_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> NodeChange | None:
    if old == new:
        return None
    fields = _changes(_flat(old, {"edges", "child"}), _flat(new, {"edges", "child"}))
    edges = list(_edge_changes(old["edges"], new["edges"]))
    child = None
    if old.get("child") and new.get("child"):
        difference = compare(old["child"], new["child"])
        child = None if difference.is_empty else difference
    return NodeChange(new["id"], fields, edges, child) if fields or edges or child is not None else None


def _flat(values: Mapping[str, Any], leave_out: set[str], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if key in leave_out:
            continue
        if isinstance(value, dict) and value and key != "script":
            flat.update(_flat(value, set(), f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    return [
        Change(field, old.get(field), new.get(field))
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field) or (field in old) != (field in new)
    ]


# Edges: the same when they lead to the same node under the same condition and label, else when they only lead there.


def _edge_changes(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[EdgeChange]:
    pairs = _paired(old, new)
    matched_old, matched_new = {before for before, _ in pairs}, {after for _, after in pairs}
    yield from (EdgeChange("removed", edge_name(edge)) for at, edge in enumerate(old) if at not in matched_old)
    yield from (EdgeChange("added", edge_name(edge)) for at, edge in enumerate(new) if at not in matched_new)
    for before, after in pairs:
        changes = _changes(old[before], new[after])
        if changes:
            yield EdgeChange("changed", edge_name(new[after]), changes)
    order = [after for _, after in sorted(pairs)]
    if order != sorted(order):
        yield EdgeChange("reordered", ", ".join(edge_name(new[after]) for after in sorted(order)))


def _paired(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    left, right = list(range(len(old))), list(range(len(new)))  # not paired yet
    pairs: list[tuple[int, int]] = []
    for fields in (("to", "when", "label"), ("to", "when"), ("to", "label"), ("to",)):
        waiting: dict[str, list[int]] = {}
        for at in reversed(right):
            waiting.setdefault(_key(new[at], fields), []).append(at)
        found = [(at, same.pop()) for at in left if (same := waiting.get(_key(old[at], fields)))]
        paired_old, paired_new = {before for before, _ in found}, {after for _, after in found}
        left = [at for at in left if at not in paired_old]
        right = [at for at in right if at not in paired_new]
        pairs += found
    return pairs


def _key(edge: Mapping[str, Any], fields: Sequence[str]) -> str:
    return repr([edge[field] for field in fields])


def edge_name(edge: Mapping[str, Any]) -> str:
    words = [condition_text(edge["when"])] if edge["when"] else []
    words += [f'"{edge["label"]}"'] if edge["label"] else []
    return f"-> {edge['to']}" + (f" [{', '.join(words)}]" if words else "")


# For people


def lines(difference: PlanDiff, indent: str = "") -> Iterator[str]:
    """Yield a difference as lines; nothing when there is none."""
    yield from _change_lines(difference.run, indent)
    yield from (f"{indent}- node {id_}" for id_ in difference.removed)
    yield from (f"{indent}+ node {id_}" for id_ in difference.added)
    for change in difference.changed:
        yield f"{indent}~ node {change.id}"
        yield from _change_lines(change.fields, f"{indent}    ")
        for edge in change.edges:
            if edge.what == "reordered":
                yield f"{indent}    edges are now tried in this order: {edge.edge}"
                continue
            yield f"{indent}    {_SIGNS[edge.what]} edge {edge.edge}"
            yield from _change_lines(edge.changes, f"{indent}        ")
        if change.child is not None:
            yield f"{indent}    child pipeline:"
            yield from lines(change.child, f"{indent}        ")


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _change_lines(changes: Sequence[Change], indent: str) -> Iterator[str]:
    for field, old, new in changes:
        if isinstance(old, str) and isinstance(new, str) and ("\n" in old + new or len(old) + len(new) > 120):
            yield f"{indent}{field}:"
            yield from (f"{indent}  {line}" for line in _excerpt(old, new))
        else:
            yield f"{indent}{field}: {_shown(old)} -> {_shown(new)}"


def _excerpt(old: str, new: str) -> Iterator[str]:
    compared = difflib.unified_diff(old.splitlines(), new.splitlines(), n=_CONTEXT_LINES, lineterm="")
    for number, line in enumerate(compared):
        if number > 1:  # the two lines that name files
            yield line.rstrip()


def _shown(value: Any) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)


# For programs


def as_json(difference: PlanDiff) -> dict[str, Any]:
    """Return a difference as plain values."""
    return {
        "equal": difference.is_empty,
        "run": [change._asdict() for change in difference.run],
        "added": list(difference.added),
        "removed": list(difference.removed),
        "changed": [
            {
                "id": node.id,
                "fields": [change._asdict() for change in node.fields],
                "edges": [
                    {"what": edge.what, "edge": edge.edge, "changes": [change._asdict() for change in edge.changes]}
                    for edge in node.edges
                ],
                "child": None if node.child is None else as_json(node.child),
            }
            for node in difference.changed
        ],
    }
