"""Reading stays linear whatever the input: four times the text takes about four times as long."""

import gc
import time
from collections.abc import Iterator

import pytest

from attractor.compiler.dot.parser import parse
from attractor.compiler.graph_builder import build_graph
from attractor.compiler.source import Source

pytestmark = pytest.mark.slow

SMALL, LARGE = 20_000, 80_000  # characters
GROWTH = 12  # times as long for 4 times the text: 4 is linear, 16 quadratic
FAST_S = 0.2  # what takes less has shown nothing
SLOWEST_S_PER_MB = 40

UNITS = [
    *(
        '"',
        '"a',
        '"\n',
        '"\na=',
        'x="\\"\n',
        'x="\n a=\\"',
        'a="b\n c="',
        "\\",
        "\\\\",
        '"\\\\"',
        'n [x="\\\\", y="\\\\"];',
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        "(",
        "<",
        ">",
        "+",
        ":",
        ",",
        ";",
        "=",
        "--",
        "->",
        "→",
        "-",
        "/*",
        "/**/",
        "//",
        "#\n",
        " #",
    ),
    *(" ", "\t", "\n", "\r\n", "\0", "\ufeff", "é", "`", "```", "'", "“", "a ", "a;", "a.", "1 ", "-1", "a->", "a->b;"),
    *("a[b=c]", "a[b=c];\n", "[a=b]", "a[b;]", "a[=", "a[b c d]", "a[b=,", "a[,", "a[", "a[]", "[]", "a[b=c]\n["),
    *("n [x=“", "n[x='", "n[x='y\n", "n[x=<", "n[x=<a>]", "n[x=<a>,", "a=1.2.3\n", "a=b+", 'a="x"+', "a=b=", "a=b=c\n"),
    *("a -> {b c}\n", "{a b}->{c d} ", "a->{{", "a:b:c->", "subgraph ", "subgraph s{", "subgraph s{}", "s{", "a{}"),
    *(
        "subgraph s{label=x;a}",
        "node[a=b]",
        "node[\n",
        "edge[a=b];",
        "graph[a=b]",
        "Node[a=b]",
        "digraph ",
        "digraph g{",
    ),
    *('n[a="\\d\\d"]', "a=900s\n", 'a->b[condition="x"];', 'a->b[condition="&&"];', 'n[class="A b"];'),
    *("node_# [k#=v];", "node [k#=v];", "n [k#=v];", " k# = v;", "subgraph s# {a;b;c;d->e} ", "n# -> n;", 'n -> "a#";'),
]
INSIDE = [
    *(
        "&",
        "&& ",
        "a=b && ",
        "(",
        ")",
        "!",
        "'",
        '\\"',
        "= ",
        "a ",
        "or ",
        "and ",
        "a b ",
        "a='x' ",
        "< ",
        "a",
        ".",
        "x,",
    ),
    *(
        "{",
        "}",
        "{}",
        "* {a:b;} ",
        "* {a:b ",
        "a:b ",
        ".a,",
        ".a ",
        "#",
        "/*",
        "/**/",
        "//",
        ":",
        ";",
        "*{",
        ".a, .b {} ",
    ),
]


def repeated(unit: str, size: int) -> str:
    """Return about `size` characters of `unit`, each `#` in it a number of its own when it has one behind a letter."""
    if "#" in unit and unit[unit.index("#") - 1].isalpha():
        return "".join(unit.replace("#", str(number)) for number in range(size // (len(unit) + 4)))
    return unit * (size // len(unit))


def texts(unit: str, size: int) -> Iterator[str]:
    body = repeated(unit, size)
    yield body
    yield "digraph g {\n" + body
    yield "digraph g {\n" + body + '"'
    yield "digraph g { a [" + body + "] }\n"
    yield "digraph g { a [x=" + body + "] }\n"


def embedded(unit: str, size: int) -> Iterator[str]:
    body = repeated(unit, size)
    for before in ('a -> b [condition="', 'model_stylesheet="', 'a [class="', 'subgraph s { a; label="'):
        yield "digraph g { " + before + body + '"'


def seconds(text: str) -> float:
    source = Source("g.dot", text)
    started = time.perf_counter()
    document, _ = parse(source)
    if document is not None:
        build_graph(document, source)
    return time.perf_counter() - started


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("unit", UNITS)
def test_any_piece_of_syntax_may_be_repeated(unit: str) -> None:
    for small, large in zip(texts(unit, SMALL), texts(unit, LARGE), strict=True):
        _is_linear(small, large)


@pytest.mark.parametrize("unit", INSIDE)
def test_any_piece_of_a_condition_or_stylesheet_may_be_repeated(unit: str) -> None:
    for small, large in zip(embedded(unit, SMALL), embedded(unit, LARGE), strict=True):
        _is_linear(small, large)


def _is_linear(small: str, large: str) -> None:
    after = seconds(large)
    if after > FAST_S:
        before = min(seconds(small) for _ in range(2))
        after = min(after, seconds(large))
        assert after < GROWTH * before, small[:60]
        assert after < SLOWEST_S_PER_MB * len(large) / 1e6, small[:60]


def test_ten_megabytes_of_one_string_are_read_in_no_time() -> None:
    for inner in ("a", "\\n", '\\"', "\\\\", "\n", "🚀", "\\d"):
        text = 'digraph g { a [x="' + inner * (10_000_000 // len(inner)) + '"] }'

        assert seconds(text) < 10
