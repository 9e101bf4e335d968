"""Conformance checks 19-32: OpenAI Responses, and Chat Completions with what its many speakers make of it."""

from collections.abc import Sequence
from typing import Any

import pytest

from attractor.runtime.llm.errors import LlmError, RateLimit, ServerError, StreamTruncated
from attractor.runtime.llm.messages import (
    Finish,
    Opaque,
    Response,
    StreamEvent,
    Thinking,
    TokenUsage,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

from .asking import CHAT, RESPONSES, answered, ask, endpoint
from .raw_server import DONE, Answer, RawServer, data

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "model-1-dated"}}


def responses(*records: dict[str, Any], heard: list[StreamEvent] | None = None) -> Response:
    with RawServer(Answer([data(record) for record in (CREATED, *records)])) as server:
        return ask(endpoint(RESPONSES, server.url), heard=heard)


def function(item: str, call: str, name: str, arguments: str = "") -> dict[str, Any]:
    return {"type": "function_call", "id": item, "call_id": call, "name": name, "arguments": arguments}


def added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def part(index: int, item: str, delta: str) -> dict[str, Any]:
    kind = "response.function_call_arguments.delta"
    return {"type": kind, "output_index": index, "item_id": item, "delta": delta}


def full(index: int, item: str, text: str) -> dict[str, Any]:
    kind = "response.function_call_arguments.done"
    return {"type": kind, "output_index": index, "item_id": item, "arguments": text}


def completed(**more: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", **more}}


def summary(response: Response) -> Sequence[Any]:
    return [(call.id, call.name, call.arguments) for call in response.calls]


def test_check_19_parallel_calls_are_told_apart_and_have_their_call_ids() -> None:
    usage = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 3}}
    heard: list[StreamEvent] = []

    response = responses(
        added(0, function("item_1", "call_a", "f")), added(1, function("item_2", "call_b", "g")),
        part(0, "item_1", '{"x"'), part(1, "item_2", '{"y"'), part(0, "item_1", ":1}"), part(1, "item_2", ":2}"),
        full(0, "item_1", '{"x":1}'), full(1, "item_2", '{"y":2}'),
        done(0, function("item_1", "call_a", "f", '{"x":1}')), done(1, function("item_2", "call_b", "g", '{"y":2}')),
        completed(usage=usage), heard=heard,
    )  # fmt: skip

    assert [("call_a", "f", {"x": 1}), ("call_b", "g", {"y": 2})] == summary(response)
    assert (Finish.TOOL_CALLS, TokenUsage(9, 4, cache_read=3)) == (response.finish, response.usage)
    assert () == response.warnings
    assert ["call_a", "call_b"] == [each.id for each in heard if isinstance(each, ToolCallStart)]
    assert [(0, "call_a"), (1, "call_b")] == [
        (each.block, each.call.id) for each in heard if isinstance(each, ToolCallEnd)
    ]


def test_two_items_under_one_index_are_two_calls_also_when_their_fragments_mix() -> None:
    response = responses(
        added(0, function("item_1", "call_a", "f")), part(0, "item_1", '{"x"'),
        added(0, function("item_2", "call_b", "g")), part(0, "item_2", '{"y"'), part(0, "item_1", ":1}"),
        part(0, "item_2", ":2}"), full(0, "item_1", '{"x":1}'), completed(),
    )  # fmt: skip

    assert [("call_a", "f", {"x": 1}), ("call_b", "g", {"y": 2})] == summary(response)


def test_check_20_a_call_that_only_its_finished_item_tells_of_is_there() -> None:
    response = responses(done(0, function("item_1", "call_a", "f", '{"x":1}')), completed())

    assert [("call_a", "f", {"x": 1})] == summary(response)


def test_a_response_that_only_its_end_tells_of_is_there() -> None:
    text = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}

    response = responses(completed(output=[text, function("item_1", "call_a", "f", "{}")]))

    assert ("hi", [("call_a", "f", {})]) == (response.text, summary(response))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("max_output_tokens", Finish.LENGTH), ("content_filter", Finish.CONTENT_FILTER), ("other", Finish.OTHER)],
)
def test_check_21_an_incomplete_response_says_why(reason: str, expected: Finish) -> None:
    response = responses(
        {"type": "response.incomplete", "response": {"id": "r", "incomplete_details": {"reason": reason}}}
    )

    assert (expected, reason) == (response.finish, response.finish_raw)


