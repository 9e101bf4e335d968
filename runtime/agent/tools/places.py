"""Paths of the model, held inside the workspace.

A path is walked component by component from the workspace's open folder; symbolic links are followed by hand and only
as far as they stay inside. What is opened is then opened relative to the folder that was walked to, and never through
a link: swapping a component for a link in between leads nowhere.
"""

import difflib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Final, NamedTuple

from .contract import Bench, Refusal

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS: Final = 40
_FOLDER_MODE: Final = 0o777  # as far as the umask allows


class Missing(Enum):
    """What to do about a folder on the way that is not there."""

    REFUSE = auto()
    MAKE = auto()
    ACCEPT = auto()


class Place(NamedTuple):
    """A name in a folder that is inside, by descriptor; good while `locate` is open."""

    folder: int  # -1 when it is not there yet, and `Missing.ACCEPT` was asked for
    name: str  # "." for the workspace itself
    root: Path  # the workspace
    path: str  # the same from there on, links resolved; "." for itself
    status: os.stat_result | None  # of what is there, never a link; None when nothing is

    @property
    def is_folder(self) -> bool:
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


@contextmanager
def locate(
    bench: Bench, given: str, *, missing: Missing = Missing.REFUSE, outputs_too: bool = False
) -> Iterator[Place]:
    """Walk to `given` and yield its place.

    Args:
        missing: folders on the way.
        outputs_too: saved outputs are a second workspace: for reading them.

    Raises:
        Refusal: it leads outside, or its folder is not there.
    """
    root, parts = _inside(bench, given, outputs_too)
    walk = _Walk(root, given, bench.workspace)
    try:
        place = walk.to(parts, missing)
        walk.close_all_but(place.folder)
        yield place
    finally:
        walk.close_all_but(None)


def open_file(place: Place, given: str) -> int:
    """Open a regular file for reading; return the descriptor.

    Raises:
        Refusal: there is none.
    """
    if place.status is None:
        raise Refusal(f"no file {given!r}{_close_names(place.folder, place.name)}")
    if place.is_folder:
        raise Refusal(f"{given!r} is a folder; list_dir shows what is in it")
    if not stat.S_ISREG(place.status.st_mode):
        raise Refusal(f"{given!r} is not a regular file")
    # Not blocking: a pipe that has just taken its place would wait for whoever writes to it.
    descriptor = _open(place, os.O_RDONLY | os.O_NONBLOCK, given)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refusal(f"{given!r}: it has just been replaced")
    return descriptor


def open_folder(place: Place, given: str) -> int:
    """Open a folder for listing; return the descriptor.

    Raises:
        Refusal: there is none.
    """
    if place.status is None:
        raise Refusal(f"no folder {given!r}{_close_names(place.folder, place.name)}")
    if not place.is_folder:
        raise Refusal(f"{given!r} is not a folder")
    return _open(place, _FOLDER, given)


def _open(place: Place, flags: int, given: str) -> int:
    try:
        return os.open(place.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.folder)
    except OSError as error:
        changed = error.errno in (errno.ELOOP, errno.ENOENT, errno.ENOTDIR)
        raise Refusal(f"{given!r}: {'it has just been replaced' if changed else error.strerror}") from error


def _inside(bench: Bench, given: str, outputs_too: bool) -> tuple[Path, Sequence[str]]:
    """Return which root the path belongs to, and its components from there on."""
    if not given.strip():
        raise Refusal("the path is empty; give one relative to the workspace")
    if "\0" in given:
        raise Refusal(f"{given!r} is not a path: it holds a NUL character")
    if given.startswith("~"):
        raise Refusal(
            f"{given!r}: '~' is not expanded, and nothing outside the workspace {str(bench.workspace)!r} can be "
            "reached; a file whose name begins so is './~…'"
        )
    if not given.startswith("/"):
        return bench.workspace, given.split("/")
    for root in (bench.workspace, *([bench.outputs] if outputs_too else [])):
        for spelled in (given, os.path.realpath(given)):
            if spelled == str(root) or spelled.startswith(f"{root}/"):
                return root, spelled[len(str(root)) :].split("/")
    raise _outside(given, bench.workspace)


