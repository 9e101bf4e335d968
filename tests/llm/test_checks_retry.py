"""Conformance checks 11-15, 41 and 43-45 where they are about asking again: by a conversation, over real sockets."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.llm.errors import Canceled, LlmError, RateLimit, StreamTruncated
from attractor.runtime.llm.messages import ArgumentState, ToolCallEnd
from attractor.runtime.llm.transport import Limits

from .raw_server import Answer, RawServer, event
from .talking import HELLO, plan_of, talking

RECORDS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m", "model": "x", "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
]
EVENTS = [event(record["type"], record) for record in RECORDS]
GOOD = Answer(EVENTS)
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
QUICK = Limits(connect_s=2.0, first_byte_s=0.3, idle_s=0.3)


def refusal(status: int, body: object, **headers: str) -> Answer:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Answer([json.dumps(body).encode()], status=status, headers=pairs, content_type="application/json")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Answer(EVENTS[:-1]), id="11: no terminal event"),
        pytest.param(Answer([*EVENTS[:1], event("error", OVERLOADED)]), id="13: overloaded in the stream"),
        pytest.param(refusal(529, OVERLOADED, retry_after="0"), id="14: overloaded"),
        pytest.param(Answer(EVENTS[:2], end="keep"), id="41: silence"),
        pytest.param(Answer([b"<html>"], content_type="text/html"), id="44: a page"),
        pytest.param(Answer([*EVENTS[:2], b'data: {"type":\n\n', *EVENTS[2:]]), id="45: a broken record"),
        pytest.param(Answer(EVENTS[:3], end="reset"), id="reset"),
    ],
)
def test_checks_11_to_45_what_breaks_off_is_asked_again_once_with_the_same_bytes(
    broken: Answer, tmp_path: Path
) -> None:
    with (
        RawServer(broken, GOOD) as server,
        talking(plan_of(tmp_path, server.url, {"anthropic": "[]"}), limits=QUICK) as talk,
    ):
        response = talk.ask(HELLO)

        assert [{"a": 1}] == [call.arguments for call in response.calls]
        assert 1 == len([each for each in talk.seen.events if isinstance(each, ToolCallEnd)])
        assert 2 == len(server.received)
        assert server.received[0].raw == server.received[1].raw


def test_check_14_a_wait_of_none_is_none(tmp_path: Path) -> None:
    answers = (refusal(529, OVERLOADED, retry_after="0"), GOOD)
    with RawServer(*answers) as server, talking(plan_of(tmp_path, server.url, {"anthropic": "[]"})) as talk:
        talk.ask(HELLO)

        assert sum(talk.waits_ms) < 20


def test_check_15_a_wait_beyond_the_policy_is_not_waited(tmp_path: Path) -> None:
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
    with (
        RawServer(refusal(429, body, retry_after="7200")) as server,
        talking(plan_of(tmp_path, server.url, {"anthropic": "[]"})) as talk,
    ):
        with pytest.raises(RateLimit) as error:
            talk.ask(HELLO)

        assert (7200.0, 1, []) == (error.value.retry_after_s, len(server.received), talk.waits_ms)


def test_check_12_a_cut_call_is_an_answer_and_not_asked_again(tmp_path: Path) -> None:
    cut = [{**RECORDS[2], "delta": {"type": "input_json_delta", "partial_json": '{"path":"x'}}]
    ended = [{"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, RECORDS[-1]]
    answer = Answer([event(record["type"], record) for record in (*RECORDS[:2], *cut, RECORDS[3], *ended)])
    with RawServer(answer) as server, talking(plan_of(tmp_path, server.url, {"anthropic": "[]"})) as talk:
        response = talk.ask(HELLO)

        assert ([ArgumentState.TRUNCATED], 1) == ([call.state for call in response.calls], len(server.received))


def test_what_never_ends_is_given_up_after_the_last_retry(tmp_path: Path) -> None:
    with (
        RawServer(Answer(EVENTS[:-1])) as server,
        talking(plan_of(tmp_path, server.url, {"anthropic": "[]"})) as talk,
    ):
        with pytest.raises(StreamTruncated):
            talk.ask(HELLO)

        assert 3 == len(server.received)


@pytest.mark.flaky(reruns=3)
def test_check_43_a_cancellation_is_not_retried(tmp_path: Path) -> None:
    with (
        RawServer(Answer(EVENTS[:1], end="keep")) as server,
        talking(plan_of(tmp_path, server.url, {"anthropic": "[]"}), limits=Limits()) as talk,
    ):
        canceled: list[float] = []

        def cancel() -> None:
            canceled.append(time.monotonic())
            talk.cancellation.reason = "enough"

        timer = threading.Timer(0.2, cancel)
        timer.start()
        with pytest.raises(Canceled):
            talk.ask(HELLO)
        late_s = time.monotonic() - canceled[0]
        timer.join()

        assert (True, 1) == (late_s < 0.1, len(server.received))


def test_the_key_that_a_vendor_repeats_is_in_no_error(tmp_path: Path) -> None:
    with RawServer(Answer([])) as server, talking(plan_of(tmp_path, server.url, {"anthropic": "[]"})) as talk:
        key = talk.conversation._keys.of(talk.conversation._chain.entry)
        server.answers = [refusal(401, {"error": {"type": "authentication_error", "message": f"bad key {key}"}})]
        with pytest.raises(LlmError) as error:
            talk.ask(HELLO)

        assert key not in str(error.value)
