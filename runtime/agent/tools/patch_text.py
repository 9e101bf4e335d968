"""The text of a patch, format v4a: which files it adds, deletes, updates and moves, and by which changes.

Read leniently where nothing else can be meant: a here-document or a code fence around it, line ends of other systems,
blanks after markers, an empty line for an empty line of context, `@@ -1,2 +1,2 @@` for `@@`.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from .contract import Refusal

BEGIN: Final = "*** Begin Patch"
END: Final = "*** End Patch"
_ADD: Final = "*** Add File:"
_DELETE: Final = "*** Delete File:"
_UPDATE: Final = "*** Update File:"
_MOVE: Final = "*** Move to:"
_END_OF_FILE: Final = "*** End of File"
_UNIFIED: Final = re.compile(r"@@ -[0-9]+(?:,[0-9]+)? \+[0-9]+(?:,[0-9]+)? @@ ?")
_WRAPPING: Final = re.compile(r"\s*(?:```.*|(?:apply_patch\s*)?<<-?\s*['\"]?\w+['\"]?|apply_patch|[A-Z_]+)?\s*")
_SHOWN_CHARS: Final = 120


class Change(NamedTuple):
    kind: str  # " " context | "-" | "+"
    text: str


class Hunk(NamedTuple):
    number: int  # in its file, from 1
    line: int  # of the patch, from 1
    hints: Sequence[str]  # lines to look for first, each after the one before
    changes: Sequence[Change]
    at_end: bool  # it belongs at the end of the file

    @property
    def old(self) -> list[str]:
        return [change.text for change in self.changes if change.kind != "+"]


class AddFile(NamedTuple):
    path: str
    lines: Sequence[str]


class DeleteFile(NamedTuple):
    path: str


class UpdateFile(NamedTuple):
    path: str
    move_to: str  # "" = it stays
    hunks: Sequence[Hunk]


Section = AddFile | DeleteFile | UpdateFile


def parse_patch(text: str) -> list[Section]:
    """Return the files of a patch, in order.

    Raises:
        Refusal: with the line of the patch that cannot be meant.
    """
    return _Reader(text).sections()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = [line.removesuffix("\r") for line in text.split("\n")]
        stripped = [line.strip() for line in self._lines]
        if BEGIN not in stripped:
            raise Refusal(f"the patch has no line {BEGIN!r}; it must begin with one")
        self._at = stripped.index(BEGIN) + 1
        if END not in stripped[self._at :]:
            raise Refusal(f"the patch has no line {END!r}; if it was cut off, send it in smaller patches")
        self._end = len(stripped) - 1 - stripped[::-1].index(END)
        around = [*enumerate(self._lines[: self._at - 1]), *enumerate(self._lines[self._end + 1 :], self._end + 1)]
        for index, line in around:
            if not _WRAPPING.fullmatch(line):
                raise self._refusal(f"text outside {BEGIN!r} … {END!r}", index)

    def sections(self) -> list[Section]:
        found: list[Section] = []
        while self._at < self._end:
            line = self._line
            if not line.strip():
                self._at += 1
            elif (path := self._marked(_ADD)) is not None:
                found.append(AddFile(path, self._added()))
            elif (path := self._marked(_DELETE)) is not None:
                found.append(DeleteFile(path))
            elif (path := self._marked(_UPDATE)) is not None:
                move_to = self._marked(_MOVE) if self._at < self._end else None
                found.append(self._update(path, move_to or ""))
            else:
                raise self._refusal(f"expected {_ADD!r}, {_DELETE!r} or {_UPDATE!r}", self._at)
        if not found:
            raise Refusal("the patch names no file")
        return found

    @property
    def _line(self) -> str:
        return self._lines[self._at]

    def _marked(self, marker: str) -> str | None:
        """Return what follows `marker` and go on, if the line begins with it."""
        line = self._line.strip()
        if not line.startswith(marker):
            return None
        path = line[len(marker) :].strip()
        if not path:
            raise self._refusal("no path is given", self._at)
        self._at += 1
        return path

    def _at_marker(self) -> bool:
        return self._at >= self._end or self._line.startswith("*** ")

    def _added(self) -> list[str]:
        lines: list[str] = []
        blank = 0  # empty lines without a "+": of the file if more of it follows
        while not self._at_marker():
            if self._line.startswith("+"):
                lines += [*[""] * blank, self._line[1:]]
                blank = 0
            elif not self._line.strip():
                blank += 1
            else:
                raise self._refusal("each line of a file that is added begins with '+'", self._at)
            self._at += 1
        return lines

    def _update(self, path: str, move_to: str) -> UpdateFile:
        start = self._at
        hunks: list[Hunk] = []
        while not self._at_marker():
            hunks.append(self._hunk(len(hunks) + 1))
        if not hunks and not move_to:
            raise self._refusal(f"{path!r} has no changes", start - 1)
        return UpdateFile(path, move_to, hunks)

    def _hunk(self, number: int) -> Hunk:
        start = self._at
        hints: list[str] = []
        while not self._at_marker() and self._line.startswith("@@"):
            hint = _UNIFIED.sub("", self._line, count=1) if _UNIFIED.match(self._line) else self._line[2:]
            hint = hint.removeprefix(" ").rstrip()
            hints += [hint] if hint.strip() else []
            self._at += 1
        changes: list[Change] = []
        while not self._at_marker() and not self._line.startswith("@@"):
            changes.append(self._change())
        at_end = self._at < self._end and self._line.strip() == _END_OF_FILE
        self._at += at_end
        if not any(change.text or change.kind != " " for change in changes):
            raise self._refusal(f"hunk {number} has no changes", start)
        return Hunk(number, start + 1, hints, changes, at_end)

    def _change(self) -> Change:
        line = self._line
        if line and line[0] not in " -+":
            raise self._refusal("each line of a hunk begins with ' ', '-', '+' or '@@'", self._at)
        self._at += 1
        return Change(line[0], line[1:]) if line else Change(" ", "")

    def _refusal(self, reason: str, index: int) -> Refusal:
        return Refusal(f"patch line {index + 1}: {reason}: {self._lines[index][:_SHOWN_CHARS]!r}")
