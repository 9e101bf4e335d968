"""The attributes of graphs, nodes and edges: the table `schemas/graph.schema.json`, and the one reader of their values.

Passes and rules read values here, so that what a rule calls wrong is exactly what a pass does not use.
"""

import json
import os.path
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from .duration import parse_duration_ms
from .graph import Attribute, Attributes, Level, Origin

Value = int | float | bool | str | tuple[str, ...] | None
"""An attribute's value: durations are milliseconds, lists are tuples, None is no usable value."""

SCOPES = ("graph", "node", "edge")
MOST_REMEMBERED = 40  # characters of a value


class AttributeSpec(NamedTuple):
    """One row of the table."""

    name: str
    scope: str  # graph | node | edge
    type: str  # integer number boolean string duration list id path command prompt condition stylesheet
    default: Value  # read like a written value; None: there is none
    enum: tuple[str, ...]
    items: tuple[str, ...]  # the words a list may hold; (): any
    minimum: float | None
    exclusive_minimum: float | None
    maximum: float | None
    kinds: tuple[str, ...]  # of nodes it applies to; (): all
    aliases: tuple[str, ...]
    description: str
    examples: tuple[str | int | float | bool, ...]


class Reading(NamedTuple):
    """A value as read; `problem` says which kind of thing is wrong with it, `message` what, "" when nothing is."""

    value: Value
    problem: str = ""  # type | enum | range | duration
    message: str = ""
    unitless: bool = False  # a duration without a unit, read as seconds


_SCHEMA = os.path.join(os.path.dirname(os.path.dirname(__file__)), "schemas", "graph.schema.json")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}+(?>(?:\.[0-9]{0,18}+)?)|\.[0-9]{1,18}+)")
_UNITLESS = re.compile(r"[0-9]{1,12}+")


@cache
def _schema() -> Mapping[str, Any]:
    with open(_SCHEMA, encoding="utf-8") as file:
        loaded: Mapping[str, Any] = json.load(file)
    return loaded


@cache
def specs(scope: str) -> Mapping[str, AttributeSpec]:
    """Return the attributes of `scope` ("graph", "node" or "edge") by canonical name."""
    rows: Mapping[str, Any] = _schema()["definitions"][scope]["properties"]
    return {name: _spec(name, scope, row) for name, row in rows.items()}


def _spec(name: str, scope: str, row: Mapping[str, Any]) -> AttributeSpec:
    spec = AttributeSpec(
        name=name,
        scope=scope,
        type=row.get("x-type", row["type"]),
        default=None,
        enum=tuple(row.get("enum", ())),
        items=tuple(row.get("x-items", ())),
        minimum=row.get("minimum"),
        exclusive_minimum=row.get("exclusiveMinimum"),
        maximum=row.get("maximum"),
        kinds=tuple(row.get("x-kinds", ())),
        aliases=tuple(row.get("x-aliases", ())),
        description=row["description"],
        examples=tuple(row.get("examples", ())),
    )
    default = row.get("default")
    return spec._replace(default=read_text_as(default, spec).value if isinstance(default, str) else default)


@cache
def aliases(scope: str) -> Mapping[str, str]:
    """Return other accepted name -> canonical name."""
    return {alias: spec.name for spec in specs(scope).values() for alias in spec.aliases}


@cache
def graphviz_names(scope: str) -> frozenset[str]:
    """Return the attributes that only Graphviz reads; `scope` may also be "subgraph"."""
    return frozenset(_schema()["x-graphviz"][scope])


def read_value(attribute: Attribute, spec: AttributeSpec) -> Reading:
    """Read what the author wrote; quoted and bare values alike."""
    return read_text_as(attribute.value.text, spec)


def read_text_as(text: str, spec: AttributeSpec) -> Reading:
    """Read `text` as the type of `spec`, and check its words and its range.

    An empty word, id, path or list unsets the attribute: nothing is wrong, and there is no value but the empty one.
    """
    match spec.type:
        case "prompt" | "command" | "condition" | "stylesheet":
            return Reading(text)
        case _:
            return _short(text, spec) if len(text) <= MOST_REMEMBERED else _read(text, spec)


