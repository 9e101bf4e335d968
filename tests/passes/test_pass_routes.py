"""resolve_routes, resolve_catches, resolve_outcomes: what follows a node."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.compiler.dot.parser import parse
from attractor.compiler.graph import Graph, Restart
from attractor.compiler.graph_builder import build_graph
from attractor.compiler.passes import PASSES
from attractor.compiler.passes.resolve_routes import normalise_label
from attractor.compiler.source import Source

Resolve = Callable[..., Graph]

EDGES = {
    "heaviest first": ("n -> a [weight=1] n -> b [weight=5] n -> c", "b:then a:then c:then"),
    "then by target": ("n -> b n -> a", "a:then b:then"),
    "then as declared": ("n -> a [label=x] n -> a [label=y]", "a:then a:then"),
    "conditional edges first": (
        'n -> a [weight=9] n -> b [condition="outcome=fail"]',
        "b:if a:else",
    ),
    "several else": (
        'n -> a n -> b [condition="outcome=fail"] n -> c [weight=1]',
        "b:if c:else a:else",
    ),
    "always": ("d [shape=diamond] n -> d", "d:always"),
    "not alone, so not always": ("d [shape=diamond] n -> d n -> a", "a:then d:then"),
    "beside a conditional edge into a diamond": (
        'd [shape=diamond] n -> d n -> a [condition="outcome=success"]',
        "a:if d:else",
    ),
    "branches as declared": ("n [shape=component] n -> b n -> a", "b:branch a:branch"),
    "a condition that cannot be parsed is still one": ('n -> a [condition="outcome=="] n -> b', "a:if b:else"),
    "an empty condition is none": ('n -> a [condition=""]', "a:then"),
    "a wrong weight is none": ("n -> b [weight=heavy] n -> a", "a:then b:then"),
}


@pytest.mark.parametrize(("body", "expected"), EDGES.values(), ids=EDGES.keys())
def test_edges_stand_in_the_order_in_which_they_are_tried(resolve: Resolve, body: str, expected: str) -> None:
    routes = resolve(body).routes["n"]

    assert expected == " ".join(f"{route.edge.target}:{route.kind}" for route in routes)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd"), st.integers(0, 2), st.booleans())))
@settings(max_examples=60)
def test_routes_are_the_edges_in_another_order(drawn: list[tuple[str, str, int, bool]]) -> None:
    lines = [
        f"{a} -> {b} [weight={weight}{', condition=' + chr(34) + 'outcome=fail' + chr(34) if conditional else ''}]"
        for a, b, weight, conditional in drawn
    ]
    source = Source("g.dot", "digraph G { a b c d [shape=diamond]\n" + "\n".join(lines) + "}")
    document, _ = parse(source)
    assert document is not None
    graph, _ = build_graph(document, source)
    for each in PASSES:
        graph = each(graph, None)

    for node, routes in graph.routes.items():
        assert sorted(e.order for e in graph.outgoing[node]) == sorted(r.edge.order for r in routes)
        assert [r.kind == "if" for r in routes] == sorted((r.kind == "if" for r in routes), reverse=True)


LABELS = {
    "[A] Approve": "approve",
    "A) Approve": "approve",
    "A - Approve": "approve",
    "  Retry now ": "retry now",
    "[Esc] Leave": "leave",
    "[A]bort": "[a]bort",
    "plan - b": "plan - b",
    "[A] ": "[a]",
    "": "",
}


@pytest.mark.parametrize(("label", "expected"), LABELS.items(), ids=LABELS.keys())
def test_labels_compare_without_their_accelerators(label: str, expected: str) -> None:
    assert expected == normalise_label(label)


def test_options_of_a_human_gate_have_keys(resolve: Resolve) -> None:
    graph = resolve(
        """h [shape=hexagon]
        h -> a [label="[Y] Yes"] h -> b [label="N) No"] h -> c [label="Skip"] h -> d [label="yes again"] h -> e"""
    )

    assert ["Y", "N", "S", "4", "e"] == [route.accelerator for route in graph.routes["h"]]


def test_a_restart_takes_the_stricter_word_of_its_edge_else_of_the_graph(resolve: Resolve) -> None:
    graph = resolve(
        """loop_restart_on=transient_infra
        n -> a [loop_restart=true, loop_restart_on=any] n -> b [loop_restart=true] n -> c [loop_restart=false]"""
    )

    assert [Restart("any"), Restart("transient_infra"), None] == [route.restart for route in graph.routes["n"]]


CATCHES = {
    "past a stage": ("impl -> verify -> check", ("check", ("verify",))),
    "past two": ("impl -> a -> verify -> check", ("check", ("a", "verify"))),
    "its own always edge needs none": ("impl -> check", None),
    "an exit ends it": ("impl -> verify -> done", None),
    "a human gate ends it": ("impl -> ask -> check", None),
    "a fan-in ends it": ("impl -> join -> check", None),
    "a fan-out ends it": ("impl -> split -> check", None),
    "a conditional edge ends it": ('impl -> verify verify -> check [condition="outcome=success"]', None),
    "a second way ends it": ("impl -> verify -> check verify -> a", None),
    "two ways of its own": ("impl -> verify -> check impl -> a", None),
    "a cycle ends it": ("impl -> verify -> a -> verify", None),
    "a restart ends it": ("impl -> verify verify -> check [loop_restart=true]", None),
    "a dead end": ("impl -> verify", None),
    "an edge to itself": ("impl -> impl", None),
}
STAGES = """
    check [shape=diamond] done [shape=Msquare] ask [shape=hexagon] join [shape=tripleoctagon] split [shape=component]
    verify [shape=parallelogram]
