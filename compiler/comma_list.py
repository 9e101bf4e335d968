"""Lists in one string: `a, b, c`. Each part keeps its place in the file."""

import re

from .source import MappedText

_PART = re.compile(r"[^,]++")
_WORD = re.compile(r"[^\s,]++")


def split_commas(text: MappedText) -> list[MappedText]:
    """Return the parts between commas, without the blanks around them; empty ones are left out."""
    parts = (text.part(*match.span()).stripped() for match in _PART.finditer(text.text))
    return [part for part in parts if part.text]


def split_words(text: MappedText) -> list[MappedText]:
    """Return the words of `text`, which commas and blanks separate."""
    return [text.part(*match.span()) for match in _WORD.finditer(text.text)]
