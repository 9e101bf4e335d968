"""resolve_timeouts, resolve_retries, resolve_retry_targets, resolve_restarts, resolve_fidelity: who wins."""

from collections.abc import Callable

import pytest

from attractor.compiler.graph import Backoff, Graph

Resolve = Callable[..., Graph]

ATTEMPTS = {
    "built-in": ("n", 1, "built-in"),
    "graph": ("default_max_retries=3 n", 4, "graph"),
    "graph by its old name": ("default_max_retry=3 n", 4, "graph"),
    "node": ("default_max_retries=3 n [max_retries=1]", 2, "node"),
    "an explicit zero wins": ('default_max_retries=3 n [max_retries="0"]', 1, "node"),
    "node default": ("default_max_retries=3 node [max_retries=2] n", 3, "node default"),
    "a wrong value is none": ("default_max_retries=3 n [max_retries=-1]", 4, "graph"),
    "a diamond is passed once": ("default_max_retries=3 n [shape=diamond]", 1, "built-in"),
    "a start too": ("default_max_retries=3 n [shape=Mdiamond]", 1, "built-in"),
}


@pytest.mark.parametrize(("body", "attempts", "origin"), ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_attempts_are_retries_and_one(resolve: Resolve, body: str, attempts: int, origin: str) -> None:
    found = resolve(body).retries["n"].attempts

    assert (attempts, origin) == (found.value, found.origin.source)


def test_backoff_is_the_nodes_over_the_graphs_over_the_built_in(resolve: Resolve) -> None:
    graph = resolve(
        """graph [retry.backoff.initial_delay_ms=500, retry.backoff.jitter=false]
        n [retry.backoff.initial_delay_ms=900, retry.backoff.backoff_factor=3, allow_partial=true]"""
    )
    retries = graph.retries["n"]

    assert Backoff(initial_ms=900, factor=3.0, max_ms=60_000, jitter=False) == retries.backoff
    assert {"initial_ms": "node", "factor": "node", "max_ms": "built-in", "jitter": "graph"} == {
        name: origin.source for name, origin in retries.backoff_origins.items()
    }
    assert retries.allow_partial.value


def test_backoff_that_nobody_sets(resolve: Resolve) -> None:
    assert Backoff(initial_ms=200, factor=2.0, max_ms=60_000, jitter=True) == resolve("n").retries["n"].backoff


POLICY = "runtime_policy: {stage_timeout_ms: 1000, default_command_timeout_ms: 2000, max_command_timeout_ms: 3000}"
TIMEOUTS = {
    "an agent by run.yaml": ("n", (1000, 0, 2000, 3000)),
    "an agent's own": ("n [timeout=15m]", (900_000, 0, 2000, 3000)),
    "without a unit: seconds": ("n [timeout=900]", (900_000, 0, 2000, 3000)),
    "a tool by run.yaml": ("n [shape=parallelogram]", (0, 3000, 2000, 3000)),
    "a tool's own, also above the most": ("n [shape=parallelogram, timeout=2h]", (0, 7_200_000, 2000, 3000)),
    "graph": ("max_command_timeout_ms=7000 default_command_timeout_ms=6000 n", (1000, 0, 6000, 7000)),
    "node": (
        "max_command_timeout_ms=7000 n [max_command_timeout_ms=9000, default_command_timeout_ms=8000]",
        (1000, 0, 8000, 9000),
    ),
    "a diamond": ("n [shape=diamond, timeout=5s]", (0, 0, 2000, 3000)),
}


@pytest.mark.parametrize(("body", "expected"), TIMEOUTS.values(), ids=TIMEOUTS.keys())
def test_timeouts_are_milliseconds(resolve: Resolve, body: str, expected: tuple[int, ...]) -> None:
    assert expected == tuple(found.value for found in resolve(body, POLICY).timeouts["n"])


def test_timeouts_say_where_they_came_from(resolve: Resolve) -> None:
    timeouts = resolve("max_command_timeout_ms=7000 n [timeout=5s]", POLICY).timeouts["n"]

    assert ["node", "built-in", "run.yaml", "graph"] == [found.origin.source for found in timeouts]
    assert timeouts.command_max_ms.origin.span is not None
    assert "max_command_timeout_ms" == timeouts.command_max_ms.origin.span.text


def test_a_run_yaml_that_says_nothing_about_commands_has_the_built_in_bounds(resolve: Resolve) -> None:
    assert (0, 0, 60_000, 600_000) == tuple(found.value for found in resolve("n", "").timeouts["n"])


TARGETS = {
    "none": ("n", ()),
    "its own two": ("n [fallback_retry_target=b, retry_target=a]", ("a", "b")),
    "not the graph's": ("retry_target=a n", ()),
    "a gate has the graph's": (
        "retry_target=a fallback_retry_target=b n [goal_gate=true, retry_target=b]",
        ("b", "a"),
    ),
    "unknown nodes are left out": ("n [retry_target=nowhere, fallback_retry_target=a]", ("a",)),
}


@pytest.mark.parametrize(("body", "expected"), TARGETS.values(), ids=TARGETS.keys())
def test_retry_targets(resolve: Resolve, body: str, expected: tuple[str, ...]) -> None:
    assert expected == resolve(f"{body} a b").on_fail["n"]


def test_bounds_are_on_by_default(resolve: Resolve) -> None:
    bounds = resolve("n m [max_visits=0]").bounds

    assert bounds is not None
    assert (50, 3, ()) == (bounds.max_restarts.value, bounds.signature_limit.value, bounds.persist_keys.value)
    assert {"n": 50, "m": 0} == {node: visits.value for node, visits in bounds.max_visits.items()}


def test_bounds_come_from_the_graph(resolve: Resolve) -> None:
    bounds = resolve(
        """max_restarts=2 loop_restart_signature_limit=5 max_node_visits=7 loop_restart_persist_keys="plan, seed,plan"
        n m [max_visits=9]"""
    ).bounds

    assert bounds is not None
    assert (2, 5, ("plan", "seed")) == (
        bounds.max_restarts.value,
        bounds.signature_limit.value,
        bounds.persist_keys.value,
    )
    assert {"n": (7, "graph"), "m": (9, "node")} == {
        node: (visits.value, visits.origin.source) for node, visits in bounds.max_visits.items()
    }


def test_fidelity_is_the_nodes_over_the_graphs_and_edges_have_their_own(resolve: Resolve) -> None:
    graph = resolve(
        """context_fidelity_default=truncate context_thread_default=main
        n [fidelity=full, thread_id=design] m n -> m [fidelity="summary:high", thread_id=side] m -> n"""
    )

    assert {"n": ("full", "design"), "m": ("truncate", "main")} == {
        node: (memory.fidelity.value, memory.thread.value) for node, memory in graph.memories.items()
    }
    assert [("summary:high", "side"), (None, None)] == [
        (route.fidelity, route.thread) for node in "nm" for route in graph.routes[node]
    ]


def test_fidelity_that_nobody_sets_is_compact(resolve: Resolve) -> None:
    assert ("compact", "") == tuple(found.value for found in resolve("n").memories["n"])
