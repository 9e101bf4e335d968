"""Files that an observer may read at any moment, or that must survive the power going: two ways to write them."""

import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from .outcome import Json

NAME_CHARS = 120  # of a folder name; longer node ids are cut and told apart by a hash


def write_json(path: Path, value: Json) -> None:
    """Write indented JSON durably: whoever reads `path`, after whatever crash, finds the old or the new text whole."""
    write_durably(path, utf8(json.dumps(value, ensure_ascii=False, indent=2) + "\n"))


def write_durably(path: Path, text: bytes) -> None:
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        try:
            write_all(descriptor, text)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:  # the disk is full, or a second signal came: nothing half-written stays
        _remove(temporary)
        raise
    _sync_folder(path.parent)


def write_whole(path: str, text: bytes) -> None:
    """Write so that readers see all or nothing, without waiting for the disk: for what the journal can replace."""
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        try:
            write_all(descriptor, text)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def utf8(text: str) -> bytes:
    """Return the bytes of text; half a surrogate pair, which no file may hold, becomes a question mark."""
    return text.encode("utf-8", "replace")


def folder_name(node_id: str) -> str:
    """Return a name that every file system takes."""
    if len(node_id) <= NAME_CHARS:
        return node_id
    return f"{node_id[: NAME_CHARS - 17]}-{hashlib.sha256(node_id.encode()).hexdigest()[:16]}"


class LineFile:
    """A file that only ever grows by whole lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def append(self, line: str) -> None:
        try:
            write_all(self._descriptor, utf8(line))
        except BaseException:  # disk full, say: the next line must not begin behind half of this one
            self._cut_torn_line()
            raise

    def _cut_torn_line(self) -> None:
        with suppress(OSError), open(self._path, "rb") as file:
            whole = file.read().rfind(b"\n") + 1
            os.ftruncate(self._descriptor, whole)

    def append_durably(self, line: str) -> None:
        self.append(line)
        if sys.platform == "darwin":
            os.fsync(self._descriptor)
        else:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def cut_off(error: OSError) -> str:
    """Return why a run cannot go on whose files cannot be written."""
    place = f": {error.filename}" if error.filename else ""
    return f"the run's files cannot be written: {error.strerror or error}{place}; make room, then resume the run"


def whole_lines(path: Path) -> int:
    """Cut off a last line without its end, which was being written when a process died; return how many are left."""
    with open(path, "a+b") as file:
        file.seek(0)
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
    return text.count(b"\n")


def write_all(descriptor: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
