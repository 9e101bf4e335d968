"""Conformance checks 33-38: Google generateContent over real sockets."""

import json
from typing import Any

import pytest

from attractor.runtime.llm.errors import Authentication, QuotaExceeded, RateLimit, StreamTruncated
from attractor.runtime.llm.messages import (
    Finish,
    Response,
    StreamEvent,
    Text,
    Thinking,
    TokenUsage,
    ToolCallEnd,
    ToolCallStart,
)

from .asking import GOOGLE, answered, ask, endpoint
from .raw_server import Answer, RawServer, data


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "model-1-002", "responseId": "r1", **more}


def function(name: str, args: object = None, *, id: str = "", **beside: Any) -> dict[str, Any]:
    call = {"id": id, "name": name, "args": args}
    return {"functionCall": {key: value for key, value in call.items() if value not in (None, "")}, **beside}


def turn(*records: dict[str, Any], heard: list[StreamEvent] | None = None) -> Response:
    with RawServer(Answer([*map(data, records)], chunked=False)) as server:
        return ask(endpoint(GOOGLE, server.url), heard=heard)


def refused(status: int, body: object) -> Answer:
    return Answer([json.dumps(body).encode()], status=status, content_type="application/json")


def test_check_33_calls_signatures_and_usage_in_the_finishing_chunk() -> None:
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 6}
    records = [
        chunk({"text": "a"}),
        chunk(function("f", {}, thoughtSignature="SIG"), function("g"), finish="STOP", usageMetadata=usage),
    ]
    heard: list[StreamEvent] = []

    with RawServer(Answer([*map(data, records)])) as server:
        target = endpoint(GOOGLE, server.url, thinking="level")
        response = ask(target, heard=heard)
        ask(target, answered(response, "one", "two"))

    assert ("a", Finish.TOOL_CALLS, TokenUsage(4, 6)) == (response.text, response.finish, response.usage)
    assert [("f", {}), ("g", {})] == [(call.name, call.arguments) for call in response.calls]
    assert 2 == len({call.id for call in response.calls})
    assert [each.id for each in heard if isinstance(each, ToolCallStart)] == [call.id for call in response.calls]
    assert [call.id for call in response.calls] == [each.call.id for each in heard if isinstance(each, ToolCallEnd)]
    assert [
        {"role": "model", "parts": [
            {"text": "a"},
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "SIG"},
            {"functionCall": {"name": "g", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"output": "one"}}},
            {"functionResponse": {"name": "g", "response": {"output": "two"}}},
        ]},
    ] == server.received[1].body["contents"][1:]  # fmt: skip
    assert "/v1beta/models/model-1:streamGenerateContent?alt=sse" == server.received[0].path


def test_an_id_goes_back_to_google_only_when_it_came_from_there() -> None:
    records = [chunk(function("f", {}, id="g-1"), function("g", {}), finish="STOP")]

    with RawServer(Answer([*map(data, records)])) as server:
        target = endpoint(GOOGLE, server.url)
        ask(target, answered(ask(target)))

    contents = server.received[1].body["contents"]
    assert ["g-1", None] == [part["functionCall"].get("id") for part in contents[1]["parts"]]
    assert ["g-1", None] == [part["functionResponse"].get("id") for part in contents[2]["parts"]]


def test_signed_parts_are_neither_merged_nor_lost() -> None:
    records = [
        chunk({"text": "a"}), chunk({"text": "b", "thoughtSignature": "S1"}), chunk({"text": "c"}),
        chunk({"text": "", "thoughtSignature": "S2"}, finish="STOP"),
    ]  # fmt: skip

    with RawServer(Answer([*map(data, records)])) as server:
        target = endpoint(GOOGLE, server.url)
        ask(target, answered(ask(target)))

    assert [
        {"text": "a"}, {"text": "b", "thoughtSignature": "S1"}, {"text": "c"}, {"text": "", "thoughtSignature": "S2"}
    ] == server.received[1].body["contents"][1]["parts"]  # fmt: skip


def test_check_34_thought_is_not_answer() -> None:
    response = turn(chunk({"text": "thinking", "thought": True}, {"text": "answer"}, finish="STOP"))

    assert (Thinking("thinking"), Text("answer")) == response.parts