@pytest.mark.parametrize(
    ("record", "expected", "retryable"),
    [
        pytest.param(
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}},
            },
            RateLimit,
            True,
            id="failed",
        ),
        pytest.param({"type": "error", "code": "server_error", "message": "x"}, ServerError, True, id="error"),
        pytest.param(
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "invalid_image", "message": "x"}},
            },
            LlmError,
            False,
            id="not retryable",
        ),
    ],
)
def test_check_21_a_failed_response_is_an_error(record: dict[str, Any], expected: type, retryable: bool) -> None:
    with pytest.raises(expected) as error:
        responses(record)

    assert retryable is error.value.retryable


def test_check_22_the_finished_reasoning_item_goes_back_before_its_call() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": []}
    records = [
        CREATED, added(0, {**reasoning, "encrypted_content": "E1"}), done(0, {**reasoning, "encrypted_content": "E2"}),
        added(1, function("fc_1", "call_a", "f")), done(1, function("fc_1", "call_a", "f", "{}")), completed(),
    ]  # fmt: skip

    with RawServer(Answer([*map(data, records)]), Answer([data(CREATED), data(completed())])) as server:
        target = endpoint(RESPONSES, server.url)
        response = ask(target)
        ask(target, answered(response, "done"))

    assert [
        {**reasoning, "encrypted_content": "E2"},
        {"type": "function_call", "call_id": "call_a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_a", "output": "done"},
    ] == server.received[1].body["input"][1:]


def test_a_reasoning_item_that_the_provider_did_not_hand_out_does_not_go_back() -> None:
    records = [CREATED, done(0, {"type": "reasoning", "id": "rs_1", "summary": []}), completed()]

    with RawServer(Answer([*map(data, records)])) as server:
        target = endpoint(RESPONSES, server.url)
        response = ask(target)
        ask(target, answered(response))

    assert isinstance(response.parts[0], Opaque)
    assert 1 == len(server.received[1].body["input"])


def test_check_23_a_refusal_is_a_content_filter_and_its_text_is_there() -> None:
    response = responses({"type": "response.refusal.delta", "output_index": 0, "delta": "no"}, completed())

    assert (Finish.CONTENT_FILTER, "no") == (response.finish, response.text)


def test_a_stream_of_responses_that_just_ends_is_truncated() -> None:
    with pytest.raises(StreamTruncated):
        responses({"type": "response.output_text.delta", "output_index": 0, "delta": "a"})


# Chat Completions


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c", "model": "model-1-dated", "choices": [choice], **more}


def calls(*fragments: dict[str, Any]) -> dict[str, Any]:
    return chunk({"tool_calls": list(fragments)})


def call(
    arguments: object = None, *, index: int | None = None, id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """Return a fragment of a call, without the keys that are None."""
    function = {"name": name, "arguments": arguments}
    fragment = {"index": index, "id": id, "function": {key: it for key, it in function.items() if it is not None}}
    return {key: value for key, value in fragment.items() if value is not None}


def chat(*records: dict[str, Any], end: bytes = DONE, heard: list[StreamEvent] | None = None, **flags: Any) -> Response:
    with RawServer(Answer([*map(data, records), end])) as server:
        return ask(endpoint(CHAT, server.url, **flags), heard=heard)


def test_check_24_fragments_by_index_and_usage_from_the_chunk_without_choices() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1}}

    response = chat(
        calls(call("", index=0, id="c1", name="f")), calls(call('{"a"', index=0)), calls(call(":1}", index=0)),
        chunk(finish="tool_calls"), {"id": "c", "choices": [], "usage": usage},
    )  # fmt: skip

    assert [("c1", "f", {"a": 1})] == summary(response)
    assert (Finish.TOOL_CALLS, TokenUsage(7, 3, reasoning=1)) == (response.finish, response.usage)


def test_check_25_another_id_on_the_same_index_is_another_call() -> None:
    response = chat(
        calls(call('{"x":1}', index=0, id="a", name="f")), calls(call('{"y":2}', index=0, id="b", name="f")),
        chunk(finish="stop"),
    )  # fmt: skip

    assert ([("a", "f", {"x": 1}), ("b", "f", {"y": 2})], Finish.TOOL_CALLS) == (summary(response), response.finish)


def test_check_26_calls_without_ids_get_ids_that_a_replay_gives_again() -> None:
    records = [
        calls(call('{"x":1}', index=0, name="f")),
        calls(call('{"x":1}', index=0, name="f")),
        chunk(finish="stop"),
    ]

    first, second = chat(*records), chat(*records)

    assert first == second
    assert 2 == len({each.id for each in first.calls})


