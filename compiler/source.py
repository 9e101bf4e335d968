"""Text with positions: `Source`, `Span`, and `MappedText`, which leads from a decoded string back to its source.

The unit everywhere is the code point offset into `Source.text`; lines and columns are computed only when shown.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

MAX_SOURCE_BYTES = 16 * 1024 * 1024


class Source:
    """One input file: its path as the user would write it, and its text."""

    __slots__ = ("_line_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._line_starts: list[int] | None = None

    def __repr__(self) -> str:
        return f"Source({self.path!r}, {len(self.text)} characters)"

    @property
    def line_starts(self) -> Sequence[int]:
        """Offsets at which lines begin; a line ends with `\\n`, so that `\\r\\n` counts once."""
        if self._line_starts is None:
            starts = [0]
            find = self.text.find
            at = find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = find("\n", at + 1)
            self._line_starts = starts
        return self._line_starts

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column of `offset`, both from 1, in code points."""
        starts = self._line_starts or self.line_starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """Return the text of `line` (from 1) without its line end."""
        start = self.line_starts[line - 1]
        end = self.line_starts[line] if line < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def span(self, start: int, end: int) -> "Span":
        return Span(self, start, end)


class Span(NamedTuple):
    """A stretch of a source: offsets `start` to `end`, `end` exclusive."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the start, from 1."""
        return self.source.position(self.start)

    def to(self, other: "Span") -> "Span":
        """Return the span from here to the end of `other` (same source)."""
        return Span(self.source, self.start, other.end)


class MappedText:
    """A decoded string and the way back: which stretch of the source each of its characters came from.

    `offsets[i]` is where decoded character `i` starts in the source, `offsets[len(text)]` where the string's content
    ends. `offsets` is None while the content stands in the source letter for letter, from `start` on: nearly always,
    so nothing is stored.
    """

    __slots__ = ("offsets", "source", "start", "text")

    def __init__(self, text: str, source: Source, start: int, offsets: Sequence[int] | None = None) -> None:
        self.text = text
        self.source = source
        self.start = start
        self.offsets = offsets

    def __repr__(self) -> str:
        return f"MappedText({self.text!r} at {self.source.path}:{self.start})"

    def offset(self, index: int) -> int:
        """Return the source offset of decoded character `index` (`len(text)`: the end of the content)."""
        return self.start + index if self.offsets is None else self.offsets[index]

    def span(self, start: int = 0, end: int | None = None) -> Span:
        """Return the source span of decoded characters `start` to `end` (None: to the end).

        An escape that stands for the last character is covered whole.
        """
        end = len(self.text) if end is None else end
        return Span(self.source, self.offset(start), self.offset(max(start, end)))

    def part(self, start: int, end: int) -> "MappedText":
        """Return the decoded characters `start` to `end` with their own way back."""
        if self.offsets is None:
            return MappedText(self.text[start:end], self.source, self.start + start)
        return MappedText(self.text[start:end], self.source, self.offsets[start], self.offsets[start : end + 1])

    def stripped(self) -> "MappedText":
        """Return the text without blanks around it, with its own way back."""
        text = self.text
        start = len(text) - len(text.lstrip())
        return self.part(start, max(start, len(text.rstrip())))
