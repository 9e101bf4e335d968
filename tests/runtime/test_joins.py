"""When a region is decided, how its component ends, and who wins: over results alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.runtime import joins
from attractor.runtime.outcome import NO_USAGE
from attractor.runtime.plan import ParallelWork


def work(join_policy: str = "wait_all", error_policy: str = "continue", k: int = 1, quorum: float = 0.5) -> Any:
    return ParallelWork("join", join_policy, error_policy, 4, k, quorum)


def results(words: str) -> list[joins.Result]:
    """`s` succeeded, `p` partial_success, `y` a word of the pipeline's own, `f`/`t` failed, `c` not needed any more."""
    outcomes = {"s": "success", "p": "partial_success", "y": "yellow", "f": "fail", "t": "fail", "c": "canceled"}
    classes = {"f": "deterministic", "t": "transient_infra", "c": "canceled"}
    return [
        {
            "id": f"b{number}",
            "outcome": outcomes[word],
            "failure_class": classes.get(word, ""),
            "failure_reason": f"broke {number}" if word in "ft" else "",
        }
        for number, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("policy", "so_far", "of", "why"),
    [
        (work(), "sf", 3, ""),
        (work("first_success"), "f", 3, ""),
        (work("first_success"), "fs", 3, "1 branch succeeded, which is enough for join_policy=first_success"),
        (work("first_success"), "y", 3, "1 branch succeeded, which is enough for join_policy=first_success"),
        (work("k_of_n", k=2), "s", 3, ""),
        (work("k_of_n", k=2), "sp", 3, "2 branches succeeded, which is enough for join_policy=k_of_n"),
        (work("k_of_n", k=2), "ff", 3, "2 of 3 branches cannot succeed any more, as join_policy=k_of_n asks"),
        (work("k_of_n", k=5), "", 3, "5 of 3 branches cannot succeed any more, as join_policy=k_of_n asks"),
        (work("quorum"), "s", 4, ""),
        (work("quorum"), "ss", 4, "2 branches succeeded, which is enough for join_policy=quorum"),
        (work("quorum", quorum=0.7), "ss", 3, ""),
        (work("quorum", quorum=0.1), "s", 3, "1 branch succeeded, which is enough for join_policy=quorum"),
        (work(error_policy="fail_fast"), "sf", 3, "'b1' failed, and error_policy=fail_fast"),
        (work("k_of_n", "fail_fast", k=2), "f", 3, "'b0' failed, and error_policy=fail_fast"),
    ],
)
def test_a_region_is_decided_as_soon_as_it_can_be(policy: Any, so_far: str, of: int, why: str) -> None:
    assert why == joins.decided(policy, of, results(so_far))


@pytest.mark.parametrize(
    ("policy", "ended", "word", "reason"),
    [
        (work(), "sp", "success", ""),
        (work(), "sf", "partial_success", "1 of 2 branches failed: b1: broke 1"),
        (work(error_policy="ignore"), "sf", "success", "1 of 2 branches failed: b1: broke 1"),
        (work(), "ff", "fail", "all parallel branches failed: b0: broke 0; b1: broke 1"),
        (work(error_policy="ignore"), "ff", "fail", "all parallel branches failed: b0: broke 0; b1: broke 1"),
        (work("first_success"), "fsc", "success", "1 of 3 branches failed: b0: broke 0"),
        (
            work("k_of_n", k=2),
            "sff",
            "fail",
            "1 of 3 branches succeeded, join_policy=k_of_n, k=2 needs 2: b1: broke 1; b2: broke 2",
        ),
        (work("k_of_n", k=5), "cc", "fail", "0 of 2 branches succeeded, join_policy=k_of_n, k=5 needs 5"),
        (
            work("quorum", quorum=0.6),
            "sffc",
            "fail",
            "1 of 4 branches succeeded, join_policy=quorum, quorum_fraction=0.6 needs 3: b1: broke 1; b2: broke 2",
        ),
        (
            work(error_policy="fail_fast"),
            "sfc",
            "fail",
            "a branch failed, and error_policy=fail_fast: b1: broke 1",
        ),
    ],
)
def test_a_component_ends_as_its_policies_say(policy: Any, ended: str, word: str, reason: str) -> None:
    outcome = joins.outcome_of(policy, results(ended), NO_USAGE)

    assert (word, reason) == (outcome.word, outcome.failure_reason or outcome.notes)


@pytest.mark.parametrize(
    ("ended", "failure_class"), [("tt", "transient_infra"), ("tf", "deterministic"), ("ff", "deterministic")]
)
def test_a_failure_is_transient_only_if_every_failed_branch_is(ended: str, failure_class: str) -> None:
    assert failure_class == joins.outcome_of(work(), results(ended), NO_USAGE).failure_class


def test_the_best_is_the_first_of_the_best_outcome() -> None:
    assert ["b3", "b5", "b2", "b1"] == [each["id"] for each in joins.ranked(results("fypscs"))]


POLICIES = st.builds(
    work,
    st.sampled_from(("wait_all", "first_success", "k_of_n", "quorum")),
    st.sampled_from(("continue", "fail_fast", "ignore")),
    st.integers(1, 5),
    st.floats(0.01, 1),
)


@given(POLICIES, st.text("spyft", min_size=1, max_size=6), st.data())
def test_waiting_longer_never_changes_whether_the_region_failed(policy: Any, words: str, data: Any) -> None:
    """What is recalled once the region is decided would not have changed the verdict, but for failing fast."""
    order = data.draw(st.permutations(results(words)))
    for end in range(len(order) + 1):
        if joins.decided(policy, len(order), order[:end]):
            recalled = results("c" * (len(order) - end))
            early = joins.outcome_of(policy, [*order[:end], *recalled], NO_USAGE)
            late = joins.outcome_of(policy, order, NO_USAGE)
            assert (early.word == "fail") == (late.word == "fail") or policy.error_policy == "fail_fast"
            break


@given(POLICIES, st.text("spyftc", min_size=1, max_size=6))
def test_a_region_that_did_not_fail_has_a_best_branch(policy: Any, words: str) -> None:
    ended = results(words)

    assert joins.outcome_of(policy, ended, NO_USAGE).word == "fail" or joins.ranked(ended)
