"""`read_file`: the lines of a text file, numbered."""

import os
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from ...outcome import Json
from .contract import Bench, Cut, Refusal, Result, Tool
from .places import locate, open_file

LINES: Final = 2000
LINE_CHARS: Final = 2000
_PROBED_BYTES: Final = 8192
_CHUNK: Final = 4 * LINE_CHARS  # bytes: enough for LINE_CHARS characters
_COUNTED_BYTES: Final = 256 * 1024 * 1024  # beyond this the rest of a file is not counted


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    given = str(arguments["file_path"])
    first, most = _number(arguments, "offset", 1), min(_number(arguments, "limit", LINES), LINES)
    with locate(bench, given, outputs_too=True) as place, open(open_file(place, given), "rb") as file:
        if b"\0" in file.read(_PROBED_BYTES):
            raise Refusal(f"{given!r} is a binary file of {os.fstat(file.fileno()).st_size} bytes; it has no lines")
        file.seek(0)
        return _numbered(file, given, first, most, bench)


def _number(arguments: Mapping[str, Json], name: str, default: int) -> int:
    value = arguments.get(name, default)
    assert isinstance(value, int)  # noqa: S101 - the schema says so
    return max(1, value)


def _numbered(file: BinaryIO, given: str, first: int, most: int, bench: Bench) -> Result:
    shown: list[str] = []
    number = 0
    for line in _lines(file, bench):
        number += 1
        if number >= first:
            shown.append(f"{number} | {line}")
        if len(shown) == most:
            break
    if not number:
        return Result(f"{given!r} is empty")
    if not shown:
        raise Refusal(f"{given!r} has only {number} line{'s'[: number != 1]}, so there is nothing at offset {first}")
    rest = _count_lines(file, bench)
    if rest != "0":
        shown.append(f"[lines {first}-{number}; {rest} more follow: read on with offset={number + 1}]")
    return Result("\n".join(shown))


def _lines(file: BinaryIO, bench: Bench) -> Iterator[str]:
    """Yield each line as text, its end dropped, what is beyond LINE_CHARS of it told."""
    while raw := file.readline(_CHUNK):
        _stop(bench)
        dropped = 0
        while not raw.endswith(b"\n") and (more := file.readline(1 << 20)):
            _stop(bench)
            dropped += len(more.rstrip(b"\r\n"))
            if more.endswith(b"\n"):
                break
        line = raw.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")
        if dropped or len(line) > LINE_CHARS:
            dropped += len(line[LINE_CHARS:].encode())
            line = f"{line[:LINE_CHARS]} [line cut: {dropped} more bytes]"
        yield line


def _count_lines(file: BinaryIO, bench: Bench) -> str:
    """Return how many lines are left in the file, in words when they are too many to count."""
    lines = counted = 0
    last = b"\n"
    while chunk := file.read(1 << 20):
        _stop(bench)
        lines += chunk.count(b"\n")
        counted += len(chunk)
        last = chunk[-1:]
        if counted > _COUNTED_BYTES:
            return f"over {lines}"
    return str(lines + (last != b"\n"))


def _stop(bench: Bench) -> None:
    if bench.cancellation.reason:
        raise Refusal(f"canceled ({bench.cancellation.reason})")


TOOL: Final = Tool(
    name="read_file",
    description=(
        "Read a text file of the workspace. Returns its lines as 'NUMBER | TEXT', at most 2000 of them; "
        "offset and limit choose others. The numbers are not part of the file. Read a file before you edit it."
    ),
    parameters={
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": "The file, relative to the workspace."},
            "offset": {"type": "integer", "description": "First line to read, from 1; default 1."},
            "limit": {"type": "integer", "description": "How many lines to read; default and most 2000."},
        },
        "required": ["file_path"],
        "additionalProperties": False,
    },
    cut=Cut(50_000, "head_tail"),
    reads_only=True,
    run=_run,
)
