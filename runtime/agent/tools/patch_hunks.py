"""The hunks of a patch applied to the lines of one file: each is found, or nothing is changed."""

from collections.abc import Sequence

from .contract import Refusal
from .matching import nearest, seek
from .patch_text import Change, Hunk
from .texts import newline_of, split_lines


def patched(text: str, hunks: Sequence[Hunk], path: str) -> str:
    """Return `text` with all hunks applied, in order; the file's own context lines and line ends stay.

    Raises:
        Refusal: a hunk cannot be found; the file, the hunk and its first line that is not there are named.
    """
    lines = split_lines(text)
    seen = [line.rstrip("\r\n") for line in lines]
    newline = newline_of(lines)
    result: list[str] = []
    done = 0  # lines of the file that have been dealt with
    for hunk in hunks:
        start, changes = _find(seen, hunk, done, path)
        result += lines[done:start]
        done = start
        for change in changes:
            if change.kind == "+":
                result.append(change.text + newline)
                continue
            if change.kind == " ":
                result.append(lines[done])
            done += 1
    result += lines[done:]
    return _joined(result, newline, ends=not text or text.endswith("\n"))


def _joined(lines: Sequence[str], newline: str, *, ends: bool) -> str:
    """Join lines of which a former last one may lack its end, and a new last one may have one too many."""
    text = "".join(line if line.endswith("\n") else line + newline for line in lines)
    return text if ends else text.removesuffix(newline)


def _find(lines: Sequence[str], hunk: Hunk, start: int, path: str) -> tuple[int, Sequence[Change]]:
    """Return the line at which a hunk begins, and its changes as far as they concern lines that are there."""
    cursor = _after_hints(lines, hunk, start, path)
    old = hunk.old
    if not old:  # nothing but new lines: after the hint, or at the end
        return (cursor if hunk.hints and not hunk.at_end else len(lines)), hunk.changes
    # The hint may be the first line of the context, too.
    for begin in (cursor, cursor - 1) if hunk.hints else (cursor,):
        found = seek(lines, old, begin, at_end=hunk.at_end)
        if found is not None:
            return found, hunk.changes
    for extra in range(1, _blank_lines_at_end(hunk.changes) + 1):
        if old[:-extra] and (found := seek(lines, old[:-extra], cursor, at_end=hunk.at_end)) is not None:
            return found, hunk.changes[:-extra]
    raise Refusal(_not_found(lines, hunk, cursor, path))


def _blank_lines_at_end(changes: Sequence[Change]) -> int:
    """Return how many empty lines of context end the hunk: often they only set it off from what follows."""
    count = 0
    while count < len(changes) and changes[-1 - count] == Change(" ", ""):
        count += 1
    return count


def _after_hints(lines: Sequence[str], hunk: Hunk, cursor: int, path: str) -> int:
    for hint in hunk.hints:
        found = seek(lines, [hint], cursor)
        if found is None:
            where = f" below line {cursor}" if cursor else ""
            close = _closest(lines, [hint])
            raise Refusal(f"{_name(hunk, path)}: no line {hint!r}{where}, which '@@' asks for{close}")
        cursor = found + 1
    return cursor


def _not_found(lines: Sequence[str], hunk: Hunk, cursor: int, path: str) -> str:
    old = hunk.old
    if cursor and (above := seek(lines, old, 0)) is not None:
        return (
            f"{_name(hunk, path)}: its lines stand at line {above + 1}, above line {cursor}, where the change "
            "before it ends; give the hunks in the order of the file"
        )
    missing = next((line for line in old if seek(lines, [line], cursor) is None), None)
    if missing is None:
        return f"{_name(hunk, path)}: its lines are in the file, but not one after the other{_closest(lines, old)}"
    return f"{_name(hunk, path)}: no line {missing!r}{f' below line {cursor}' if cursor else ''}{_closest(lines, old)}"


def _name(hunk: Hunk, path: str) -> str:
    return f"{path}: hunk {hunk.number} (patch line {hunk.line})"


def _closest(lines: Sequence[str], wanted: Sequence[str]) -> str:
    close = nearest(lines, wanted)
    return f"\nclosest to it:\n{close}" if close else ""
