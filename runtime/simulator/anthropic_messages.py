"""Anthropic Messages, the server's side."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..outcome import Json
from .scenario import ErrorAnswer, RedactedBlock, TextBlock, ThinkingBlock
from .shapes import ABSENT, NORMAL, Arrival, value
from .turn import (
    TERMINAL,
    Asked,
    Failure,
    Frame,
    Sent,
    Turn,
    finish_word,
    groups,
    is_cut,
    next_index,
    round_robin,
    shape_of,
    streamed,
    user_texts,
    with_ids,
)
from .waiting import wait_headers

REFUSED_SHAPES: Final = frozenset(("full_differs",))  # nothing at a block's end repeats the arguments
_FINISH: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "context_window": "model_context_window_exceeded",
    "pause": "pause_turn",
    "other": "pause_turn",
}
_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {
    "invalid_request": (400, "invalid_request_error", "messages: at least one message is required"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "content_filter": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "quota": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits.",
    ),
    "billing": (402, "billing_error", "There is an issue with your billing or payment information."),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "model_not_found": (404, "not_found_error", "model: {model}"),
    "conflict": (409, "conflict_error", "The request conflicts with the current state of the resource."),
    "request_too_large": (413, "request_too_large", "Request exceeds the maximum size"),
    "rate_limit": (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50 requests per minute.",
    ),
    "server_error": (500, "api_error", "Internal server error"),
    "timeout": (504, "timeout_error", "Request timed out"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}


def asked(path: str, body: Mapping[str, Any]) -> Asked:
    texts = user_texts(body.get("messages"), "content", "text", "content")
    return Asked(str(body.get("model", "")), bool(body.get("stream")), texts, body)


def frames(turn: Turn) -> Iterator[Frame]:
    yield _frame("message_start", message=_message(turn, [], stop_reason=None, output_tokens=1))
    for position, frame in enumerate(_content(turn)):
        yield frame
        if position == 0:
            yield _frame("ping")
    if not is_cut(turn):
        yield from _end(turn)


def _content(turn: Turn) -> Iterator[Frame]:
    index = -1
    for group in groups(streamed(turn, "toolu_sim")):
        queues, stops = [], []
        for block in group:
            index = next_index(index, block)
            queue = list(_block_frames(index, block))
            queues.append(queue[:-1] if shape_of(block) == "cut_in_fragment" else queue)
            if shape_of(block) not in {"missing_block_stop", "cut_in_fragment"}:
                stops.append(_frame("content_block_stop", index=index))
        yield from round_robin(queues)
        yield from reversed(stops)


def _end(turn: Turn) -> Iterator[Frame]:
    stop: dict[str, Any] = {"stop_reason": finish_word(turn, _FINISH), "stop_sequence": None}
    if turn.finish == "content_filter" and not turn.finish_raw_given:
        stop["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": None}
    usage = _usage(turn, turn.usage.output)
    del usage["service_tier"], usage["cache_creation"]
    if turn.dialect.stop_reason == "top":
        yield _frame("message_delta", delta={}, **stop, usage=usage)
    else:
        yield _frame("message_delta", delta=stop, usage=usage)
    yield _frame("message_stop")._replace(place=TERMINAL)


def _frame(kind: str, **fields: Any) -> Frame:
    return Frame({"type": kind, **fields}, kind)


def _message(turn: Turn, content: list[Json], *, stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
    return {
        "id": f"msg_sim{turn.number:06}",
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": _usage(turn, output_tokens),
    }


def _usage(turn: Turn, output_tokens: int) -> dict[str, Any]:
    """Return usage as the vendor counts: `input_tokens` leaves out what the cache took part in."""
    tokens = turn.usage
    usage: dict[str, Any] = {
        "input_tokens": max(0, tokens.input - tokens.cache_read - tokens.cache_write),
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": min(tokens.reasoning, output_tokens)}
    return usage


def _block_frames(index: int, block: Sent) -> Iterator[Frame]:
    """Yield start and deltas of a block, not its stop."""

    def start(content: Mapping[str, Any]) -> Frame:
        return _frame("content_block_start", index=index, content_block=content)

    def delta(kind: str, **fields: Any) -> Frame:
        return _frame("content_block_delta", index=index, delta={"type": kind, **fields})

    match block:
        case TextBlock():
            yield start({"type": "text", "text": ""})
            for piece in block.deltas:
                yield delta("text_delta", text=piece)
        case ThinkingBlock():
            yield start({"type": "thinking", "thinking": "", "signature": ""})
            for piece in block.deltas:
                yield delta("thinking_delta", thinking=piece)
            yield delta("signature_delta", signature=block.signature or "c2lnbmF0dXJl")
        case RedactedBlock():
            yield start({"type": "redacted_thinking", "data": block.data})
        case Arrival():
            content = _tool_use(block)
            if block.start is not ABSENT:
                content["input"] = {} if block.start is NORMAL else block.start
            yield start(content)
            for piece in block.fragments:
                yield delta("input_json_delta", partial_json=piece)


def _tool_use(call: Arrival) -> dict[str, Any]:
    content = {"type": "tool_use", "id": call.id, "name": call.name}
    if call.shape == "index_reused_no_ids":
        del content["id"]
    return content


def complete(turn: Turn) -> Mapping[str, Json]:
    content: list[Json] = []
    for block in with_ids(turn, "toolu_sim"):
        match block:
            case TextBlock():
                content.append({"type": "text", "text": "".join(block.deltas)})
            case ThinkingBlock():
                signature = block.signature or "c2lnbmF0dXJl"
                content.append({"type": "thinking", "thinking": "".join(block.deltas), "signature": signature})
            case RedactedBlock():
                content.append({"type": "redacted_thinking", "data": block.data})
            case Arrival():
                arguments = value(block)
                given = {} if arguments is ABSENT else {"input": arguments}
                content.extend([_tool_use(block) | given] * (2 if block.shape == "delivered_twice" else 1))
    message = _message(turn, content, stop_reason=finish_word(turn, _FINISH), output_tokens=turn.usage.output)
    if turn.finish == "content_filter" and not turn.finish_raw_given:
        message["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": None}
    return message


def failure(error: ErrorAnswer, asked: Asked, number: int) -> Failure:
    status, body = _error_body(error, asked.model)
    headers = {"request-id": f"req_sim{number:06}", **wait_headers(error.retry_after, "anthropic-ratelimit")}
    return Failure(status, {**body, "request_id": headers["request-id"]}, headers)


def _error_body(error: ErrorAnswer, model: str) -> tuple[int, dict[str, Json]]:
    status, kind, message = _ERRORS[error.kind]
    written = error.message or message.replace("{model}", model)
    return status, {"type": "error", "error": {"type": kind, "message": written}}


def error_frame(error: ErrorAnswer, turn: Turn) -> Frame:
    _, body = _error_body(error, turn.model)
    return Frame(body, "error")
