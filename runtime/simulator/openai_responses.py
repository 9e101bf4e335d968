"""OpenAI Responses, the server's side."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..outcome import Json
from . import openai_errors
from .scenario import ErrorAnswer, RedactedBlock, TextBlock, ThinkingBlock
from .shapes import ABSENT, LIMITED, NORMAL, Arrival, dumps, value
from .turn import (
    TERMINAL,
    Asked,
    Failure,
    Frame,
    Sent,
    Turn,
    groups,
    is_cut,
    next_index,
    round_robin,
    shape_of,
    user_texts,
    with_ids,
)

REFUSED_SHAPES: Final[frozenset[str]] = frozenset()
_INCOMPLETE: Final = {
    "length": "max_output_tokens",
    "context_window": "max_output_tokens",
    "content_filter": "content_filter",
}


def asked(path: str, body: Mapping[str, Any]) -> Asked:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else user_texts(given, "content", "text")
    return Asked(str(body.get("model", "")), bool(body.get("stream")), texts, body)


def frames(turn: Turn) -> Iterator[Frame]:
    """Yield the records with their `sequence_number`s."""
    for number, frame in enumerate(_frames(turn)):
        assert not isinstance(frame.data, str)  # noqa: S101 - all records of this protocol are objects
        yield frame._replace(data={**frame.data, "sequence_number": number})


def _frames(turn: Turn) -> Iterator[Frame]:
    yield _frame("response.created", response=_response(turn, [], status="in_progress"))
    yield _frame("response.in_progress", response=_response(turn, [], status="in_progress"))
    yield from _content(turn)
    if not is_cut(turn):
        response = _ended(turn)
        yield _frame(f"response.{response['status']}", response=response)._replace(place=TERMINAL)


def _content(turn: Turn) -> Iterator[Frame]:
    index, position = -1, 0
    for group in groups(with_ids(turn, "call_sim")):
        queues: list[list[Frame]] = []
        for block in group:
            index = next_index(index, block)
            queue = _item_frames(turn, index, _item(turn, position, block), block)
            position += 1
            if shape_of(block) == "cut_in_fragment":
                yield from [frame for frame in queue if not frame.event.endswith(".done")][:-1]
                return
            queues.append(queue)
        yield from round_robin(queues)


def _frame(kind: str, **fields: Any) -> Frame:
    return Frame({"type": kind, **fields}, kind)


def _item_frames(turn: Turn, index: int, item: dict[str, Any], block: Sent) -> list[Frame]:
    place = {"item_id": item["id"], "output_index": index}
    match block:
        case TextBlock():
            return _message_frames(turn, item, place, block)
        case ThinkingBlock() | RedactedBlock():
            return _reasoning_frames(item, place, block)
        case Arrival():
            return _call_frames(turn, item, place, block)


def _message_frames(turn: Turn, item: dict[str, Any], place: dict[str, Any], block: TextBlock) -> list[Frame]:
    text = "".join(block.deltas)
    refused = turn.finish == "content_filter" and not turn.finish_raw_given
    kind, key = ("refusal", "refusal") if refused else ("output_text", "text")
    at = {**place, "content_index": 0}
    extra: dict[str, Any] = {} if refused else {"logprobs": []}
    empty = {**item["content"][0], key: ""}
    return [
        _frame("response.output_item.added", output_index=place["output_index"],
               item={**item, "content": [], "status": "in_progress"}),
        _frame("response.content_part.added", **at, part=empty),
        *(_frame(f"response.{kind}.delta", **at, delta=piece, **extra) for piece in block.deltas),
        _frame(f"response.{kind}.done", **at, **{key: text}, **extra),
        _frame("response.content_part.done", **at, part=item["content"][0]),
        _frame("response.output_item.done", output_index=place["output_index"], item=item),
    ]  # fmt: skip


def _reasoning_frames(item: dict[str, Any], place: dict[str, Any], block: ThinkingBlock | RedactedBlock) -> list[Frame]:
    """Return a reasoning item; what `added` says of its encrypted content is not yet all."""
    encrypted = item["encrypted_content"]
    added = {**item, "summary": [], "encrypted_content": encrypted[: len(encrypted) // 2]}
    found = [_frame("response.output_item.added", output_index=place["output_index"], item=added)]
    if isinstance(block, ThinkingBlock) and block.deltas:
        at = {**place, "summary_index": 0}
        text = "".join(block.deltas)
        found += [
            _frame("response.reasoning_summary_part.added", **at, part={"type": "summary_text", "text": ""}),
            *(_frame("response.reasoning_summary_text.delta", **at, delta=piece) for piece in block.deltas),
            _frame("response.reasoning_summary_text.done", **at, text=text),
            _frame("response.reasoning_summary_part.done", **at, part={"type": "summary_text", "text": text}),
        ]
    return [*found, _frame("response.output_item.done", output_index=place["output_index"], item=item)]


def _call_frames(turn: Turn, item: dict[str, Any], place: dict[str, Any], call: Arrival) -> list[Frame]:
    added = {key: part for key, part in item.items() if key != "arguments"} | {"status": "in_progress"}
    if call.start is not ABSENT:
        added["arguments"] = _first_text(call)
    done = _frame("response.output_item.done", output_index=place["output_index"], item=item)
    if turn.dialect.items == "done_only":
        return [done]
    found = [
        _frame("response.output_item.added", output_index=place["output_index"], item=added),
        *(_frame("response.function_call_arguments.delta", **place, delta=piece) for piece in call.fragments),
    ]
    if call.shape == "missing_block_stop" or call.shape in LIMITED:
        return found
    full = {"arguments": item["arguments"]} if "arguments" in item else {}
    found.append(_frame("response.function_call_arguments.done", **place, name=call.name, **full))
    return [*found, done, *([done] if call.shape == "delivered_twice" else [])]


def _first_text(call: Arrival) -> object:
    if call.start is NORMAL:
        return ""
    if call.start is None or isinstance(call.start, str) or call.object_arguments:
        return call.start
    return dumps(call.start)


def _item(turn: Turn, position: int, block: Sent) -> dict[str, Any]:
    """Return the finished output item of the block at `position`."""
    suffix = f"{turn.number:04}{position:02}"
    match block:
        case TextBlock():
            text = "".join(block.deltas)
            refused = turn.finish == "content_filter" and not turn.finish_raw_given
            part: dict[str, Any] = (
                {"type": "refusal", "refusal": text}
                if refused
                else {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            )
            return {
                "type": "message",
                "id": f"msg_sim{suffix}",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        case ThinkingBlock():
            text = "".join(block.deltas)
            summary = [{"type": "summary_text", "text": text}] if text else []
            encrypted = block.signature or "Z0FBQUFBc2ltdWxhdGVk"
            return {"type": "reasoning", "id": f"rs_sim{suffix}", "summary": summary, "encrypted_content": encrypted}
        case RedactedBlock():
            return {"type": "reasoning", "id": f"rs_sim{suffix}", "summary": [], "encrypted_content": block.data}
        case Arrival():
            return _call_item(block, f"fc_sim{suffix}")


def _call_item(call: Arrival, id: str) -> dict[str, Any]:
    status = "incomplete" if call.shape in LIMITED else "completed"
    item: dict[str, Any] = {"type": "function_call", "id": id, "call_id": call.id, "name": call.name, "status": status}
    if call.shape == "index_reused_no_ids":
        del item["call_id"]
    if call.object_arguments:
        item["arguments"] = value(call)
    elif call.text or call.start is not ABSENT:
        item["arguments"] = call.text
    return item


def _ended(turn: Turn) -> dict[str, Any]:
    items: list[Any] = [_item(turn, position, block) for position, block in enumerate(with_ids(turn, "call_sim"))]
    reason = turn.finish_raw if turn.finish_raw_given else _INCOMPLETE.get(turn.finish)
    refused = turn.finish == "content_filter" and not turn.finish_raw_given and bool(items)
    status = "incomplete" if reason and not refused else "completed"
    response = _response(turn, items, status=status)
    if status == "incomplete":
        response["incomplete_details"] = {"reason": reason}
    return response


def _response(turn: Turn, output: list[Any], *, status: str) -> dict[str, Any]:
    body = turn.asked.body
    return {
        "id": f"resp_sim{turn.number:06}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": turn.model,
        "output": output,
        "parallel_tool_calls": bool(body.get("parallel_tool_calls", True)),
        "previous_response_id": None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": bool(body.get("store", True)),
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else _usage(turn),
        "user": None,
        "metadata": {},
    }


def _usage(turn: Turn) -> dict[str, Any]:
    tokens = turn.usage
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def complete(turn: Turn) -> Mapping[str, Json]:
    return _ended(turn)


def failure(error: ErrorAnswer, asked: Asked, number: int) -> Failure:
    found = openai_errors.failure(error, asked.model, number)
    if error.kind == "context_length" and not error.message:
        record = openai_errors.record(error, asked.model)
        record["message"] = (
            "Your input exceeds the context window of this model. Please adjust your input and try again."
        )
        found = found._replace(body={"error": {**record, "param": "input"}})
    return found


def error_frame(error: ErrorAnswer, turn: Turn) -> Frame:
    record = openai_errors.record(error, turn.model)
    code = record["code"] or "server_error"
    if error.in_stream == "failed":
        response = _response(turn, [], status="failed")
        response["error"] = {"code": code, "message": record["message"]}
        return _frame("response.failed", response=response, sequence_number=0)
    return _frame("error", code=code, message=record["message"], param=None, sequence_number=0)
