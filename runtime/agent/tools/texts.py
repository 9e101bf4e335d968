"""Text files as editing sees them: every byte comes back, also of what is no UTF-8, and line ends stay as they are."""

import os
import re
from collections.abc import Sequence
from typing import Final

from .contract import Refusal
from .places import Place, open_file

_MOST_BYTES: Final = 32 * 1024 * 1024
_PROBED_BYTES: Final = 8192
_LINE: Final = re.compile(r"[^\n]*+\n|[^\n]++")


def read_bytes(place: Place, given: str) -> bytes:
    """Return the bytes of a file that can be edited as text.

    Raises:
        Refusal: there is none.
    """
    with open(open_file(place, given), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MOST_BYTES:
            raise Refusal(f"{given!r} has {size} bytes, too many to edit; change it with shell")
        content = file.read(_MOST_BYTES)
    if b"\0" in content[:_PROBED_BYTES]:
        raise Refusal(f"{given!r} is a binary file")
    return content


def to_text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends; "\\n" ends a line, and nothing else does."""
    return _LINE.findall(text)


def newline_of(lines: Sequence[str]) -> str:
    """Return the line end that most lines have."""
    ended = sum(line.endswith("\n") for line in lines)
    return "\r\n" if 2 * sum(line.endswith("\r\n") for line in lines) > ended else "\n"


def unix(text: str) -> str:
    return text.replace("\r\n", "\n")
