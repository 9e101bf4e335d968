"""The table T1-T37 of how tool arguments arrive: the rows of the resolver, and those about blocks and streams."""

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.runtime.llm.arguments import UNSET, resolve
from attractor.runtime.llm.messages import ArgumentState, Finish, Response, StreamEvent, ToolCallEnd, ToolCallStart

from .asking import ANTHROPIC, CHAT, GOOGLE, RESPONSES, decoded, endpoint

VALID, MALFORMED, TRUNCATED = ArgumentState.VALID, ArgumentState.MALFORMED, ArgumentState.TRUNCATED
A1 = {"a": 1}


def row(
    number: str, what: str, start: object, fragments: Sequence[str], expected: object, note: str = "", *,
    full: str | None = None, cut: bool = False, last: bool = True,
) -> Any:  # fmt: skip
    return pytest.param(start, fragments, full, cut, last, expected, note, id=f"{number} {what}")


@pytest.mark.parametrize(
    ("start", "fragments", "full", "cut", "last", "expected", "note"),
    [
        row("T1", "start input only", A1, [], A1),
        row("T2", "deltas only", UNSET, ['{"a"', ":1}"], A1),
        row("T3", "empty start and deltas", {}, ['{"a":1}'], A1),
        row("T4", "full start and the same full delta", A1, ['{"a":1}'], A1),
        row(
            "T5",
            "full start and another full delta",
            A1,
            ['{"a":2}'],
            {"a": 2},
            "fragments replace a different start value",
        ),
        row("T6", "full start and its continuation", {"p": 1}, [',"q":2}'], {"p": 1, "q": 2}, "spliced"),
        row("T7", "full start and a broken continuation", {"p": 1}, ['"q":2}'], MALFORMED),
        row("T8", "null start and deltas", None, ['{"a":1}'], A1),
        row("T9", "empty string as start", "", [], {}),
        row("T10", "only empty deltas", {}, ["", ""], {}),
        row("T11", "empty strings between fragments", {}, ["", '{"a":', "", "1}"], A1),
        row("T12", "nothing at all", UNSET, [], {}),
        row("T19", "cut inside the arguments", {}, ['{"path":"x","content":"ab'], TRUNCATED, cut=True),
        row("T19", "broken before the last block, which was cut", {}, ['{"a":'], MALFORMED, cut=True, last=False),
        row("T20", "cut right after the start", {}, [], TRUNCATED, cut=True),
        row("T20", "an earlier block stays valid", {}, [], {}, cut=True, last=False),
        row("T20", "a full start stays valid", A1, [], A1, cut=True),
        row("T20", "complete arguments stay valid", {}, ['{"a":1}'], A1, cut=True),
        row("T21", "invalid JSON", UNSET, ['{"a":}'], MALFORMED),
        row("T22", "the same object twice", UNSET, ['{"a":1}{"a":1}'], A1, "dup-collapsed"),
        row("T22", "three times, apart", UNSET, ['{"a":1} ', '{"a":1}\n', '{"a":1}'], A1, "dup-collapsed"),
        row("T23", "two different objects", UNSET, ['{"a":1}{"b":2}'], MALFORMED),
        row("T26", "array", UNSET, ["[1]"], MALFORMED),
        row("T26", "number", UNSET, ["7"], MALFORMED),
        row("T26", "truth", UNSET, ["true"], MALFORMED),
        row("T26", "bare string", UNSET, ['"ls"'], MALFORMED),
        row("T26", "array as start", [1], [], MALFORMED),
        row("T27", "encoded twice", UNSET, [json.dumps('{"a":1}')], A1, "double-encoded"),
        row("T28", "literal null", UNSET, ["null"], {}),
        row("T29", "raw newline and tab", UNSET, ['{"a":"x\ny\tz"}'], {"a": "x\ny\tz"}),
        row("T30", "escaped surrogates in two fragments", UNSET, ['{"a":"\\ud83d', '\\ude00"}'], {"a": "😀"}),
        row("T30", "surrogates themselves in two fragments", UNSET, ['{"a":"\ud83d', '\ude00"}'], {"a": "😀"}),
        row(
            "T33",
            "the full text wins",
            UNSET,
            ['{"a":1}'],
            {"a": 2},
            "full text differs from its fragments",
            full='{"a":2}',
        ),
        row("T33", "the same full text", UNSET, ['{"a":1}'], A1, full='{"a":1}'),
        row("T33", "a full text alone", UNSET, [], A1, full='{"a":1}'),
        row("T33", "a blank full text says nothing", UNSET, ['{"a":1}'], A1, full=""),
        row("", "a start that is text", '{"a":1}', [], A1),
        row("", "not a number", UNSET, ['{"a":NaN}'], MALFORMED),
        row("", "beyond all numbers", UNSET, ['{"a":1e999}'], MALFORMED),
        row("", "a number of ten thousand digits", UNSET, ['{"a":' + "1" * 10_000 + "}"], MALFORMED),
        row("", "a hundred thousand levels", UNSET, ["[" * 100_000], MALFORMED),
        row("", "five hundred levels", UNSET, ['{"a":' * 500 + "1" + "}" * 500], MALFORMED),
        row("", "five hundred levels in the start", json.loads('{"a":' * 500 + "1" + "}" * 500), [], MALFORMED),
        row("", "half a character", UNSET, ['{"a":"\\ud83d"}'], {"a": "\ufffd"}),
    ],
)
def test_the_resolver_follows_the_table(
    start: object, fragments: Sequence[str], full: str | None, cut: bool, last: bool, expected: Any, note: str
) -> None:
    resolved = resolve(start, fragments, full, cut=cut, last=last)

    if isinstance(expected, ArgumentState):
        assert (expected, None) == (resolved.state, resolved.arguments)
        assert resolved.error
    else:
        assert (VALID, expected, "", note) == (resolved.state, resolved.arguments, resolved.error, resolved.note)


