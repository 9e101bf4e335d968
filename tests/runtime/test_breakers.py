"""The bounds: when each trips, and that its reason names limit, value and what to change."""

from typing import Any

import pytest

from attractor.runtime import breakers
from attractor.runtime.outcome import Dossier, FailureClass, Outcome, Usage
from attractor.runtime.plan import Limits

UNLIMITED = Limits(
    max_llm_calls=None,
    max_total_tokens=None,
    max_cost_usd=None,
    max_wall_ms=None,
    max_restarts=2,
    signature_limit=3,
)
FAILED = Outcome.failed("broke", FailureClass.TRANSIENT_INFRA, failure_signature="a|x|broke")


@pytest.mark.parametrize(("visit", "trips"), [(1, False), (2, False), (3, True)])
def test_n_visits_are_allowed_and_no_more(build: Any, visit: int, trips: bool) -> None:
    assert trips == (breakers.visits(build.one(max_visits=2), visit) is not None)


def test_zero_visits_mean_no_limit(build: Any) -> None:
    assert breakers.visits(build.one(max_visits=0), 10**6) is None


@pytest.mark.parametrize(("count", "trips"), [(1, False), (2, False), (3, True), (4, True)])
def test_the_same_failure_trips_at_its_limit(build: Any, count: int, trips: bool) -> None:
    assert trips == (breakers.signatures(UNLIMITED, build.one(), "a|x|broke", count, FAILED) is not None)


def test_a_trip_keeps_the_class_of_the_failure(build: Any) -> None:
    trip = breakers.signatures(UNLIMITED, build.one(), "a|x|broke", 3, FAILED)

    assert trip is not None
    assert FailureClass.TRANSIENT_INFRA is trip.failure_class


@pytest.mark.parametrize(
    ("kind", "outcome", "expected"),
    [
        ("tool", FAILED, "a|x|broke"),
        ("codergen", FAILED, "a|x|broke"),
        ("conditional", FAILED, ""),
        ("tool", Outcome.success(), ""),
        ("tool", Outcome.failed("stopped", FailureClass.CANCELED, failure_signature="s"), ""),
    ],
)
def test_what_counts_as_a_failure(build: Any, kind: str, outcome: Outcome, expected: str) -> None:
    assert expected == breakers.counted_signature(build.one("a", kind), outcome)


@pytest.mark.parametrize(("restart", "trips"), [(1, False), (2, False), (3, True)])
def test_n_restarts_are_allowed_and_no_more(restart: int, trips: bool) -> None:
    assert trips == (breakers.restarts(UNLIMITED, restart, None) is not None)


@pytest.mark.parametrize(
    ("limits", "usage", "name"),
    [
        ({"max_llm_calls": 3}, Usage(llm_calls=2), None),
        ({"max_llm_calls": 3}, Usage(llm_calls=3), "max_llm_calls"),
        ({"max_llm_calls": 0}, Usage(), "max_llm_calls"),
        ({"max_total_tokens": 10}, Usage(input_tokens=4, output_tokens=5), None),
        ({"max_total_tokens": 10}, Usage(input_tokens=5, output_tokens=5), "max_total_tokens"),
        ({"max_cost_usd": 0.5}, Usage(cost_usd=0.49), None),
        ({"max_cost_usd": 0.5}, Usage(cost_usd=0.5), "max_cost_usd"),
        ({"max_cost_usd": 0.5}, Usage(cost_usd=None), None),
        ({}, Usage(llm_calls=10**9, cost_usd=1e9), None),
    ],
)
def test_spending_trips_before_the_call_that_would_go_over(limits: Any, usage: Usage, name: str | None) -> None:
    trip = breakers.spending(UNLIMITED._replace(**limits), usage)

    assert name == (trip.breaker if trip else None)


def test_time_is_up_at_the_limit() -> None:
    limits = UNLIMITED._replace(max_wall_ms=1000)

    trips = [breakers.wall(limits, elapsed_ms) for elapsed_ms in (999, 1000)]

    assert [None, "max_wall_ms"] == [trip and trip.breaker for trip in trips]


def test_a_reason_names_limit_value_and_what_to_change(build: Any) -> None:
    limits = UNLIMITED._replace(max_wall_ms=20_000_000, max_llm_calls=7)
    trips = [
        breakers.visits(build.one(max_visits=7), 8),
        breakers.signatures(limits, build.one(), "s", 3, FAILED),
        breakers.restarts(limits, 3, None),
        breakers.restarts(limits, 3, Dossier("b", 1, 1, "deterministic", "broke", "")),
        breakers.spending(limits, Usage(llm_calls=9)),
        breakers.wall(limits, 20_000_001.4),
    ]

    assert [
        "node 'a' has been visited 7 times, which is its limit; a loop does not end: mend it, or raise max_visits on "
        "the node or max_node_visits on the graph",
        "'a' failed in the same way 3 times, which is the limit (raise the graph attribute "
        "loop_restart_signature_limit to allow more): broke",
        "an edge asks for restart number 3, the limit is 2 (raise the graph attribute max_restarts to allow more)",
        "an edge asks for restart number 3, the limit is 2 (raise the graph attribute max_restarts to allow more); "
        "'b' failed: broke",
        "limit reached: max_llm_calls is 7, used 9; raise limits.max_llm_calls in run.yaml to allow more",
        "limit reached: max_wall_ms is 20000000, used 20000001; raise limits.max_wall_ms in run.yaml to allow more",
    ] == [trip and trip.reason for trip in trips]