def test_synthetic_ids_differ_from_turn_to_turn() -> None:
    records = Answer([*map(data, [calls(call("{}", index=0, name="f")), chunk(finish="stop")]), DONE])

    with RawServer(records) as server:
        target = endpoint(CHAT, server.url)
        first = ask(target)
        second = ask(target, answered(first))

    assert first.calls[0].id != second.calls[0].id


def test_check_27_fragments_without_index_and_id_join_the_last_open_call() -> None:
    response = chat(calls(call("", id="a", name="f")), calls(call('{"x"')), calls(call(":1}")), chunk(finish="stop"))

    assert [("a", "f", {"x": 1})] == summary(response)


@pytest.mark.parametrize(("arguments", "expected"), [({"a": 1}, {"a": 1}), (None, {})], ids=["object", "null"])
def test_check_28_arguments_that_are_no_text(arguments: object, expected: object) -> None:
    fragment = {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}

    response = chat(chunk({"content": None, "tool_calls": [fragment]}), chunk(finish="tool_calls"))

    assert ([("a", "f", expected)], "") == (summary(response), response.text)


@pytest.mark.parametrize("thought", ["t", ""])
def test_check_29_reasoning_goes_back_under_its_key_also_when_there_was_none(thought: str) -> None:
    records = [
        chunk({"reasoning_content": thought}),
        calls(call("{}", index=0, id="a", name="f")),
        chunk(finish="stop"),
    ]

    with RawServer(Answer([*map(data, records), DONE])) as server:
        target = endpoint(CHAT, server.url, echo_reasoning=True)
        response = ask(target)
        ask(target, answered(response))

    assert ([Thinking("t")] if thought else []) == [each for each in response.parts if isinstance(each, Thinking)]
    assert thought == server.received[1].body["messages"][2]["reasoning_content"]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_is_read_under_both_of_its_names(key: str) -> None:
    assert (Thinking("t"),) == chat(chunk({key: "t"}), chunk(finish="stop")).parts


def test_details_of_reasoning_go_back_as_they_came() -> None:
    details = [{"type": "reasoning.encrypted", "data": "E", "index": 0}]
    records = [chunk({"reasoning_details": details}), chunk({"content": "a"}), chunk(finish="stop")]

    with RawServer(Answer([*map(data, records), DONE])) as server:
        target = endpoint(CHAT, server.url)
        ask(target, answered(ask(target)))

    assert details == server.received[1].body["messages"][2]["reasoning_details"]


