"""Apply the fixes that diagnostics offer. Pure: texts in, texts out; whoever calls writes the files."""

import sys
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from .diagnostics import Diagnostic, Edit, Fix, Severity

MAX_ROUNDS = 20

Range = tuple[int, int]
Recheck = Callable[[Mapping[str, str]], Sequence[Diagnostic]]
"""From texts by path to settled diagnostics; the paths are those of the sources in their spans."""


class Fixed(NamedTuple):
    texts: Mapping[str, str]  # all that were given, changed or not
    applied: Sequence[str]  # titles, in the order of application
    diagnostics: Sequence[Diagnostic]  # what is left


def fix_until_stable(texts: Mapping[str, str], check: Recheck, *, unsafe: bool = False) -> Fixed:
    """Apply fixes and check again, until none is left to apply.

    A fix may reveal the next one. A round that brings a new error is taken back and ends the fixing: then one of the
    fixes is wrong, and the author's text is worth more.
    """
    applied: list[str] = []
    diagnostics = check(texts)
    for _ in range(MAX_ROUNDS):
        fixes = select_fixes(diagnostics, texts, unsafe=unsafe)
        if not fixes:
            break
        candidate = apply_edits(texts, [edit for fix in fixes for edit in fix.edits])
        after = check(candidate)
        if _errors(after) > _errors(diagnostics):
            break
        texts, diagnostics = candidate, after
        applied += [fix.title for fix in fixes]
    return Fixed(texts, applied, diagnostics)


def _errors(diagnostics: Iterable[Diagnostic]) -> int:
    return sum(1 for found in diagnostics if found.severity is Severity.ERROR)


def select_fixes(diagnostics: Iterable[Diagnostic], paths: Iterable[str], *, unsafe: bool = False) -> list[Fix]:
    """Return the fixes that can be applied together: in order, each whole, none touching an earlier one's places."""
    taken: dict[str, list[Range]] = {path: [] for path in paths}
    selected: dict[tuple[Edit, ...], Fix] = {}
    for found in diagnostics:
        fix = found.fix
        if fix is None or not fix.edits or not (fix.safe or unsafe) or fix.edits in selected:
            continue
        if all(_is_free(edit, taken) for edit in fix.edits):
            selected[fix.edits] = fix
            for edit in fix.edits:
                insort(taken[edit.span.source.path], (edit.span.start, edit.span.end))
    return list(selected.values())


def _is_free(edit: Edit, taken: Mapping[str, Sequence[Range]]) -> bool:
    """Whether `edit` stands in a file that may be changed, and touches no stretch that is taken."""
    ranges = taken.get(edit.span.source.path)
    if ranges is None:
        return False
    at = bisect_right(ranges, (edit.span.end, sys.maxsize))  # the first one that begins behind the edit
    return at == 0 or ranges[at - 1][1] < edit.span.start


def apply_edits(texts: Mapping[str, str], edits: Iterable[Edit]) -> dict[str, str]:
    """Return `texts` with `edits` made, which must not overlap. New lines end as the file's lines do."""
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.span.source.path, []).append(edit)
    return {**texts, **{path: _edited(texts[path], mine) for path, mine in by_path.items()}}


def _edited(text: str, edits: Iterable[Edit]) -> str:
    line_end = "\r\n" if "\r\n" in text else "\n"
    pieces: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        pieces += (text[done : edit.span.start], edit.text.replace("\r\n", "\n").replace("\n", line_end))
        done = edit.span.end
    return "".join([*pieces, text[done:]])
