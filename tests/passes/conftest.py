"""Graphs as their authors write them, through the real front end and all passes."""

from collections.abc import Callable, Mapping

import pytest

from attractor.compiler.diagnostics import Severity
from attractor.compiler.dot.parser import parse
from attractor.compiler.graph import Graph
from attractor.compiler.graph_builder import build_graph
from attractor.compiler.passes import PASSES
from attractor.compiler.read_run_config import read_run_config
from attractor.compiler.run_config import RunConfig
from attractor.compiler.source import Source

Resolve = Callable[..., Graph]

PROVIDERS = """
    kimi: {backend: api}
    zai: {backend: api}
    google: {backend: api}
"""


def read_config(text: str) -> RunConfig:
    """Read the rest of a run.yaml; without an `llm` key it declares kimi, zai and google."""
    if "llm:" not in text:
        text += f"\nllm:\n  providers:{PROVIDERS}"
    config, found = read_run_config(Source("run.yaml", f"version: 1\n{text}"), ())
    assert [] == [each for each in found if each.severity is Severity.ERROR or each.rule.startswith("yaml_")]
    return config


@pytest.fixture(name="resolve", scope="session")
def _resolve() -> Resolve:
    """Return a function from the body of a digraph, and perhaps the rest of a run.yaml, to the resolved graph."""

    def resolve(body: str, run: str | None = None, files: Mapping[str, str] | None = None) -> Graph:
        source = Source("g.dot", f"digraph G {{\n{body}\n}}\n")
        document, _ = parse(source)
        assert document is not None
        graph, _ = build_graph(document, source)
        graph = graph._replace(files={path: Source(path, text) for path, text in (files or {}).items()})
        config = None if run is None else read_config(run)
        for each in PASSES:
            graph = each(graph, config)
        return graph

    return resolve
