"""Finding in a file what a model remembers of it: exactly first, then without what models and editors change unseen."""

import difflib
import heapq
import re
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
_LOOKED_AT: Final = 20_000  # lines, when something close is looked for
_COMPARED: Final = 20  # of them, letter by letter
_LEAST_RATIO: Final = 0.5
_WORD: Final = re.compile(r"\w+")
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
    sought = _words(key)
    alike = [(_likeness(_words(line), sought), -index) for index, line in enumerate(lines[:_LOOKED_AT])]
    candidates = [-index for likeness, index in heapq.nlargest(_COMPARED, alike) if likeness > 0]
    matcher = difflib.SequenceMatcher(b=key.strip()[:_SHOWN_CHARS], autojunk=False)
    best, ratio = -1, _LEAST_RATIO
    for index in candidates:
        matcher.set_seq1(lines[index].strip()[:_SHOWN_CHARS])
        if matcher.ratio() > ratio:
            best, ratio = index, matcher.ratio()
    if best < 0:
        return ""
    first = max(0, best - list(wanted).index(key))
    end = min(len(lines), first + min(len(wanted), _SHOWN_LINES))
    return "\n".join(f"{number + 1} | {lines[number][:_SHOWN_CHARS]}" for number in range(first, end))


def _words(line: str) -> frozenset[str]:
    """Return what a line is made of: the beginnings of its words, so that a slip in one of them does not hide it."""
    return frozenset(word[:3] for word in _WORD.findall(line[:_SHOWN_CHARS]))


def _likeness(some: frozenset[str], others: frozenset[str]) -> float:
    return len(some & others) / len(some | others) if some or others else 0.0
