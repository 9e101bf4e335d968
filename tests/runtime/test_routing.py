"""Routing, row by row of the table in the language's section on it: pure, one node at a time."""

from typing import Any

import pytest

from attractor.runtime import routing
from attractor.runtime.context import normalise_label
from attractor.runtime.outcome import FailureClass, Outcome, Status

SUCCESS = Outcome.success()
FAILED = Outcome.failed("broke", FailureClass.DETERMINISTIC)
RETRY = Outcome(status=Status.RETRY, word="retry")
PARTIAL = Outcome(status=Status.PARTIAL_SUCCESS, word="partial_success")
SKIPPED = Outcome(status=Status.SKIPPED, word="skipped")
YELLOW = Outcome(status=Status.CUSTOM, word="yellow")


def on(word: str, to: str, **fields: Any) -> dict[str, Any]:
    return {"to": to, "kind": "if", "when": [["outcome", "=", word]], **fields}


def unless(word: str, to: str) -> dict[str, Any]:
    return {"to": to, "kind": "if", "when": [["outcome", "!=", word]]}


def when(key: str, value: str, to: str) -> dict[str, Any]:
    return {"to": to, "kind": "if", "when": [[key, "=", value]]}


def otherwise(to: str, **fields: Any) -> dict[str, Any]:
    return {"to": to, "kind": "else", **fields}


def then(to: str, **fields: Any) -> dict[str, Any]:
    return {"to": to, "kind": "then", **fields}


def always(to: str) -> dict[str, Any]:
    return {"to": to, "kind": "always"}


