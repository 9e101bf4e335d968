"""Hold what a run left behind against its plan, and fail on any deviation. What
was found is kept in audit.json.

examples:
  attractor audit latest
  attractor audit RUN --json

exit codes: 0 nothing deviates; 1 something does; 2 there is no such run, or it
goes on
"""

import argparse
import json
from typing import TextIO

from attractor.runtime.audit.checks import Audit, Result, audit, write

from .main import ExitCode
from .run_place import add_run, open_run

MOST_SHOWN = 20  # findings of a check
ID_WIDTH = 16


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--json", action="store_true", help="print what audit.json holds")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    found = open_run(arguments.run, "audit", stderr)
    if found is None:
        return ExitCode.USAGE
    if found.final() is None and found.is_alive():
        stderr.write(f"attractor audit: the run goes on in process {found.pid()}; audit it when it has ended\n")
        return ExitCode.USAGE
    done = audit(found.folder)
    try:
        write(found.folder, done)
    except OSError as error:
        stderr.write(f"attractor audit: warning: audit.json cannot be written: {error.strerror}\n")
    if arguments.json:
        stdout.write(json.dumps(done.to_json(), ensure_ascii=False, indent=2) + "\n")
    else:
        _table(done, stdout)
    return ExitCode.OK if done.passed else ExitCode.FINDINGS


def _table(done: Audit, stdout: TextIO) -> None:
    for result in done.results:
        stdout.write(f"{_word(result):<5} {result.id:<{ID_WIDTH}} {result.says} ({result.looked_at})\n")
        for finding in result.findings[:MOST_SHOWN]:
            stdout.write(f"      {finding.place}: {finding.message}\n")
        if len(result.findings) > MOST_SHOWN:
            stdout.write(f"      … and {len(result.findings) - MOST_SHOWN} more, in audit.json\n")
    deviations = sum(len(result.findings) for result in done.results)
    runs = "" if done.runs == 1 else f" in {done.runs} runs"
    said = "nothing deviates" if done.passed else f"{deviations} deviation{'s' * (deviations != 1)}"
    stdout.write(f"\n{done.run_id}: {said}{runs}\n")


def _word(result: Result) -> str:
    if not result.passed:
        return "FAIL"
    return "pass" if result.looked_at else "-"
