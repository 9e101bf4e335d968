"""Any layout of blocks, cut anywhere, is read as intended; any bytes at all give a response or a typed error."""

import json
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.runtime.llm.errors import LlmError
from attractor.runtime.llm.messages import (
    Finish,
    Opaque,
    Request,
    Response,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    tool_results,
)
from attractor.runtime.llm.transport import Answer
from attractor.runtime.llm.wire import HttpError

from .sequences import PROTOCOLS, SseSequence, endpoint, finished, question, read_sequences, wire_protocol

MANY = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SEQUENCES = tuple(read_sequences())


class Segments:
    """An answer of the HTTP library, and its watch, whose body comes in the given pieces."""

    status_code = 200
    cause = None

    def __init__(self, segments: Sequence[bytes]) -> None:
        self.headers = {"Content-Type": "text/event-stream"}
        self.raw = self
        self._segments = iter([segment for segment in segments if segment])

    def read1(self, _size: int, *, decode_content: bool) -> bytes:
        return next(self._segments, b"")

    def _ignore(self) -> None:
        pass

    close = bytes_arrived = progress = drain = stop = _ignore


def read(protocol: str, segments: Sequence[bytes], request: Request | None = None) -> Response:
    """Return what a stream means whose bytes arrive in `segments`. Raises LlmError."""
    asked = request or question(("shell", "glob"))
    source = Segments(segments)
    with Answer(source, source, "http://127.0.0.1/") as answer:  # type: ignore[arg-type]
        return finished(list(wire_protocol(protocol).decode(answer.events(), endpoint(protocol), asked)))


def cut(content: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[begin:end] for begin, end in pairwise(bounds)]


