"""`grep`: the lines that match a regular expression."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from typing import Final

from ...outcome import Json
from . import search
from .commands import Captured, capture
from .contract import Bench, Cut, Refusal, Result, Tool
from .places import locate, open_file

TIMEOUT_MS: Final = 30_000
MATCHES: Final = 100
_MOST_MATCHES: Final = 1000
# Without the user's packages and settings: it starts in a fraction of the time.
_PROGRAM: Final = f"exec {shlex.join([sys.executable, '-I', '-S', search.__file__])}"


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    given, most = str(arguments.get("path", ".")), arguments.get("max_results", MATCHES)
    assert isinstance(most, int)  # noqa: S101 - the schema says so
    most = max(1, min(most, _MOST_MATCHES))
    glob_filter = str(arguments.get("glob_filter", "")).removeprefix("./")
    if glob_filter.startswith(("/", "~")) or ".." in glob_filter.split("/"):
        raise Refusal(f"glob_filter {glob_filter!r} must be relative to path, without '..'")
    with locate(bench, given, outputs_too=True) as place:
        if not place.is_folder:
            os.close(open_file(place, given))
        root = os.path.join(place.root, place.path)
        shown = (place.path if place.root == bench.workspace else root) + ("/" if place.is_folder else "")
    request = {
        "root": root,
        "prefix": shown.removeprefix("./"),
        "pattern": arguments["pattern"],
        "ignore_case": arguments.get("case_insensitive") is True,
        "glob_filter": glob_filter,
        "most": most,
    }
    captured = capture(_PROGRAM, bench, timeout_ms=TIMEOUT_MS, stdin=json.dumps(request).encode())
    return _told(captured, request, given, bench)


def _told(captured: Captured, request: Mapping[str, Json], given: str, bench: Bench) -> Result:
    result, found = captured.result, captured.stdout
    if result.canceled:
        raise Refusal(f"canceled ({bench.cancellation.reason})")
    if result.timed_out:
        return Result(
            f"{found}[ERROR: the search was ended after {TIMEOUT_MS} ms; narrow it by path or glob_filter, "
            "or simplify the pattern]",
            is_error=True,
        )
    match result.exit_code:
        case search.FOUND:
            return Result(found.rstrip("\n") or f"no line in {given!r} matches {request['pattern']!r}")
        case search.MORE:
            return Result(f"{found}[more than {request['most']} lines match; narrow the search or raise max_results]")
        case search.BAD_PATTERN:
            raise Refusal(f"{request['pattern']!r} is not a regular expression: {captured.stderr}")
        case _:
            raise Refusal(f"the search failed with exit code {result.exit_code}: {captured.stderr[-500:]}")


TOOL: Final = Tool(
    name="grep",
    description=(
        "Search the text files of the workspace for lines that match a regular expression (Python's). Returns "
        "PATH:LINE:TEXT, sorted by path. Binary files, .git, node_modules and caches are left out."
    ),
    parameters={
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "The regular expression; it matches within one line."},
            "path": {"type": "string", "description": "Folder or file to search; default the workspace."},
            "glob_filter": {"type": "string", "description": "Only files like this: '*.py', 'src/**/*.{ts,tsx}'."},
            "case_insensitive": {"type": "boolean", "description": "Take capitals and small letters as the same."},
            "max_results": {"type": "integer", "description": "How many lines to return; default 100, most 1000."},
        },
        "required": ["pattern"],
        "additionalProperties": False,
    },
    cut=Cut(20_000, "head", max_lines=200),
    reads_only=True,
    run=_run,
)