def test_check_35_usage_is_the_last_snapshot_with_thoughts_counted_in() -> None:
    usages = (
        {"candidatesTokenCount": 5, "thoughtsTokenCount": 4},
        {"candidatesTokenCount": 7},
        {"candidatesTokenCount": 9},
    )

    response = turn(
        *(chunk({"text": "x"}, usageMetadata={"promptTokenCount": 3, **usage}) for usage in usages),
        chunk(finish="STOP"),
    )

    assert TokenUsage(input_total=3, output_total=13, reasoning=4) == response.usage


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}
SPOKEN = "You exceeded your current quota, please check your plan and billing details"


def test_check_36_a_rate_limit_in_a_list_says_how_long_to_wait() -> None:
    error = {"code": 429, "message": SPOKEN, "status": "RESOURCE_EXHAUSTED", "details": [RETRY]}

    with RawServer(refused(429, [{"error": error}])) as server, pytest.raises(RateLimit) as raised:
        ask(endpoint(GOOGLE, server.url))

    assert (2.0, True) == (raised.value.retry_after_s, raised.value.retryable)


def test_a_quota_per_day_is_not_waited_for() -> None:
    failure = {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
    }
    error = {"code": 429, "message": SPOKEN, "status": "RESOURCE_EXHAUSTED", "details": [failure, RETRY]}

    with RawServer(refused(429, {"error": error})) as server, pytest.raises(QuotaExceeded):
        ask(endpoint(GOOGLE, server.url))


def test_check_37_an_invalid_key_is_an_authentication_error_although_it_is_a_400() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = {"code": 400, "message": "Invalid", "status": "INVALID_ARGUMENT", "details": [info]}

    with RawServer(refused(400, {"error": error})) as server, pytest.raises(Authentication) as raised:
        ask(endpoint(GOOGLE, server.url))

    assert not raised.value.retryable


def test_check_38_a_blocked_prompt_is_a_content_filter() -> None:
    response = turn({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})

    assert (Finish.CONTENT_FILTER, "prompt blocked: SAFETY") == (response.finish, response.finish_detail)


@pytest.mark.parametrize(
    ("reason", "finish", "detail"),
    [
        ("STOP", Finish.STOP, ""),
        ("MAX_TOKENS", Finish.LENGTH, ""),
        ("SAFETY", Finish.CONTENT_FILTER, "safety"),
        ("RECITATION", Finish.CONTENT_FILTER, "recitation"),
        ("IMAGE_SAFETY", Finish.CONTENT_FILTER, ""),
        ("MALFORMED_FUNCTION_CALL", Finish.OTHER, "malformed_call"),
        ("UNEXPECTED_TOOL_CALL", Finish.OTHER, "malformed_call"),
        ("OTHER", Finish.OTHER, ""),
    ],
)
def test_each_finish_reason_has_its_finish(reason: str, finish: Finish, detail: str) -> None:
    response = turn(chunk({"text": "x"}, finish=reason))

    assert (finish, detail, reason) == (response.finish, response.finish_detail, response.finish_raw)


def test_a_stream_without_a_finish_reason_is_truncated() -> None:
    with pytest.raises(StreamTruncated):
        turn(chunk({"text": "x"}))


def test_an_empty_answer_is_an_answer() -> None:
    assert ((), Finish.STOP) == ((response := turn(chunk(finish="STOP"))).parts, response.finish)


def test_an_error_inside_the_stream_is_typed() -> None:
    with pytest.raises(RateLimit) as error:
        turn(chunk({"text": "x"}), {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [RETRY]}})

    assert 2.0 == error.value.retry_after_s


def test_an_unstreamed_answer_reads_like_a_stream() -> None:
    body = chunk({"text": "hi"}, function("f", {"a": 1}), finish="STOP", usageMetadata={"promptTokenCount": 1})

    with RawServer(refused(200, body)) as server:
        response = ask(endpoint(GOOGLE, server.url), stream=False)

    assert ("hi", {"a": 1}, Finish.TOOL_CALLS) == (response.text, response.calls[0].arguments, response.finish)
    assert "/v1beta/models/model-1:generateContent" == server.received[0].path
