"""Laws of the front end: whatever the text, it gives a graph or positioned diagnostics, and fixes that fix."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attractor.compiler.diagnostics import Diagnostic, Fix
from attractor.compiler.graph import Graph

Read = Callable[[str], tuple[Graph | None, list[Diagnostic]]]

WORDS = st.sampled_from(
    [
        *"{}[]\"\\\n =,;:<>+#-.*é'`“”\0\ufeff→",
        *(
            "digraph g {",
            "strict",
            "digraph",
            "graph",
            "subgraph s {",
            "subgraph",
            "node",
            "edge",
            "Node",
            "->",
            "--",
            "=>",
        ),
        *("a", "b", "a -> b", "a -> {b c}", "n [x=y]", '[k="v"', "k=v", ', k="', "label=", "\\n", '\\"', "\\d", "\r\n"),
        *("//", "/*", "*/", "# x", "900s", "1.2.3", "gpt-5.2", "a.b", "run-x", "<b>", '"a" + "b"', "```", "http://x"),
        *('[condition="', "outcome", "==", "&&", "and", "||", "!", "(", "context.x", "failed", "'y'"),
        *('model_stylesheet="', "* {", ".c", "#i", "llm_model", "model", ": x", "; ", "}", ".a, .b"),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(WORDS, max_size=25).map(" ".join),
    st.lists(WORDS, max_size=25).map("".join),
    st.lists(WORDS, max_size=25).map(lambda words: "digraph g { " + " ".join(words)),
    st.lists(WORDS, max_size=25).map(lambda words: "digraph g {\n a [x=1]\n" + "".join(words) + "\n b -> a\n}\n"),
    st.lists(WORDS, max_size=12).map(lambda words: f'digraph g {{ a -> b [condition="{" ".join(words)}"] }}'),
    st.lists(WORDS, max_size=12).map(lambda words: f'digraph g {{ model_stylesheet="{" ".join(words)}" }}'),
)


@settings(deadline=None)
@given(text=TEXTS)
@example(text='digraph g { a [x="\\')
@example(text="digraph g { a [x=“")
@example(text="digraph g { a [x=<")
@example(text="digraph g { {a} -> {b} -> ")
def test_any_text_gives_a_graph_or_an_error_and_every_span_lies_in_the_file(text: str, read: Read) -> None:
    graph, found = read(text)

    assert graph is not None or ["dot_not_digraph"] == [each.rule for each in found if each.rule == "dot_not_digraph"]
    for each in found:
        assert 0 <= each.span.start <= each.span.end <= len(text)
        assert each.span.start < each.span.end or len(text) == each.span.start
        assert each.message == each.message.rstrip(".") != ""
        assert all(0 <= other.span.start < other.span.end <= len(text) for other in each.related)
        _edits_in_order(each.fix, len(text))


def _edits_in_order(fix: Fix | None, length: int) -> None:
    last = 0
    for edit in sorted(fix.edits, key=lambda edit: edit.span.start) if fix else ():
        assert last <= edit.span.start <= edit.span.end <= length
        last = edit.span.end


COMMENT = "".join(f"// {number}\n" for number in range(10))


@settings(deadline=None)
@given(text=TEXTS)
def test_a_comment_of_ten_lines_shifts_every_diagnostic_by_ten_lines(text: str, read: Read) -> None:
    text = text.lstrip("\ufeff")
    before = read(text)[1]

    after = read(COMMENT + text)[1]

    assert [_shifted(each, 10) for each in before] == [_shifted(each, 0) for each in after]


def _shifted(found: Diagnostic, lines: int) -> tuple[str, int, int, int, int, str]:
    source, start, end = found.span
    (line, column), (last, last_column) = source.position(start), source.position(end)
    return found.rule, line + lines, column, last + lines, last_column, found.message


def apply(text: str, fixes: Iterable[Fix]) -> str:
    """Apply those of `fixes` that touch none before them."""
    edits = []
    free_from = 0
    for fix in fixes:
        mine = sorted((edit.span.start, edit.span.end, edit.text) for edit in fix.edits)
        if mine and mine[0][0] >= free_from:
            edits += mine
            free_from = mine[-1][1] + 1
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


FIXABLE = [
    *("graph g { a -- b }", "Digraph g { a }", "strict digraph g { a }", "digraph { a }", 'digraph "g" { a }'),
    *("digraph my-graph { a }", "```dot\ndigraph g { a }\n```\n", "Here:\ndigraph g { a }", "\ufeffdigraph g { a }"),
    *("digraph g { a => b --> c }", "digraph g { a → b }", "digraph g { a > b }", "digraph g { a -- b -- c }"),
    *("digraph g {\n  a -> {b; c} [x=y]\n}", "digraph g { {a b} -> {c d} }", "digraph g { a -> subgraph { b } }"),
    *("digraph g { a:n -> b:s:w [x=y]; c:p }", 'digraph g { "a" -> b -> "a" }', 'digraph g { "my step" -> b }'),
    *("digraph g { run-it -> b -> run-it }", "digraph g { a.b; 1st }", "digraph g { Edge -> b }", "digraph g { é }"),
    *("digraph g { Subgraph s { a } }", 'digraph g { subgraph "s" { a } }', "digraph g { subgraph a-b { c } }"),
    *("digraph g { { a } }", "digraph g { s { a } }", "digraph g { # note\n }", "# note\ndigraph g { a # b\n}"),
    *('digraph g { a [x="1" y="2"\nz=3] }', "digraph g { a [x=1; y=2;] }", "digraph g { a [x=1,] }"),
    *("digraph g { a [x=1,,y=2] }", "digraph g { a [,x=1] }", "digraph g { a [x=1] [y=2] [] [z=3,] [q=1] }"),
    *("digraph g { a [x=, y=2] }", "digraph g { a [x= y=2] }", 'digraph g { a ["x"=1] }', 'digraph g { a [x: "1"] }'),
    *("digraph g { a [x=1., y=1.2.3] }", "digraph g { a [x=gpt-5.2, y=900s, z=a:b] }", "digraph g { a [x=b/c] }"),
    *("digraph g { a [x=http://b, y=#fff] }", "digraph g { a [x=“b “ c”, y='z'] }", 'digraph g { a [x=“b"] }'),
    *('digraph g { a [x="b" + "c" +\n "d"] }', r'digraph g { a [x="\d\w"] }', "digraph g { a [x=1\n}", "digraph g { a"),
    *("digraph g {\n a [x=1\n b -> a\n}", "digraph g\n a -> b }"),
]
IN_CONDITIONS = [
    *(
        "outcome==fail",
        "outcome=a and context.b=c",
        "outcome=a & context.b=c & context.d=e",
        "outcome=Fail",
        "Outcome=fail",
    ),
    *("outcome=failed", "outcome!=OK", "a=b && c", "outcome=a &&", "&& outcome=a", "outcome=a && && context.b=c"),
    *("context.a='b c'", "context.a='b'", "context.a=b c d", "(outcome=fail)", r"outcome=\"Failed\""),
]
IN_SHEETS = [
    *(
        "* { llm_model: x llm_provider: y }",
        "* { llm_model = x; }",
        "* { llm_model x; }",
        "* { model: x; provider: y; }",
    ),
    *("* { llm_model: x; ", "* { llm_model: x\n .a { llm_model: y; }", "* { }", ".a, .b { llm_model: x; }"),
    *("/* c */ * { llm_model: x; // d\n }", "* { codergen_mode: one_shot; }", ".a { llm_model:x llm_provider:y }"),
]
FIXABLE += [f'digraph g {{ a -> b [condition="{condition}"] }}' for condition in IN_CONDITIONS]
FIXABLE += [f'digraph g {{ model_stylesheet="{sheet}" }}' for sheet in IN_SHEETS]


@pytest.mark.parametrize("text", FIXABLE)
def test_fixes_remove_their_diagnostics_add_none_and_leave_nothing_to_fix(text: str, read: Read) -> None:
    before = read(text)[1]
    assert [] != [each for each in before if each.fix]

    for _ in range(5):
        found = read(text)[1]
        text = apply(text, (each.fix for each in found if each.fix))

    after = read(text)[1]
    assert [] == [each for each in after if each.fix], text
    assert {each.rule for each in after} <= {each.rule for each in before if not each.fix}


@settings(deadline=None)
@given(text=TEXTS)
def test_applying_all_fixes_comes_to_an_end(text: str, read: Read) -> None:
    for _ in range(30):
        fixes = [each.fix for each in read(text)[1] if each.fix]
        if not fixes:
            return
        text = apply(text, fixes)
    pytest.fail(f"fixes go on for ever: {text!r}")


def test_deep_and_long_files_need_no_stack(read: Read) -> None:
    depth = sys.getrecursionlimit() * 4
    for text in ("{" * depth, "[" * depth, "<" * depth, "a -> " * depth, "subgraph s {" * depth, "a -> {" * depth):
        read("digraph g { " + text)
        read("digraph g { n [x=" + text)
    read('digraph g { a -> b [condition="' + "(" * depth + '"] }')
    read('digraph g { model_stylesheet="' + "* {" * depth + '" }')


def test_every_public_pipeline_gives_a_graph_without_syntax_errors(corpus: list[Path], read: Read) -> None:
    for path in corpus:
        graph, found = read(path.read_text(encoding="utf-8"))

        assert graph is not None, path.name
        assert graph.nodes, path.name
        assert [] == [each for each in found if each.rule.startswith("dot_")], path.name
