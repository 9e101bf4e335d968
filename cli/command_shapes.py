"""What a shell needs to know of each command, read from the command's own parser."""

import argparse
from collections.abc import Mapping
from typing import Literal, NamedTuple

from .main import COMMANDS, parser_of

_CONFIGS = ("yaml", "yml", "json")
_GRAPHS = ("dot", "gv")
# How the value that stands as METAVAR in the help is completed: by the ends of file names, as a folder, or by asking.
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
_ASKED: Mapping[str, Literal["nodes", "runs"]] = {"NODE": "nodes", "RUN": "runs"}


class Value(NamedTuple):
    """What may stand at a place: a word, a file or folder, or what `attractor completion` says there is."""

    words: tuple[str, ...] = ()
    ends: tuple[str, ...] | None = None  # of file names; (): of any; None: no file
    folder: bool = False
    asked: Literal["", "nodes", "runs"] = ""


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


def shape_of(name: str) -> Shape:
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
    return Value(words=_words(command), asked=_ASKED.get(metavar, ""))


def _words(command: str) -> tuple[str, ...]:
    """Return the words that the free argument of a command may be."""
    if command == "rules":
        from attractor.compiler.rules import RULES

        return tuple(sorted(rule.id for rule in RULES))
    if command == "schema":
        from .schema import schema_names

        return tuple(schema_names())
    return ()
