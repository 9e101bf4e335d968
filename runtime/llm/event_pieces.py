"""Regroups the bytes of an event stream so that each piece ends with an event, and its lines in one way.

The parser behind copies what it has of an event once per piece and once per line: a large event in many pieces would
take quadratic time. It also takes two events for one when their line ends differ.
"""

import re
from collections.abc import Iterator
from typing import Final

from .errors import MalformedStream

_HEAD_BYTES: Final = 2048
_EVENT_BYTES: Final = 64_000_000
_EVENT_WORK: Final = 4_000_000_000  # bytes × lines of one event
_COMMENTS: Final = re.compile(rb"(?>(?::[^\n]*+\n)+)")
_MARK: Final = b"\xef\xbb\xbf"  # of byte order; some servers begin with it


class EventPieces:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.head = b""  # what came first, to quote it
        self.cut = False  # the stream has ended, and not with the end of an event
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole events, one or several; what the stream broke off in comes last. Raises MalformedStream."""
        waiting: list[bytes] = []
        size = lines = 0
        last = b""
        for piece in _with_plain_lines(_without_mark(self._pieces)):
            if len(self.head) < _HEAD_BYTES:
                self.head += piece[: _HEAD_BYTES - len(self.head)]
            if len(waiting) == 1 and size < _HEAD_BYTES and waiting[0].startswith(b":"):
                piece = waiting.pop() + piece  # the rest of a comment
                size = lines = 0
            end = piece.rfind(b"\n\n") + 2
            if end < 2:
                end = 1 if last == b"\n" and piece.startswith(b"\n") else 0
            last = piece[-1:] or last
            if end:
                yield b"".join([*waiting, piece[:end]])
                waiting, piece = [], piece[end:]
                size = lines = 0
            if piece.startswith(b":") and not waiting:
                piece = _COMMENTS.sub(b"", piece, count=1)  # they may come for hours without an event between them
            if piece:
                waiting.append(piece)
                size += len(piece)
                lines += piece.count(b"\n")
            if size > _EVENT_BYTES or size * lines > _EVENT_WORK:
                raise MalformedStream(f"an event of more than {size} bytes in {lines} lines")
        if waiting:
            self.cut = True
            yield b"".join(waiting)


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    beginning = b""
    for piece in pieces:
        beginning += piece
        if len(beginning) >= len(_MARK) or not _MARK.startswith(beginning):
            break
    yield beginning.removeprefix(_MARK)
    yield from pieces


def _with_plain_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Make every line end LF; one may be split over two pieces."""
    after_return = False
    for piece in pieces:
        if not after_return and b"\r" not in piece:
            yield piece
            continue
        if after_return:
            piece = piece.removeprefix(b"\n")
        after_return = piece.endswith(b"\r")
        yield piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
