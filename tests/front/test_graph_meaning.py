"""What a well-written file means: defaults in scope, subgraph classes, chains, aliases, conditions, adjacency."""

from collections.abc import Callable

import pytest

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.graph import Attributes, Graph, Level

Read = Callable[[str], tuple[Graph | None, list[Diagnostic]]]


@pytest.fixture
def graph_of(read: Read) -> Callable[[str], Graph]:
    def graph_of(body: str) -> Graph:
        graph, found = read(f"digraph g {{\n{body}\n}}")
        assert graph is not None
        assert [] == found
        return graph

    return graph_of


GraphOf = Callable[[str], Graph]


def texts(attributes: Attributes) -> dict[str, str]:
    return {key: attribute.text for key, attribute in attributes.items()}


def test_defaults_hold_for_what_follows_in_their_scope(graph_of: GraphOf) -> None:
    graph = graph_of(
        """a
        node [timeout=1]
        b
        subgraph s { node [timeout=2, class=x] c subgraph t { d node [timeout=3] e } f }
        h [timeout=4]"""
    )

    assert {"a": None, "b": "1", "c": "2", "d": "2", "e": "3", "f": "2", "h": "4"} == {
        node.id: texts(node.attributes).get("timeout") for node in graph.nodes.values()
    }
    assert Level.DEFAULT == graph.nodes["b"].attributes["timeout"].level
    assert Level.OWN == graph.nodes["h"].attributes["timeout"].level


def test_a_node_takes_the_defaults_of_where_it_is_declared_not_of_where_an_edge_mentions_it(graph_of: GraphOf) -> None:
    graph = graph_of("subgraph s { node [k=1] a -> b; c } node [k=2] a [x=y]")

    assert {"a": "2", "b": "1", "c": "1"} == {node.id: texts(node.attributes)["k"] for node in graph.nodes.values()}
    assert [True, False, True] == [node.declared for node in graph.nodes.values()]


def test_edge_defaults_hold_for_edges_and_own_attributes_win(graph_of: GraphOf) -> None:
    graph = graph_of("a -> b; edge [weight=2] b -> c; subgraph { c -> d [weight=3] } edge [label=x] d -> e")

    assert [{}, {"weight": "2"}, {"weight": "3"}, {"weight": "2", "label": "x"}] == [
        texts(edge.attributes) for edge in graph.edges
    ]


def test_a_subgraphs_graph_attributes_are_its_own(graph_of: GraphOf) -> None:
    graph = graph_of("goal=x; label=Outer; subgraph s { graph [label=Inner] rankdir=LR; a }")

    assert {"goal": "x", "label": "Outer"} == texts(graph.attributes)
    assert [{"label": "Inner", "rankdir": "LR"}] == [texts(each.attributes) for each in graph.subgraphs]
    assert [("s", ("a",))] == [(each.name, each.nodes) for each in graph.subgraphs]


LABELS = {
    "Port Loop": "port-loop",
    "Critical Path (A/B)": "critical-path-ab",
    "already-fine": "already-fine",
    "  Blanks  ": "blanks",
    "Snake_Case 2": "snakecase-2",
    "!?": None,
}


@pytest.mark.parametrize(("label", "expected"), LABELS.items(), ids=LABELS)
def test_a_subgraphs_label_gives_its_nodes_a_class(label: str, expected: str | None, graph_of: GraphOf) -> None:
    graph = graph_of(f'subgraph s {{ a; label="{label}" }}')

    assert ((expected,) if expected else ()) == graph.nodes["a"].classes


def test_classes_come_from_the_attribute_first_then_from_inner_and_outer_subgraphs(graph_of: GraphOf) -> None:
    graph = graph_of('subgraph { label=Outer; subgraph { label=Inner; a [class="x, y inner"]; b } } b -> a')

    assert ("x", "y", "inner", "outer") == graph.nodes["a"].classes
    assert ("inner", "outer") == graph.nodes["b"].classes
    assert [("a", "b"), ("a", "b")] == [each.nodes for each in graph.subgraphs]


def test_a_bare_mention_in_a_subgraph_groups_a_node_and_is_no_second_declaration(graph_of: GraphOf) -> None:
    graph = graph_of("a [x=y] subgraph { label=Late; a }")

    assert ("late",) == graph.nodes["a"].classes


def test_a_chain_is_one_edge_for_each_arrow_with_shared_attributes_and_spans_of_its_own(graph_of: GraphOf) -> None:
    graph = graph_of("a -> b -> c [weight=1]")

    assert ["a -> b", "b -> c"] == [edge.name for edge in graph.edges]
    assert ["a -> b", "b -> c"] == [edge.span.text for edge in graph.edges]
    assert [0, 1] == [edge.order for edge in graph.edges]
    assert graph.edges[0].attributes is graph.edges[1].attributes


