"""What the tests of the language share: reading a text, and saying where a diagnostic stands."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from attractor.compiler.diagnostics import Diagnostic, sorted_unique
from attractor.compiler.dot.parser import parse
from attractor.compiler.graph import Graph
from attractor.compiler.graph_builder import build_graph
from attractor.compiler.source import Source

Reading = tuple[Graph | None, list[Diagnostic]]

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "public-pipelines"


def read_graph(text: str) -> Reading:
    source = Source("graph.dot", text)
    document, found = parse(source)
    if document is None:
        return None, sorted_unique(found)
    graph, more = build_graph(document, source)
    return graph, sorted_unique([*found, *more])


def place(found: Diagnostic) -> str:
    source, start, end = found.span
    return "{}:{}-{}:{}".format(*source.position(start), *source.position(end))


@pytest.fixture(scope="session")
def read() -> Callable[[str], Reading]:
    """Return the graph of a text, None when it holds no digraph, and what was found in it."""
    return read_graph


@pytest.fixture(scope="session")
def places() -> Callable[[Iterable[Diagnostic]], list[str]]:
    """Return each diagnostic as `rule line:column-line:column`."""
    return lambda found: [f"{each.rule} {place(each)}" for each in found]


@pytest.fixture(scope="session")
def corpus() -> list[Path]:
    """Return the pipelines that people really wrote."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus of public pipelines is not beside the project")
    return sorted(CORPUS.glob("*.dot"))
