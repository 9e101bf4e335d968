"""Finding in a file what a model remembers of it: exactly first, then without what models and editors change unseen."""

import difflib
from collections.abc import Callable, Sequence
from typing import Final

_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_SINGLE_QUOTES: Final = "\u2018\u2019\u201a\u201b"
_DOUBLE_QUOTES: Final = "\u201c\u201d\u201e\u201f"
_SPACES: Final = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_PLAIN: Final = (
    dict.fromkeys(map(ord, _DASHES), "-")
    | dict.fromkeys(map(ord, _SINGLE_QUOTES), "'")
    | dict.fromkeys(map(ord, _DOUBLE_QUOTES), '"')
    | dict.fromkeys(map(ord, _SPACES), " ")
)
_LOOKED_AT: Final = 5000  # lines, when something close is looked for
_SHOWN_LINES: Final = 8
_SHOWN_CHARS: Final = 200


def plain(text: str) -> str:
    """Return `text` with typographic dashes, quotes and spaces as plain ones; each character keeps its place."""
    return text if text.isascii() else text.translate(_PLAIN)


# In this order: what a line may lose for the comparison.
_VIEWS: Final[Sequence[Callable[[str], str]]] = (
    lambda line: line,
    lambda line: line.rstrip(),
    lambda line: line.strip(),
    lambda line: plain(line).strip(),
)


def seek(lines: Sequence[str], wanted: Sequence[str], start: int, *, at_end: bool = False) -> int | None:
    """Return where in `lines` the lines `wanted` stand, at `start` or after it; None when they do not.

    Args:
        at_end: look at the end of the file first.
    """
    last = len(lines) - len(wanted)
    for view in _VIEWS:
        seen, sought = [view(line) for line in lines], [view(line) for line in wanted]
        if at_end and last >= start and seen[last:] == sought:
            return last
        for index in range(start, last + 1):
            if seen[index] == sought[0] and seen[index : index + len(sought)] == sought:
                return index
    return None


def nearest(lines: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the numbered lines that look most like `wanted`; "" when none do."""
    key = max(wanted, key=lambda line: len(line.strip()))
    looked_at = [line.strip()[:_SHOWN_CHARS] for line in lines[:_LOOKED_AT]]
    close = difflib.get_close_matches(key.strip()[:_SHOWN_CHARS], looked_at, n=1, cutoff=0.5)
    if not close or not close[0]:
        return ""
    first = max(0, looked_at.index(close[0]) - list(wanted).index(key))
    end = min(len(lines), first + min(len(wanted), _SHOWN_LINES))
    return "\n".join(f"{number + 1} | {lines[number][:_SHOWN_CHARS]}" for number in range(first, end))
