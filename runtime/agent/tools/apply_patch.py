"""`apply_patch`: several changes to several files, all of them or none.

First the whole patch is read and every new content is made, in memory; then every content is written beside its place;
only then do files change their names. What goes wrong in that last step is undone.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Final, NamedTuple

from ...files import utf8
from ...outcome import Json
from .contract import Bench, Cut, Refusal, Result, Tool
from .patch_hunks import patched
from .patch_text import AddFile, DeleteFile, Section, UpdateFile, parse_patch
from .places import Missing, Place, locate, open_file
from .texts import read_bytes, to_bytes, to_text
from .write_file import check_writable, passing_name, remove, write_beside


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    draft = Draft(bench)
    try:
        said = [draft.apply(section) for section in parse_patch(str(arguments["patch"]))]
        draft.write()
    except Refusal as refusal:
        raise Refusal(f"nothing was changed: {refusal}") from refusal
    return Result("\n".join(said))


class File(NamedTuple):
    """A file as it is to be."""

    content: bytes | None  # None = it is not to be there
    status: os.stat_result | None  # of the file whose mode it gets


class Draft:
    """The files that a patch changes, in memory, by their one path each."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._files: dict[str, File] = {}

    def apply(self, section: Section) -> str:
        """Change the draft; return what is told about it."""
        match section:
            case AddFile(given, lines):
                content = utf8("".join(f"{line}\n" for line in lines))
                return f"A {self._add(given, content, None)}"
            case DeleteFile(given):
                path, file = self._there(given, read=False)
                self._files[path] = File(None, file.status)
                return f"D {path}"
            case UpdateFile(given, move_to, hunks):
                path, file = self._there(given, read=True)
                content = to_bytes(patched(to_text(file.content or b""), hunks, given))
                self._files[path] = File(None if move_to else content, file.status)
                return f"R {path} -> {self._add(move_to, content, file.status)}" if move_to else f"M {path}"

    def _there(self, given: str, *, read: bool) -> tuple[str, File]:
        with locate(self._bench, given, missing=Missing.ACCEPT) as place:
            file = self._files.get(place.path)
            if file is None:
                check_writable(place, given)
                if read:
                    return place.path, File(read_bytes(place, given), place.status)
                os.close(open_file(place, given))
                return place.path, File(b"", place.status)
            if file.content is None:
                raise Refusal(f"no file {given!r}: the patch itself deletes or moves it before")
            return place.path, file

    def _add(self, given: str, content: bytes, status: os.stat_result | None) -> str:
        with locate(self._bench, given, missing=Missing.ACCEPT) as place:
            file = self._files.get(place.path)
            if file is None:
                check_writable(place, given)
            if place.status is not None if file is None else file.content is not None:
                raise Refusal(f"{given!r} is there already; change it with '*** Update File:'")
            self._files[place.path] = File(content, status or (file.status if file else None))
            return place.path

    def write(self) -> None:
        """Change the files; what cannot be finished is undone."""
        with ExitStack() as places:
            changes: list[_Change] = []
            try:
                for path, file in self._files.items():
                    missing = Missing.ACCEPT if file.content is None else Missing.MAKE
                    place = places.enter_context(locate(self._bench, f"./{path}", missing=missing))
                    new = "" if file.content is None else write_beside(place._replace(status=file.status), file.content)
                    changes.append(_Change(place, new, passing_name() if place.status is not None else ""))
                for change in changes:
                    change.make()
            except BaseException as error:
                for change in reversed(changes):
                    change.undo()
                if isinstance(error, OSError):
                    raise Refusal(str(error.strerror)) from error
                raise
            for change in changes:
                remove(change.place.folder, change.old)


class _Change(NamedTuple):
    place: Place
    new: str  # passing name of the new content; "" = the file goes
    old: str  # passing name that the old content gets; "" = there is none

    def make(self) -> None:
        folder, name = self.place.folder, self.place.name
        if self.old and not (self.new and _linked(folder, name, self.old)):
            os.rename(name, self.old, src_dir_fd=folder, dst_dir_fd=folder)
        if self.new:
            os.rename(self.new, name, src_dir_fd=folder, dst_dir_fd=folder)

    def undo(self) -> None:
        folder, name = self.place.folder, self.place.name
        if self.old:
            with suppress(FileNotFoundError):  # it was not reached
                os.rename(self.old, name, src_dir_fd=folder, dst_dir_fd=folder)
            remove(folder, self.old)  # still there when both are names of one file
            remove(folder, self.new)
        elif self.new:
            try:
                os.unlink(self.new, dir_fd=folder)
            except FileNotFoundError:  # it has got its name already
                remove(folder, name)


def _linked(folder: int, name: str, second: str) -> bool:
    """Give a file a second name, so that it is there at every moment; return whether the file system can."""
    try:
        os.link(name, second, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


TOOL: Final = Tool(
    name="apply_patch",
    description=(
        "Change files of the workspace by a patch: all of its changes are made, or none. Form:\n"
        "*** Begin Patch\n"
        "*** Add File: path/new.py\n"
        "+each line of the new file\n"
        "*** Update File: path/old.py\n"
        "*** Move to: path/renamed.py\n"
        "@@ def function_that_holds_the_change():\n"
        " a line of context, as it is in the file\n"
        "-a line to remove\n"
        "+a line to put there\n"
        "*** Delete File: path/gone.py\n"
        "*** End Patch\n"
        "'*** Move to:' and the text after '@@' may be left out. Give three lines of context around each change, and "
        "the changes of a file in its own order."
    ),
    parameters={
        "type": "object",
        "properties": {"patch": {"type": "string", "description": "The patch, from '*** Begin Patch' on."}},
        "required": ["patch"],
        "additionalProperties": False,
    },
    cut=Cut(10_000, "tail"),
    reads_only=False,
    run=_run,
)