"""


@pytest.mark.parametrize(("edges", "expected"), CATCHES.values(), ids=CATCHES.keys())
def test_a_failure_falls_through_plain_ways_to_a_conditional_node(
    resolve: Resolve, edges: str, expected: tuple[str, tuple[str, ...]] | None
) -> None:
    graph = resolve(STAGES + edges)
    catch = graph.catches.get("impl")

    assert expected == (None if catch is None else (catch, tuple(_single_way(graph, "impl", catch)[1:-1])))


def _single_way(graph: Graph, node: str, end: str) -> list[str]:
    """Return the nodes from `node` to `end`, along the only edge of each."""
    way = [node]
    while way[-1] != end:
        (edge,) = graph.outgoing[way[-1]]
        way.append(edge.target)
        assert len(way) <= len(graph.nodes)
    return way


@pytest.mark.parametrize("kind", ["ask", "join", "split", "check"])
def test_only_the_failure_of_a_working_stage_falls_through(resolve: Resolve, kind: str) -> None:
    assert kind not in resolve(f"{STAGES} {kind} -> verify -> second second [shape=diamond]").catches


@given(st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_catch_leads_along_single_plain_edges_to_a_conditional_node(chance: random.Random) -> None:
    names = "abcdefgh"
    shapes = {name: chance.choice(["box", "box", "parallelogram", "diamond", "hexagon"]) for name in names}
    lines = [f"{name} [shape={shape}]" for name, shape in shapes.items()]
    for name in names:
        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            guard = ' [condition="outcome=fail"]' if chance.random() < 0.2 else ""
            lines.append(f"{name} -> {chance.choice(names)}{guard}")
    source = Source("g.dot", "digraph G {" + "\n".join(lines) + "}")
    document, _ = parse(source)
    assert document is not None
    graph, _ = build_graph(document, source)
    for each in PASSES:
        graph = each(graph, None)

    for node, catch in graph.catches.items():
        way = _single_way(graph, node, catch)
        assert "diamond" == shapes[catch]
        assert len(set(way)) == len(way)
        for here, there in pairwise(way):
            assert [(there, False)] == [(edge.target, edge.conditional) for edge in graph.outgoing[here]]


CANONICAL = ("success", "partial_success", "retry", "fail", "skipped")
OUTCOMES = {
    "a tool": ("n [shape=parallelogram]", ("success", "fail")),
    "an agent": ("n", CANONICAL),
    "an agent whose edge knows a word": ('n -> a [condition="outcome=port"]', (*CANONICAL, "port")),
    "a word that is only excluded counts": ('n -> a [condition="outcome!=port"]', (*CANONICAL, "port")),
    "aliases are no custom words": ('n -> a [condition="outcome=failed"]', CANONICAL),
    "a word behind a diamond": (
        'd [shape=diamond] n -> d d -> a [condition="outcome=zig"] d -> b [condition="outcome=alpha"]',
        (*CANONICAL, "alpha", "zig"),
    ),
    "a word behind two diamonds": (
        'd [shape=diamond] e [shape=diamond] n -> d -> e e -> a [condition="outcome=port"]',
        (*CANONICAL, "port"),
    ),
    "a word behind a catch": (
        'd [shape=diamond] n -> v -> d d -> a [condition="outcome=port"] d -> b',
        (*CANONICAL, "port"),
    ),
    "a word behind another stage does not count": ('n -> v v -> a [condition="outcome=port"]', CANONICAL),
    "a tool has no words of its own": (
        'n [shape=parallelogram] n -> a [condition="outcome=port"]',
        ("success", "fail"),
    ),
    "an exit that reports failure": ("n [shape=Msquare, exit_status=fail]", ("fail",)),
    "a diamond after a tool": (
        "n [shape=diamond] t [shape=parallelogram] t -> n",
        ("success", "fail"),
    ),
    "a diamond behind a condition": (
        'n [shape=diamond] t [shape=parallelogram] t -> n [condition="outcome=success"]',
        ("success",),
    ),
    "a diamond behind an else edge": (
        'n [shape=diamond] t [shape=parallelogram] t -> n t -> a [condition="outcome=success"]',
        ("fail",),
    ),
    "a condition on the context may hold or not": (
        'n [shape=diamond] t [shape=parallelogram] t -> n t -> a [condition="outcome=success && context.x=1"]',
        ("success", "fail"),
    ),
    "retry reaches a diamond only where it is named": (
        "n [shape=diamond] w -> n",
        ("success", "partial_success", "fail", "skipped"),
    ),
    "retry that is named": (
        'n [shape=diamond] w -> n [condition="outcome=retry"]',
        ("retry",),
    ),
    "a diamond in a cycle of diamonds": (
        'n [shape=diamond] e [shape=diamond] t [shape=parallelogram] t -> e -> n n -> e [condition="outcome=fail"]',
        ("success", "fail"),
    ),
    "a diamond that a failure falls to": (
        'n [shape=diamond] i [shape=parallelogram] v [shape=parallelogram] i -> v v -> n',
        ("success", "fail"),
    ),
    "a diamond that nothing leads to": ("n [shape=diamond]", ()),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_the_words_a_node_may_end_with(resolve: Resolve, body: str, expected: tuple[str, ...]) -> None:
    assert expected == resolve(f"{body}\nn [class=x]").outcomes["n"]
