"""resolve_regions: which tripleoctagon joins the branches of a component."""

from collections.abc import Callable

import pytest

from attractor.compiler.graph import Graph

Resolve = Callable[..., Graph]

SHAPES = "p [shape=component] q [shape=component] j [shape=tripleoctagon] k [shape=tripleoctagon]\n"
REGIONS = {
    "two branches": ("p -> a -> j p -> b -> j", {"p": "j"}),
    "the nearest": ("p -> a -> j -> k p -> b -> j", {"p": "j"}),
    "on every branch": ("p -> a -> j -> k p -> b -> k", {"p": "k"}),
    "no join": ("p -> a -> c p -> b -> c", {}),
    "a join on one branch only": ("p -> a -> j p -> b -> c", {}),
    "nested": ("p -> q q -> a -> j q -> b -> j j -> k p -> c -> k", {"p": "k", "q": "j"}),
    "nested in the only branch": ("p -> q q -> a -> j q -> b -> j j -> k", {"p": "k", "q": "j"}),
    "one after the other": ("p -> a -> j p -> b -> j j -> q q -> c -> k q -> d -> k", {"p": "j", "q": "k"}),
    "a loop inside a branch": ("p -> a -> c c -> a c -> j p -> b -> j", {"p": "j"}),
    "a loop around the region": ("p -> a -> j p -> b -> j j -> c -> p", {"p": "j"}),
    "branches straight into the join": ("p -> j", {"p": "j"}),
    "no branches": ("p", {}),
}


@pytest.mark.parametrize(("edges", "joins"), REGIONS.values(), ids=REGIONS.keys())
def test_a_component_is_joined_by_the_nearest_tripleoctagon_on_all_its_branches(
    resolve: Resolve, edges: str, joins: dict[str, str]
) -> None:
    found = resolve(SHAPES + edges).joins

    assert joins == {component: join for component, join in found.items() if component in joins or component == "p"}
