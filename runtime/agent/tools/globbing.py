"""`glob`: the files whose paths fit a pattern, newest first."""

import os
from collections.abc import Mapping
from typing import Final

from ...outcome import Json
from .contract import Bench, Cut, Refusal, Result, Tool
from .places import locate, open_folder
from .search import glob_matcher, walk

FILES: Final = 500


def _run(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:  # noqa: ARG001 - as every tool
    given, written = str(arguments.get("path", ".")), str(arguments["pattern"])
    pattern = _relative(written, bench)
    with locate(bench, given) as place:
        os.close(open_folder(place, given))
        prefix = "" if place.path == "." else f"{place.path}/"
    fits = glob_matcher(pattern)
    found: list[tuple[int, str]] = []
    for name, status in walk(os.path.join(bench.workspace, prefix), pattern.split("/")):
        if bench.cancellation.reason:
            raise Refusal(f"canceled ({bench.cancellation.reason})")
        if fits(name):
            found.append((-status.st_mtime_ns, prefix + name))
    lines = [path for _, path in sorted(found)[:FILES]]
    if len(found) > FILES:
        lines.append(f"[{len(found) - FILES} more files match; narrow the pattern]")
    return Result("\n".join(lines) or _nothing(written, given))


def _relative(pattern: str, bench: Bench) -> str:
    relative = pattern.removeprefix(f"{bench.workspace}/").removeprefix("./")
    if relative.startswith(("/", "~")) or ".." in relative.split("/"):
        raise Refusal(
            f"pattern {pattern!r} leads outside the workspace {str(bench.workspace)!r}; make it relative, without '..'"
        )
    return relative


def _nothing(pattern: str, given: str) -> str:
    wider = "" if "/" in pattern or "**" in pattern else f"; '**/{pattern}' looks into the folders below, too"
    return f"no file in {given!r} matches {pattern!r}{wider}"


TOOL: Final = Tool(
    name="glob",
    description=(
        "Find files of the workspace by a pattern of their paths, newest first. '*' stays within a folder, '**/' is "
        "any number of folders: '**/*.py'. .git, node_modules and caches are left out unless the pattern names them."
    ),
    parameters={
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "The pattern, relative to path: '**/*.py', 'src/*.{ts,tsx}'."},
            "path": {"type": "string", "description": "The folder to look in; default the workspace."},
        },
        "required": ["pattern"],
        "additionalProperties": False,
    },
    cut=Cut(20_000, "head", max_lines=500),
    reads_only=True,
    run=_run,
)
