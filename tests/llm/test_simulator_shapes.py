"""The shapes T1-T37, as they stand on the wire."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import sseclient

from attractor.runtime.simulator.shapes import SHAPES, WHOLE

PATHS = {
    "anthropic_messages": "/v1/messages",
    "openai_chat_completions": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "google_generate_content": "/v1beta/models/m:streamGenerateContent?alt=sse",
}
ARGUMENTS = {"path": "a", "depth": 2}
TEXT = '{"path": "a", "depth": 2}'


def records(simulator: Any, protocol: str, *calls: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the records of a stream with `calls`."""
    simulator.script({"tool_calls": list(calls)})
    body = {"model": "m", "stream": True}
    with requests.post(simulator.url + PATHS[protocol], json=body, stream=True, timeout=10) as answer:
        assert 200 == answer.status_code, answer.text
        return [json.loads(event.data) for event in sseclient.SSEClient(answer).events() if event.data != "[DONE]"]


def call(shape: str, **more: Any) -> dict[str, Any]:
    return {"name": "f", "arguments": ARGUMENTS, "shape": shape, "fragments": 2, **more}


def blocks(simulator: Any, *calls: Mapping[str, Any]) -> list[tuple[Any, list[str]]]:
    """Return, for each block of an Anthropic stream, the `input` of its start and its fragments."""
    found: dict[tuple[int, int], tuple[Any, list[str]]] = {}
    openings: dict[int, int] = {}
    for record in records(simulator, "anthropic_messages", *calls):
        if record["type"] == "content_block_start":
            openings[record["index"]] = openings.get(record["index"], 0) + 1
            start = record["content_block"].get("input", "absent")
            found[record["index"], openings[record["index"]]] = (start, [])
        elif record["type"] == "content_block_delta":
            found[record["index"], openings[record["index"]]][1].append(record["delta"]["partial_json"])
    return list(found.values())


HALVES = ['{"path": "a",', ' "depth": 2}']
STARTS_AND_FRAGMENTS = {
    "T1": (ARGUMENTS, []),
    "T2": ("absent", HALVES),
    "T3": ({}, HALVES),
    "T4": (ARGUMENTS, [TEXT]),
    "T5": ({"draft": True}, [TEXT]),
    "T6": ({"path": "a"}, [', "depth": 2}']),
    "T7": (ARGUMENTS, ['"q":2}']),
    "T8": (None, HALVES),
    "T9": ("", []),
    "T10": ({}, ["", ""]),
    "T11": ({}, ["", HALVES[0], "", HALVES[1], ""]),
    "T12": ("absent", []),
    "T19": ({}, ['{"path', '": "a"']),
    "T20": ({}, []),
    "T21": ({}, ['{"a', '":}']),
    "T22": ({}, [TEXT, TEXT]),
    "T23": ({}, [TEXT, '{"other":1}']),
    "T26": ({}, ['[{"path": "a",', ' "depth": 2}]']),
    "T28": ({}, ["null"]),
    "T36": ("absent", []),
}


@pytest.mark.parametrize("number", STARTS_AND_FRAGMENTS)
def test_a_call_starts_and_goes_on_as_its_shape_says(simulator: Any, number: str) -> None:
    assert [STARTS_AND_FRAGMENTS[number]] == blocks(simulator, call(number))


def test_interleaved_calls_take_turns_and_close_in_reverse(simulator: Any) -> None:
    found = records(simulator, "anthropic_messages", call("interleaved"), call("interleaved"))

    kinds = [(record["type"], record["index"]) for record in found if record["type"].startswith("content_block")]
    start, delta, stop = "content_block_start", "content_block_delta", "content_block_stop"
    expected = [(start, 0), (start, 1), (delta, 0), (delta, 1), (delta, 0), (delta, 1), (stop, 1), (stop, 0)]
    assert expected == kinds


@pytest.mark.parametrize(("shape", "with_ids"), [("T14", True), ("T15", False)])
def test_a_reused_index_comes_with_or_without_ids(simulator: Any, shape: str, with_ids: bool) -> None:
    found = records(simulator, "openai_chat_completions", call("normal"), call(shape, name="g"))

    headers = [
        fragment
        for record in found
        for fragment in record["choices"][0]["delta"].get("tool_calls", ())
        if "name" in fragment["function"]
    ]
    assert [(0, "f"), (0, "g")] == [(header["index"], header["function"]["name"]) for header in headers]
    assert with_ids == ("id" in headers[1])


