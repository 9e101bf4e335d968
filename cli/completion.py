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
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TextIO

from .disk import Disk
from .main import COMMANDS, ExitCode, parser_of

SHELLS = ("bash", "zsh", "fish")
MAX_PLAN_BYTES = 1 << 26

_CONFIGS = ("yaml", "yml", "json")
_GRAPHS = ("dot", "gv")
# How the value that stands as METAVAR in the help is completed: by the ends of file names, as a folder, as a node.
_FILES: Mapping[str, tuple[str, ...]] = {
    "FILE": (*_CONFIGS, *_GRAPHS),
    "RUN.yaml": _CONFIGS,
    "SCENARIO": _CONFIGS,
    "PLAN": ("json",),
    "OLD": ("json",),
    "NEW": ("json",),
    "OUTPUT": (),
}
_FOLDERS = ("DIR", "RUN_DIR")


class Value(NamedTuple):
    """What may stand at a place: one of the words, or a file, folder or node."""

    words: tuple[str, ...] = ()
    ends: tuple[str, ...] | None = None  # of file names; (): of any; None: no file
    folder: bool = False
    node: bool = False


class Option(NamedTuple):
    names: tuple[str, ...]
    help: str
    value: Value | None  # None: takes none
    optional: bool  # the value may be left out


class Shape(NamedTuple):
    """A command as a shell needs to know it."""

    name: str
    help: str
    options: tuple[Option, ...]
    places: tuple[Value, ...]  # one for each argument in turn; the last one also for all that follow


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    parser.add_argument("--nodes", metavar="PLAN", help=argparse.SUPPRESS)  # asked by the scripts


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    if arguments.nodes is not None:
        stdout.writelines(f"{name}\n" for name in _nodes(arguments.nodes))
        return ExitCode.OK
    if arguments.shell is None:
        stderr.write(f"attractor completion: name the shell: {', '.join(SHELLS)}\n")
        return ExitCode.USAGE
    from . import completion_scripts

    stdout.write(completion_scripts.SCRIPTS[arguments.shell](tuple(map(_shape, COMMANDS))))
    return ExitCode.OK


def _nodes(path: str) -> Iterator[str]:
    """Yield the ids of the nodes of a plan; nothing when it is none: nobody reads complaints while typing."""
    try:
        plan = json.loads(Disk().read(path, MAX_PLAN_BYTES))
        yield from (node["id"] for node in plan["nodes"])
    except (OSError, ValueError, TypeError, KeyError):
        return


def _shape(name: str) -> Shape:
    actions = parser_of(name)._actions
    options = (_option(action) for action in actions if action.option_strings and action.help != argparse.SUPPRESS)
    places = (_value(name, action) for action in actions if not action.option_strings)
    return Shape(name, COMMANDS[name].help, tuple(options), tuple(places))


def _option(action: argparse.Action) -> Option:
    value = None if action.nargs == 0 else _value("", action)
    return Option(tuple(action.option_strings), action.help or "", value, action.nargs == "?")


def _value(command: str, action: argparse.Action) -> Value:
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices:
        return Value(words=tuple(map(str, action.choices)))
    if metavar in _FOLDERS:
        return Value(folder=True)
    if metavar in _FILES:
        return Value(ends=_FILES[metavar])
    return Value(node=metavar == "NODE", words=_words(command))


def _words(command: str) -> tuple[str, ...]:
    """Return the words that the free argument of a command may be."""
    if command == "rules":
        from attractor.compiler.rules import RULES

        return tuple(sorted(rule.id for rule in RULES))
    if command == "schema":
        from .schema import schema_names

        return tuple(schema_names())
    return ()