def cut_text(text: str, places: Sequence[int]) -> list[str]:
    """Cut between UTF-16 units, as vendors do that count letters so: also inside a pair of surrogates."""
    units = text.encode("utf-16-le", "surrogatepass")
    bounds = [0, *sorted(place % (len(units) // 2 + 1) * 2 for place in places), len(units)]
    return [units[begin:end].decode("utf-16-le", "surrogatepass") for begin, end in pairwise(bounds)]


letters = st.text(st.sampled_from('ab"\\/{}[]:,\n\r\t\0 é日😀𝄞\x7f\x85\u2028\ufeff'), max_size=12) | st.text(
    max_size=12
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | letters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=8,
)
places = st.lists(st.integers(0, 10_000), max_size=6)
blocks = st.one_of(
    st.tuples(st.just("text"), letters.filter(bool), places),
    st.tuples(st.just("thinking"), letters.filter(bool), places),
    st.tuples(st.just("call"), st.dictionaries(letters, json_values, max_size=3), places),
)


def fragments(block: Any, *, ascii_only: bool) -> list[str]:
    kind, content, where = block
    return cut_text(content if kind != "call" else json.dumps(content, ensure_ascii=ascii_only), where)


def queues(protocol: str, layout: Sequence[Any], *, ascii_only: bool) -> list[list[dict[str, Any]]]:
    """Return the records of each block, in order."""
    make = {
        "anthropic_messages": _anthropic,
        "openai_chat_completions": _chat,
        "openai_responses": _responses,
        "google_generate_content": _google,
    }[protocol]
    calls = 0
    made = []
    for at, block in enumerate(layout):
        made.append(make(at, calls, block, fragments(block, ascii_only=ascii_only)))
        calls += block[0] == "call"
    if protocol == "openai_chat_completions":  # whose answer has one text and one thought, in order of arrival
        kinds = [block[0] for block in layout]
        flat = [
            [record for kind, queue in zip(kinds, made, strict=True) if kind == wanted for record in queue]
            for wanted in ("text", "thinking")
        ]
        made = [*flat, *(queue for kind, queue in zip(kinds, made, strict=True) if kind == "call")]
    return made


def _anthropic(at: int, number: int, block: Any, pieces: list[str]) -> list[dict[str, Any]]:
    start, delta, key = {
        "text": ({"type": "text", "text": ""}, "text_delta", "text"),
        "thinking": ({"type": "thinking", "thinking": ""}, "thinking_delta", "thinking"),
        "call": (
            {"type": "tool_use", "id": f"c{at}", "name": "shell", "input": {}},
            "input_json_delta",
            "partial_json",
        ),
    }[block[0]]
    deltas = [
        {"type": "content_block_delta", "index": at, "delta": {"type": delta, key: piece}} for piece in pieces
    ]  # fmt: skip
    return [
        {"type": "content_block_start", "index": at, "content_block": start},
        *deltas,
        {"type": "content_block_stop", "index": at},
    ]


def _chat(at: int, number: int, block: Any, pieces: list[str]) -> list[dict[str, Any]]:
    if block[0] != "call":
        key = "content" if block[0] == "text" else "reasoning_content"
        return [_chunk({key: piece}) for piece in pieces]
    head = {"index": number, "id": f"c{at}", "type": "function", "function": {"name": "shell", "arguments": ""}}
    rest = [{"index": number, "function": {"arguments": piece}} for piece in pieces]
    return [_chunk({"tool_calls": [call]}) for call in (head, *rest)]


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _responses(at: int, number: int, block: Any, pieces: list[str]) -> list[dict[str, Any]]:
    place = {"output_index": at, "item_id": f"i{at}"}
    kind, content, _ = block
    if kind == "call":
        item = {"type": "function_call", "id": f"i{at}", "call_id": f"c{at}", "name": "shell", "arguments": ""}
        deltas = [{"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in pieces]
    elif kind == "text":
        item = {"type": "message", "id": f"i{at}", "role": "assistant", "content": []}
        deltas = [
            {"type": "response.output_text.delta", **place, "content_index": 0, "delta": piece} for piece in pieces
        ]  # fmt: skip
    else:
        item = {"type": "reasoning", "id": f"i{at}", "summary": [], "encrypted_content": content}
        deltas = []
    added = {"type": "response.output_item.added", "output_index": at, "item": item}
    done = [{"type": "response.output_item.done", "output_index": at, "item": item}] if kind == "thinking" else []
    return [added, *deltas, *done]


def _google(at: int, number: int, block: Any, pieces: list[str]) -> list[dict[str, Any]]:
    kind, content, _ = block
    if kind == "call":
        return [_candidate([{"functionCall": {"id": f"c{at}", "name": "shell", "args": content}}])]
    return [_candidate([{"text": piece} | ({"thought": True} if kind == "thinking" else {})]) for piece in pieces]


def _candidate(parts: list[Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": parts}, **more}], "responseId": "r"}


def interleaved(waiting: list[list[dict[str, Any]]], choices: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Yield all records: each block's in their order, its first one after that of the block before."""
    begun = 0
    queues = [list(queue) for queue in waiting]
    while any(queues):
        open_ = [at for at in range(begun) if queues[at]]
        if begun < len(queues) and (not open_ or next(choices) % 2):
            at, begun = begun, begun + 1
        else:
            at = open_[next(choices) % len(open_)]
        if queues[at]:
            yield queues[at].pop(0)


ENDS: Mapping[str, tuple[list[Any], list[Any]]] = {
    "anthropic_messages": (
        [{"type": "message_start", "message": {"id": "r", "model": "m", "usage": {"input_tokens": 1}}}],
        [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}],
    ),
    "openai_chat_completions": ([_chunk({"role": "assistant"})], [_chunk({}, "stop"), "[DONE]"]),
    "openai_responses": (
        [{"type": "response.created", "response": {"id": "r", "status": "in_progress"}}],
        [{"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}],
    ),
    "google_generate_content": ([], [_candidate([], finishReason="STOP")]),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_layout_cut_anywhere_is_read_as_intended(protocol: str) -> None:
    @MANY
    @given(st.lists(blocks, max_size=5), st.lists(st.integers(0, 99), min_size=1), places, st.booleans(), st.booleans(),
           st.sampled_from(("\n", "\r\n", "\r")))  # fmt: skip
    def check(layout: Any, order: Any, segments: Any, ascii_only: bool, pretty: bool, line_end: str) -> None:
        made = queues(protocol, layout, ascii_only=ascii_only)
        choices = (order[at % len(order)] for at in range(100_000))
        whole = protocol == "google_generate_content"
        middle = [record for queue in made for record in queue] if whole else list(interleaved(made, choices))
        first, last = ENDS[protocol]
        content = b"".join(sse(record, ascii_only, pretty, line_end) for record in (*first, *middle, *last))

        response = read(protocol, cut(content, segments))

        calls = [(f"c{at}", "shell", block[1]) for at, block in enumerate(layout) if block[0] == "call"]
        assert calls == [(call.id, call.name, call.arguments) for call in response.calls]
        assert (Finish.TOOL_CALLS if calls else Finish.STOP) == response.finish
        _check_texts(protocol, layout, response)

    check()


def sse(record: Any, ascii_only: bool, pretty: bool, line_end: str) -> bytes:
    text = record if isinstance(record, str) else json.dumps(
        record, ensure_ascii=ascii_only or _has_halves(record), indent=1 if pretty else None
    )  # fmt: skip
    lines = "".join(f"data: {line}{line_end}" for line in text.split("\n"))
    return (lines + line_end).encode()


def _has_halves(record: Any) -> bool:
    """Say whether there is half a surrogate pair in `record`: UTF-8 cannot hold it."""
    return any(0xD800 <= ord(letter) <= 0xDFFF for letter in json.dumps(record, ensure_ascii=False))


def _check_texts(protocol: str, layout: Any, response: Response) -> None:
    parts = response.parts
    assert "".join(content for kind, content, _ in layout if kind == "text") == response.text
    thoughts = [content for kind, content, _ in layout if kind == "thinking"]
    if protocol == "openai_responses":
        assert thoughts == [part.payload["encrypted_content"] for part in parts if isinstance(part, Opaque)]
    else:
        assert "".join(thoughts) == "".join(part.text for part in parts if isinstance(part, Thinking))
    if protocol == "anthropic_messages":
        kinds = {"text": Text, "thinking": Thinking, "call": ToolCall}
        assert [kinds[kind] for kind, _, _ in layout] == [type(part) for part in parts]


def test_segments_of_one_byte_change_nothing() -> None:
    for sequence in SEQUENCES:
        whole = outcome(sequence.protocol, [sequence.body])
        bytewise = outcome(sequence.protocol, [bytes([byte]) for byte in sequence.body])

        assert repr(whole) == repr(bytewise), sequence.name


def outcome(protocol: str, segments: Sequence[bytes], asked: Request | None = None) -> Response | LlmError:
    try:
        return read(protocol, segments, asked)
    except LlmError as error:
        return error


def check_any(protocol: str, segments: Sequence[bytes]) -> None:
    """Read a stream; a response must also be fit to be sent back, with a result for each call."""
    asked = question(("shell", "glob"))
    check_outcome(protocol, asked, outcome(protocol, segments, asked))


def check_outcome(protocol: str, asked: Request, read: Response | LlmError) -> None:
    if isinstance(read, LlmError):
        assert read.message
    else:
        _check_sendable(protocol, asked, read)


def _check_sendable(protocol: str, asked: Request, response: Response) -> None:
    ids = [call.id for call in response.calls]
    assert len(ids) == len(set(ids))
    assert all(ids)
    results = tool_results([ToolResult(call.id, call.name, "done") for call in response.calls])
    messages = (*asked.messages, response.message, *([results] if ids else ()))
    for reader in PROTOCOLS:  # its own, and those of a failover
        request = wire_protocol(reader).encode(Request(messages=messages), endpoint(reader), "k", stream=True)
        json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_bytes_give_a_response_or_a_typed_error(protocol: str) -> None:
    lines = st.sampled_from(
        (b"data:", b"data: ", b"event: ", b": ping", b"\n", b"\r", b"\n\n", b"[DONE]", b"{}", b'{"', b"\xff")
    )

    @MANY
    @given(st.lists(st.binary(max_size=20) | lines, max_size=30), places)
    def check(pieces: list[bytes], segments: Any) -> None:
        check_any(protocol, cut(b"".join(pieces), segments))

    check()


own = {protocol: [sequence for sequence in SEQUENCES if sequence.protocol == protocol] for protocol in PROTOCOLS}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_damage_to_a_stream_gives_a_response_or_a_typed_error(protocol: str) -> None:
    @MANY
    @given(st.sampled_from(own[protocol]), st.integers(0, 9999), st.integers(0, 400), st.binary(max_size=12), places)
    def check(sequence: SseSequence, at: int, removed: int, put: bytes, segments: Any) -> None:
        body = sequence.body
        at %= len(body)
        check_any(protocol, cut(body[:at] + put + body[at + removed :], segments))

    check()


strange = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_value_at_any_place_gives_a_response_or_a_typed_error(protocol: str) -> None:
    @MANY
    @given(st.sampled_from(own[protocol]), st.lists(st.tuples(st.integers(0, 999), strange), min_size=1, max_size=3))
    def check(sequence: SseSequence, changes: Any) -> None:
        records = json.loads(json.dumps([data for _, data in sequence.events]))
        for where, value in changes:
            holders = list(_places(records))
            holder, key = holders[where % len(holders)]
            holder[key] = value
        body = "".join(f"data: {json.dumps(record)}\n\n" for record in records)
        check_any(protocol, [body.encode()])

    check()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the holder and the key of every value inside `value`."""
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in entries:
        yield value, key
        yield from _places(inner)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_records_in_any_order_and_number_give_a_response_or_a_typed_error(protocol: str) -> None:
    records = [event for sequence in own[protocol] for event in sequence.events]

    @MANY
    @given(st.lists(st.sampled_from(records), max_size=25))
    def check(chosen: list[tuple[str, Any]]) -> None:
        check_any(protocol, [SseSequence("", "", protocol, tuple(chosen), {}).body])

    check()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_unstreamed_answer_gives_a_response_or_a_typed_error(protocol: str) -> None:
    wire, asked = wire_protocol(protocol), question()

    @MANY
    @given(strange | st.dictionaries(st.sampled_from(("content", "choices", "candidates", "output", "error", "status",
                                                      "usage", "id", "model", "stop_reason")), strange))  # fmt: skip
    def check(body: Any) -> None:
        try:
            read = wire.decode_complete(body, endpoint(protocol), asked)
        except LlmError as error:
            read = error
        check_outcome(protocol, asked, read)

    check()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_unsuccessful_answer_is_a_typed_error(protocol: str) -> None:
    values = strange | st.dictionaries(
        st.sampled_from(("error", "message", "type", "code", "status", "details")), strange
    )
    headers = st.dictionaries(
        st.sampled_from(("retry-after", "retry-after-ms", "x-should-retry", "x-ratelimit-reset-requests", "date")),
        st.text(max_size=10)
        | st.sampled_from(("1e999", "-1", "nan", "6m0s", "120ms", "Wed, 21 Oct 2099 07:28:00 GMT")),
    )

    @MANY
    @given(st.integers(400, 599), values, headers, st.binary(max_size=40) | st.none())
    def check(status: int, value: Any, given_headers: Any, instead: bytes | None) -> None:
        body = json.dumps(value).encode() if instead is None else instead
        error = wire_protocol(protocol).error(HttpError(status, given_headers, body), endpoint(protocol))

        assert isinstance(error, LlmError)
        assert error.message
        assert error.retry_after_s is None or 0 <= error.retry_after_s < float("inf")

    check()


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "google_generate_content"])
def test_a_megabyte_in_small_fragments_is_read_whole(protocol: str) -> None:
    arguments = {"content": "line\n" * 200_000}
    block = ("call", arguments, range(0, 1_000_000, 250))
    records = [record for queue in queues(protocol, [block], ascii_only=True) for record in queue]
    first, last = ENDS[protocol]
    content = b"".join(sse(record, True, False, "\n") for record in (*first, *records, *last))

    (call,) = read(protocol, cut(content, range(0, len(content), 1460))).calls

    assert arguments == call.arguments
    assert len(records) > 4000


NOISE = {
    "comments": b": keep-alive\n\n",
    "comments without a line between them": b": keep-alive\n",
    "pings": b'event: ping\ndata: {"type":"ping"}\n\n',
    "records of no known kind": b'data: {"type":"message_weather","forecast":"sunny"}\n\n',
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_what_means_nothing_takes_no_room(noise: bytes) -> None:
    (sequence,) = (sequence for sequence in SEQUENCES if sequence.name == "anthropic_text")
    flood = noise * 1000
    pieces = cut(flood, range(777, len(flood), 777))  # lines are cut, too
    size = 1_000_000
    read(sequence.protocol, [sequence.body])  # what is imported late is not meant
    segments = [*pieces * (size // len(flood)), b"\n", sequence.body]
    tracemalloc.start()
    response = read(sequence.protocol, segments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "Hello" == response.text
    assert peak < size / 4
