"""Tool arguments: from what a stream delivered to one JSON object, decided once, when the response has ended.

Providers deliver arguments as a value in the block's start, as text fragments, as one authoritative text at the end, or
as a mixture. The rules, in order: an authoritative text beats fragments, fragments beat a value in the start, and two
documents are never concatenated. docs/investigations/streamed-tool-arguments.md tells why.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..outcome import Json
from .messages import ArgumentState


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


# Raw newlines and tabs inside strings are accepted; NaN and Infinity are not: they could not be sent back.
_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)
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
    joined = "".join(fragments)
    text = joined if full is None else full
    notes = [] if full is None or not joined or joined == full else ["full text differs from its fragments"]
    if not text.strip(_BLANKS):
        return _from_start(start, text, cut=cut and last)
    value, error = _parse(text)
    if error is None:
        if isinstance(start, Mapping) and start and start != value:
            notes.append("fragments replace a different start value")
        return _coerced(text, value, notes)
    documents = _documents(text)
    if len(documents) > 1 and all(document == documents[0] for document in documents):
        return _coerced(text, documents[0], [*notes, "dup-collapsed"])
    if isinstance(start, Mapping) and start:
        spliced = json.dumps(start, ensure_ascii=False)[:-1] + text
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
    if isinstance(start, str):
        return resolve(UNSET, (start,), None, cut=cut, last=cut)
    return _coerced(json.dumps(start, ensure_ascii=False), start, [])


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
    except ValueError as error:  # a constant, or an integer with thousands of digits
        return None, str(error)
    except RecursionError:
        return None, "nested too deeply"
    if end != len(stripped):
        return None, f"extra text after the JSON value, at character {end + 1}"
    return value, None


def _documents(text: str) -> list[object]:
    """Return the JSON documents that `text` consists of, [] when it is anything else."""
    documents: list[object] = []
    at = 0
    while at < len(text):
        if text[at] in _BLANKS:
            at += 1
            continue
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        documents.append(value)
    return documents


def _cut_message() -> str:
    return "the output limit cut the arguments off; ask for less in one call"
