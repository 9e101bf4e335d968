"""Did you mean: which known words lie near one that is not known."""

import re
from collections.abc import Iterable

MAX_WORD = 64  # longer words are not typing mistakes, and comparing them would be slow

_SEPARATORS = re.compile(r"[-_. /]++")


def closest(word: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """Return at most `limit` of `candidates` that `word` may have meant, nearest first.

    Near is: the same but for case and separators, a few typing mistakes away, or a word that has all of `word`'s parts
    (`timeout` -> `timeout_ms`). The cost is linear in `candidates`: ask once per unknown word, not once per use.
    """
    wanted = _folded(word)
    if not wanted or len(wanted) > MAX_WORD:
        return []
    parts = set(wanted.split("_"))
    most = 0 if len(wanted) < 2 else 1 if len(wanted) < 5 else 2 if len(wanted) < 9 else 3
    ranked = []
    for candidate in dict.fromkeys(candidates):
        known = _folded(candidate)
        if abs(len(known) - len(wanted)) <= most and (away := distance(wanted, known, most)) <= most:
            ranked.append((away, known[:1] != wanted[:1], candidate))
        elif parts < set(known.split("_")):
            ranked.append((most + 1, known[:1] != wanted[:1], candidate))
    return [candidate for *_, candidate in sorted(ranked)[:limit] if candidate != word]


def did_you_mean(word: str, candidates: Iterable[str], limit: int = 2) -> str:
    """Return `did you mean "x"?` or `did you mean "x" or "y"?`, or "" when nothing is near."""
    near = [f'"{candidate}"' for candidate in closest(word, candidates, limit)]
    return f"did you mean {' or '.join(near)}?" if near else ""


def distance(left: str, right: str, most: int) -> int:
    """Return how many insertions, deletions, replacements and swaps of neighbours lead from `left` to `right`.

    Any number above `most` may come back as `most + 1`.
    """
    if left == right:
        return 0
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def _folded(word: str) -> str:
    return _SEPARATORS.sub("_", word.strip().casefold())
