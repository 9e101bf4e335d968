"""How tool calls arrive: the shapes T1-T37 seen in the wild, by name, as what a block's start, fragments and end carry.

A call's `arguments` are what a reader should end up with, wherever the shape leaves that possible. A protocol without a
value in the start of a block (Chat Completions) sends it as the text of the first fragment; one whose calls arrive
whole (Gemini) knows only the shapes of `WHOLE`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..outcome import Json
from .scenario import CallBlock


class _Mark:
    """A value that is no JSON value."""


ABSENT: Final = _Mark()  # the key is left out
NORMAL: Final = _Mark()  # what the protocol itself says when nothing is known yet: {} or ""
LARGE_CHARS: Final = 1 << 20


class Arrival(NamedTuple):
    """How one call arrives."""

    name: str
    id: str  # "": the protocol's own
    start: object  # the value in the block's start, ABSENT or NORMAL
    fragments: Sequence[str]
    full: str | None  # the text at the block's end, where the protocol has one; None: the fragments, joined
    shape: str
    object_arguments: bool = False  # an object stands where the protocol has text

    @property
    def text(self) -> str:
        """The argument text that counts: the last word of the sender."""
        if self.full is not None:
            return self.full
        joined = "".join(self.fragments)
        if joined or self.start in (ABSENT, NORMAL, None, ""):
            return joined
        return self.start if isinstance(self.start, str) else dumps(self.start)


# Every shape with its number in the table.
SHAPES: Final[Mapping[str, str]] = {
    "T1": "start_only",
    "T2": "deltas_only",
    "T3": "start_empty_deltas",
    "T4": "start_full_same_delta",
    "T5": "start_full_other_delta",
    "T6": "start_full_continuation",
    "T7": "start_full_broken_continuation",
    "T8": "start_null_deltas",
    "T9": "start_empty_string",
    "T10": "empty_deltas_only",
    "T11": "empty_deltas_between",
    "T12": "no_arguments",
    "T13": "interleaved",
    "T14": "index_reused_new_ids",
    "T15": "index_reused_no_ids",
    "T16": "missing_block_stop",
    "T17": "missing_terminal",
    "T18": "cut_in_fragment",
    "T19": "limit_in_arguments",
    "T20": "limit_after_start",
    "T21": "invalid_json",
    "T22": "same_object_twice",
    "T23": "two_objects",
    "T24": "duplicate_ids",
    "T25": "delivered_twice",
    "T26": "not_an_object",
    "T27": "double_encoded",
    "T28": "literal_null",
    "T29": "raw_newline",
    "T30": "split_escape",
    "T31": "split_utf8",
    "T32": "object_arguments",
    "T33": "full_differs",
    "T34": "no_name",
    "T35": "unknown_tool",
    "T36": "arguments_absent",
    "T37": "very_large",
}
# Shapes of a call that arrives whole.
WHOLE: Final = frozenset(
    (
        *("normal", "start_only", "start_null_deltas", "start_empty_string", "no_arguments", "missing_terminal"),
        *("cut_in_fragment", "limit_after_start", "duplicate_ids", "delivered_twice", "not_an_object"),
        *("double_encoded", "literal_null", "split_utf8", "object_arguments", "no_name", "unknown_tool"),
        *("arguments_absent", "very_large"),
    )
)
# What a shape of one call means for the whole answer.
NO_TERMINAL: Final = frozenset(("missing_terminal", "cut_in_fragment"))
LIMITED: Final = frozenset(("limit_in_arguments", "limit_after_start"))


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def named(shape: str) -> str:
    """Return a shape's name; its number is another way to write it."""
    return SHAPES.get(shape, shape)


def arrival(call: CallBlock) -> Arrival:
    """Return how `call` arrives in its shape."""
    shape = named(call.shape)
    arguments = _arguments(call, shape)
    text = call.raw if call.raw is not None else dumps(arguments)
    start, fragments, full = _parts(shape, arguments, text, call.fragments)
    name = {"no_name": "", "unknown_tool": "no_such_tool"}.get(shape, call.name)
    return Arrival(name, call.id, start, fragments, full, shape, shape == "object_arguments")


