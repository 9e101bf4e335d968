"""What a quoted string says, and where in the file each of its characters stands."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import overload

from ..source import MappedText, Source

_ESCAPE = re.compile(r"\\(\r?\n|.)|\r\n", re.DOTALL)
_MEANING = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "\n": "", "\r\n": "", None: "\n"}
_TEMPLATE_NAME = r"[A-Za-z_{]"


class SourceOffsets(Sequence[int]):
    """The offsets of a decoded string's characters, found out on the first question: nearly no string is ever asked.

    A slice is a view that shares the work.
    """

    __slots__ = ("_content", "_first", "_length", "_marks", "_start")

    def __init__(self, content: str, start: int, length: int) -> None:
        self._content = content
        self._start = start
        self._first = 0
        self._length = length
        self._marks: tuple[list[int], list[int]] | None = None

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> "SourceOffsets": ...
    def __getitem__(self, index: int | slice) -> "int | SourceOffsets":
        if self._marks is None:
            self._marks = _marks(self._content, self._start)
        if isinstance(index, slice):
            return self._view(index)
        if not -self._length <= index < self._length:
            raise IndexError(index)
        decoded_at, source_at = self._marks
        decoded = self._first + index % self._length
        mark = bisect_right(decoded_at, decoded) - 1
        return source_at[mark] + decoded - decoded_at[mark]

    def _view(self, index: slice) -> "SourceOffsets":
        first, last, _ = index.indices(self._length)
        view = SourceOffsets(self._content, self._start, max(0, last - first))
        view._first = self._first + first
        view._marks = self._marks
        return view


def _marks(content: str, start: int) -> tuple[list[int], list[int]]:
    """Return the decoded indices after which source and decoded text run in step again, and the offsets there."""
    decoded_at, source_at = [0], [start]
    shorter = 0  # by how much the decoded text is behind
    for escape in _ESCAPE.finditer(content):
        meaning = _MEANING.get(escape[1])
        if meaning is not None:
            shorter += len(escape[0]) - len(meaning)
            decoded_at.append(escape.end() - shorter)
            source_at.append(start + escape.end())
    return decoded_at, source_at


def decode(source: Source, start: int, end: int) -> tuple[MappedText, Sequence[int]]:
    """Return the content from `start` to `end` decoded, and the offsets of escapes that mean nothing.

    Those keep both their characters. `\\$name` is none of them: prompts use it for a literal `$name`. Line ends become
    `\\n`, so that a checkout with other line ends gives the same plan.
    """
    content = source.text[start:end]
    if "\\" not in content and "\r" not in content:
        return MappedText(content, source, start), ()
    if "\\\\" not in content and "\r" not in content:
        text = content.replace('\\"', '"').replace("\\n", "\n").replace("\\t", "\t")
        if "\\" not in text:
            return MappedText(text, source, start, SourceOffsets(content, start, len(text) + 1)), ()
    unknown: list[int] = []

    def meaning(escape: re.Match[str]) -> str:
        known = _MEANING.get(escape[1])
        if known is not None:
            return known
        if escape[1] != "$" or not re.compile(_TEMPLATE_NAME).match(content, escape.end()):
            unknown.append(start + escape.start())
        return escape[0]

    text = _ESCAPE.sub(meaning, content)
    return MappedText(text, source, start, SourceOffsets(content, start, len(text) + 1)), unknown


def joined(parts: Sequence[MappedText]) -> MappedText:
    """Return one text made of `parts`, each character leading back to its own place."""
    offsets = array("Q")
    for part in parts:
        offsets.extend(_offsets(part))
    last = parts[-1]
    offsets.append(last.offset(len(last.text)))
    return MappedText("".join(part.text for part in parts), parts[0].source, parts[0].start, offsets)


def _offsets(part: MappedText) -> Iterable[int]:
    if part.offsets is None:
        return range(part.start, part.start + len(part.text))
    return (part.offsets[index] for index in range(len(part.text)))
