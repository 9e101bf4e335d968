"""Property P2 of positions, for the five ways in which YAML writes a text."""

import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.compiler.source import MappedText, Source
from attractor.compiler.yaml_reader import read_yaml
from attractor.compiler.yaml_text import scalar_text

BLANKS = " \t\n\u2028"
LETTERS = string.ascii_letters + string.digits + " '\"\\:#-,[]{}&*!|>%@`~?é😀\n\n  "
TEXTS = st.text(alphabet=LETTERS, max_size=60)


def _mapped(text: str) -> MappedText:
    document, found = read_yaml(Source("run.yaml", text))
    assert [] == found
    value = document.values["key"]
    assert isinstance(value, str)
    return scalar_text(document.spans["/key"][1], value)


def _assert_every_character_is_found(mapped: MappedText, style: str) -> None:
    source = mapped.source.text
    for index, character in enumerate(mapped.text):
        start, end = mapped.offset(index), mapped.offset(index + 1)
        written = source[start:end]
        assert 0 <= start < end <= len(source) + 1
        if style == '"' and written.startswith("\\"):
            assert character == yaml.safe_load(f'"{written}"')[0]
        elif character in BLANKS:
            assert written[:1].isspace() or written.startswith("\\") or start == len(source)
        else:
            assert written.startswith(character), (index, written)


@pytest.mark.parametrize("style", [None, "'", '"', "|", ">"], ids=["plain", "single", "double", "literal", "folded"])
@given(text=TEXTS, width=st.integers(5, 30))
@settings(max_examples=150, deadline=None)
def test_every_character_leads_back_to_where_it_is_written(style: str | None, text: str, width: int) -> None:
    written = yaml.safe_dump({"key": text}, default_style=None, allow_unicode=True, width=width)
    if style is not None:
        written = yaml.safe_dump({"key": text}, default_style=style, allow_unicode=True, width=width)
    if not isinstance(read_yaml(Source("run.yaml", written))[0].values["key"], str):
        return  # 1e3 is a number here

    mapped = _mapped(written)

    assert text == mapped.text
    raw = mapped.source.text[mapped.source.text.index(":") + 1 :].lstrip()
    _assert_every_character_is_found(mapped, raw[:1])


@pytest.mark.parametrize(
    ("written", "text", "offsets"),
    [
        ("key: a b", "a b", [5, 6, 7, 8]),
        ("key: a\n  b", "a b", [5, 6, 9, 10]),
        ("key: 'it''s'", "it's", [6, 7, 8, 10, 11]),
        (r'key: "a\tb\x41"', "a\tbA", [6, 7, 9, 10, 14]),
        ('key: "a \\\n   b"', "a b", [6, 7, 13, 14]),
        ('key: "a\n\n b"', "a\nb", [6, 8, 10, 11]),
        ("key: |\n  a\n  b\n", "a\nb\n", [9, 10, 13, 14, 15]),
        ("key: |\r\n  a\r\n  b\r\n", "a\nb\n", [10, 11, 15, 16, 17]),
        ("key: |-\n  a\n\n", "a", [10, 11]),
        ("key: |+\n  a\n\n", "a\n\n", [10, 11, 12, 13]),
        ("key: |2\n   a\n", " a\n", [10, 11, 12, 13]),
        ("key: >\n  a\n  b\n\n  c\n", "a b\nc\n", [9, 10, 13, 15, 18, 19, 20]),
        ("key: >\n  a\n    b\n  c\n", "a\n  b\nc\n", [9, 10, 13, 14, 15, 16, 19, 20, 21]),
        ("key: &x 😀é", "😀é", [8, 9, 10]),
        ("key: | # why\n  a\nother: 1\n", "a\n", [15, 16, 17]),
    ],
    ids=["plain", "plain_lines", "single", "escapes", "joined_lines", "blank_line", "literal", "crlf", "stripped",
         "kept", "indicator", "folded", "folded_deeper", "anchor_and_emoji", "comment_in_header"],
)  # fmt: skip
def test_offsets_of_each_style(written: str, text: str, offsets: list[int]) -> None:
    mapped = _mapped(written)

    assert (text, offsets) == (mapped.text, [mapped.offset(index) for index in range(len(text) + 1)])


def test_text_from_elsewhere_leads_to_the_whole_value() -> None:
    source = Source("run.yaml", "a: &x some text\nb: *x\n")
    document, _ = read_yaml(source)

    mapped = scalar_text(document.spans["/b"][1], document.values["b"])

    assert "*x" == mapped.span().text
