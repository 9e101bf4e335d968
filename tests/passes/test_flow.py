"""Laws of the graph algorithms, against the slowest and plainest way to say the same."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.compiler import flow

NODES = "abcdefg"
Adjacency = dict[str, list[str]]

adjacencies = st.fixed_dictionaries({node: st.lists(st.sampled_from(NODES), max_size=3) for node in NODES})


def closure(adjacency: Adjacency, start: str, without: str = "") -> set[str]:
    """What can be reached from `start` when `without` is taken out."""
    seen = set()
    pending = [start]
    while pending:
        node = pending.pop()
        if node not in seen and node != without:
            seen.add(node)
            pending += adjacency[node]
    return seen


@given(adjacencies)
def test_reachable_is_the_closure(adjacency: Adjacency) -> None:
    assert closure(adjacency, "a") | closure(adjacency, "b") == flow.reachable(adjacency, ["a", "b"])


@given(adjacencies)
def test_two_nodes_share_a_component_when_each_reaches_the_other(adjacency: Adjacency) -> None:
    mutual = {n: {m for m in closure(adjacency, n) if n in closure(adjacency, m)} for n in NODES}

    assert mutual == {node: set(members) for members in flow.components(adjacency) for node in members}


@given(adjacencies)
def test_a_component_stands_before_those_that_lead_to_it(adjacency: Adjacency) -> None:
    place = {node: at for at, members in enumerate(flow.components(adjacency)) for node in members}

    assert all(place[target] <= place[node] for node, targets in adjacency.items() for target in targets)


@given(adjacencies)
def test_the_immediate_dominator_is_the_nearest_node_that_cannot_be_avoided(adjacency: Adjacency) -> None:
    reached = closure(adjacency, "a")
    above = {n: {d for d in reached - {n} if n not in closure(adjacency, "a", without=d)} for n in reached - {"a"}}
    nearest = {n: next(d for d in above[n] if above[n] - {d} == above.get(d, set())) for n in above}

    assert nearest == flow.immediate_dominators(adjacency, "a")


@given(adjacencies)
def test_turning_twice_gives_the_same_edges(adjacency: Adjacency) -> None:
    twice = flow.reversed_adjacency(flow.reversed_adjacency(adjacency))

    assert {node: sorted(targets) for node, targets in adjacency.items()} == {n: sorted(t) for n, t in twice.items()}


@pytest.mark.flaky(reruns=3)
def test_a_long_chain_whose_nodes_all_lead_back_takes_no_quadratic_time() -> None:
    size = 20_000
    chain = {str(n): [str(n + 1), "1"] for n in range(size)} | {str(size): []}
    begun = time.perf_counter()

    assert {str(n + 1): str(n) for n in range(size)} == flow.immediate_dominators(chain, "0")
    assert 3 == len(flow.components(chain))
    assert size + 1 == len(flow.reachable(chain, ["0"]))
    assert time.perf_counter() - begun < 5