def _read(text: str, spec: AttributeSpec) -> Reading:
    match spec.type:
        case "integer":
            return _integer(text.strip(), spec)
        case "number":
            return _number(text.strip(), spec)
        case "boolean":
            return _boolean(text.strip(), spec)
        case "duration":
            return _duration(text.strip(), spec)
        case "list":
            return _words(text, spec)
        case _:
            return _string(text.strip(), spec)


_short = lru_cache(maxsize=4096)(_read)  # nodes say the same things, and several passes and rules ask


def _integer(text: str, spec: AttributeSpec) -> Reading:
    if _INTEGER.fullmatch(text) is None:
        return Reading(None, "type", f"{spec.name} takes an integer, not {_shown(text)}")
    return _in_range(int(text), spec)


def _number(text: str, spec: AttributeSpec) -> Reading:
    if _NUMBER.fullmatch(text) is None:
        return Reading(None, "type", f"{spec.name} takes a number, not {_shown(text)}")
    return _in_range(float(text), spec)


def _boolean(text: str, spec: AttributeSpec) -> Reading:
    if text not in {"true", "false"}:
        return Reading(None, "type", f"{spec.name} takes true or false, not {_shown(text)}")
    return Reading(text == "true")


def _duration(text: str, spec: AttributeSpec) -> Reading:
    if _UNITLESS.fullmatch(text) is not None:
        return Reading(int(text) * 1000, unitless=True)
    milliseconds = parse_duration_ms(text)
    if milliseconds is None:
        wanted = "a duration such as 250ms, 900s, 15m, 2h or 1d"
        return Reading(None, "duration", f"{spec.name} takes {wanted}, not {_shown(text)}")
    return Reading(milliseconds)


def _words(text: str, spec: AttributeSpec) -> Reading:
    words = tuple(word for part in text.split(",") if (word := part.strip()))
    unknown = [word for word in words if spec.items and word not in spec.items]
    if unknown:
        return Reading(None, "enum", f"{spec.name} takes {_listed(spec.items)}, not {_shown(unknown[0])}")
    return Reading(words)


def _string(text: str, spec: AttributeSpec) -> Reading:
    if spec.enum and text and text not in spec.enum:
        return Reading(None, "enum", f"{spec.name} takes {_listed(spec.enum)}, not {_shown(text)}")
    return Reading(text)


def _in_range(value: int | float, spec: AttributeSpec) -> Reading:
    least, above, most = spec.minimum, spec.exclusive_minimum, spec.maximum
    if least is not None and value < least:
        return Reading(None, "range", f"{spec.name} is at least {least:g}, not {value:g}")
    if above is not None and value <= above:
        return Reading(None, "range", f"{spec.name} is more than {above:g}, not {value:g}")
    if most is not None and value > most:
        return Reading(None, "range", f"{spec.name} is at most {most:g}, not {value:g}")
    return Reading(value)


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"


def read(attributes: Attributes, spec: AttributeSpec) -> Value:
    """Return the value of `spec` among `attributes`; None when it is absent, unset by "", or wrong."""
    attribute = attributes.get(spec.name)
    if attribute is None:
        return None
    value = read_value(attribute, spec).value
    return None if value in ("", ()) else value


def read_int(attributes: Attributes, spec: AttributeSpec) -> int | None:
    """`read` for integers and for durations in milliseconds."""
    value = read(attributes, spec)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_bool(attributes: Attributes, spec: AttributeSpec) -> bool | None:
    value = read(attributes, spec)
    return value if isinstance(value, bool) else None


def read_str(attributes: Attributes, spec: AttributeSpec) -> str | None:
    """`read` for words, ids, paths, prompts, commands."""
    value = read(attributes, spec)
    return value if isinstance(value, str) else None


def read_list(attributes: Attributes, spec: AttributeSpec) -> tuple[str, ...] | None:
    value = read(attributes, spec)
    return value if isinstance(value, tuple) else None


def origin_of(attribute: Attribute, scope: str) -> Origin:
    """Return where an attribute of a "graph", "node" or "edge" was written."""
    match attribute.level:
        case Level.OWN:
            source = scope
        case Level.DEFAULT:
            source = f"{scope} default"
        case Level.STYLESHEET:
            source = "stylesheet"
    return Origin(source, attribute.key_span, attribute.key)
