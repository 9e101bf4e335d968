"""Lists in one string: `a, b c`. Each word keeps its place in the file."""

import re

from .source import MappedText

_WORD = r"[^\s,]++"


def split_words(text: MappedText) -> list[MappedText]:
    """Return the words of `text`, which commas and blanks separate."""
    return [text.part(*match.span()) for match in re.finditer(_WORD, text.text)]
