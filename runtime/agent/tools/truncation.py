"""Outputs that are too long for a model: what it is shown of them, and where the rest is.

The pieces that are kept are counted in characters first, then in lines; the marker between or beside them is not.
"""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from ...files import utf8
from .contract import Cut
from .texts import split_lines

MARKER: Final = "[WARNING: Tool output was truncated"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_CHARS: Final = 80
_WHERE: Final = {"head_tail": "from the middle", "tail": "from its start", "head": "from its end"}


class Shown(NamedTuple):
    text: str
    full: Path | None = None  # where the whole text is; None when nothing was cut, or it could not be saved


class _Kept(NamedTuple):
    head: str
    tail: str


def truncate(text: str, cut: Cut, name: str, folder: Path) -> Shown:
    """Return what the model is shown of `text`; when that is not all, all of it goes into a file of `folder`.

    Args:
        name: the call's id; the file is named after it.
    """
    kept = shorten(text, cut)
    if kept is None:
        return Shown(text)
    full, complaint = _save(text, name, folder)
    chars = len(text) - len(kept.head) - len(kept.tail)
    lines = text.count("\n") - kept.head.count("\n") - kept.tail.count("\n")
    amount = f"{chars} characters ({lines} lines)" if lines else f"{chars} characters"
    rest = f"read_file with offset and limit shows any part of {full}" if full else complaint
    marker = f"{MARKER}: {amount} were removed {_WHERE[cut.mode]}. {rest}]"
    return Shown("\n".join(part for part in (kept.head.rstrip("\n"), marker, kept.tail) if part), full)


def shorten(text: str, cut: Cut) -> _Kept | None:
    """Return the pieces of `text` that are kept; None when all of it is."""
    kept = _by_lines(_by_chars(text, cut), cut)
    return None if len(kept.head) + len(kept.tail) == len(text) else kept


def _by_chars(text: str, cut: Cut) -> _Kept:
    if len(text) <= cut.max_chars:
        return _Kept("", text) if cut.mode == "tail" else _Kept(text, "")
    head = {"head_tail": cut.max_chars // 2, "tail": 0, "head": cut.max_chars}[cut.mode]
    return _Kept(text[:head], text[len(text) - (cut.max_chars - head) :])


def _by_lines(kept: _Kept, cut: Cut) -> _Kept:
    if cut.max_lines is None:
        return kept
    head, tail = split_lines(kept.head), split_lines(kept.tail)
    if len(head) + len(tail) <= cut.max_lines:
        return kept
    if not tail and cut.mode == "head_tail":  # nothing is missing in between yet
        head, tail = head[: len(head) // 2], head[len(head) // 2 :]
    first = min(len(head), max(cut.max_lines // 2, cut.max_lines - len(tail)))
    return _Kept("".join(head[:first]), "".join(tail[len(tail) - (cut.max_lines - first) :]))


def _save(text: str, name: str, folder: Path) -> tuple[Path | None, str]:
    """Write the whole text into a new file; return its path, or why there is none."""
    stem = _UNFIT.sub("_", name)[:_NAME_CHARS].lstrip(".") or "output"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            path = folder / (f"{stem}.txt" if number == 1 else f"{stem}-{number}.txt")
            try:
                with open(path, "xb") as file:
                    file.write(utf8(text))
            except FileExistsError:
                continue
            return path, ""
    except OSError as error:
        return None, f"The whole output could not be saved: {os.strerror(error.errno or 0)}"
    return None, "The whole output could not be saved: too many files of that name"
