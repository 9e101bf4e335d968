"""The arguments of a call against the tool's schema: slips with one meaning are mended and noted, the rest is told."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...outcome import Json
from ...schema import shown

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_MOST_ERRORS: Final = 5


class Checked(NamedTuple):
    arguments: Mapping[str, Json]
    notes: tuple[str, ...]  # what was mended
    errors: tuple[str, ...]  # what is wrong; empty when the arguments fit


def check(arguments: Mapping[str, Json], schema: Mapping[str, Json], validator: Any) -> Checked:
    """Return the arguments as the tool may take them.

    Args:
        validator: made of `schema` by `validator_of`.
    """
    mended, notes = _mended(arguments, schema)
    try:
        if validator.is_valid(mended):
            return Checked(mended, notes, ())
    except ValueError as unfit:  # a number beyond all bounds
        return Checked(mended, notes, (str(unfit),))
    return Checked(mended, notes, tuple(_explained(mended, schema)))


def validator_of(schema: Mapping[str, Json]) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(dict(schema))


def required(schema: Mapping[str, Json]) -> Sequence[str]:
    names = schema.get("required", [])
    return [str(name) for name in names] if isinstance(names, list) else []


def _mended(arguments: Mapping[str, Json], schema: Mapping[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Undo what models do to top-level arguments: numbers and booleans as text, null for what is optional."""
    properties = schema.get("properties")
    assert isinstance(properties, Mapping)  # noqa: S101 - our own definitions
    mended: dict[str, Json] = {}
    notes: list[str] = []
    for name, value in arguments.items():
        spec = properties.get(name)
        kind = spec.get("type") if isinstance(spec, Mapping) else None
        if value is None and kind not in (None, "null") and name not in required(schema):
            notes.append(f"{name}: null was left out")
            continue
        mended[name] = _as_kind(value, kind)
        if type(mended[name]) is not type(value):
            notes.append(f"{name}: {value!r} was taken as {mended[name]!r}"[:200])
    return mended, tuple(notes)


def _as_kind(value: Json, kind: Json) -> Json:
    """Return the one thing that `value` can mean as a value of `kind`; itself where there is none."""
    if isinstance(value, str):
        word = value.strip()
        if kind == "boolean" and word.lower() in ("true", "false"):
            return word.lower() == "true"
        if kind == "integer" and _INTEGER.fullmatch(word):
            return int(word)
        if kind == "number" and _NUMBER.fullmatch(word):
            return float(word)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _explained(arguments: Mapping[str, Json], schema: Mapping[str, Json]) -> list[str]:
    from jsonschema import Draft202012Validator

    errors = [shown(error) for error in Draft202012Validator(dict(schema)).iter_errors(arguments)]
    more = len(errors) - _MOST_ERRORS
    return [*errors[:_MOST_ERRORS], *([f"and {more} more"] if more > 0 else [])] or ["they do not fit the schema"]
