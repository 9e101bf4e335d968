"""What is tried again, and when."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.runtime import retry
from attractor.runtime.outcome import FailureClass, Outcome, Status
from attractor.runtime.plan import Backoff

TRANSIENT, DETERMINISTIC = FailureClass.TRANSIENT_INFRA, FailureClass.DETERMINISTIC
CANCELED, BUDGET, STRUCTURAL = FailureClass.CANCELED, FailureClass.BUDGET_EXHAUSTED, FailureClass.STRUCTURAL
RETRY = Outcome(status=Status.RETRY, word="retry", failure_class=DETERMINISTIC)
CUSTOM = Outcome(status=Status.CUSTOM, word="yellow")
AGAIN, BLOCKED, SPENT, KEEP = retry.Decision.AGAIN, retry.Decision.BLOCKED, retry.Decision.SPENT, retry.Decision.KEEP


def failed(failure_class: FailureClass) -> Outcome:
    return Outcome.failed("broke", failure_class)


@pytest.mark.parametrize(
    ("kind", "outcome", "while_left", "when_spent"),
    [
        pytest.param("codergen", Outcome.success(), KEEP, KEEP, id="success"),
        pytest.param("codergen", CUSTOM, KEEP, KEEP, id="custom word"),
        pytest.param("codergen", RETRY, AGAIN, SPENT, id="retry as asked, whatever its class"),
        pytest.param("codergen", failed(TRANSIENT), AGAIN, SPENT, id="llm transient"),
        pytest.param("codergen", failed(DETERMINISTIC), BLOCKED, KEEP, id="llm deterministic"),
        pytest.param("codergen", failed(BUDGET), BLOCKED, KEEP, id="llm budget"),
        pytest.param("codergen", failed(STRUCTURAL), BLOCKED, KEEP, id="llm structural"),
        pytest.param("codergen", failed(CANCELED), BLOCKED, KEEP, id="llm canceled"),
        pytest.param("tool", failed(TRANSIENT), AGAIN, SPENT, id="tool transient"),
        pytest.param("tool", failed(DETERMINISTIC), AGAIN, SPENT, id="tool deterministic"),
        pytest.param("tool", failed(CANCELED), BLOCKED, KEEP, id="tool canceled"),
    ],
)
def test_what_is_tried_again(build: Any, kind: str, outcome: Outcome, while_left: Any, when_spent: Any) -> None:
    node = build.one("a", kind, attempts=3)

    assert [while_left, while_left, when_spent] == [retry.decide(node, outcome, attempt) for attempt in (1, 2, 3)]


def test_a_spent_retry_fails_with_its_reason(build: Any) -> None:
    asked = Outcome(status=Status.RETRY, word="retry", failure_reason="not yet", failure_class=TRANSIENT)

    spent = retry.spent(build.one(attempts=2), asked)

    assert (Status.FAIL, "fail", "not yet", TRANSIENT) == (
        spent.status,
        spent.word,
        spent.failure_reason,
        spent.failure_class,
    )


def test_a_spent_retry_without_a_reason_says_how_often_it_asked(build: Any) -> None:
    assert "asked for another attempt 2 times and gave no reason" == (
        retry.spent(build.one(attempts=2), RETRY).failure_reason
    )


def test_allow_partial_accepts_a_spent_retry(build: Any) -> None:
    spent = retry.spent(build.one(attempts=2, allow_partial=True), RETRY)

    assert (Status.PARTIAL_SUCCESS, "", None) == (spent.status, spent.failure_reason, spent.failure_class)


def test_allow_partial_does_not_cover_up_a_failure(build: Any) -> None:
    assert failed(DETERMINISTIC) == retry.spent(build.one(allow_partial=True), failed(DETERMINISTIC))


def test_delays_grow_by_the_factor_up_to_the_bound() -> None:
    backoff = Backoff(initial_ms=200, factor=2.0, max_ms=1000, jitter=False)

    assert [200, 400, 800, 1000, 1000] == [retry.delay_ms(backoff, "r", "a", 1, n) for n in range(1, 6)]


def test_jitter_is_the_same_for_the_same_attempt_and_differs_between_runs() -> None:
    backoff = Backoff(initial_ms=10_000, factor=1.0, max_ms=60_000, jitter=True)

    one, same, other = (retry.delay_ms(backoff, run, "a", 1, 1) for run in ("r1", "r1", "r2"))

    assert one == same != other


@given(
    st.builds(
        Backoff,
        initial_ms=st.integers(0, 10**9),
        factor=st.floats(1, 1e6, allow_nan=False),
        max_ms=st.integers(0, 10**9),
        jitter=st.booleans(),
    ),
    st.integers(1, 10**6),
)
def test_a_delay_lies_between_nothing_and_the_bound(backoff: Backoff, number: int) -> None:
    assert 0 <= retry.delay_ms(backoff, "run", "node", 1, number) <= backoff.max_ms
