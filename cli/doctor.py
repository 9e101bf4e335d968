"""Say what this machine lacks, and how to get it.

Looks at Python and its packages, bash, git, Graphviz, ripgrep, the agents of
the vendors, the terminal and the state folder. With a run.yaml, also at what
that run needs: the variables that hold keys, and programs. Shows no key, asks
no network.

examples:
  attractor doctor                what this machine can do
  attractor doctor run.yaml       whether it can run this pipeline

exit codes: 0 nothing that is needed is missing, 1 something is
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from typing import TextIO

from .machine import Check, packages, program, python, run_directories, terminal
from .main import ExitCode
from .run_file import NoRunFile, run_file

_WORDS = {"ok": "ok", "missing": "MISSING", "absent": "absent"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN.yaml", help="a run.yaml; default: the one here, if there is one")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    try:
        named = {check.name: check for check in (*_machine(stdout), *_run(arguments.run))}  # what a run needs goes last
    except NoRunFile as error:
        stderr.write(f"attractor doctor: {error}\n")
        return ExitCode.USAGE
    checks = list(named.values())
    missing = [check for check in checks if check.state == "missing"]
    if arguments.json:
        document = {"version": 1, "ok": not missing, "checks": [check._asdict() for check in checks]}
        stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        stdout.writelines(f"{line}\n" for line in _lines(checks))
        stdout.write(_summary(missing, checks))
    return ExitCode.FINDINGS if missing else ExitCode.OK


def _machine(stdout: TextIO) -> Iterator[Check]:
    yield python()
    yield from packages()
    yield program("bash", needed=True, purpose="tool stages and agents run commands with it")
    yield program("git", purpose="runs work in a branch of their own; without it only in place")
    yield program("dot", purpose="`attractor graph` draws with it", package="graphviz")
    yield program("rg", purpose="agents search faster with it", package="ripgrep")
    yield program("node", purpose="the vendors' agents (`backend: cli`) may need it", package="nodejs")
    for agent in ("claude", "codex", "gemini"):
        yield program(agent, purpose="providers with `backend: cli` run it")
    yield terminal(stdout, os.environ)
    yield run_directories()


def _run(given: str | None) -> Iterator[Check]:
    """Yield what the run.yaml needs that is meant: its key variables and programs, or that it has errors."""
    try:
        path = run_file(given)
    except NoRunFile:
        if given is not None:
            raise
        return
    from attractor.compiler.compile import Request, plan_of

    from .compile import check
    from .disk import Disk

    checked = check(Request(path), Disk())
    errors = sum(1 for found in checked.diagnostics if found.severity == "error")
    if errors:
        words = "1 error" if errors == 1 else f"{errors} errors"
        yield Check(path, "missing", words, "a run needs a plan", f"attractor compile --check {path}")
        return
    yield Check(path, "ok", "compiles", "", "")
    needs = plan_of(checked.compilation)["preflight"]
    for name in needs["executables"]:
        yield program(name, needed=True, purpose=f"{path} runs it")
    for name in needs["env"]:
        is_set = bool(os.environ.get(name))
        yield Check(
            name, "ok" if is_set else "missing", "set" if is_set else "", f"{path} needs this key", _export(name)
        )


def _export(name: str) -> str:
    return f"export {name}=..."


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{_WORDS[check.state]:<8}{check.name:<{width}}  {check.found or check.purpose}".rstrip()
        if check.state != "ok":
            if check.found:
                yield f"{'':<{8 + width}}  {check.purpose}"
            yield f"{'':<{8 + width}}  {check.get}"


def _summary(missing: Sequence[Check], checks: Sequence[Check]) -> str:
    if missing:
        return f"\nneeded and missing: {', '.join(check.name for check in missing)}\n"
    absent = sum(1 for check in checks if check.state == "absent")
    return "\nnothing that is needed is missing" + (f"; absent, and of use to some: {absent}\n" if absent else "\n")
