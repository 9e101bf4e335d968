"""Whatever comes as an event stream, the answer is a response or a typed error, in time."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.runtime.llm.errors import LlmError
from attractor.runtime.llm.event_pieces import EventPieces
from attractor.runtime.llm.messages import Response
from attractor.runtime.llm.protocols import protocol as wire
from attractor.runtime.llm.transport import Limits, Transport

from .asking import ANTHROPIC, CHAT, GOOGLE, PROTOCOLS, REQUEST, RESPONSES, answered, ask, endpoint
from .raw_server import DONE, Answer, RawServer, data, event

LIMITS = Limits(connect_s=2, first_byte_s=1, idle_s=1, total_s=3)
ITEM = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": '{"a":1}'}

GOOD: dict[str, bytes] = {
    ANTHROPIC: b"".join(
        event(record["type"], record)
        for record in (
            {"type": "message_start", "message": {"id": "m", "model": "x", "usage": {"input_tokens": 3}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "S"}},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hé"}},
            {
                "type": "content_block_start",
                "index": 2,
                "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            },
            {
                "type": "content_block_delta",
                "index": 2,
                "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
            },
            {"type": "content_block_stop", "index": 2},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
            {"type": "message_stop"},
        )
    ),
    RESPONSES: b"".join(
        data(record)
        for record in (
            {"type": "response.created", "response": {"id": "r", "model": "x"}},
            {
                "type": "response.output_text.delta",
                "output_index": 0,
                "content_index": 0,
                "item_id": "m",
                "delta": "hé",
            },
            {"type": "response.output_item.added", "output_index": 1, "item": {**ITEM, "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "i", "delta": '{"a":1}'},
            {
                "type": "response.function_call_arguments.done",
                "output_index": 1,
                "item_id": "i",
                "arguments": '{"a":1}',
            },
            {"type": "response.output_item.done", "output_index": 1, "item": ITEM},
            {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 1}}},
        )
    ),
    CHAT: b"".join(
        data({"id": "c", "choices": choices, **more})
        for choices, more in (
            ([{"delta": {"content": "hé", "reasoning": "t"}}], {}),
            (
                [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a"'}}]}}],
                {},
            ),
            ([{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}}], {}),
            ([{"delta": {}, "finish_reason": "tool_calls"}], {}),
            ([], {"usage": {"prompt_tokens": 3}}),
        )
    )
    + DONE,
    GOOGLE: b"".join(
        data({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 3}})
        for candidate in (
            {"content": {"parts": [{"text": "hé"}, {"text": "t", "thought": True, "thoughtSignature": "S"}]}},
            {"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}, "finishReason": "STOP"},
        )
    ),
}


def _cut(body: bytes, at: int, with_: bytes) -> bytes:
    return body[: at % (len(body) + 1)] + with_


def _replaced(body: bytes, at: int, with_: bytes) -> bytes:
    at %= len(body)
    return body[:at] + with_ + body[at + len(with_) :]


def _inserted(body: bytes, at: int, with_: bytes) -> bytes:
    at %= len(body)
    return body[:at] + with_ + body[at:]


def _shuffled(body: bytes, at: int, with_: bytes) -> bytes:
    events = body.split(b"\n\n")
    moved = events.pop(at % len(events))
    return b"\n\n".join([*events[: len(with_)], moved, *events[len(with_) :], moved])


def _mistyped(body: bytes, at: int, with_: bytes) -> bytes:
    """Give one value of one record another type."""
    values: list[Any] = [None, [], {}, 7, "x", True, [None], {"x": None}, -1, 1e300]
    events = body.split(b"\n\n")
    number = at % len(events)
    head, found, text = events[number].partition(b"data: ")
    if not found or not text.startswith(b"{"):
        return body
    record = json.loads(text)
    place, key = record, ""
    for step in [*with_, 0, 0]:
        inner = list(place) if isinstance(place, dict) else range(len(place))
        if not inner:
            break
        key = inner[step % len(inner)]
        if step % 3 == 0 or not isinstance(place[key], dict | list) or not place[key]:
            place[key] = values[(at // 7) % len(values)]
            break
        place = place[key]
    events[number] = head + found + json.dumps(record).encode()
    return b"\n\n".join(events)


MUTATIONS = (_cut, _replaced, _inserted, _shuffled, _mistyped)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_streams_that_are_mutated_are_good(protocol: str) -> None:
    with RawServer(Answer([GOOD[protocol]])) as server:
        response = ask(endpoint(protocol, server.url))

    assert ("hé", [{"a": 1}]) == (response.text, [call.arguments for call in response.calls])


@pytest.fixture(scope="module", params=PROTOCOLS)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, RawServer, Transport]]:
    transport = Transport()
    with RawServer(Answer([])) as server:
        yield request.param, server, transport
        transport.close()


BODIES = st.one_of(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from(
                [
                    b"data: ",
                    b"data:",
                    b"\n",
                    b"\r",
                    b"\r\n",
                    b"\n\n",
                    b": x",
                    b"event: ping\n",
                    b"{}",
                    b"[DONE]",
                    b'{"error":',
                    b"\xef\xbb\xbf",
                ]
            ),
        ),
        max_size=12,
    ).map(lambda parts: ("", 0, b"".join(parts))),
    st.tuples(st.sampled_from(MUTATIONS), st.integers(0, 5000), st.binary(min_size=1, max_size=6)),
)


@pytest.mark.flaky(reruns=3)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, chunked=st.booleans(), size=st.sampled_from([1, 7, 100_000]))
def test_any_bytes_give_a_response_or_a_typed_error_in_time(
    served: tuple[str, RawServer, Transport], body: tuple[Any, int, bytes], chunked: bool, size: int
) -> None:
    protocol, server, transport = served
    mutate, at, content = body
    content = mutate(GOOD[protocol], at, content) if mutate else content
    server.answers = [Answer([content[at : at + size] for at in range(0, len(content), size)], chunked=chunked)]
    target = endpoint(protocol, server.url)
    started = time.monotonic()

    try:
        response = ask(target, transport=transport, limits=LIMITS)
    except LlmError as error:
        str(error).encode()
    else:
        assert isinstance(response, Response)
        again = wire(protocol).encode(answered(response), target, "", stream=True)
        json.dumps(again.body, allow_nan=False)

    assert time.monotonic() - started < 4


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\n\n", b"data: x"]), max_size=30),
    st.lists(st.integers(1, 5), max_size=30),
)
def test_pieces_end_with_events_however_they_are_cut(parts: list[bytes], sizes: list[int]) -> None:
    body = b"".join(parts)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    pieces = [piece for piece in [*pieces, body[at:]] if piece]
    source = EventPieces(iter(pieces))

    found = list(source)

    assert body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == b"".join(found)
    joined = b""
    for piece in found[:-1]:
        joined += piece
        assert joined.endswith(b"\n\n") or piece in {b"", b"\n"}


def test_an_unstreamed_answer_of_any_kind_is_a_response_or_a_typed_error() -> None:
    answers: list[Any] = [
        None,
        [],
        {},
        7,
        "x",
        {"content": {}},
        {"choices": [None]},
        {"output": [7]},
        {"candidates": [[]]},
        {"error": 7},
        {"error": {"code": []}},
        {"content": [None, {"type": []}]},
    ]
    for protocol in PROTOCOLS:
        for body in answers:
            try:
                assert isinstance(wire(protocol).decode_complete(body, endpoint(protocol), REQUEST), Response)
            except LlmError:
                continue
