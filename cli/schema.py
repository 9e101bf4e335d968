"""Print a JSON Schema: of run.yaml, of a plan, of a run's files. Without NAME:
list them.

--install makes editors complete and check run.yaml and scenarios as you type:
it writes their schemas to .attractor/schemas in a repository, and into the
first lines of each such file where its schema is. Nothing else is changed, and
a file that names another schema is left alone.

examples:
  attractor schema                    which there are
  attractor schema run                the schema of run.yaml
  attractor schema --install          for the editors of this repository

exit codes: 0 done, 2 there is no such schema, or a file cannot be written
"""

import argparse
import json
import os
from typing import TextIO

from attractor.compiler.schema import FOLDER
from attractor.compiler.suggest import did_you_mean

from .disk import write_bytes
from .editor_schemas import SUFFIX, install
from .main import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="run, graph, plan, diagnostics, event, ..")
    parser.add_argument("--install", nargs="?", const=".", metavar="DIR",
                        help="write those for editors into a repository; default: the current folder")  # fmt: skip


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if arguments.install is not None:
        return _install(arguments, stdout, stderr)
    names = schema_names()
    if arguments.name is None:
        stdout.write("".join(f"{name:<{max(map(len, names))}}  {_title(name)}\n" for name in names))
        return ExitCode.OK
    if arguments.name not in names:
        hint = did_you_mean(arguments.name, names) or f"there are {', '.join(names)}"
        stderr.write(f'attractor schema: there is no schema "{arguments.name}"; {hint}\n')
        return ExitCode.USAGE
    write_bytes(stdout, _content(arguments.name))
    return ExitCode.OK


def schema_names() -> list[str]:
    return sorted(name.removesuffix(SUFFIX) for name in os.listdir(FOLDER) if name.endswith(SUFFIX))


def _install(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if arguments.name is not None:
        stderr.write("attractor schema: --install takes a folder and writes all schemas that editors read; drop NAME\n")
        return ExitCode.USAGE
    if not os.path.isdir(arguments.install):
        stderr.write(
            f"attractor schema: {arguments.install!r} is not a folder; name the one that holds your pipelines\n"
        )
        return ExitCode.USAGE
    code = ExitCode.OK
    for step in install(os.path.normpath(arguments.install)):
        if step.verb == "failed":
            stderr.write(f"attractor schema: {step.remark}\n")
            code = ExitCode.USAGE
        else:
            path = os.path.normpath(step.path)
            stdout.write(f"{step.verb:<9}  {path}" + (f": {step.remark}" if step.remark else "") + "\n")
    return code


def _content(name: str) -> bytes:
    with open(os.path.join(FOLDER, name + SUFFIX), "rb") as file:
        return file.read()


def _title(name: str) -> str:
    schema = json.loads(_content(name))
    return str(schema.get("title", ""))
