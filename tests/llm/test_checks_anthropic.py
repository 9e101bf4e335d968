"""Conformance checks 1-18: what Anthropic Messages may send, and what must be understood of it, over real sockets."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from attractor.runtime.llm.errors import ContextLength, Overloaded, RateLimit, StreamTruncated
from attractor.runtime.llm.messages import (
    ArgumentState,
    Finish,
    RedactedThinking,
    Response,
    StreamEvent,
    Text,
    Thinking,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

from .asking import ANTHROPIC, answered, ask, body_of, endpoint
from .raw_server import Answer, RawServer, event

ABSENT = object()


def named(*records: dict[str, Any]) -> Iterator[bytes]:
    return (event(record["type"], record) for record in records)


def start(**usage: int) -> dict[str, Any]:
    message = {"id": "msg_1", "model": "model-1-dated", "role": "assistant", "content": [], "usage": usage}
    return {"type": "message_start", "message": message}


def opened(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def tool(index: int, id: str = "toolu_1", name: str = "f", value: object = ABSENT) -> dict[str, Any]:
    return opened(index, type="tool_use", id=id, name=name, **({} if value is ABSENT else {"input": value}))


def fragment(index: int, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": text}}


def said(index: int, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ending(reason: str, **usage: int) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]


HELLO = [
    start(input_tokens=10, output_tokens=1),
    opened(0, type="text", text=""),
    said(0, "He"),
    said(0, "llo"),
    stop(0),
    *ending("end_turn", output_tokens=5),
]


def turn(*records: dict[str, Any], heard: list[StreamEvent] | None = None) -> Response:
    with RawServer(Answer([*named(*records)])) as server:
        return ask(endpoint(ANTHROPIC, server.url), heard=heard)


def arguments(response: Response) -> Sequence[Any]:
    return [call.arguments for call in response.calls]


def test_check_01_text_finish_and_usage() -> None:
    response = turn(*HELLO)

    assert ("Hello", Finish.STOP, "end_turn") == (response.text, response.finish, response.finish_raw)
    assert TokenUsage(input_total=10, output_total=5) == response.usage
    assert ("msg_1", "model-1-dated", "model-1") == (response.id, response.model, response.asked)


def test_check_02_pings_and_unknown_events_change_nothing() -> None:
    ping, foo = {"type": "ping"}, {"type": "foo"}
    noisy = [ping, foo, *[record for known in HELLO[:-1] for record in (known, ping, foo)], HELLO[-1], ping]

    assert turn(*HELLO) == turn(*noisy)


def test_check_03_fragments_make_one_call_and_its_text_is_kept() -> None:
    heard: list[StreamEvent] = []

    response = turn(
        start(), tool(0, value={}), fragment(0, ""), fragment(0, '{"pa'), fragment(0, 'th":"a"}'), stop(0),
        *ending("tool_use"), heard=heard,
    )  # fmt: skip

    call = ToolCall("toolu_1", "f", '{"path":"a"}', {"path": "a"})
    assert ((call,), Finish.TOOL_CALLS) == (response.calls, response.finish)
    assert [
        ToolCallStart(0, "toolu_1", "f"), ToolCallDelta(0, '{"pa'), ToolCallDelta(0, 'th":"a"}'), ToolCallEnd(0, call)
    ] == [each for each in heard if isinstance(each, ToolCallStart | ToolCallDelta | ToolCallEnd)]  # fmt: skip


def test_check_04_a_full_start_and_the_same_full_delta_count_once() -> None:
    value = {"command": "ls"}

    response = turn(start(), tool(0, value=value), fragment(0, '{"command":"ls"}'), stop(0), *ending("tool_use"))

    assert [value] == arguments(response)
    assert () == response.warnings


def test_check_05_a_continuation_of_the_start_is_spliced_and_noted() -> None:
    response = turn(
        start(), tool(0, value={"pattern": "*.c"}), fragment(0, ',"path":"d"}'), stop(0), *ending("tool_use")
    )

    assert [{"pattern": "*.c", "path": "d"}] == arguments(response)
    assert "spliced" == response.calls[0].note


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([tool(0, value=None), fragment(0, '{"a":1}')], {"a": 1}, id="null and a delta"),
        pytest.param([tool(0)], {}, id="nothing at all"),
    ],
)
def test_check_06_a_start_without_a_value(records: list[dict[str, Any]], expected: object) -> None:
    assert [expected] == arguments(turn(start(), *records, stop(0), *ending("tool_use")))


def test_check_07_interleaved_blocks_stay_apart_and_in_order() -> None:
    response = turn(
        start(), tool(0, "a"), tool(1, "b", "g"), fragment(0, '{"x"'), fragment(1, '{"y"'), fragment(0, ":1}"),
        fragment(1, ":2}"), stop(1), stop(0), *ending("tool_use"),
    )  # fmt: skip

    assert [("a", "f", {"x": 1}), ("b", "g", {"y": 2})] == [(c.id, c.name, c.arguments) for c in response.calls]


def test_check_08_a_signature_without_thinking_goes_back_before_its_call() -> None:
    signed = {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "S"}}
    records = [
        start(), opened(0, type="thinking", thinking="", signature=""), signed, stop(0), tool(1, value={"a": 1}),
        stop(1), *ending("tool_use"),
    ]  # fmt: skip

    with RawServer(Answer([*named(*records)]), Answer([*named(*HELLO)])) as server:
        target = endpoint(ANTHROPIC, server.url)
        response = ask(target)
        ask(target, answered(response, "done"))

    assert Thinking("", "S") == response.parts[0]
    assert [
        {"type": "thinking", "thinking": "", "signature": "S"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ] == server.received[1].body["messages"][1]["content"]
    assert [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
    ] == server.received[1].body["messages"][2]["content"]  # fmt: skip


def test_check_09_redacted_thinking_goes_back_to_its_place() -> None:
    records = [
        start(), opened(0, type="text", text=""), said(0, "a"), stop(0), opened(1, type="redacted_thinking", data="X"),
        stop(1), opened(2, type="text", text=""), said(2, "b"), stop(2), *ending("end_turn"),
    ]  # fmt: skip

    with RawServer(Answer([*named(*records)]), Answer([*named(*HELLO)])) as server:
        target = endpoint(ANTHROPIC, server.url)
        response = ask(target)
        ask(target, answered(response))

    assert (Text("a"), RedactedThinking("X"), Text("b")) == response.parts
    assert [
        {"type": "text", "text": "a"},
        {"type": "redacted_thinking", "data": "X"},
        {"type": "text", "text": "b"},
    ] == server.received[1].body["messages"][1]["content"]


def test_check_10_a_missing_block_stop_does_not_lose_the_call() -> None:
    response = turn(start(), tool(0, value={}), fragment(0, '{"a":1}'), *ending("tool_use"))

    assert [{"a": 1}] == arguments(response)


def test_check_11_a_stream_without_its_terminal_event_is_asked_again_as_a_whole() -> None:
    cut = [start(), tool(0, value={}), fragment(0, '{"a":1}'), stop(0), *ending("tool_use")[:1]]
    heard: list[StreamEvent] = []

    with RawServer(Answer([*named(*cut)]), Answer([*named(*HELLO)])) as server:
        target = endpoint(ANTHROPIC, server.url)
        with pytest.raises(StreamTruncated) as error:
            ask(target, heard=heard)
        ask(target)

    assert (True, True) == (error.value.retryable, error.value.failover_ok)
    assert [] == [each for each in heard if isinstance(each, ToolCallEnd)]
    assert server.received[0].raw == server.received[1].raw


def test_check_12_a_call_cut_by_the_output_limit_is_truncated() -> None:
    response = turn(
        start(), tool(0, value={}), fragment(0, '{"path":"x","content":"ab'), stop(0), *ending("max_tokens")
    )

    assert Finish.LENGTH is response.finish
    assert (ArgumentState.TRUNCATED, None) == (response.calls[0].state, response.calls[0].arguments)
    assert "output limit" in response.calls[0].error


def test_check_13_an_error_in_the_stream_is_typed_by_its_type() -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

    with pytest.raises(Overloaded) as error:
        turn(start(), overloaded)

    assert error.value.retryable


def test_check_14_an_overload_says_how_long_to_wait() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}'
    answer = Answer([body], status=529, headers=[("retry-after", "0")], content_type="application/json")

    with RawServer(answer) as server, pytest.raises(Overloaded) as error:
        ask(endpoint(ANTHROPIC, server.url))

    assert (0.0, 529, True) == (error.value.retry_after_s, error.value.status, error.value.retryable)


def test_check_15_a_rate_limit_says_how_long_to_wait() -> None:
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}'
    answer = Answer([body], status=429, headers=[("retry-after", "7200")], content_type="application/json")

    with RawServer(answer) as server, pytest.raises(RateLimit) as error:
        ask(endpoint(ANTHROPIC, server.url))

    assert (7200.0, 1) == (error.value.retry_after_s, len(server.received))


def test_check_16_a_prompt_that_is_too_long_is_not_retried() -> None:
    body = (
        b'{"type":"error","error":{"type":"invalid_request_error",'
        b'"message":"prompt is too long: 210000 tokens > 200000 maximum"}}'
    )

    with (
        RawServer(Answer([body], status=400, content_type="application/json")) as server,
        pytest.raises(ContextLength) as error,
    ):
        ask(endpoint(ANTHROPIC, server.url))

    assert (False, False) == (error.value.retryable, error.value.failover_ok)


def test_check_17_a_refusal_says_its_category() -> None:
    refused = ending("refusal")
    refused[0]["delta"]["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": "no"}

    response = turn(start(), opened(0, type="text", text="I"), stop(0), *refused)

    assert (Finish.CONTENT_FILTER, "cyber", "refusal") == (
        response.finish, response.finish_detail, response.finish_raw
    )  # fmt: skip


def test_check_18_a_stop_reason_at_the_top_level_is_accepted() -> None:
    top = {"type": "message_delta", "stop_reason": "max_tokens", "usage": {"output_tokens": 3}}

    response = turn(start(), opened(0, type="text", text="x"), stop(0), top, {"type": "message_stop"})

    assert (Finish.LENGTH, 3) == (response.finish, response.usage.output_total)


@pytest.mark.parametrize(
    ("reason", "finish", "detail"),
    [
        ("end_turn", Finish.STOP, ""),
        ("stop_sequence", Finish.STOP, ""),
        ("tool_use", Finish.STOP, ""),  # without a call there is nothing to run
        ("max_tokens", Finish.LENGTH, ""),
        ("model_context_window_exceeded", Finish.LENGTH, "context_window"),
        ("pause_turn", Finish.OTHER, "pause"),
        ("refusal", Finish.CONTENT_FILTER, "refusal"),
        ("something_new", Finish.OTHER, ""),
    ],
)
def test_each_stop_reason_has_its_finish(reason: str, finish: Finish, detail: str) -> None:
    response = turn(start(), opened(0, type="text", text="x"), stop(0), *ending(reason))

    assert (finish, detail, reason) == (response.finish, response.finish_detail, response.finish_raw)


def test_cached_input_is_counted_in_and_snapshots_replace_each_other() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1}

    response = turn(start(**usage), *ending("end_turn", output_tokens=9))

    assert TokenUsage(input_total=125, output_total=9, cache_read=100, cache_write=20) == response.usage


def test_deltas_of_another_kind_under_one_index_do_not_mix() -> None:
    response = turn(start(), tool(0, value={}), said(0, "aside"), fragment(0, '{"a":1}'), stop(0), *ending("tool_use"))

    assert ([{"a": 1}], "aside") == (arguments(response), response.text)


def test_deltas_of_a_block_that_nobody_knows_are_no_call() -> None:
    block = opened(0, type="server_tool_use", id="s", name="web", input={})

    response = turn(start(), block, fragment(0, '{"q":1}'), stop(0), *ending("end_turn"))

    assert () == response.calls


def test_an_unstreamed_message_reads_like_a_stream() -> None:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "model-1-dated",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "S"},
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 4},
    }  # fmt: skip

    with RawServer(Answer([event("", message).split(b"data: ")[1]], content_type="application/json")) as server:
        response = ask(endpoint(ANTHROPIC, server.url), stream=False)

    assert (Thinking("t", "S"), Text("a"), ToolCall("toolu_1", "f", '{"a": 1}', {"a": 1})) == response.parts
    assert (Finish.TOOL_CALLS, TokenUsage(3, 4)) == (response.finish, response.usage)
    assert (False, "application/json") == (server.received[0].body["stream"], server.received[0].headers["accept"])


def test_a_dated_model_name_does_not_make_a_message_foreign() -> None:
    signed = opened(0, type="thinking", thinking="t", signature="S")

    response = turn(start(), signed, stop(0), tool(1, value={}), stop(1), *ending("tool_use"))

    assert "thinking" == body_of(endpoint(ANTHROPIC), answered(response))["messages"][1]["content"][0]["type"]
