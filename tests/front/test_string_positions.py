"""An error inside a quoted string points at its exact place in the file, whatever stands before it in the string."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.compiler.condition import parse_condition
from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.dot.ast import NodeStatement
from attractor.compiler.dot.parser import parse
from attractor.compiler.dot.strings import decode, joined
from attractor.compiler.graph import Graph
from attractor.compiler.source import MappedText, Source
from attractor.compiler.stylesheet import parse_stylesheet
from attractor.compiler.template import parse_template

Read = Callable[[str], tuple[Graph | None, list[Diagnostic]]]
Places = Callable[[list[Diagnostic]], list[str]]

# What stands in the string before the error, and where the error's first character then is, from the quote at 1:1 on.
BEFORE = {
    "nothing": ("", (1, 2)),
    "an escaped quote": (r"context.a=\"b\" && ", (1, 21)),
    "an escaped line end": (r"context.a=b &&\n ", (1, 19)),
    "a line end": ("context.a=b &&\n  ", (2, 3)),
    "a carriage return": ("context.a=b &&\r\n  ", (2, 3)),
    "a line continued": ("context.a=b \\\n&& ", (2, 4)),
    "an emoji": ("context.a=🚀 && ", (1, 17)),
    "a backslash": (r"context.a=\"\\\\\" && ", (1, 24)),
}

CONDITIONS = {
    "outcome==fail": ("cond_double_equals", 7, 9),
    "outcome=fail and context.x=1": ("cond_word_operator", 13, 16),
    "outcome=fail & context.x=1": ("cond_single_amp", 13, 14),
    "outcome=fail || context.x=1": ("cond_or_unsupported", 13, 15),
    "outcome=fail &&": ("cond_empty_clause", 13, 15),
    "failure_class=x": ("cond_unqualified_key", 0, 13),
    "outcome=Fail": ("cond_case", 8, 12),
    "outcome=failed": ("outcome_dialect", 8, 14),
    "outcome>fail": ("condition_syntax", 7, 8),
}


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS.items(), ids=CONDITIONS)
@pytest.mark.parametrize(("before", "start"), BEFORE.values(), ids=BEFORE)
def test_an_error_in_a_condition_stands_at_its_column(
    before: str, start: tuple[int, int], condition: str, expected: tuple[str, int, int], places: Places
) -> None:
    text = _content(f'"{before}{condition}"')
    rule, first, last = expected
    line, column = start

    found = parse_condition(text)[1]

    assert [f"{rule} {line}:{column + first}-{line}:{column + last}"] == places(found)


SHEETS = {
    "{ llm_model: x; }": ("stylesheet_syntax", 0, 1),
    "* { llm_model: x llm_provider: y; }": ("style_missing_semicolon", 17, 29),
    "* { llm_modle: x; }": ("style_unknown_property", 4, 13),
    "* { llm_model = x; }": ("style_missing_colon", 14, 15),
    ".Hard { llm_model: x; }": ("style_bad_class_name", 0, 5),
    "* { llm_model: x;": ("style_unclosed_brace", 2, 3),
    "* { }": ("style_empty_rule", 0, 5),
    ".a, .b { llm_model: x; }": ("style_comma_selector", 0, 6),
    "/* c */ * { llm_model: x; }": ("style_comment", 0, 7),
    "bux { llm_model: x; }": ("style_unknown_shape", 0, 3),
}
BEFORE_SHEET = {
    "nothing": ("", (1, 2)),
    "an escaped quote": (r"* { llm_model: \"m\"; } ", (1, 26)),
    "an escaped line end": (r"* { llm_model: m; }\n", (1, 23)),
    "a line end": ("* { llm_model: m; }\n  ", (2, 3)),
    "a carriage return": ("* { llm_model: m; }\r\n  ", (2, 3)),
    "an emoji": ("* { llm_model: 🚀; } ", (1, 22)),
}


@pytest.mark.parametrize(("sheet", "expected"), SHEETS.items(), ids=SHEETS)
@pytest.mark.parametrize(("before", "start"), BEFORE_SHEET.values(), ids=BEFORE_SHEET)
def test_an_error_in_a_stylesheet_stands_at_its_column(
    before: str, start: tuple[int, int], sheet: str, expected: tuple[str, int, int], places: Places
) -> None:
    text = _content(f'"{before}{sheet}"')
    rule, first, last = expected
    line, column = start

    found = parse_stylesheet(text)[1]

    assert [f"{rule} {line}:{column + first}-{line}:{column + last}"] == places(found)


TEMPLATES = {
    "one line": ("Do {{ gaol }}.", "prompt_template_unknown 1:8-1:12"),
    "behind an escaped quote": (r"Say \"{{ gaol }}\".", "prompt_template_unknown 1:11-1:15"),
    "behind an escaped line end": (r"One.\nDo {{ gaol }}.", "prompt_template_unknown 1:14-1:18"),
    "on the second line": ("One.\n  Do {{ gaol }}.", "prompt_template_unknown 2:9-2:13"),
    "behind a carriage return": ("One.\r\nDo {{ gaol }}.", "prompt_template_unknown 2:7-2:11"),
    "behind an emoji": ("🚀 {{ gaol }}", "prompt_template_unknown 1:7-1:11"),
    "a syntax error": ("One.\n  Do {{ goal + }} now.", "prompt_template_syntax 2:6-2:18"),
    "a syntax error behind an emoji": ("🚀 {% fi %} {{ goal }", "prompt_template_syntax 1:4-1:12"),
    "no such filter": ("One.\r\n{{ goal | shout }}", "prompt_template_syntax 2:1-2:19"),
}


@pytest.mark.parametrize(("content", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_an_error_in_a_template_stands_at_its_code(content: str, expected: str, places: Places) -> None:
    assert [expected] == places(parse_template(_content(f'"{content}"'))[1])


def test_an_unknown_escape_stands_at_its_backslash_on_any_line(read: Read, places: Places) -> None:
    text = 'digraph g {\r\n a [x="🚀 \\" \\n\r\n \\d"]\r\n}'

    assert ["dot_unknown_escape 3:2-3:4"] == places(read(text)[1])


def _content(written: str) -> MappedText:
    source = Source("graph.dot", written)
    return decode(source, 1, len(written) - 1)[0]


ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
CHARACTERS = st.text(st.sampled_from('ab"\\\n\t\r é🚀$'), max_size=40) | st.text(max_size=40)


@st.composite
def written_strings(draw: st.DrawFn) -> tuple[str, str]:
    """Return a text, and one of the ways to write it between quotes."""
    text = draw(CHARACTERS).replace("\r", "")
    pieces = []
    for char in text:
        must = char in '"\\'
        pieces.append(ESCAPES[char] if must or (char in ESCAPES and draw(st.booleans())) else char)
        if draw(st.integers(0, 9)) == 0:
            pieces.append("\\\n")  # joins lines: stands for nothing
    if draw(st.booleans()):
        pieces = [piece if piece != "\n" else "\r\n" for piece in pieces]
    return text, "".join(pieces)


@settings(deadline=None)
@given(written_strings())
def test_every_decoded_character_leads_back_to_what_it_was_written_as(written: tuple[str, str]) -> None:
    text, content = written
    source = Source("graph.dot", f'digraph g {{ n [x="{content}"] }}')

    document, found = parse(source)

    assert [] == found
    assert document is not None
    node = document.body[0]
    assert isinstance(node, NodeStatement)
    value = node.attributes[0].value
    assert text == value.text
    for index, char in enumerate(text):
        at = value.offset(index)
        unit = source.text[at : at + 2]
        assert unit[0] == char or unit == ESCAPES.get(char) or (char == "\n" and unit == "\r\n")
    offsets = [value.offset(index) for index in range(len(text) + 1)]
    assert sorted(set(offsets)) == offsets


@settings(deadline=None)
@given(written_strings(), st.data())
def test_a_part_of_a_part_leads_to_the_same_places(written: tuple[str, str], data: st.DataObject) -> None:
    text, content = written
    whole = decode(Source("graph.dot", f'"{content}"'), 1, len(content) + 1)[0]
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, len(text)))
    inner = data.draw(st.integers(0, last - first))

    part = whole.part(first, last).part(inner, last - first)

    assert text[first + inner : last] == part.text
    assert [whole.offset(index) for index in range(first + inner, last + 1)] == [
        part.offset(index) for index in range(len(part.text) + 1)
    ]


@settings(deadline=None)
@given(st.lists(written_strings(), min_size=1, max_size=4))
def test_joined_strings_lead_back_to_each_of_them(strings: list[tuple[str, str]]) -> None:
    file = " + ".join(f'"{content}"' for _, content in strings)
    source = Source("graph.dot", file)
    parts, at = [], 0
    for _, content in strings:
        parts.append(decode(source, at + 1, at + 1 + len(content))[0])
        at += len(content) + 5

    text = joined(parts)

    assert "".join(text for text, _ in strings) == text.text
    assert [part.offset(i) for part in parts for i in range(len(part.text))] == [
        text.offset(i) for i in range(len(text.text))
    ]
