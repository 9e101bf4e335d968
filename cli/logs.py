"""Tell what a run did, one line per event, as `attractor exec` prints them.

With --follow it goes on until the run ends. With --node the last attempt's own
output follows the events.

examples:
  attractor logs latest --follow
  attractor logs RUN --node check

exit codes: 0 told; 2 there is no such run or node
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from attractor.runtime.console import Lines, PlainView, RunEvent
from attractor.runtime.events import TERMINAL, Record, StageStarted
from attractor.runtime.run_files import RunFiles, record_of
from attractor.runtime.standing import plan_of

from .main import ExitCode
from .run_place import add_run, open_run

POLL_S = 0.2
STILL_POLLS = 10  # without a line, before it is asked whether the process is still there
OUTPUT_BYTES = 64 * 1024  # of a file of a stage that are shown
OUTPUTS = ("stdout.log", "stderr.log", "response.md")


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    parser.add_argument("--node", metavar="NODE", help="only what this node did, and what it printed at last")
    parser.add_argument("--json", action="store_true", help="print the events, one JSON object per line")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    found = open_run(arguments.run, "logs", stderr)
    if found is None:
        return ExitCode.USAGE
    plan = plan_of(found)
    nodes = plan.nodes if plan else {}
    if arguments.node is not None and nodes and arguments.node not in nodes:
        from attractor.compiler.suggest import did_you_mean

        hint = did_you_mean(arguments.node, nodes)
        stderr.write(f"attractor logs: the run has no node {arguments.node!r}" + (f"; {hint}\n" if hint else "\n"))
        return ExitCode.USAGE
    lines = Lines(stdout)
    view = PlainView(lines, nodes)
    folder = ""
    for line, record in _told(found, follow=arguments.follow):
        if arguments.node is not None and not _is_about(record, arguments.node):
            continue
        folder = record.event.folder if isinstance(record.event, StageStarted) else folder
        if arguments.json:
            lines.write(line.decode("utf-8", "replace"))
        else:
            view(record)
        if not lines.is_open:
            return ExitCode.OK
    if arguments.node is not None and not arguments.json:
        _outputs(found.folder / folder, lines) if folder else lines.write(f"{arguments.node} was not visited\n")
    return ExitCode.OK


def _is_about(record: Record, node_id: str) -> bool:
    return getattr(record.event, "node_id", "") == node_id and not isinstance(record.event, RunEvent)


def _told(run: RunFiles, *, follow: bool) -> Iterator[tuple[bytes, Record]]:
    """Yield the lines of the run and what they say; with `follow` until it has ended or its process is gone."""
    with (run.folder / "progress.ndjson").open("rb") as file:
        torn, still = b"", 0
        while True:
            line = torn + file.readline()
            if line.endswith(b"\n"):
                torn, still = b"", 0
                record = record_of(line)
                if record is not None:
                    yield line, record
                    if follow and record.name in TERMINAL and _is_last(file.read(1), file.seek):
                        return
                continue
            if not follow:
                return
            torn, still = line, still + 1
            if still % STILL_POLLS == 0 and not run.is_alive():
                return
            time.sleep(POLL_S)


def _is_last(next_byte: bytes, seek: Callable[[int, int], int]) -> bool:
    """Return whether nothing follows: a run that was resumed goes on after an end."""
    if next_byte:
        seek(-1, 1)
    return not next_byte


def _outputs(folder: Path, lines: Lines) -> None:
    """Show what an attempt left: its own output, from the end of what is long."""
    for name in OUTPUTS:
        try:
            text = (folder / name).read_bytes()
        except OSError:
            continue
        if not text.strip():
            continue
        left_out = max(0, len(text) - OUTPUT_BYTES)
        lines.write(f"\n--- {folder / name}" + (f", without its first {left_out:,} bytes" if left_out else "") + "\n")
        lines.write("".join(map(_shown, text[left_out:].decode("utf-8", "replace"))).rstrip("\n") + "\n")


def _shown(letter: str) -> str:
    return letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}"