def test_check_30_usage_inside_the_choice_counts() -> None:
    last = chunk({"content": "a"}, finish="stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 4}

    assert TokenUsage(5, 2, cache_read=4) == chat(last).usage


def test_check_31_comments_are_noise_and_a_finish_reason_ends_where_no_done_comes() -> None:
    pieces = [b": keep-alive\n\n"] * 5 + [data(chunk({"content": "a"})), data(chunk(finish="stop"))]

    with RawServer(Answer(pieces)) as server:
        assert ("a", Finish.STOP) == ((response := ask(endpoint(CHAT, server.url))).text, response.finish)


@pytest.mark.parametrize(
    ("records", "flags"),
    [
        pytest.param([chunk({"content": "a"})], {}, id="no finish reason"),
        pytest.param([chunk({"content": "a"}, finish="stop")], {"needs_done": True}, id="no [DONE] where it is due"),
        pytest.param([chunk({"content": "a"}, usage={"prompt_tokens": 1})], {}, id="usage on the way"),
    ],
)
def test_check_31_what_may_be_half_is_truncated(records: list[dict[str, Any]], flags: dict[str, Any]) -> None:
    with pytest.raises(StreamTruncated):
        chat(*records, end=b"", **flags)


def test_usage_after_the_last_choice_ends_a_stream_that_says_no_other_end() -> None:
    response = chat(chunk({"content": "a"}), {"choices": [], "usage": {"prompt_tokens": 1}}, end=b"")

    assert ("a", Finish.STOP) == (response.text, response.finish)


def test_check_32_an_error_in_the_stream_discards_what_came() -> None:
    with pytest.raises(ServerError) as error:
        chat(chunk({"content": "half"}), {"error": {"code": 502, "message": "up"}})

    assert (True, 502) == (error.value.retryable, error.value.status)


@pytest.mark.parametrize(
    "fragments",
    [
        pytest.param([call('{"a":1}', index=0, id="a", name="f")], id="whole call in one chunk"),
        pytest.param(
            [call('{"a"', index=0, id="a", name="f"), call(":1}", index=0, id="a", name="f")], id="repeated header"
        ),
        pytest.param(
            [call('{"a"', id="a", name="f"), call(":1}", id="a", name="f")], id="repeated header without index"
        ),
        pytest.param(
            [
                call("", index=0, id="a", name="re"),
                call("", index=0, name="ad_"),
                call('{"a":1}', index=0, name="file"),
            ],
            id="split name",
        ),
        pytest.param([call('{"a"', index=0, name="f"), call(":1}", index=0, id="a")], id="late id"),
        pytest.param(
            [{"id": "a", "function": {"index": 3, "name": "f", "arguments": '{"a":1}'}}], id="index in the function"
        ),
    ],
)
def test_fragments_of_one_call_make_one_call(fragments: list[dict[str, Any]]) -> None:
    heard: list[StreamEvent] = []

    response = chat(*map(calls, fragments), chunk(finish="tool_calls"), heard=heard)

    assert [{"a": 1}] == [each.arguments for each in response.calls]
    assert response.calls[0].name in {"f", "read_file"}
    assert [response.calls[0].id] == [each.id for each in heard if isinstance(each, ToolCallStart)]
    assert '{"a":1}' == "".join(each.delta for each in heard if isinstance(each, ToolCallDelta))


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([calls(call("", index=0, name="f")), calls(call("", index=0, name="g"))], id="other name, no ids"),
        pytest.param([calls(call("{}", name="f"), call("{}", name="g"))], id="no index, no ids"),
        pytest.param(
            [
                calls(call("", id="a", name="f"), call("", id="b", name="g")),
                calls(call("{"), call("{")),
                calls(call("}"), call("}")),
            ],
            id="by position",
        ),
    ],
)  # fmt: skip
def test_fragments_of_two_calls_make_two_calls(records: list[dict[str, Any]]) -> None:
    response = chat(*records, chunk(finish="tool_calls"))

    assert [("f", {}), ("g", {})] == [(each.name, each.arguments) for each in response.calls]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", Finish.STOP),
        ("tool_calls", Finish.STOP),
        ("function_call", Finish.STOP),
        ("length", Finish.LENGTH),
        ("content_filter", Finish.CONTENT_FILTER),
        ("sensitive", Finish.CONTENT_FILTER),
        ("model_context_window_exceeded", Finish.LENGTH),
        ("eos", Finish.OTHER),
    ],
)
def test_each_finish_reason_has_its_finish(reason: str, finish: Finish) -> None:
    assert finish is chat(chunk({"content": "a"}, finish=reason)).finish


@pytest.mark.parametrize("reason", ["error", "network_error", "insufficient_system_resource"])
def test_a_finish_reason_that_is_a_failure_is_an_error_worth_another_try(reason: str) -> None:
    with pytest.raises(ServerError) as error:
        chat(chunk({"content": "a"}, finish=reason))

    assert error.value.retryable


def test_a_refusal_is_a_content_filter_whatever_the_finish_reason() -> None:
    assert Finish.CONTENT_FILTER is chat(chunk({"refusal": "no"}), chunk(finish="stop")).finish


def test_a_header_repeated_on_every_fragment_costs_linear_time() -> None:
    pieces = ['{"a":"', *["x}" * 80] * 4_000, '"}']
    records = [calls(call(piece, index=0, name="f")) for piece in pieces]

    assert 640_000 == len(chat(*records, chunk(finish="stop")).calls[0].arguments["a"])  # type: ignore[index]


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES])
def test_an_unstreamed_answer_reads_like_a_stream(protocol: str) -> None:
    fragment = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    usage: dict[str, Any]
    if protocol == CHAT:
        message = {"role": "assistant", "content": "hi", "tool_calls": [fragment]}
        usage = {"prompt_tokens": 1, "completion_tokens": 2}
        body = {"id": "x", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    else:
        text = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
        usage = {"input_tokens": 1, "output_tokens": 2}
        output = [text, function("i", "a", "f", '{"a":1}')]
        body = {"id": "x", "status": "completed", "output": output, "usage": usage}

    with RawServer(Answer([data(body)[6:]], content_type="application/json")) as server:
        response = ask(endpoint(protocol, server.url), stream=False)

    assert ("hi", [("a", "f", {"a": 1})], Finish.TOOL_CALLS, TokenUsage(1, 2)) == (
        response.text, summary(response), response.finish, response.usage
    )  # fmt: skip
