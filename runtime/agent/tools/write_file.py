"""`write_file`, and how every tool writes: beside the old file, then in its place."""

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from ...files import utf8, write_all
from ...outcome import Json
from .contract import Bench, Cut, Refusal, Result, Tool
from .places import Missing, Place, locate


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    given, content = str(arguments["file_path"]), utf8(str(arguments["content"]))
    with locate(bench, given, missing=Missing.MAKE) as place:
        check_writable(place, given)
        replace_file(place, content)
        what = "replaced" if place.status else "created"
        lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
        return Result(f"{what} {place.path}: {len(content)} bytes, {lines} line{'s'[: lines != 1]}")


def check_writable(place: Place, given: str) -> None:
    """Refuse what is there and is no file that may be written.

    Raises:
        Refusal: with the reason.
    """
    if ".git" in place.path.casefold().split("/"):
        raise Refusal(f"{given!r} belongs to git; change it with git's own commands")
    if place.status is None:
        return
    if place.is_folder:
        raise Refusal(f"{given!r} is a folder")
    if not stat.S_ISREG(place.status.st_mode):
        raise Refusal(f"{given!r} is not a regular file")
    if not os.access(place.name, os.W_OK, dir_fd=place.folder, follow_symlinks=True):
        raise Refusal(f"{given!r} is write-protected; change its mode first if it has to be written")


def replace_file(place: Place, content: bytes) -> None:
    """Put a new file in the place of the old one, whole or not at all; another name of the old one keeps its text."""
    name = write_beside(place, content)
    try:
        os.rename(name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except BaseException:
        remove(place.folder, name)
        raise


def write_beside(place: Place, content: bytes) -> str:
    """Write a file with the mode of the place's into its folder; return its passing name.

    Raises:
        Refusal: the folder or the disk does not allow it; nothing is left behind.
    """
    name = passing_name()
    try:
        _write_new(place, name, content)
    except OSError as error:
        remove(place.folder, name)
        raise Refusal(f"{place.path!r} could not be written: {error.strerror}; it is as it was") from error
    except BaseException:
        remove(place.folder, name)
        raise
    return name


def _write_new(place: Place, name: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=place.folder)
    try:
        write_all(descriptor, content)
        if place.status is not None:
            with suppress(PermissionError):  # only its owner and the administrator may give it the same owner
                os.fchown(descriptor, place.status.st_uid, place.status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(place.status.st_mode))
    finally:
        os.close(descriptor)


def passing_name() -> str:
    """Return a name for a file that nobody is to see."""
    return f".attractor-{secrets.token_hex(8)}.tmp"


def remove(folder: int, name: str) -> None:
    """Remove a file if it is there; no name is no file."""
    if name:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


TOOL: Final = Tool(
    name="write_file",
    description=(
        "Write a text file of the workspace whole, in place of what it held; missing folders are made. "
        "To change part of a file, edit it instead."
    ),
    parameters={
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": "The file, relative to the workspace."},
            "content": {"type": "string", "description": "The whole text of the file."},
        },
        "required": ["file_path", "content"],
        "additionalProperties": False,
    },
    cut=Cut(1_000, "tail"),
    reads_only=False,
    run=_run,
)
