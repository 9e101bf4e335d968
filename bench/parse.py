"""Graph text to syntax tree and to graph: against pydot and Graphviz' own parser, and how it grows."""

import shutil
import tempfile
from pathlib import Path

from attractor.compiler.compile import collector_off
from attractor.compiler.dot.parser import parse
from attractor.compiler.graph_builder import build_graph
from attractor.compiler.source import Source

from .measure import Figure, exponent, least_command_s, least_cpu_s, peak_bytes, table
from .pipelines import pipeline

SMALL, LARGE = 1_000, 20_000


def figures() -> list[Figure]:
    text = pipeline(SMALL, 1024)
    parse_s, built_s, parse_again_s, pydot_s = least_cpu_s(
        lambda: _parsed(text), lambda: _built(text), lambda: _parsed(text), lambda: _pydot(text), rounds=3
    )
    parse_s = min(parse_s, parse_again_s)
    note = f"{parse_s * 1000:.0f} ms, with the graph built {built_s * 1000:.0f} ms; pydot {pydot_s * 1000:.0f} ms"
    what = "parse of 1,000 nodes with prompts of 1 KB, times faster than pydot"
    return [
        Figure(what, pydot_s / parse_s, "x", 150, at_most=False, note=note),
        *_against_graphviz(text, parse_s),
        *_growth(),
    ]


def _parsed(text: str) -> object:
    with collector_off():  # as the compiler does
        document, found = parse(Source("g.dot", text))
    assert document is not None
    assert not found
    return document


def _built(text: str) -> object:
    source = Source("g.dot", text)
    with collector_off():
        document, _ = parse(source)
        assert document is not None
        return build_graph(document, source)


def _pydot(text: str) -> None:
    import pydot

    assert pydot.graph_from_dot_data(text) is not None


def _against_graphviz(text: str, parse_s: float) -> list[Figure]:
    """Compare with the whole process of `gc FILE`, Graphviz' counter of nodes and edges."""
    program = shutil.which("gc")
    if program is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.dot"
        path.write_text(text)
        (gc_s,) = least_command_s([program, str(path)])
    note = f"{parse_s * 1000:.0f} ms against {gc_s * 1000:.0f} ms"
    return [Figure("the same against the wall time of Graphviz' `gc FILE`", parse_s / gc_s, "x", 4, note=note)]


def _growth() -> list[Figure]:
    small, large = pipeline(SMALL, 200), pipeline(LARGE, 200)
    small_s, large_s = least_cpu_s(lambda: _built(small), lambda: _built(large), rounds=3)
    least, most = peak_bytes(lambda: _built(small)), peak_bytes(lambda: _built(large))
    sizes = (SMALL, LARGE)
    return [
        Figure(f"growth exponent of time, {SMALL:,} to {LARGE:,} nodes, text to graph",
               exponent(sizes, (small_s, large_s)), "", 1.1,
               note=f"{small_s * 1000:.0f} ms to {large_s * 1000:.0f} ms"),
        Figure("growth exponent of memory, likewise", exponent(sizes, (least, most)), "", 1.1,
               note=f"{least / 1e6:.1f} MB to {most / 1e6:.1f} MB at the peak"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table("parse", figures()))
