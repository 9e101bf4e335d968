"""Every sequence of tool_call_sequences.ndjson over a real socket: what is read, and what the next request echoes."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from attractor.runtime.llm.errors import LlmError
from attractor.runtime.llm.messages import (
    ArgumentState,
    Request,
    Response,
    StreamEvent,
    Thinking,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    ToolResult,
    tool_results,
)
from attractor.runtime.llm.transport import Limits, Transport
from attractor.runtime.simulator.server import Simulator

from .sequences import (
    SseSequence,
    decoded,
    endpoint,
    finished,
    naive_arguments,
    question,
    read_sequences,
    wire_protocol,
)

SEQUENCES = {sequence.name: sequence for sequence in read_sequences()}
WHOLE = {name: sequence for name, sequence in SEQUENCES.items() if "error" not in sequence.expect}
BROKEN = {name: sequence for name, sequence in SEQUENCES.items() if "error" in sequence.expect}
FIELD = (
    "start_input_plus_delta_duplicate",
    "delta_only_valid_json",
    "start_input_only_valid_json",
    "start_input_null_plus_delta_valid_json",
    "start_input_plus_delta_continuation_invalid_json",
    "start_input_empty_object_plus_delta_valid_json",
)


class Going:
    """A cancellation that never comes."""

    reason = ""


LIMITS = Limits(connect_s=5, first_byte_s=5, idle_s=5)


@pytest.fixture(scope="module")
def answers() -> Mapping[str, list[StreamEvent] | LlmError]:
    """What a client receives from a server that sends the sequences, one after the other on one connection."""
    scenario = {"answers": [{"delivery": {"raw": {"text": sequence.body.decode()}}} for sequence in SEQUENCES.values()]}
    transport = Transport()
    with Simulator(scenario) as served:
        received = {name: _received(transport, served.url, sequence) for name, sequence in SEQUENCES.items()}
        transport.close()
    return received


def _received(transport: Transport, url: str, sequence: SseSequence) -> list[StreamEvent] | LlmError:
    protocol = wire_protocol(sequence.protocol)
    target = endpoint(sequence.protocol, url, **sequence.expect.get("flags", {}))
    asked = question(sequence.expect.get("tools", ()))
    try:
        with transport.post(protocol.encode(asked, target, "", stream=True), LIMITS, Going(), stream=True) as answer:
            return list(protocol.decode(answer.events(), target, asked))
    except LlmError as error:
        return error


def next_body(sequence: SseSequence, response: Response) -> Mapping[str, Any]:
    """Return the request that answers every call of `response`."""
    asked = question(sequence.expect.get("tools", ()))
    results = tool_results([ToolResult(call.id, call.name, f"result {at}") for at, call in enumerate(response.calls)])
    messages = (*asked.messages, response.message, *([results] if response.calls else ()))
    target = endpoint(sequence.protocol, **sequence.expect.get("flags", {}))
    return wire_protocol(sequence.protocol).encode(
        Request(messages=messages, tools=asked.tools), target, "", stream=True
    ).body  # fmt: skip


@pytest.mark.parametrize("sequence", WHOLE.values(), ids=WHOLE)
def test_a_sequence_is_read_as_intended(answers: Mapping[str, list[StreamEvent]], sequence: SseSequence) -> None:
    events = answers[sequence.name]
    response = finished(events)
    expect = sequence.expect

    for call, wanted in zip(response.calls, expect["calls"], strict=True):
        _check_call(call, wanted)
    thinking = "".join(part.text for part in response.parts if isinstance(part, Thinking))
    seen = {
        "finish": response.finish,
        "text": response.text,
        "thinking": thinking,
        "finish_raw": response.finish_raw,
        "finish_detail": response.finish_detail,
        "kinds": [type(part).__name__ for part in response.parts],
        "usage": {name: value for name, value in response.usage._asdict().items() if value is not None},
    }
    assert {name: expect[name] for name in seen if name in expect} == {
        name: seen[name] for name in seen if name in expect
    }
    assert len(response.calls) == len({call.id for call in response.calls})
    if response.calls and response.finish != "length":
        assert "tool_calls" == response.finish


def _check_call(call: ToolCall, wanted: Mapping[str, Any]) -> None:
    state = ArgumentState(wanted.get("state", "valid"))
    assert (wanted["name"], state, wanted.get("arguments")) == (call.name, call.state, call.arguments)
    assert call.id
    assert wanted["id"] in {None, call.id}
    if state is ArgumentState.VALID:
        assert "" == call.error
    else:
        assert wanted.get("complaint", "") in call.error
        assert call.error
    if "note" in wanted:
        assert wanted["note"] in call.note
    else:
        assert "" == call.note


@pytest.mark.parametrize("sequence", WHOLE.values(), ids=WHOLE)
def test_a_call_starts_once_and_keeps_its_id_into_the_next_request(
    answers: Mapping[str, list[StreamEvent]], sequence: SseSequence
) -> None:
    events = answers[sequence.name]
    response = finished(events)
    started = [event for event in events if isinstance(event, ToolCallStart)]
    ended = [event for event in events if isinstance(event, ToolCallEnd)]
    fragments: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            assert event.block in {start.block for start in started}, "a delta before its start"
            fragments.setdefault(event.block, []).append(event.delta)

    assert len(response.calls) + sequence.expect.get("dropped", 0) == len(started)
    assert len(started) == len({start.block for start in started})
    assert response.calls == tuple(end.call for end in ended)
    begun = {start.block: start for start in started}
    for end in ended:
        assert end.call.id == begun[end.block].id
        assert end.call.name.startswith(begun[end.block].name)  # a name may come in pieces
        assert end.call.raw.endswith("".join(fragments.get(end.block, ()))) or "full" in end.call.note
    assert [call.id for call in response.calls] == [call.id for call in response.message.calls]
    assert echoed(sequence.protocol, response) == pairs(sequence.protocol, next_body(sequence, response))


def echoed(protocol: str, response: Response) -> list[tuple[str, str, str]]:
    """Return what the next request must hold of each call: its id, the id its result names, the result."""
    known = [
        call.id if protocol != "google_generate_content" or (call.private or {}).get("id") else ""
        for call in response.calls
    ]
    return [(id, id, f"result {at}") for at, id in enumerate(known)]


def pairs(protocol: str, body: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return of each call in a request: its id, the id that its result names, the result."""
    calls: list[str] = []
    results: list[tuple[str, str]] = []
    match protocol:
        case "anthropic_messages":
            blocks = [block for message in body["messages"] for block in message["content"]]
            calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            results = [
                (block["tool_use_id"], _plain(block["content"])) for block in blocks if block["type"] == "tool_result"
            ]
            assert all(isinstance(block["input"], dict) for block in blocks if block["type"] == "tool_use")
        case "openai_chat_completions":
            made = [call for message in body["messages"] for call in message.get("tool_calls", ())]
            calls = [call["id"] for call in made]
            results = [
                (message["tool_call_id"], message["content"])
                for message in body["messages"]
                if message["role"] == "tool"
            ]
            assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in made)
        case "openai_responses":
            made = [item for item in body["input"] if item["type"] == "function_call"]
            calls = [item["call_id"] for item in made]
            results = [
                (item["call_id"], item["output"]) for item in body["input"] if item["type"] == "function_call_output"
            ]
            assert all(isinstance(json.loads(item["arguments"]), dict) for item in made)
        case _:
            parts = [part for content in body["contents"] for part in content["parts"]]
            made = [part["functionCall"] for part in parts if "functionCall" in part]
            answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
            assert [call["name"] for call in made] == [answer["name"] for answer in answers]
            calls = [call.get("id", "") for call in made]
            results = [(answer.get("id", ""), answer["response"]["output"]) for answer in answers]
    return [(call, answered, result) for call, (answered, result) in zip(calls, results, strict=True)]


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


