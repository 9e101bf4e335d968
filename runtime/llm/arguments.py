"""Tool arguments: from what a stream delivered to one JSON object, decided once, when the response has ended.

Providers deliver arguments as a value in the block's start, as text fragments, as one authoritative text at the end, or
as a mixture. The rules, in order: an authoritative text beats fragments, fragments beat a value in the start, and two
documents are never concatenated. docs/investigations/streamed-tool-arguments.md tells why.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..outcome import Json
from .messages import ArgumentState, whole_characters


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


# Raw newlines and tabs inside strings are accepted; NaN and Infinity are not: they could not be sent back.
_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_refuse_constant, parse_float=_finite)
_MOST_LEVELS: Final = 100  # what is read here is written into every later request, inside other levels
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_BLANKS: Final = " \t\r\n"
_WRONG_TYPES: Final = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


class Resolved(NamedTuple):
    raw: str  # the argument text that counts
    arguments: Mapping[str, Json] | None  # None unless valid
    state: ArgumentState
    error: str = ""
    note: str = ""


class _Unset:
    """The block's start had no value at all."""


UNSET: Final = _Unset()


def resolve(
    start: object,
    fragments: Sequence[str],
    full: str | None,
    *,
    cut: bool,
    last: bool,
) -> Resolved:
    """Return the arguments of one call.

    Args:
        start: the value in the block's start event, `UNSET` when it had none.
        fragments: the argument text as it came, in order.
        full: the text that the provider declared to be the whole, None when it did not.
        cut: the response ended at its output limit.
        last: the call is the response's last block, or was never closed: the one a limit can have cut.

    Source: reference table T1-T37.
    """
    joined = whole_characters("".join(fragments))
    full = whole_characters(full or "")
    text = full if full.strip(_BLANKS) else joined
    notes = ["full text differs from its fragments"] if joined and text is full and full != joined else []
    if not text.strip(_BLANKS):
        return _from_start(start, text, cut=cut and last)
    value, error = _parse(text)
    if error is None:
        if isinstance(start, Mapping) and start and start != value:
            notes.append("fragments replace a different start value")
        return _coerced(text, value, notes)
    once = _repeated(text)
    if once is not None:
        return _coerced(text, once, [*notes, "dup-collapsed"])
    if isinstance(start, Mapping) and start:
        spliced = _dumps(start)[:-1] + text
        value, failed = _parse(spliced)
        if failed is None:
            return _coerced(spliced, value, [*notes, "spliced"])
    if cut and last:
        return Resolved(text, None, ArgumentState.TRUNCATED, _cut_message())
    return Resolved(text, None, ArgumentState.MALFORMED, error)


def _from_start(start: object, text: str, *, cut: bool) -> Resolved:
    """Resolve a call whose text is blank: the start value is all there is."""
    empty = start is UNSET or start is None or start in ("", {})
    if empty and cut:
        return Resolved(text, None, ArgumentState.TRUNCATED, _cut_message())
    if empty:
        return Resolved("{}", {}, ArgumentState.VALID)
    return resolve(UNSET, (start if isinstance(start, str) else _dumps(start),), None, cut=cut, last=cut)


def _coerced(raw: str, value: object, notes: list[str]) -> Resolved:
    """Turn a parsed value into an object: null means none, a string may hold the object encoded twice."""
    if isinstance(value, str):
        inner, error = _parse(value)
        if error is None and isinstance(inner, dict):
            value = inner
            notes.append("double-encoded")
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        return Resolved(raw, None, ArgumentState.MALFORMED, f"expected an object, found {_WRONG_TYPES[type(value)]}")
    return Resolved(raw, value, ArgumentState.VALID, note=", ".join(notes))


def _parse(text: str) -> tuple[object, str | None]:
    """Return the value of the one JSON document `text`, or what is wrong with it and where."""
    stripped = text.strip(_BLANKS)
    try:
        value, end = _DECODER.raw_decode(stripped)
    except json.JSONDecodeError as error:
        return None, f"{error.msg} at character {error.pos + 1}"
    except ValueError as error:  # a constant, or a number that is too large
        return None, str(error)
    except RecursionError:
        return None, "nested too deeply"
    if end != len(stripped):
        return None, f"extra text after the JSON value, at character {end + 1}"
    if _too_deep(stripped, value):
        return None, f"nested too deeply: more than {_MOST_LEVELS} levels"
    if _ESCAPED_SURROGATE.search(stripped):
        value = json.loads(whole_characters(json.dumps(value, ensure_ascii=False)))
    return value, None


def _too_deep(text: str, value: object) -> bool:
    if text.count("{") + text.count("[") <= _MOST_LEVELS:
        return False
    level = [value]
    for _ in range(_MOST_LEVELS + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _repeated(text: str) -> object:
    """Return the value of the JSON document that `text` is several times over; None when it is anything else."""
    first: object = None
    at = times = 0
    while at < len(text):
        if text[at] in _BLANKS:
            at += 1
            continue
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        if times and value != first:
            return None
        first = value
        times += 1
    return _parse(_dumps(first))[0] if times > 1 else None


def _dumps(value: object) -> str:
    """Return `value` as JSON text; what cannot be written so gives a text that cannot be read."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "["


def _cut_message() -> str:
    return "the output limit cut the arguments off; ask for less in one call"
