"""Suppression comments: where they hold, and what is not one."""

import time

import pytest

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.settings import Settings, settle
from attractor.compiler.source import Source
from attractor.compiler.suppressions import Index, suppressions_in_dot, suppressions_in_yaml


def _dot(text: str) -> list[tuple[tuple[str, ...], tuple[int, int]]]:
    return [(tuple(n.rule for n in s.rules), s.lines) for s in suppressions_in_dot(Source("g.dot", text))]


def _yaml(text: str) -> list[tuple[tuple[str, ...], tuple[int, int]]]:
    return [(tuple(n.rule for n in s.rules), s.lines) for s in suppressions_in_yaml(Source("run.yaml", text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a [x=1] // attractor: ignore[attr_type] why\n", [(("attr_type",), (1, 1))], id="end-of-line"),
        pytest.param("// attractor: ignore[attr_type]\na [x=1]\n", [(("attr_type",), (2, 2))], id="line-above"),
        pytest.param("//attractor:ignore[attr-type , b]\na\n", [(("attr_type", "b"), (2, 2))], id="kebab-and-lists"),
        pytest.param(
            "// attractor: ignore[a]\n\n// words\n/* more\n */\n# hash\n  x\n",
            [(("a",), (7, 7))],
            id="blank-and-comments",
        ),
        pytest.param(
            "// attractor: ignore[a]\n// attractor: ignore[b]\nx\n", [(("a",), (3, 3)), (("b",), (3, 3))], id="stacked"
        ),
        pytest.param('// attractor: ignore[a]\nx [p="1\n2\n3"]\n', [(("a",), (2, 4))], id="string-over-lines"),
        pytest.param('x [p="1\n2\n3"] // attractor: ignore[a]\n', [(("a",), (1, 3))], id="behind-such-a-string"),
        pytest.param('x [p="1\n2", q="3\n4"] // attractor: ignore[a]\n', [(("a",), (1, 3))], id="two-such-strings"),
        pytest.param("x // attractor: ignore\n", [((), (1, 1))], id="no-rules"),
        pytest.param("x // attractor: ingore[a]\n", [((), (1, 1))], id="misspelt"),
        pytest.param('x [p="// attractor: ignore[a]"]\n', [], id="in-a-string"),
        pytest.param('x [p="\\"// attractor: ignore[a]"]\n', [], id="behind-an-escaped-quote"),
        pytest.param("/* // attractor: ignore[a] */ x\n", [], id="in-a-block-comment"),
        pytest.param("# // attractor: ignore[a]\nx\n", [], id="in-a-hash-comment"),
        pytest.param('x [p="\n// attractor: ignore[a]\n', [], id="in-an-open-string"),
        pytest.param('x [p="\\', [], id="open-string-ends-in-a-backslash"),
        pytest.param("// words attractor: ignore[a]\nx\n", [], id="not-at-the-start"),
        pytest.param("// attractor: ignore[a]", [(("a",), (1, 1))], id="nothing-below"),
    ],
)
def test_a_dot_comment_speaks_of_its_line_or_the_next(
    text: str, expected: list[tuple[tuple[str, ...], tuple[int, int]]]
) -> None:
    assert expected == _dot(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1  # attractor: ignore[x]\n", [(("x",), (1, 1))], id="end-of-line"),
        pytest.param("# attractor: ignore[x]\na: 1\n", [(("x",), (2, 2))], id="line-above"),
        pytest.param("a: |  # attractor: ignore[x]\n  1\n  2\nb: 2\n", [(("x",), (1, 3))], id="block-header"),
        pytest.param("# attractor: ignore[x]\na: |\n  1\n  2\n\nb: 2\n", [(("x",), (2, 4))], id="above-a-block"),
        pytest.param("a: |\n  1\n  # attractor: ignore[x]\nb: 2\n", [], id="in-a-block"),
        pytest.param('a: " # attractor: ignore[x]"\n', [], id="in-quotes"),
        pytest.param("a: b# attractor: ignore[x]\n", [], id="glued-to-a-word"),
        pytest.param("a: [\n# attractor: ignore[x]\nb: {\n", [(("x",), (3, 3))], id="broken-yaml"),
        pytest.param("ä: 'é ü'  # attractor: ignore[x]\r\nb: 1\r\n", [(("x",), (1, 1))], id="crlf-and-umlauts"),
    ],
)
def test_a_yaml_comment_speaks_of_its_line_or_the_next(
    text: str, expected: list[tuple[tuple[str, ...], tuple[int, int]]]
) -> None:
    assert expected == _yaml(text)


def test_a_suppression_knows_its_comment_and_each_word() -> None:
    text = "a // attractor: ignore[one, two] since\r\n"

    (found,) = suppressions_in_dot(Source("g.dot", text))

    assert "// attractor: ignore[one, two] since" == found.comment.text
    assert ["one", "two"] == [named.span.text for named in found.rules]
    assert not found.own_line


def test_a_byte_order_mark_moves_no_comment() -> None:
    (found,) = suppressions_in_yaml(Source("run.yaml", "\ufeffa: '#'\nb: 1 # attractor: ignore[x]\n"))

    assert ("# attractor: ignore[x]", (2, 2)) == (found.comment.text, found.lines)


def test_the_index_finds_what_speaks_of_a_line_and_nothing_else() -> None:
    lines = ["// attractor: ignore[a]", 'x [p="1', '2"] // attractor: ignore[a, b]', "y", "z // attractor: ignore[a]"]
    source = Source("g.dot", "\n".join(lines))
    found = suppressions_in_dot(source)
    index = Index(found)

    def about(rule: str, line: int) -> list[int]:
        start = source.line_starts[line - 1]
        return [found.index(entry) for entry in index.about(rule, source.span(start, start + 1))]

    assert [[], [0, 1], [0, 1], [], [2]] == [about("a", line) for line in range(1, 6)]
    assert [[], [1], [1], [], []] == [about("b", line) for line in range(1, 6)]
    assert [] == about("c", 2)


@pytest.mark.flaky(reruns=3)
def test_many_suppressions_cost_no_more_than_they_are() -> None:
    source = Source("g.dot", "x // attractor: ignore[attr_legacy_alias]\n" * 20_000)
    found = [Diagnostic("attr_legacy_alias", source.span(at, at + 1), "m") for at in source.line_starts[:-1]]
    begin = time.perf_counter()

    assert [] == settle(found, Settings(), [source])
    assert time.perf_counter() - begin < 10
