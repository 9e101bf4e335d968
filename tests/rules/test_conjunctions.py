"""What conditions ask, compared without running anything; checked against trying every value."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from attractor.compiler.graph import Clause
from attractor.compiler.rules.conjunctions import contradiction, implies, needs_of, overlap
from attractor.compiler.source import Source

DOMAIN = frozenset({"success", "fail", "skipped"})
VALUES = ("", "false", "a", "b", "something else")
SPAN = Source("g.dot", "x").span(0, 1)


def _clause(key: str, op: str, literal: str) -> Clause:
    return Clause(key, op, "" if op == "set" else literal, SPAN, SPAN, SPAN)


clauses = st.one_of(
    st.builds(_clause, st.just("outcome"), st.sampled_from(["=", "!="]), st.sampled_from(sorted(DOMAIN))),
    st.builds(
        _clause,
        st.sampled_from(["context.x", "context.y"]),
        st.sampled_from(["=", "!=", "set"]),
        st.sampled_from(["", "false", "a", "b"]),
    ),
)
conditions = st.lists(clauses, max_size=5).map(tuple)


def _holds(condition: tuple[Clause, ...], case: dict[str, str]) -> bool:
    """Evaluate a condition as the language says."""
    for clause in condition:
        value = case[clause.key]
        if clause.op == "set":
            held = value not in {"", "false"}
        else:
            held = (value == clause.literal) == (clause.op == "=")
        if not held:
            return False
    return True


CASES = [{"outcome": o, "context.x": x, "context.y": y} for o, x, y in product(sorted(DOMAIN), VALUES, VALUES)]


@given(conditions)
def test_a_contradiction_is_a_condition_that_no_case_meets(condition: tuple[Clause, ...]) -> None:
    open_cases = [*CASES, *({**case, "outcome": "another"} for case in CASES)]
    possible = any(_holds(condition, case) for case in open_cases)

    assert possible == (needs_of(condition) is not None)
    assert possible == (contradiction(condition) is None)


@given(conditions, conditions)
def test_two_conditions_overlap_where_a_case_meets_both(one: tuple[Clause, ...], other: tuple[Clause, ...]) -> None:
    left, right = needs_of(one), needs_of(other)
    if left is None or right is None:
        return

    expected = {case["outcome"] for case in CASES if _holds(one, case) and _holds(other, case)}

    assert expected == overlap(left, right, DOMAIN)


@given(conditions, conditions)
def test_one_condition_implies_another_only_if_it_holds_in_every_case(
    one: tuple[Clause, ...], other: tuple[Clause, ...]
) -> None:
    left, right = needs_of(one), needs_of(other)
    if left is None or right is None or not any(_holds(one, case) for case in CASES):
        return

    assert implies(left, right, DOMAIN) == all(_holds(other, case) for case in CASES if _holds(one, case))
