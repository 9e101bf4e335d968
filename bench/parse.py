"""Graph text to syntax tree and to graph: against pydot and Graphviz' own parser, and how it grows."""

import gc
import math
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from attractor.compiler.dot.parser import parse
from attractor.compiler.graph_builder import build_graph
from attractor.compiler.source import Source

from .compile import pipeline
from .measure import Figure, median_command_s, median_s, table

SMALL, LARGE = 1_000, 20_000


def figures() -> list[Figure]:
    text = pipeline(SMALL, 1024)
    parse_s = median_s(lambda: _parsed(text))
    built_s = median_s(lambda: _built(text))
    pydot_s = _pydot_s(text)
    note = f"{parse_s * 1000:.0f} ms, with the graph built {built_s * 1000:.0f} ms; pydot {pydot_s * 1000:.0f} ms"
    what = "parse of 1,000 nodes with prompts of 1 KB, times faster than pydot"
    return [
        Figure(what, pydot_s / parse_s, "x", 150, at_most=False, note=note),
        *_against_graphviz(text, parse_s),
        *_growth(),
    ]


def _parsed(text: str) -> object:
    document, found = parse(Source("g.dot", text))
    assert document is not None
    assert not found
    return document


def _built(text: str) -> object:
    source = Source("g.dot", text)
    document, _ = parse(source)
    assert document is not None
    return build_graph(document, source)


def _pydot_s(text: str) -> float:
    import pydot

    started = time.perf_counter()
    assert pydot.graph_from_dot_data(text) is not None
    return time.perf_counter() - started


def _against_graphviz(text: str, parse_s: float) -> list[Figure]:
    """Compare with the whole process of `gc FILE`, Graphviz' counter of nodes and edges."""
    program = shutil.which("gc")
    if program is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.dot"
        path.write_text(text)
        gc_s = median_command_s([program, str(path)])
    note = f"{parse_s * 1000:.0f} ms against {gc_s * 1000:.0f} ms"
    return [Figure("the same against the wall time of Graphviz' `gc FILE`", parse_s / gc_s, "x", 4, note=note)]


def _growth() -> list[Figure]:
    small, large = pipeline(SMALL, 200), pipeline(LARGE, 200)
    gc.disable()  # as the compiler does
    try:
        seconds = _best_s(lambda: _built(small)), _best_s(lambda: _built(large))
        octets = _peak(lambda: _built(small)), _peak(lambda: _built(large))
    finally:
        gc.enable()
    return [
        Figure(f"growth exponent of time, {SMALL:,} to {LARGE:,} nodes, text to graph", _exponent(*seconds), "", 1.1,
               note=f"{seconds[0] * 1000:.0f} ms to {seconds[1] * 1000:.0f} ms"),
        Figure("growth exponent of memory, likewise", _exponent(*octets), "", 1.1,
               note=f"{octets[0] / 1e6:.1f} MB to {octets[1] / 1e6:.1f} MB at the peak"),
    ]  # fmt: skip


def _best_s(work: Callable[[], object]) -> float:
    """Return the least of some runs: a long run meets more of what else the machine does than a short one."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _exponent(small: float, large: float) -> float:
    return math.log(large / small) / math.log(LARGE / SMALL)


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    print(table("parse", figures()))
