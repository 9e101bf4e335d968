"""Print the script with which a shell completes this command: its commands,
options and their words, files of the right kind, and the nodes of a plan.

examples:
  eval "$(attractor completion bash)"      in ~/.bashrc
  eval "$(attractor completion zsh)"       in ~/.zshrc, after compinit
  attractor completion fish > ~/.config/fish/completions/attractor.fish

exit codes: 0 printed; 2 no such shell
"""

import argparse
import json
import os
from collections.abc import Iterator
from io import StringIO
from typing import TextIO

from .disk import Disk
from .main import COMMANDS, ExitCode
from .run_place import open_run, state_folder

SHELLS = ("bash", "zsh", "fish")
MAX_PLAN_BYTES = 1 << 26
MOST_RUNS = 50


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    parser.add_argument("--nodes", metavar="PLAN", help=argparse.SUPPRESS)  # asked by the scripts, as the next one
    parser.add_argument("--runs", action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if arguments.nodes is not None:
        stdout.writelines(f"{name}\n" for name in _nodes(arguments.nodes))
        return ExitCode.OK
    if arguments.runs:
        from attractor.runtime.run_index import runs

        stdout.writelines(f"{row.run_id}\n" for row in runs(state_folder())[:MOST_RUNS])
        return ExitCode.OK
    if arguments.shell is None:
        stderr.write(f"attractor completion: name the shell: {', '.join(SHELLS)}\n")
        return ExitCode.USAGE
    from .command_shapes import shape_of
    from .completion_scripts import SCRIPTS

    stdout.write(SCRIPTS[arguments.shell](tuple(map(shape_of, COMMANDS))))
    return ExitCode.OK


def _nodes(name: str) -> Iterator[str]:
    """Yield the ids of the nodes of a plan or run; nothing when it is none: nobody reads complaints while typing."""
    if not name.endswith(".json"):
        run = open_run(name, "completion", StringIO())
        name = os.path.join(run.folder, "plan.json") if run is not None else name
    try:
        plan = json.loads(Disk().read(name, MAX_PLAN_BYTES))
        yield from (node["id"] for node in plan["nodes"])
    except (OSError, ValueError, TypeError, KeyError):
        return