def _outside(given: str, workspace: Path, by: str = "") -> Refusal:
    way = f" through the symbolic link {by!r}" if by else ""
    return Refusal(
        f"{given!r} leads outside the workspace{way}; file tools work in {str(workspace)!r} and below: "
        "give a path relative to it"
    )


class _Walk:
    """A way through open folders, each opened from the one before."""

    def __init__(self, root: Path, given: str, workspace: Path) -> None:
        self._root = root
        self._given = given
        self._workspace = workspace
        self._names: list[str] = []
        try:
            self._folders = [os.open(root, _FOLDER)]
        except OSError as error:
            raise Refusal(f"{str(root)!r} cannot be opened: {error.strerror}") from error

    def close_all_but(self, kept: int | None) -> None:
        for folder in self._folders:
            if folder != kept:
                os.close(folder)
        self._folders = [folder for folder in self._folders if folder == kept]

    def to(self, parts: Sequence[str], missing: Missing) -> Place:
        ahead = [part for part in reversed(parts) if part not in ("", ".")]
        by = ""
        links = 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                self._up(by)
                continue
            status = self._look(part)
            if status is not None and stat.S_ISLNK(status.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise Refusal(f"{self._given!r}: too many symbolic links, one after the other")
                by = "/".join([*self._names, part])
                ahead += self._behind(part, by)
            elif ahead and status is None and missing is Missing.ACCEPT and ".." not in ahead:
                path = [*self._names, part, *reversed(ahead)]
                return Place(-1, path[-1], self._root, "/".join(path), None)
            elif ahead:
                self._down(part, status, make=missing is Missing.MAKE)
            else:
                return Place(self._folders[-1], part, self._root, "/".join([*self._names, part]), status)
        folder = self._folders[-1]
        return Place(folder, ".", self._root, "/".join(self._names) or ".", os.fstat(folder))

    def _look(self, part: str) -> os.stat_result | None:
        try:
            return os.stat(part, dir_fd=self._folders[-1], follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:  # a name that is too long, a folder that may not be entered
            raise Refusal(f"{self._given!r}: {error.strerror}") from error

    def _up(self, by: str) -> None:
        if not self._names:
            raise _outside(self._given, self._workspace, by)
        self._names.pop()
        os.close(self._folders.pop())

    def _behind(self, link: str, by: str) -> list[str]:
        """Return the components that a link stands for, last one first; begin again at the root if it does."""
        try:
            target = os.readlink(link, dir_fd=self._folders[-1])
        except OSError as error:
            raise Refusal(f"{self._given!r}: it has just been replaced") from error
        if target.startswith("/"):
            for spelled in (target, os.path.realpath(target)):
                if spelled == str(self._root) or spelled.startswith(f"{self._root}/"):
                    target = spelled[len(str(self._root)) :]
                    break
            else:
                raise _outside(self._given, self._workspace, by)
            while self._names:
                self._up(by)
        return [part for part in reversed(target.split("/")) if part not in ("", ".")]

    def _down(self, part: str, status: os.stat_result | None, *, make: bool) -> None:
        shown = "/".join([*self._names, part])
        if status is None and not make:
            close = _close_names(self._folders[-1], part)
            raise Refusal(f"no folder {shown!r} for {self._given!r}{close}")
        try:
            if status is None:
                with suppress(FileExistsError):
                    os.mkdir(part, _FOLDER_MODE, dir_fd=self._folders[-1])
            self._folders.append(os.open(part, _FOLDER, dir_fd=self._folders[-1]))
        except NotADirectoryError as error:
            raise Refusal(f"{shown!r} is a file, not a folder, so there is no {self._given!r}") from error
        except OSError as error:
            raise Refusal(f"{shown!r}: {error.strerror}") from error
        self._names.append(part)


def _close_names(folder: int, name: str) -> str:
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    close = difflib.get_close_matches(name, names[:2000], n=3, cutoff=0.6)
    return f"; close to it: {', '.join(map(repr, close))}" if close else ""
