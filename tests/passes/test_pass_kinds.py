"""resolve_kinds: what each node is, and why."""

from collections.abc import Callable

import pytest

from attractor.compiler.graph import Graph

Resolve = Callable[..., Graph]

CASES = {
    "shape": ("n [shape=diamond]", "conditional", "node"),
    "box by default": ("n [label=x]", "codergen", "built-in"),
    "only mentioned": ("m -> n", "codergen", "built-in"),
    "shape by a node default": ("node [shape=hexagon] n", "wait.human", "node default"),
    "type over shape": ("n [shape=box, type=tool]", "tool", "node"),
    "empty type says nothing": ('n [shape=parallelogram, type=""]', "tool", "node"),
    "circle": ("n [shape=circle]", "start", "node"),
    "doublecircle": ("n [shape=doublecircle]", "exit", "node"),
    "unknown shape": ("n [shape=elipse]", None, None),
    "unknown type": ("n [shape=box, type=codgen]", None, None),
}


@pytest.mark.parametrize(("body", "kind", "origin"), CASES.values(), ids=CASES.keys())
def test_a_kind_comes_from_the_first_place_that_says(
    resolve: Resolve, body: str, kind: str | None, origin: str | None
) -> None:
    found = resolve(body).kinds.get("n")

    assert (kind, origin) == ((None, None) if found is None else (found.value.value, found.origin.source))


IDS = {
    "start": ("start", "start"),
    "any case": ("START", "start"),
    "end": ("End", "exit"),
    "exit": ("exit", "exit"),
    "not a part of a word": ("ending", "codergen"),
}


@pytest.mark.parametrize(("node", "kind"), IDS.values(), ids=IDS.keys())
def test_some_ids_say_what_a_node_without_a_shape_is(resolve: Resolve, node: str, kind: str) -> None:
    assert kind == resolve(f"node [shape=box] {node} [label=x]").kinds[node].value


def test_a_shape_of_its_own_wins_over_the_id(resolve: Resolve) -> None:
    assert "tool" == resolve("exit [shape=parallelogram]").kinds["exit"].value
