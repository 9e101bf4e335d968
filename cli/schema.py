"""Print a JSON Schema as it is packaged: run.yaml, a plan, diagnostics, a run's files. Without NAME: list them.

`# yaml-language-server: $schema=FILE` at the top of a run.yaml makes editors complete and check its keys.
"""

import argparse
import json
import os
from typing import TextIO

from attractor.compiler.schema import FOLDER
from attractor.compiler.suggest import did_you_mean

from .disk import write_bytes
from .main import ExitCode

SUFFIX = ".schema.json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="run, graph, plan, diagnostics, event, ..")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    names = sorted(name.removesuffix(SUFFIX) for name in os.listdir(FOLDER) if name.endswith(SUFFIX))
    if arguments.name is None:
        stdout.write("".join(f"{name:<{max(map(len, names))}}  {_title(name)}\n" for name in names))
        return ExitCode.OK
    if arguments.name not in names:
        hint = did_you_mean(arguments.name, names) or f"there are {', '.join(names)}"
        stderr.write(f'attractor schema: there is no schema "{arguments.name}"; {hint}\n')
        return ExitCode.USAGE
    write_bytes(stdout, _content(arguments.name))
    return ExitCode.OK


def _content(name: str) -> bytes:
    with open(os.path.join(FOLDER, name + SUFFIX), "rb") as file:
        return file.read()


def _title(name: str) -> str:
    schema = json.loads(_content(name))
    return str(schema.get("title", ""))