# edges, what else the node has, outcome, context, expected target, expected why
TABLE: list[Any] = [
    pytest.param([then("b")], {}, SUCCESS, {}, "b", "only unconditional edge", id="success takes the plain edge"),
    pytest.param([then("b")], {}, PARTIAL, {}, "b", "only unconditional edge", id="partial_success counts as success"),
    pytest.param([then("b")], {}, SKIPPED, {}, "b", "only unconditional edge", id="skipped counts as success"),
    pytest.param([then("b")], {}, YELLOW, {}, "b", "only unconditional edge", id="a custom word counts as success"),
    pytest.param(
        [on("success", "b"), otherwise("c")], {}, SUCCESS, {}, "b", "condition matches", id="a condition goes first"
    ),
    pytest.param(
        [on("success", "b"), otherwise("c")], {}, PARTIAL, {}, "c", "only unconditional edge", id="comparison is exact"
    ),
    pytest.param(
        [on("yellow", "b"), otherwise("c")], {}, YELLOW, {}, "b", "condition matches", id="custom word by condition"
    ),
    pytest.param(
        [when("context.color", "red", "b"), when("context.color", "blue", "c")],
        {},
        SUCCESS,
        {"color": "blue"},
        "c",
        "condition matches",
        id="the first condition that matches, in the plan's order",
    ),
    pytest.param(
        [then("b"), then("c", match="fix it")],
        {},
        Outcome.success(preferred_label="[F] Fix it"),
        {},
        "c",
        "label equals preferred_label",
        id="preferred label among unconditional edges",
    ),
    pytest.param(
        [on("success", "b"), otherwise("c", match="fix it")],
        {},
        Outcome.success(preferred_label="fix it"),
        {},
        "b",
        "condition matches",
        id="a condition outranks the preferred label",
    ),
    pytest.param(
        [then("b"), then("c"), then("d")],
        {},
        Outcome.success(suggested_next_ids=("d", "c")),
        {},
        "c",
        "target is in suggested_next_ids",
        id="the first edge whose target is suggested",
    ),
    pytest.param(
        [then("b", match="x"), then("c")],
        {},
        Outcome.success(preferred_label="x", suggested_next_ids=("c",)),
        {},
        "b",
        "label equals preferred_label",
        id="the label outranks the suggestion",
    ),
    pytest.param([then("b"), then("c")], {}, SUCCESS, {}, "b", "best of the unconditional edges", id="the best"),
    pytest.param([on("fail", "b")], {}, SUCCESS, {}, "", "", id="no condition matches a success: nowhere"),
    pytest.param([on("fail", "b")], {"on_fail": ["c"], "catch": "d"}, SUCCESS, {}, "", "",
                 id="a success never jumps to a retry target"),
    pytest.param([], {}, SUCCESS, {}, "", "", id="no edge: nowhere"),
    pytest.param(
        [on("retry", "b"), otherwise("c")], {}, RETRY, {}, "b", "condition names outcome=retry", id="retry is named"
    ),
    pytest.param([then("b")], {}, FAILED, {}, "", "", id="a failure does not take a plain edge"),
    pytest.param([on("fail", "b"), otherwise("c")], {}, FAILED, {}, "b", "condition matches", id="fail by condition"),
    pytest.param(
        [unless("success", "b"), otherwise("c")], {}, FAILED, {}, "b", "condition matches", id="fail by != condition"
    ),
    pytest.param(
        [on("success", "b"), otherwise("c")],
        {},
        FAILED,
        {},
        "c",
        "no condition matches the failure",
        id="a failure takes the else edge",
    ),
    pytest.param([always("check")], {}, FAILED, {}, "check", "edge into a conditional", id="a failure takes always"),
    pytest.param([always("check")], {}, SUCCESS, {}, "check", "only unconditional edge", id="a success takes always"),
    pytest.param([then("b")], {"on_fail": ["c", "d"], "catch": "e"}, FAILED, {}, "c", "retry target",
                 id="a failure jumps to the first retry target"),
    pytest.param([otherwise("b"), on("success", "x")], {"on_fail": ["c"]}, FAILED, {}, "b",
                 "no condition matches the failure", id="the else edge outranks the retry target"),
    pytest.param([then("b")], {"catch": "check"}, FAILED, {}, "check",
                 "catch: the failure falls through to a conditional", id="a failure is caught"),
    pytest.param(
        [when("context.failure_class", "transient_infra", "b"), when("context.failure_class", "deterministic", "c")],
        {},
        FAILED,
        {"failure_class": "deterministic"},
        "c",
        "condition matches",
        id="conditions see the failure's class",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edges", "fields", "outcome", "context", "to", "why"), TABLE)
def test_the_way_on(
    build: Any, edges: list[Any], fields: Any, outcome: Outcome, context: Any, to: str, why: str
) -> None:
    node = build.one(edges=[build.edge(**edge) for edge in edges], **fields)

    hop = routing.next_hop(node, outcome, context)

    assert (to, why) == (hop.to, hop.why)


def test_a_catch_names_the_stages_that_it_passes_over(build: Any) -> None:
    plan = build.plan(
        build.document(
            [
                build.node("start", "start", edges=[build.edge("a")]),
                build.node("a", "tool", edges=[build.edge("b")], catch="check"),
                build.node("b", "tool", edges=[build.edge("c")], catch="check"),
                build.node("c", "tool", edges=[build.edge("check", "always")]),
                build.node("check", "conditional", edges=[build.edge("done")]),
                build.node("done", "exit"),
            ]
        )
    )
    hops = {node: routing.next_hop(plan.nodes[node], FAILED, {}) for node in "abc"}

    assert {"a": ("b", "c"), "b": ("c",), "c": ()} == {
        node: routing.passed_over(plan, plan.nodes[node], hop) for node, hop in hops.items()
    }


def test_the_stages_passed_over_end_where_an_edited_plan_turns_in_a_circle(build: Any) -> None:
    nodes = [
        build.node("start", "start", edges=[build.edge("a")]),
        build.node("a", "tool", edges=[build.edge("b")], catch="check"),
        build.node("b", "tool", edges=[build.edge("a")]),
        build.node("check", "conditional", edges=[build.edge("done")]),
        build.node("done", "exit"),
    ]
    plan = build.plan(build.document(nodes))

    assert ("b", "a") == routing.passed_over(plan, plan.nodes["a"], routing.next_hop(plan.nodes["a"], FAILED, {}))


def test_all_candidates_are_told_with_what_became_of_them(build: Any) -> None:
    node = build.one(
        edges=[
            build.edge("b", "if", when=[["outcome", "=", "fail"], ["context.x", "set", ""]]),
            build.edge("c", "if", when=[["outcome", "=", "success"]]),
            build.edge("d", "else"),
        ]
    )

    told = [tuple(candidate) for candidate in routing.next_hop(node, SUCCESS, {}).candidates]

    assert [
        ("b", "if", "outcome=fail && context.x", "condition does not match"),
        ("c", "if", "outcome=success", "taken"),
        ("d", "else", "", "not tried"),
    ] == told


@pytest.mark.parametrize(
    ("clause", "context", "expected"),
    [
        (["context.x", "=", ""], {}, True),
        (["context.x", "=", ""], {"x": None}, True),
        (["context.x", "!=", "1"], {}, True),
        (["context.x", "=", "1"], {"x": 1}, True),
        (["context.x", "=", "true"], {"x": True}, True),
        (["context.x", "=", "1.5"], {"x": 1.5}, True),
        (["context.x", "=", '["a"]'], {"x": ["a"]}, True),
        (["context.x", "set", ""], {}, False),
        (["context.x", "set", ""], {"x": False}, False),
        (["context.x", "set", ""], {"x": "false"}, False),
        (["context.x", "set", ""], {"x": 0}, True),
        (["context.x", "set", ""], {"x": "no"}, True),
        (["context.a.b", "=", "deep"], {"a.b": "deep"}, True),
        (["context.x", "=", "own"], {"context.x": "own"}, True),
        (["preferred_label", "=", "go"], {}, True),
        (["preferred_label", "!=", "go"], {}, False),
        (["preferred_label", "=", "stop"], {}, False),
        (["outcome", "set", ""], {}, True),
    ],
)
def test_a_clause_holds(build: Any, clause: list[str], context: Any, expected: bool) -> None:
    node = build.one(edges=[build.edge("b", "if", when=[clause])])

    hop = routing.next_hop(node, Outcome.success(preferred_label="[G] Go"), context)

    assert expected == (hop.to == "b")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Approve", "approve"),
        ("  [A] Approve ", "approve"),
        ("Y) Yes, go", "yes, go"),
        ("n - No", "no"),
        ("re - run", "re - run"),
        ("[A]", "[a]"),
        ("", ""),
    ],
)
def test_labels_compare_without_case_and_accelerator(label: str, expected: str) -> None:
    assert expected == normalise_label(label)


def test_nowhere_to_go_is_never_any_edge(build: Any) -> None:
    node = build.one(edges=[build.edge("b", "if", when=[["outcome", "=", "fail"]])])

    assert "no edge of 'a' matches outcome=success" == routing.no_way_on(node, SUCCESS)


def test_goal_gates_are_asked_in_the_order_in_which_they_ended(build: Any) -> None:
    nodes = [build.node(name, "tool", goal_gate=True) for name in ("one", "two", "three")]
    nodes.append(build.node("plain", "tool"))
    plan = build.plan(build.document([build.node("start", "start"), build.node("done", "exit"), *nodes]))

    words = {"plain": "fail", "three": "partial_success", "two": "fail", "one": "yes"}

    assert routing.Gate("two", "fail", "") == routing.unsatisfied_gate(plan, words.items())
