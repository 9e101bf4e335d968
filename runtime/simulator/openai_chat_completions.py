"""OpenAI Chat Completions, the server's side, with the departures of its imitators as a dialect."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..outcome import Json
from . import openai_errors
from .scenario import ErrorAnswer, RedactedBlock, TextBlock, ThinkingBlock
from .shapes import ABSENT, NORMAL, Arrival, dumps, value
from .turn import (
    DONE,
    TERMINAL,
    Asked,
    Failure,
    Frame,
    Turn,
    finish_word,
    groups,
    is_cut,
    next_index,
    round_robin,
    streamed,
    user_texts,
    with_ids,
)

REFUSED_SHAPES: Final = frozenset(("full_differs", "missing_block_stop"))  # calls have no end of their own
_FINISH: Final = {"context_window": "length", "pause": "stop", "other": "stop"}


def asked(path: str, body: Mapping[str, Any]) -> Asked:
    texts = user_texts(body.get("messages"), "content", "text")
    return Asked(str(body.get("model", "")), bool(body.get("stream")), texts, body)


def frames(turn: Turn) -> Iterator[Frame]:
    yield _chunk(turn, {"role": "assistant", "content": "", "refusal": None})
    yield from _content(turn)
    if not is_cut(turn):
        yield from _end(turn)


def _content(turn: Turn) -> Iterator[Frame]:
    slot = -1
    for group in groups(streamed(turn, "call_sim")):
        queues: list[list[Frame]] = []
        for block in group:
            match block:
                case TextBlock():
                    key = "refusal" if turn.finish == "content_filter" else "content"
                    queues.append([_chunk(turn, {key: piece}) for piece in block.deltas])
                case ThinkingBlock():
                    queues.append([_chunk(turn, {turn.dialect.reasoning_key: piece}) for piece in block.deltas])
                case RedactedBlock():
                    pass  # the protocol has nothing like it
                case Arrival():
                    slot = next_index(slot, block)
                    queue = list(_call_frames(turn, block, slot))
                    queues.append(queue[:-1] if block.shape == "cut_in_fragment" else queue)
        yield from round_robin(queues)


def _end(turn: Turn) -> Iterator[Frame]:
    word = finish_word(turn, _FINISH)
    if turn.finish == "content_filter" and not turn.finish_raw_given and any(_texts(turn)):
        word = "stop"  # a refusal is the model's answer
    last = _chunk(turn, {}, finish=word, usage_in_choice=turn.dialect.usage == "choice")
    yield last._replace(place=TERMINAL)
    options = turn.asked.body.get("stream_options")
    if turn.dialect.usage == "last" and isinstance(options, Mapping) and options.get("include_usage"):
        data = _envelope(turn, "chat.completion.chunk")
        yield Frame({**data, "choices": [], "usage": _usage(turn)}, place=DONE)
    yield Frame("[DONE]", place=DONE)


def _texts(turn: Turn) -> list[str]:
    return ["".join(block.deltas) for block in turn.blocks if isinstance(block, TextBlock)]


def _envelope(turn: Turn, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-sim{turn.number:06}",
        "object": kind,
        "created": int(time.time()),
        "model": turn.model,
        "system_fingerprint": "fp_simulator",
    }


def _chunk(turn: Turn, delta: Mapping[str, Any], *, finish: str | None = None, usage_in_choice: bool = False) -> Frame:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    if usage_in_choice:
        choice["usage"] = _usage(turn)
    data = {**_envelope(turn, "chat.completion.chunk"), "choices": [choice]}
    if turn.dialect.usage == "every":
        data["usage"] = _usage(turn)
    elif turn.dialect.usage == "last":
        options = turn.asked.body.get("stream_options")
        if isinstance(options, Mapping) and options.get("include_usage"):
            data["usage"] = None
    return Frame(data)


def _usage(turn: Turn) -> dict[str, Any]:
    tokens = turn.usage
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call_frames(turn: Turn, call: Arrival, slot: int) -> Iterator[Frame]:
    """Yield the header, which names the call, then one chunk per fragment."""
    function: dict[str, Any] = {"name": call.name}
    if call.start is not ABSENT:
        function["arguments"] = _first_text(call)
    header = {"id": call.id, "type": "function", "function": function}
    yield _fragment(turn, header, slot, call)
    for piece in call.fragments:
        fragment: dict[str, Any] = {"function": {"arguments": piece}}
        if turn.dialect.ids == "repeated":
            fragment = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": piece}}
        yield _fragment(turn, fragment, slot, call)


def _first_text(call: Arrival) -> object:
    if call.start is NORMAL:
        return ""
    if call.start is None or isinstance(call.start, str) or call.object_arguments:
        return call.start
    return dumps(call.start)


def _fragment(turn: Turn, fragment: dict[str, Any], slot: int, call: Arrival) -> Frame:
    if "id" in fragment:
        if turn.dialect.ids == "absent" or call.shape == "index_reused_no_ids":
            del fragment["id"]
        elif turn.dialect.ids == "empty":
            fragment["id"] = ""
    match turn.dialect.slots:
        case "normal":
            fragment = {"index": slot, **fragment}
        case "zero":
            fragment = {"index": 0, **fragment}
        case "function":
            fragment["function"] = {"index": slot, **fragment["function"]}
        case _:
            pass  # absent
    return _chunk(turn, {"tool_calls": [fragment]})


def complete(turn: Turn) -> Mapping[str, Json]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    calls = []
    for block in with_ids(turn, "call_sim"):
        match block:
            case TextBlock():
                key = "refusal" if turn.finish == "content_filter" else "content"
                message[key] = (message[key] or "") + "".join(block.deltas)
            case ThinkingBlock():
                key = turn.dialect.reasoning_key
                message[key] = message.get(key, "") + "".join(block.deltas)
            case RedactedBlock():
                pass
            case Arrival():
                calls += [_whole_call(turn, block)] * (2 if block.shape == "delivered_twice" else 1)
    if calls:
        message["tool_calls"] = calls
    word = finish_word(turn, _FINISH)
    if turn.finish == "content_filter" and not turn.finish_raw_given and message["refusal"]:
        word = "stop"
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": word}
    body = {**_envelope(turn, "chat.completion"), "choices": [choice]}
    if turn.dialect.usage == "choice":
        choice["usage"] = _usage(turn)
    elif turn.dialect.usage != "none":
        body["usage"] = _usage(turn)
    return body


def _whole_call(turn: Turn, call: Arrival) -> dict[str, Any]:
    function: dict[str, Any] = {"name": call.name}
    if call.object_arguments:
        function["arguments"] = value(call)
    elif call.start is None and not call.text:
        function["arguments"] = None
    elif call.text or call.start is not ABSENT:
        function["arguments"] = call.text
    whole = {"id": call.id, "type": "function", "function": function}
    if turn.dialect.ids == "absent" or call.shape == "index_reused_no_ids":
        del whole["id"]
    elif turn.dialect.ids == "empty":
        whole["id"] = ""
    return whole


def failure(error: ErrorAnswer, asked: Asked, number: int) -> Failure:
    return openai_errors.failure(error, asked.model, number)


def error_frame(error: ErrorAnswer, turn: Turn) -> Frame:
    return Frame({"error": openai_errors.record(error, turn.model)})