def test_every_node_has_its_edges_both_ways_in_order(graph_of: GraphOf) -> None:
    graph = graph_of("a -> b; a -> c; b -> c; d; a -> b")

    assert {"a": ["b", "c", "b"], "b": ["c"], "c": [], "d": []} == {
        node: [edge.target for edge in edges] for node, edges in graph.outgoing.items()
    }
    assert {"a": [], "b": ["a", "a"], "c": ["a", "b"], "d": []} == {
        node: [edge.source for edge in edges] for node, edges in graph.incoming.items()
    }
    assert ["a", "b", "c", "d"] == sorted(graph.nodes, key=lambda node: graph.nodes[node].order)


def test_other_names_of_attributes_become_the_canonical_ones_and_are_remembered(graph_of: GraphOf) -> None:
    graph = graph_of("default_max_retry=3; a [model=m, llm_prompt=p, codergen_mode=one_shot]")

    assert {"default_max_retries": "3"} == texts(graph.attributes)
    assert {"llm_model": "m", "prompt": "p", "agent_mode": "one_shot"} == texts(graph.nodes["a"].attributes)
    assert "llm_prompt" == graph.nodes["a"].attributes["prompt"].written_key


def test_a_value_keeps_its_text_its_place_and_whether_it_was_quoted(graph_of: GraphOf) -> None:
    graph = graph_of('a [label="two \\"words\\"\\n", weight=3]')
    label, weight = graph.nodes["a"].attributes["label"], graph.nodes["a"].attributes["weight"]

    assert ('two "words"\n', '"two \\"words\\"\\n"', "label", True) == (
        label.text, label.value_span.text, label.key_span.text, label.quoted)  # fmt: skip
    assert ("3", "3", False) == (weight.text, weight.value_span.text, weight.quoted)


def test_line_ends_in_strings_are_the_same_whatever_the_checkout(read: Read) -> None:
    body = 'digraph g {\n a [prompt="one\n two\\\n three"]\n}\n'
    unix, windows = read(body)[0], read(body.replace("\n", "\r\n"))[0]

    assert unix is not None
    assert windows is not None
    assert (
        "one\n two three" == unix.nodes["a"].attributes["prompt"].text == windows.nodes["a"].attributes["prompt"].text
    )


def test_a_nodes_span_is_its_id_in_its_first_statement(graph_of: GraphOf) -> None:
    graph = graph_of("a -> b\nb [x=y]")

    assert (2, 1) == graph.nodes["a"].span.position
    assert (3, 1) == graph.nodes["b"].span.position


def test_two_statements_with_attributes_are_merged_and_reported(read: Read) -> None:
    graph, found = read("digraph g { a [x=1, y=1] a [y=2, z=2] }")

    assert graph is not None
    assert {"x": "1", "y": "2", "z": "2"} == texts(graph.nodes["a"].attributes)
    assert ["duplicate_node"] == [each.rule for each in found]
    assert "y of the first statement no longer holds" in found[0].message
    assert [(1, 13)] == [related.span.position for related in found[0].related]


def test_a_graph_attribute_that_is_set_twice_to_different_values_is_reported(read: Read) -> None:
    found = read("digraph g { rankdir=LR; graph [rankdir=LR, goal=a] goal=b }")[1]

    assert [("duplicate_attribute", "goal")] == [(each.rule, each.subject) for each in found]


def test_an_edge_group_stands_for_its_edges(read: Read) -> None:
    graph = read("digraph g { a -> {b c} -> d [weight=2] }")[0]

    assert graph is not None
    assert ["a -> b", "a -> c", "b -> d", "c -> d"] == [edge.name for edge in graph.edges]
    assert {"2"} == {edge.attributes["weight"].text for edge in graph.edges}


def test_a_condition_in_edge_defaults_is_read_and_reported_once(read: Read) -> None:
    graph, found = read('digraph g { edge [condition="outcome==fail"] a -> b -> c; c -> d }')

    assert graph is not None
    assert ["cond_double_equals"] == [each.rule for each in found]
    assert [("outcome", "=", "fail")] * 3 == [edge.condition[0][:3] for edge in graph.edges]
    assert all(edge.conditional for edge in graph.edges)


def test_a_blank_condition_is_none(graph_of: GraphOf) -> None:
    edge = graph_of('a -> b [condition="  "]').edges[0]

    assert ((), False) == (edge.condition, edge.conditional)


def test_a_class_that_no_selector_can_match_is_reported_at_its_word_once(read: Read) -> None:
    found = read('digraph g { node [class="fast, Slow_1"] a b }')[1]

    assert [("style_bad_class_name", "Slow_1")] == [(each.rule, each.span.text) for each in found]


def test_a_scope_holds_256_defaults_and_no_more(read: Read) -> None:
    many = ", ".join(f"k{number}=1" for number in range(256))

    assert [] == read(f"digraph g {{ node [{many}] a }}")[1]
    assert ["dot_limit"] == [each.rule for each in read(f"digraph g {{ node [{many}] node [more=1] a }}")[1]]