def test_a_malformed_text_is_kept_and_its_fault_is_placed() -> None:
    resolved = resolve(UNSET, ['{"a":', "}"], None, cut=False, last=True)

    assert ('{"a":}', "Expecting value at character 6") == (resolved.raw, resolved.error)


@pytest.mark.flaky(reruns=3)
def test_a_megabyte_in_small_fragments_takes_linear_time() -> None:
    """Row T37."""
    text = json.dumps({"a": "x" * 4_000_000})
    fragments = [text[at : at + 40] for at in range(0, len(text), 40)]
    started = time.monotonic()

    resolved = resolve({}, fragments, None, cut=False, last=True)

    assert VALID is resolved.state
    assert time.monotonic() - started < 1


@given(
    st.one_of(
        st.just(UNSET),
        st.none(),
        st.recursive(
            st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
        ),
    ),
    st.lists(st.text(alphabet='{}[]",:\\u123anul \ud83d\ude00é'), max_size=6),
    st.none() | st.text(alphabet='{}[]",:a1 '),
    st.booleans(),
    st.booleans(),
)
def test_whatever_comes_is_an_object_or_a_reason(
    start: object, fragments: list[str], full: str | None, cut: bool, last: bool
) -> None:
    resolved = resolve(start, fragments, full, cut=cut, last=last)

    assert (VALID is resolved.state) is (resolved.arguments is not None) is (resolved.error == "")
    json.dumps(resolved.arguments, ensure_ascii=False, allow_nan=False).encode()
    resolved.raw.encode()


# The rows about blocks and streams


def started(index: int, id: str = "x", name: str = "f", **more: object) -> dict[str, Any]:
    block = {"type": "tool_use", "id": id, "name": name, **more}
    return {"type": "content_block_start", "index": index, "content_block": block}


