"""List the runs of this user, newest first.

The list is an index over run directories, made anew whenever it is missing; the
directories are the truth.

examples:
  attractor runs
  attractor runs --state fail --name rogue

exit codes: 0 listed; 2 asked wrongly
"""

import argparse
import json
import os
from collections.abc import Sequence
from typing import TextIO

from attractor.runtime.console import cost, duration, one_line
from attractor.runtime.run_index import Row, runs

from .main import ExitCode
from .run_place import state_folder

STATES = ("running", "waiting", "success", "fail", "canceled", "died")
HEAD = ("RUN", "STATE", "STARTED (UTC)", "TIME", "TOKENS", "COST", "FOLDER")
RIGHT = (3, 4, 5)  # columns


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=STATES, action="append", help="only runs in this state; may be repeated")
    parser.add_argument("--name", metavar="TEXT", help="only runs whose pipeline's name or id holds this")
    parser.add_argument("-n", "--limit", type=int, default=20, metavar="N", help="at most so many; 0: all; default: 20")
    parser.add_argument("--json", action="store_true", help="print a JSON array, with the reasons")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if arguments.limit < 0:
        stderr.write(f"attractor runs: --limit must not be negative: {arguments.limit}\n")
        return ExitCode.USAGE
    known = runs(state_folder())
    found = [row for row in known if _is_asked_for(row, arguments.state, arguments.name)]
    shown = found[: arguments.limit] if arguments.limit else found
    if arguments.json:
        stdout.write(json.dumps([row._asdict() for row in shown], ensure_ascii=False, indent=2) + "\n")
        return ExitCode.OK
    if not found:
        stdout.write("no run matches\n" if known else "there is no run yet; `attractor run` makes one\n")
        return ExitCode.OK
    _table(shown, stdout)
    if len(shown) < len(found):
        stdout.write(f"… and {len(found) - len(shown)} older; --limit 0 lists all\n")
    return ExitCode.OK


def _is_asked_for(row: Row, states: Sequence[str] | None, name: str | None) -> bool:
    return (not states or row.state in states) and (not name or name in row.name or name in row.run_id)


def _table(rows: Sequence[Row], stdout: TextIO) -> None:
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    for line in lines:
        cells = (
            text.rjust(width) if column in RIGHT else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        stdout.write("  ".join(cells).rstrip() + "\n")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        one_line(row.run_id),
        row.state,
        row.started_at[:19].replace("T", " "),
        duration(row.duration_ms),
        f"{row.tokens:,}" if row.llm_calls else "",
        cost(row.cost_usd) if row.llm_calls else "",
        one_line(_short(row.folder)),
    )


def _short(folder: str) -> str:
    """Return the path as a person in a shell would write it: below the current folder, below home, else whole."""
    here, home = os.getcwd() + os.sep, os.path.expanduser("~") + os.sep
    if folder.startswith(here):
        return folder.removeprefix(here)
    return f"~/{folder.removeprefix(home)}" if folder.startswith(home) else folder
