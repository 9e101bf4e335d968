"""`attractor`: one lazy subcommand per module, so that a command pays only for what it uses."""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from io import TextIOWrapper
from typing import NamedTuple, NoReturn, TextIO


class ExitCode(IntEnum):
    OK = 0
    FINDINGS = 1  # errors were found, or the pipeline failed
    USAGE = 2  # asked wrongly, an invalid plan, or our own bug
    PREFLIGHT = 3
    INTERRUPTED = 130  # 128 + SIGINT
    BROKEN_PIPE = 141  # 128 + SIGPIPE


class Command(NamedTuple):
    """A subcommand: `cli/MODULE.py` with `configure(parser)` and `run(arguments, stdout, stderr) -> int`."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "init": Command("init", "begin a pipeline: a small one that works"),
    "compile": Command("compile", "check run.yaml and its graph, and write plan.json"),
    "exec": Command("exec", "run a plan"),
    "run": Command("run", "compile, then exec, in one step"),
    "status": Command("status", "say where a run stands, and what to do next"),
    "logs": Command("logs", "tell what a run did, and go on telling"),
    "answer": Command("answer", "answer a question that a run asks"),
    "stop": Command("stop", "stop a run"),
    "report": Command("report", "make a page about a run"),
    "audit": Command("audit", "hold what a run left behind against its plan"),
    "runs": Command("runs", "list the runs"),
    "simulate": Command("simulate", "show all paths of a plan, or write one as a scenario"),
    "estimate": Command("estimate", "say how many model calls a plan can make, at what cost"),
    "explain": Command("explain", "say where an effective value of a plan came from"),
    "diff": Command("diff", "compare two plans by meaning"),
    "graph": Command("graph", "draw a plan or a pipeline"),
    "schema": Command("schema", "print a JSON Schema"),
    "rules": Command("rules", "list the lint rules, or explain one"),
    "simulate-provider": Command("simulate_provider", "serve the providers' protocols locally, from a scenario"),
    "doctor": Command("doctor", "say what this machine lacks, and how to get it"),
    "completion": Command("completion", "print the completion script for a shell"),
}


def main(argv: Sequence[str] | None = None, stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
    """Run one command and return its exit code (`ExitCode`, or 128 + N after signal N)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    stdout, stderr = stdout or sys.stdout, stderr or sys.stderr
    command = COMMANDS.get(argv[0]) if argv else None
    if command is None:
        return _front_page(argv, stdout, stderr)
    try:
        return _run(argv, command, stdout, stderr)
    except KeyboardInterrupt:
        stderr.write(f"attractor {argv[0]}: interrupted\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more as it ends
        return ExitCode.BROKEN_PIPE
    except Exception as error:
        if os.environ.get("ATTRACTOR_DEBUG"):
            raise
        stderr.write(f"attractor {argv[0]}: internal error: {type(error).__name__}: {error}\n")
        stderr.write("this is a bug of attractor; ATTRACTOR_DEBUG=1 shows where: please report that\n")
        return ExitCode.USAGE


def _run(argv: Sequence[str], command: Command, stdout: TextIO, stderr: TextIO) -> int:
    for stream in (stdout, stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter is no reason to stop
    collects = gc.isenabled()
    gc.disable()
    try:
        module = importlib.import_module(f".{command.module}", __package__)
        arguments = parser_of(argv[0]).parse_args(argv[1:])
    except SystemExit as end:  # argparse: 0 after --help, 2 after a wrong argument
        return int(end.code or 0)
    finally:
        gc.freeze()  # what starting up makes stays: the collector need never look at it
        if collects:
            gc.enable()
    code = int(module.run(arguments, stdout, stderr))
    stdout.flush()
    return code


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong and where help is: a page of usage hides both."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            from attractor.compiler.suggest import did_you_mean

            options = [option for action in self._actions for option in action.option_strings]
            hint = did_you_mean(unknown.split("=")[0].split()[0], options) if unknown.startswith("-") else ""
            message = f"there is no {unknown.split()[0]!r} here" + (hint and f"; {hint}")
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n`{self.prog} --help` says more\n")


def parser_of(name: str, columns: int | None = None) -> argparse.ArgumentParser:
    """Return the parser of one of `COMMANDS`, whose help is so wide; None: as the terminal is."""
    module = importlib.import_module(f".{COMMANDS[name].module}", __package__)
    parser = _Parser(
        prog=f"attractor {name}",
        description=module.__doc__,
        allow_abbrev=False,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=columns or _columns()),
    )
    module.configure(parser)
    return parser


def _columns() -> int:
    """Return how wide help may be; argparse would load shutil to find out, at every start."""
    try:
        return min(max(os.get_terminal_size().columns - 1, 60), 100)
    except OSError:
        return 79


def version() -> str:
    from importlib import metadata

    return metadata.version("attractor")


def _front_page(argv: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    if not argv or argv[0] in {"-h", "--help", "help"}:
        if len(argv) < 2 or argv[0] != "help":
            stdout.write(_overview())
            return ExitCode.OK
        if argv[1] in COMMANDS:
            return main([argv[1], "--help"], stdout, stderr)
        argv = argv[1:]
    if argv[0] in {"-V", "--version"}:
        stdout.write(f"attractor {version()}\n")
        return ExitCode.OK
    from attractor.compiler.suggest import did_you_mean

    hint = did_you_mean(argv[0], COMMANDS) or "`attractor --help` lists them"
    if os.path.isfile(argv[0]) or argv[0].endswith((".yaml", ".yml")):
        hint = f"did you mean `attractor run {argv[0]}`?"
    stderr.write(f"attractor: there is no command {argv[0]!r}; {hint}\n")
    return ExitCode.USAGE


def _overview() -> str:
    commands = "".join(f"  {name:<17}  {command.help}\n" for name, command in COMMANDS.items())
    return f"""usage: attractor COMMAND [ARGUMENTS]

Compile agent pipelines to a flat plan, then run exactly that plan.

{commands}
From nothing to a running pipeline, offline:

  attractor init greeting && cd greeting
  attractor compile
  attractor run

`attractor COMMAND --help` says more; `attractor --version` says which this is.
"""


if __name__ == "__main__":
    sys.exit(main())
