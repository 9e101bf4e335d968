"""`list_dir`: what is in a folder."""

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Final

from ...outcome import Json
from .contract import Bench, Cut, Refusal, Result, Tool
from .places import locate, open_folder

ENTRIES: Final = 1000
_MOST_DEPTH: Final = 10
_NOT_ENTERED: Final = frozenset({".git"})


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    given, depth = str(arguments.get("path", ".")), arguments.get("depth", 1)
    assert isinstance(depth, int)  # noqa: S101 - the schema says so
    lines: list[str] = []
    with locate(bench, given, outputs_too=True) as place:
        for line in _entries(open_folder(place, given), "", min(max(1, depth), _MOST_DEPTH), bench):
            if len(lines) == ENTRIES:
                lines.append(f"[more than {ENTRIES} entries; list a folder below, or look with glob]")
                break
            lines.append(line)
    return Result("\n".join(lines) or f"{given!r} is empty")


def _entries(folder: int, prefix: str, depth: int, bench: Bench) -> Iterator[str]:
    """Yield the entries of an open folder, sorted, each followed by those below it; close it."""
    try:
        for name in sorted(os.listdir(folder)):
            if bench.cancellation.reason:
                raise Refusal(f"canceled ({bench.cancellation.reason})")
            try:
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            except OSError:  # it has just gone
                continue
            if stat.S_ISLNK(mode):
                yield f"{prefix}{name} -> {_target(folder, name)}"
            elif not stat.S_ISDIR(mode):
                yield f"{prefix}{name}"
            else:
                yield f"{prefix}{name}/"
                if depth > 1 and name not in _NOT_ENTERED:
                    yield from _below(folder, name, f"{prefix}{name}/", depth - 1, bench)
    finally:
        os.close(folder)


def _below(folder: int, name: str, prefix: str, depth: int, bench: Bench) -> Iterator[str]:
    try:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        yield f"{prefix} [{error.strerror}]"
        return
    yield from _entries(inner, prefix, depth, bench)


def _target(folder: int, name: str) -> str:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return "?"


TOOL: Final = Tool(
    name="list_dir",
    description="List a folder of the workspace, sorted; the names of folders end with '/'.",
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "The folder, relative to the workspace; default the workspace."},
            "depth": {"type": "integer", "description": "How many levels to list; default 1, most 10."},
        },
        "required": [],
        "additionalProperties": False,
    },
    cut=Cut(20_000, "head"),
    reads_only=True,
    run=_run,
)