@pytest.mark.parametrize(
    ("shape", "missing"),
    [("missing_block_stop", "content_block_stop"), ("missing_terminal", "message_stop")],
)
def test_what_a_shape_leaves_out_is_missing(simulator: Any, shape: str, missing: str) -> None:
    def kinds(shape: str) -> set[str]:
        return {record["type"] for record in records(simulator, "anthropic_messages", call(shape))}

    assert {missing} == kinds("normal") - kinds(shape)


def test_a_cut_call_is_the_end_of_the_stream(simulator: Any) -> None:
    found = records(simulator, "anthropic_messages", call("cut_in_fragment"), call("normal"))

    assert HALVES[0] == found[-1]["delta"]["partial_json"]


def test_an_output_limit_is_the_finish_of_its_shapes(simulator: Any) -> None:
    *_, delta, _ = records(simulator, "anthropic_messages", call("limit_in_arguments"))
    *_, last = records(simulator, "openai_responses", call("limit_after_start"))

    assert "max_tokens" == delta["delta"]["stop_reason"]
    assert ("incomplete", "max_output_tokens") == (
        last["response"]["status"], last["response"]["incomplete_details"]["reason"]
    )  # fmt: skip


def test_the_end_of_an_item_contradicts_its_fragments(simulator: Any) -> None:
    found = records(simulator, "openai_responses", call("full_differs"))

    deltas = [record["delta"] for record in found if record["type"].endswith("arguments.delta")]
    (done,) = [record["arguments"] for record in found if record["type"].endswith("arguments.done")]
    assert ('{"draft":true}', TEXT) == ("".join(deltas), done)


def test_escapes_and_newlines_stand_where_they_hurt(simulator: Any) -> None:
    ((_, escaped),) = blocks(simulator, call("split_escape"))
    ((_, broken),) = blocks(simulator, call("raw_newline"))

    assert [r"\ud", "83d"] == [escaped[0][-3:], escaped[1]]
    assert "one\ntwo" in "".join(broken)
    with pytest.raises(ValueError, match="control character"):
        json.loads("".join(broken))


def test_duplicates_have_the_id_of_the_first(simulator: Any) -> None:
    for protocol, key in (("anthropic_messages", "id"), ("openai_responses", "call_id")):
        for calls in ([call("normal"), call("duplicate_ids", name="g")], [call("delivered_twice")]):
            found = json.dumps(records(simulator, protocol, *calls))
            ids = {part.partition('"')[0] for part in found.split(f'"{key}": "')[1:] if "sim" in part[:12]}
            assert 1 == len({each for each in ids if each.startswith(("toolu", "call"))})


def test_names_are_missing_or_unknown(simulator: Any) -> None:
    for shape, name in (("no_name", ""), ("unknown_tool", "no_such_tool")):
        found = records(simulator, "google_generate_content", call(shape))
        assert name == found[0]["candidates"][0]["content"]["parts"][0]["functionCall"]["name"]


def test_arguments_are_objects_where_text_belongs(simulator: Any) -> None:
    found = records(simulator, "openai_chat_completions", call("object_arguments"))

    (fragment,) = found[1]["choices"][0]["delta"]["tool_calls"]
    assert ARGUMENTS == fragment["function"]["arguments"]


def test_a_very_large_call_arrives_in_many_fragments(simulator: Any) -> None:
    ((_, fragments),) = blocks(simulator, call("very_large"))

    assert 1 << 20 == len(json.loads("".join(fragments))["large"])
    assert len(fragments) > 100


@pytest.mark.parametrize("protocol", PATHS)
def test_every_shape_is_sent_or_refused_in_words(simulator: Any, protocol: str) -> None:
    refused = set()
    for name in SHAPES.values():
        simulator.script({"tool_calls": [call("normal"), call(name)]})
        body = {"model": "m", "stream": True}
        with requests.post(simulator.url + PATHS[protocol], json=body, timeout=10) as answer:
            if answer.status_code == 400:
                assert f'the shape "{name}"' in answer.json()["error"]["message"]
                refused.add(name)
    expected = {
        "anthropic_messages": {"full_differs"},
        "openai_chat_completions": {"full_differs", "missing_block_stop"},
        "openai_responses": set(),
        "google_generate_content": set(SHAPES.values()) - WHOLE,
    }
    assert expected[protocol] == refused
