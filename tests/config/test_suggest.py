"""Near words for unknown ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.compiler.suggest import closest, did_you_mean, distance


@pytest.mark.parametrize(
    ("word", "candidates", "near"),
    [
        ("provder", ["provider", "graph"], ["provider"]),
        ("sucess", ["fail", "success"], ["success"]),
        ("mdoe", ["mode", "node"], ["mode"]),
        ("Max-Retries", ["max_retries"], ["max_retries"]),
        ("timeout", ["retries", "timeout_ms"], ["timeout_ms"]),
        ("kimi", ["kimi"], []),
        ("xyz", ["alpha", "beta"], []),
        ("", ["a"], []),
        ("b", ["a", "c"], []),
        ("b", ["a", "B"], ["B"]),
        ("a" * 1000, ["a" * 1000 + "b"], []),
    ],
    ids=[
        "missing_letter", "doubled", "swapped", "case_and_dash", "part", "itself", "far", "empty",
        "a_letter", "a_letters_case", "endless",
    ],
)  # fmt: skip
def test_near_words_are_found(word: str, candidates: list[str], near: list[str]) -> None:
    assert near == closest(word, candidates)


def test_the_nearest_comes_first_and_no_more_than_asked_for() -> None:
    assert ["providers", "provides"] == closest("provders", ["provides", "graph", "providers"], limit=2)


def test_a_suggestion_is_a_question() -> None:
    assert 'did you mean "kimi"?' == did_you_mean("kimmi", ["kimi", "zai"])
    assert 'did you mean "node" or "mode"?' == did_you_mean("nodee", ["mode", "node"])
    assert "" == did_you_mean("qqqqq", ["kimi", "zai"])


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_distance_is_symmetric_and_zero_only_for_equal_words(left: str, right: str) -> None:
    there, back = distance(left, right, 99), distance(right, left, 99)

    assert there == back
    assert (there == 0) == (left == right)
    assert abs(len(left) - len(right)) <= there <= max(len(left), len(right))


@given(st.text("abc", max_size=8), st.text("abc", max_size=8), st.integers(0, 4))
def test_a_bound_changes_only_what_lies_above_it(left: str, right: str, most: int) -> None:
    assert min(distance(left, right, 99), most + 1) == min(distance(left, right, most), most + 1)
