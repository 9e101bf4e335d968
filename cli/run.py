"""Compile a run.yaml and run its plan, in one step. The plan is kept in the run
directory; findings that are no errors are not shown (`attractor compile` does).

examples:
  attractor run                            the run.yaml of this folder
  attractor run demo/run.yaml --quiet      only the last line
  attractor run --simulate                 no model is asked: all succeed

exit codes: 0 the pipeline ended in success; 1 it failed; 2 asked wrongly, or
errors in the pipeline; 3 what the run needs is missing; 130, 143 stopped by a
signal
"""

import argparse
from pathlib import Path
from typing import TextIO

from attractor.compiler.compile import Request, plan_of
from attractor.compiler.emit import emit
from attractor.runtime.read_plan import read_plan

from .compile import add_inputs, check, report
from .disk import Disk
from .exec import add_run_options, execute
from .main import ExitCode
from .run_file import NoRunFile, is_graph, run_file
from .start import Loaded, Refused


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN.yaml", help="what to compile and run; default: the one here")
    add_inputs(parser)
    add_run_options(parser)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    try:
        arguments.run = run_file(arguments.run)
    except NoRunFile as error:
        stderr.write(f"attractor run: {error}\n")
        return ExitCode.USAGE
    if is_graph(arguments.run):
        stderr.write(f"attractor run: a run needs a run.yaml that names {arguments.run}; `attractor init` writes one\n")
        return ExitCode.USAGE
    checked = check(Request(arguments.run, arguments.graph, arguments.overrides), Disk())
    if report([checked], "text", stdout, stderr, quiet=True) != ExitCode.OK:
        return ExitCode.USAGE
    text = emit(plan_of(checked.compilation)).content
    base = Path(arguments.run).parent.resolve()
    try:
        return execute(Loaded(read_plan(text, arguments.run), text, arguments.run, base), arguments, stdout, stderr)
    except Refused as refusal:
        stderr.write(f"attractor run: {refusal}\n")
        return refusal.code