SENT = {name: sequence for name, sequence in WHOLE.items() if "sent" in sequence.expect}


@pytest.mark.parametrize("sequence", SENT.values(), ids=SENT)
def test_what_only_the_provider_understands_goes_back_to_it_as_it_came(
    answers: Mapping[str, list[StreamEvent]], sequence: SseSequence
) -> None:
    response = finished(answers[sequence.name])
    body = next_body(sequence, response)
    wanted = sequence.expect["sent"]

    match sequence.protocol:
        case "anthropic_messages":
            assert wanted == [_unmarked(block) for block in body["messages"][1]["content"]]
        case "openai_chat_completions":
            assert wanted == {name: body["messages"][1][name] for name in wanted}
        case "openai_responses":
            assert wanted == body["input"][1 : 1 + len(wanted)]
        case _:
            assert wanted == body["contents"][1]["parts"]


def _unmarked(block: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


@pytest.mark.parametrize("sequence", BROKEN.values(), ids=BROKEN)
def test_a_stream_that_breaks_off_is_an_error_as_a_whole(
    answers: Mapping[str, list[StreamEvent]], sequence: SseSequence
) -> None:
    error = answers[sequence.name]

    assert isinstance(error, LlmError)
    assert (sequence.expect["error"], True) == (error.kind, error.retryable)


@pytest.mark.parametrize("sequence", WHOLE.values(), ids=WHOLE)
def test_a_sequence_read_again_gives_the_same_ids_too(
    answers: Mapping[str, list[StreamEvent]], sequence: SseSequence
) -> None:
    assert answers[sequence.name] == decoded(sequence)


def test_the_naive_reader_fails_on_exactly_the_sequences_that_say_so() -> None:
    messages = [sequence for sequence in WHOLE.values() if sequence.protocol == "anthropic_messages"]
    wrong = {
        sequence.name: texts[0]
        for sequence in messages
        for texts in [naive_arguments(sequence.events)]
        if any(
            "arguments" in call and not _is_json(text)
            for call, text in zip(sequence.expect["calls"], texts, strict=False)
        )
    }
    says = {sequence.name: sequence.expect["naive"] for sequence in messages if "naive" in sequence.expect}

    assert says == {name: wrong[name] for name in wrong if name in says}
    assert set(says) == {name for name in wrong if name not in MENDED}
    assert '{"a":1}{"a":1}' == says["anthropic_start_full_same_delta"]


# Here the fragments alone are no JSON document, whatever stands in the start.
MENDED = frozenset(("anthropic_same_object_twice", "anthropic_raw_newline"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except ValueError:
        return False
    return True


def test_the_six_sequences_of_the_field_are_there() -> None:
    assert FIELD == tuple(name for name in SEQUENCES if name in FIELD)


def test_every_row_about_a_stream_and_every_check_of_a_protocol_has_a_sequence() -> None:
    rows = {sequence.expect.get("row") for sequence in SEQUENCES.values()}
    elsewhere = {"T31", "T37"}  # pieces of TCP and megabytes: test_any_stream
    missing = {f"T{number}" for number in range(1, 38)} - elsewhere - rows

    assert set() == missing
    assert {
        str(number) for number in (1, 2, 8, 9, 13, 17, 18, *range(20, 25), *range(27, 33), *range(33, 36), 38)
    } <= rows
