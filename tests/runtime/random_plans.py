"""Random plans: they need not be sensible. Edges lead anywhere, gates have no targets, loops have no way out."""

import os
from typing import Any

from hypothesis import strategies as st

CANONICAL = ["success", "partial_success", "retry", "fail", "skipped"]
WORDS = [*CANONICAL, "yellow"]
CLASSES = ["transient_infra", "deterministic", "structural", "budget_exhausted", "canceled"]
MAX_VISITS, MAX_RESTARTS = 4, 3
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # thousands of fsyncs that test nothing here

clauses = st.one_of(
    st.tuples(st.just("outcome"), st.sampled_from(["=", "!="]), st.sampled_from(WORDS)),
    st.tuples(st.just("context.color"), st.sampled_from(["=", "!="]), st.sampled_from(["red", ""])),
    st.just(("context.failure_class", "=", "transient_infra")),
    st.just(("preferred_label", "set", "")),
)


@st.composite
def edges(draw: Any, ids: list[str]) -> dict[str, Any]:
    when = draw(st.lists(clauses, max_size=2))
    restart = draw(st.sampled_from([None, None, None, {"on": "any"}, {"on": "transient_infra"}]))
    return {
        "to": draw(st.sampled_from(ids)),
        "kind": "if" if when else draw(st.sampled_from(["else", "always", "then", "then"])),
        "when": [list(clause) for clause in when],
        "label": "go",
        "match": draw(st.sampled_from(["go", "stop"])),
        "restart": None if restart is None else {**restart, "log_dir": "restart"},
    }


@st.composite
def pipelines(draw: Any) -> list[dict[str, Any]]:
    """Return nodes as (kind, fields): stages, conditionals, exits, and up to two regions whose joins fit."""
    stages = [f"n{i}" for i in range(draw(st.integers(1, 5)))]
    regions = [f"fan{i}" for i in range(draw(st.integers(0, 2)))]
    joins = [f"join{i}" for i in range(len(regions))]
    ids = [*stages, *regions, *joins, "done", "lost"]
    nodes: list[dict[str, Any]] = [{"id": "start", "kind": "start", "edges": [draw(edges(ids))]}]
    nodes += [
        {
            "id": name,
            "kind": draw(st.sampled_from(["tool", "codergen", "conditional"])),
            "edges": draw(st.lists(edges(ids), max_size=4)),
            "attempts": draw(st.integers(1, 3)),
            "goal_gate": draw(st.booleans()),
            "allow_partial": draw(st.booleans()),
            "on_fail": draw(st.lists(st.sampled_from(ids), max_size=1)),
            "catch": draw(st.sampled_from([None, None, *stages])),
            "outcomes": draw(st.sampled_from([CANONICAL, WORDS])),
        }
        for name in stages
    ]
    for fan, join in zip(regions, joins, strict=True):
        branches = [{"to": to, "kind": "branch"} for to in draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3))]
        nodes.append({"id": fan, "kind": "parallel", "join": join, "edges": branches})
        nodes.append({"id": join, "kind": "parallel.fan_in", "edges": draw(st.lists(edges(ids), max_size=3))})
    nodes += [{"id": "done", "kind": "exit"}, {"id": "lost", "kind": "exit", "exit_status": "fail"}]
    return nodes


def written(build: Any, drawn: dict[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in drawn.items() if key not in ("id", "kind", "edges")}
    written = [build.edge(**edge) for edge in drawn.get("edges", [])]
    node: dict[str, Any] = build.node(drawn["id"], drawn["kind"], edges=written, max_visits=MAX_VISITS, **fields)
    return node
