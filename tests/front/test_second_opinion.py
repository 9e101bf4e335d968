"""Every node, edge and attribute that pydot sees in a valid file, we see too."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.graph import Graph

Read = Callable[[str], tuple[Graph | None, list[Diagnostic]]]
Seen = set[tuple[str, ...]]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydot's, of the names it calls pyparsing by

DEFAULTS = {"node", "edge", "graph"}  # pydot takes their statements for nodes


def seen_by_pydot(graph: pydot.Graph) -> Iterator[tuple[str, ...]]:
    for node in graph.get_nodes():
        name = node.get_name()
        if name not in DEFAULTS:
            yield ("node", name)
            yield from (("node", name, key, plain(value)) for key, value in node.get_attributes().items())
    for edge in graph.get_edges():
        ends = str(edge.get_source()), str(edge.get_destination())
        yield ("edge", *ends)
        yield from (("edge", *ends, key, plain(value)) for key, value in edge.get_attributes().items())
    for subgraph in graph.get_subgraphs():
        yield from seen_by_pydot(subgraph)


def seen_by_us(graph: Graph) -> Iterator[tuple[str, ...]]:
    for node in graph.nodes.values():
        yield ("node", node.id)
        yield from (("node", node.id, each.written_key, each.text) for each in node.attributes.values())
    for edge in graph.edges:
        yield ("edge", edge.source, edge.target)
        yield from (("edge", edge.source, edge.target, a.written_key, a.text) for a in edge.attributes.values())


def plain(value: object) -> str:
    text = str(value)
    if not text.startswith('"'):
        return text
    meaning = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "\n": ""}
    return re.sub(r"\\(.)", lambda escape: meaning.get(escape[1], escape[0]), text[1:-1], flags=re.DOTALL)


def missing(text: str, read: Read) -> Seen:
    graph, _ = read(text)
    theirs = pydot.graph_from_dot_data(text)
    assert graph is not None
    assert theirs is not None
    return set(seen_by_pydot(theirs[0])) - set(seen_by_us(graph))


def test_pydot_sees_no_more_than_we_do_in_public_pipelines(corpus: list[Path], read: Read) -> None:
    small = [path for path in corpus if path.stat().st_size < 8_000]  # pydot takes milliseconds for each statement

    for path in small:
        assert set() == missing(path.read_text(encoding="utf-8"), read), path.name


IDS = st.sampled_from(["a", "b", "c_1", "D", "_e"])
BARE = st.sampled_from(["box", "3", "-1.5", "true", "x_1"])
# pydot takes a backslash before a line end for a joined line even when another one escapes it; Graphviz does not.
QUOTED = (
    st.text(st.sampled_from('ab ,;[]{}->=#/*é🚀"\\\n\t'), max_size=12)
    .filter(lambda text: "\\\n" not in text)
    .map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"')
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Return statements. An attribute has one value in all of a file, so that it does not matter which one holds."""
    values = {key: draw(BARE | QUOTED) for key in ("label", "prompt", "weight", "shape", "timeout")}
    lists = st.lists(st.sampled_from(sorted(values)), max_size=3, unique=True).map(
        lambda keys: "[" + ", ".join(f"{key}={values[key]}" for key in keys) + "]" if keys else ""
    )
    ends = st.sampled_from([";", "\n", "; // note\n", " /* note */ ;\n"])
    nodes = st.builds("{} {}{}".format, IDS, lists, ends)
    chains = st.lists(IDS, min_size=2, max_size=4).map(" -> ".join)
    edges = st.builds("{} {}{}".format, chains, lists, ends)
    statements = st.recursive(
        nodes | edges,
        lambda inner: st.builds("subgraph {}_s {{ {} }}\n".format, IDS, st.lists(inner, max_size=3).map(" ".join)),
        max_leaves=6,
    )
    return " ".join(draw(st.lists(statements, max_size=6)))


PIECES = re.compile(r'"(?:[^"\\]++|\\.)*+"|//[^\n]*+\n|/\*.*?\*/|->|-?[\w.:]++(?:-(?!>)[\w.:]++)*+|[^\s\w]', re.DOTALL)


def commented(text: str) -> str:
    """Return `text` with a comment before each of its tokens, so that no pattern for a whole statement fits."""
    return " ".join("/* */ " + piece for piece in PIECES.findall(text))


@settings(max_examples=50, deadline=None)
@given(body=bodies())
def test_comments_between_all_tokens_change_nothing(body: str, read: Read) -> None:
    text = "digraph g {\n" + body + "\n}\n"
    graph, other = read(text)[0], read(commented(text))[0]

    assert graph is not None
    assert other is not None
    assert list(seen_by_us(graph)) == list(seen_by_us(other))
    assert [each.classes for each in graph.nodes.values()] == [each.classes for each in other.nodes.values()]


def test_comments_between_all_tokens_of_public_pipelines_change_nothing(corpus: list[Path], read: Read) -> None:
    for path in corpus:
        text = path.read_text(encoding="utf-8")
        graph, other = read(text)[0], read(commented(text))[0]

        assert graph is not None
        assert other is not None
        assert list(seen_by_us(graph)) == list(seen_by_us(other)), path.name


@settings(max_examples=40, deadline=None)
@given(body=bodies())
def test_pydot_sees_no_more_than_we_do_in_any_valid_file(body: str, read: Read) -> None:
    text = "digraph g {\n" + body + "\n}\n"

    assert [] == [each for each in read(text)[1] if each.rule.startswith("dot_")]
    assert set() == missing(text, read)


def test_the_second_opinion_notices_what_is_missing(read: Read) -> None:
    graph = read("digraph g { a; b }")[0]
    theirs = pydot.graph_from_dot_data('digraph g { a [label="x"]; a -> b; subgraph s { c } }')
    assert graph is not None
    assert theirs is not None

    assert {("node", "a", "label", "x"), ("edge", "a", "b"), ("node", "c")} == (
        set(seen_by_pydot(theirs[0])) - set(seen_by_us(graph))
    )