def _arguments(call: CallBlock, shape: str) -> Mapping[str, Json]:
    """Return the arguments with what a shape needs in them, if they lack it."""
    text = dumps(call.arguments)
    match shape:
        case "raw_newline" if "\\n" not in text:
            return {**call.arguments, "lines": "one\ntwo"}
        case "split_escape" if all(ord(letter) < 0x10000 for letter in text):
            return {**call.arguments, "sign": "😀"}
        case "split_utf8" if text.isascii():
            return {**call.arguments, "sign": "é"}
        case "very_large":
            return {**call.arguments, "large": "x" * LARGE_CHARS}
        case _:
            return call.arguments


Parts = tuple[object, tuple[str, ...], str | None]


def split(text: str, count: int) -> tuple[str, ...]:
    """Return `text` in `count` pieces of about the same size, fewer when it is short."""
    size = max(1, -(-len(text) // count))
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def _parts(shape: str, arguments: Mapping[str, Json], text: str, count: int) -> Parts:
    """Return start, fragments and authoritative text of a call in `shape`."""
    match shape:
        case "start_only" | "object_arguments":
            return arguments, (), None
        case "deltas_only":
            return ABSENT, split(text, count), None
        case "start_full_same_delta":
            return arguments, (text,), None
        case "start_full_other_delta":
            return {"draft": True}, (text,), None
        case "start_full_continuation":
            return _continuation(arguments, text)
        case "start_full_broken_continuation":
            return arguments, ('"q":2}',), None
        case "start_null_deltas":
            return None, split(text, count), None
        case "start_empty_string":
            return "", (), None
        case "empty_deltas_only":
            return NORMAL, ("", ""), None
        case "empty_deltas_between":
            return NORMAL, (*(piece for fragment in split(text, count) for piece in ("", fragment)), ""), None
        case "no_arguments" | "arguments_absent":
            return ABSENT, (), None
        case "limit_in_arguments":
            return NORMAL, split(text[: max(1, len(text) // 2)], count), None
        case "limit_after_start":
            return NORMAL, (), None
        case "invalid_json":
            return NORMAL, split('{"a":}', count), None
        case "same_object_twice":
            return NORMAL, (text, text), None
        case "two_objects":
            return NORMAL, (text, '{"other":1}'), None
        case "not_an_object":
            return NORMAL, split(f"[{text}]", count), None
        case "double_encoded":
            return NORMAL, split(dumps(text), count), None
        case "literal_null":
            return NORMAL, ("null",), None
        case "raw_newline":
            return NORMAL, split(text.replace("\\n", "\n"), count), None
        case "split_escape":
            return NORMAL, _split_escape(arguments), None
        case "full_differs":
            return NORMAL, split('{"draft":true}', count), text
        case "very_large":
            return NORMAL, split(text, max(count, 256)), None
        case _:
            return NORMAL, split(text, count), None


def _continuation(arguments: Mapping[str, Json], text: str) -> Parts:
    """Put the first key into the start and the rest of the text, comma and closing brace included, into a delta."""
    keys = list(arguments)
    if len(keys) < 2:
        return arguments, ("}",), text
    start = {keys[0]: arguments[keys[0]]}
    return start, (text[len(dumps(start)) - 1 :],), text


def _split_escape(arguments: Mapping[str, Json]) -> tuple[str, ...]:
    """Cut inside the first half of a surrogate pair, and between the halves."""
    escaped = json.dumps(arguments)
    at = escaped.find("\\ud8")
    return escaped[: at + 3], escaped[at + 3 : at + 6], escaped[at + 6 :]


def value(arrived: Arrival) -> Any:
    """Return the arguments as one value, for an answer or a protocol that has no fragments; ABSENT when there are none.

    Text that is no JSON stays text.
    """
    if not "".join(arrived.fragments) and arrived.full is None:
        return {} if arrived.start is NORMAL else arrived.start
    if arrived.shape in LIMITED:
        return {}
    try:
        return json.loads(arrived.text, strict=False)
    except ValueError:
        return arrived.text