def grown(index: int, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": text}}


ENDED = {"type": "message_stop"}


def blocks(*records: dict[str, Any], heard: list[StreamEvent] | None = None) -> Response:
    return decoded(endpoint(ANTHROPIC), *records, ENDED, heard=heard)


def summary(response: Response) -> Sequence[Any]:
    return [(call.id, call.name, call.arguments) for call in response.calls]


def test_t13_interleaved_blocks() -> None:
    response = blocks(
        started(0, "x"), started(1, "y"), grown(0, '{"a"'), grown(1, '{"b"'), grown(0, ":1}"), grown(1, ":2}")
    )

    assert [("x", "f", {"a": 1}), ("y", "f", {"b": 2})] == summary(response)


def test_t14_an_index_used_again_with_another_id() -> None:
    response = blocks(started(0, "x"), grown(0, '{"a":1}'), started(0, "y"), grown(0, '{"b":2}'))

    assert [("x", "f", {"a": 1}), ("y", "f", {"b": 2})] == summary(response)


def test_t15_an_index_used_again_without_ids() -> None:
    fragments = [{"index": 0, "function": {"name": "read_file", "arguments": text}} for text in ('{"a":1}', '{"b":2}')]
    records = [{"choices": [{"delta": {"tool_calls": [each]}}]} for each in fragments]

    response = decoded(endpoint(CHAT), *records, "[DONE]")

    assert [{"a": 1}, {"b": 2}] == [call.arguments for call in response.calls]
    assert 2 == len({call.id for call in response.calls})


def test_t24_two_calls_with_one_id_get_two_that_stay_the_same_from_start_to_end() -> None:
    heard: list[StreamEvent] = []

    response = blocks(started(0, "x", input={"a": 1}), started(1, "x", input={"a": 2}), heard=heard)

    assert ["x", "x_2"] == [call.id for call in response.calls]
    assert ["x", "x_2"] == [each.id for each in heard if isinstance(each, ToolCallStart)]
    assert ["x", "x_2"] == [each.call.id for each in heard if isinstance(each, ToolCallEnd)]
    assert response.warnings


def test_t25_one_call_delivered_twice_is_one() -> None:
    response = blocks(started(0, "x", input={"a": 1}), started(1, "x"), grown(1, '{ "a": 1 }'))

    assert [("x", "f", {"a": 1})] == summary(response)
    assert response.warnings


def test_t32_an_object_where_text_belongs() -> None:
    item = {"type": "function_call", "call_id": "x", "name": "f", "arguments": {"a": 1}}

    response = decoded(
        endpoint(RESPONSES),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {}},
    )

    assert [("x", "f", {"a": 1})] == summary(response)


@pytest.mark.parametrize("protocol", [ANTHROPIC, CHAT, GOOGLE, RESPONSES])
def test_t34_a_call_without_a_name_is_malformed_and_has_one_for_the_history(protocol: str) -> None:
    item = {"type": "function_call", "call_id": "x", "name": "", "arguments": "{}"}
    records: dict[str, list[Any]] = {
        ANTHROPIC: [started(0, name=""), ENDED],
        CHAT: [
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "x", "function": {"arguments": "{}"}}]}}]},
            "[DONE]",
        ],
        GOOGLE: [{"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}, "finishReason": "STOP"}]}],
        RESPONSES: [
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed"},
        ],
    }

    call = decoded(endpoint(protocol), *records[protocol]).calls[0]

    assert ("invalid_tool", MALFORMED, None, "the call has no tool name") == (
        call.name, call.state, call.arguments, call.error
    )  # fmt: skip


def test_t35_a_tool_that_nobody_offered_is_a_call_like_any_other() -> None:
    assert [("x", "no.such tool", {})] == summary(blocks(started(0, name="no.such tool")))


def test_t36_a_call_of_google_without_arguments() -> None:
    part = {"functionCall": {"name": "f"}}

    response = decoded(endpoint(GOOGLE), {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})

    assert ([{}], Finish.TOOL_CALLS) == ([call.arguments for call in response.calls], response.finish)


def test_the_text_of_an_answer_has_whole_characters() -> None:
    record = {"type": "content_block_delta", "index": 0}
    pieces = ["a \ud83d", "\ude00 b \ud83d"]

    response = blocks(*({**record, "delta": {"type": "text_delta", "text": piece}} for piece in pieces))

    assert "a 😀 b \ufffd" == response.text
