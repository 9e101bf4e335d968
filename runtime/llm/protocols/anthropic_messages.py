"""Anthropic Messages: `POST /v1/messages`, and the vendors that speak it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ...outcome import Json
from ..arguments import UNSET
from ..assembler import Assembler
from ..classify import in_stream_error, typed_error
from ..errors import LlmError
from ..messages import (
    Finish,
    Finished,
    Message,
    Opaque,
    Part,
    RedactedThinking,
    Request,
    Response,
    Role,
    StreamEvent,
    StreamStart,
    Text,
    Thinking,
    TokenUsage,
    ToolCall,
    ToolResult,
    UsageSnapshot,
)
from ..wire import Endpoint, HttpError, HttpRequest, SseEvent
from .shared import (
    address,
    argument_object,
    count,
    flag,
    for_reader,
    malformed,
    mapping,
    max_tokens,
    records,
    string,
    truncated,
)

_VERSION: Final = "2023-06-01"
_FINISH: Final[Mapping[str, tuple[Finish, str]]] = {
    "end_turn": (Finish.STOP, ""),
    "stop_sequence": (Finish.STOP, ""),
    "tool_use": (Finish.TOOL_CALLS, ""),
    "max_tokens": (Finish.LENGTH, ""),
    "model_context_window_exceeded": (Finish.LENGTH, "context_window"),
    "pause_turn": (Finish.OTHER, "pause"),
    "refusal": (Finish.CONTENT_FILTER, "refusal"),
}
_BUDGET: Final = {"minimal": 1024, "low": 4096, "medium": 10000, "high": 24000, "xhigh": 32000, "max": 48000}
_LONG_ROUND: Final = 15  # blocks; a cached prefix is found again within 20
_CACHED: Final = {"cache_control": {"type": "ephemeral"}}


def encode(request: Request, endpoint: Endpoint, key: str, *, stream: bool) -> HttpRequest:
    headers = {"anthropic-version": _VERSION, **endpoint.api.headers}
    if key and flag(endpoint, "auth") == "bearer":
        headers["Authorization"] = f"Bearer {key}"
    elif key:
        headers["x-api-key"] = key
    caching = bool(flag(endpoint, "cache_control"))
    body: dict[str, Any] = {
        "model": endpoint.model,
        "max_tokens": max_tokens(endpoint, request.max_tokens),
        "messages": _marked(_messages(request.messages, endpoint), caching=caching),
        "stream": stream,
    }
    if request.system:
        block: dict[str, Any] = {"type": "text", "text": request.system}
        body["system"] = [block | _CACHED] if caching else [block]
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if not (request.tools and _forces_a_tool(request.tool_choice)):  # a forced tool and thinking exclude each other
        body |= _effort(request.reasoning_effort, endpoint, body)
    return HttpRequest(address(endpoint), headers, body)


def _forces_a_tool(choice: str) -> bool:
    return choice not in {"auto", "none"}


def _tool_choice(choice: str) -> dict[str, str]:
    match choice:
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case name:
            return {"type": "tool", "name": name}


def _effort(effort: str | None, endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body's keys that ask for reasoning, in the form that the vendor's models know."""
    if effort is None or effort == "none":
        return {}
    match flag(endpoint, "thinking"):
        case "adaptive":
            effort = "low" if effort == "minimal" else effort
            return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
        case "budget":
            budget = min(_BUDGET.get(effort, _BUDGET["medium"]), body["max_tokens"] - 1024)
            if _in_an_unthinking_round(body["messages"]):
                return {}
            return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= 1024 else {}
        case _:
            return {}


def _in_an_unthinking_round(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether results answer a message that does not begin with thinking: thinking cannot be asked for then."""
    if len(messages) < 2 or messages[-1]["content"][0]["type"] != "tool_result":
        return False
    return messages[-2]["content"][0]["type"] not in {"thinking", "redacted_thinking"}


def _messages(messages: Sequence[Message], endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the history; results and what the user says around them form one user message, results first."""
    encoded: list[dict[str, Any]] = []
    for message in for_reader(messages, endpoint, any_id=False):
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        content = [_block(part) for part in message.parts if not _is_blank(part)]
        if encoded and encoded[-1]["role"] == role:
            encoded[-1]["content"] += content
        elif content:
            encoded.append({"role": role, "content": content})
    for turn in encoded:
        if turn["role"] == "user" and len(turn["content"]) > 1:
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    return encoded


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()  # refused


def _block(part: Part) -> dict[str, Any]:
    match part:  # the frequent ones first
        case ToolResult():
            result = {"type": "tool_result", "tool_use_id": part.call_id, "content": part.content}
            return result | {"is_error": True} if part.is_error else result
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": argument_object(part)}
        case Text():
            return {"type": "text", "text": part.text}
        case Thinking():
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        case RedactedThinking():
            return {"type": "redacted_thinking", "data": part.data}
        case Opaque():
            return dict(part.payload)


def _marked(messages: list[dict[str, Any]], *, caching: bool) -> list[dict[str, Any]]:
    """Mark the end of the newest user turn as worth caching, and one place before it in long rounds."""
    if caching and messages and messages[-1]["role"] == "user":
        blocks = messages[-1]["content"]
        blocks[-1] = blocks[-1] | _CACHED
        if sum(len(message["content"]) for message in messages[-2:]) > _LONG_ROUND:
            blocks[0] = blocks[0] | _CACHED
    return messages


def decode(events: Iterator[SseEvent], endpoint: Endpoint, request: Request) -> Iterator[StreamEvent]:
    return _Decoder(endpoint, request).run(events)


class _Decoder:
    """One stream. The protocol dispatches on the record's own type, not on the event's name."""

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self.endpoint = endpoint
        self.assembler = Assembler(endpoint, request)
        self.usage: dict[str, Any] = {}
        self.id = ""
        self.model = endpoint.model
        self.stop_reason = ""
        self.stop_details: Mapping[str, Any] = {}
        self.openings = 0

    def run(self, events: Iterator[SseEvent]) -> Iterator[StreamEvent]:
        keys: dict[int, tuple[int, int]] = {}  # index -> key of the block that is open under it
        for record in records(events, self.endpoint):
            match record.get("type"):
                case "content_block_delta":
                    index = count(record.get("index")) or 0
                    if index not in keys:
                        self.openings += 1
                        keys[index] = (index, self.openings)
                    yield from self._grown(keys[index], mapping(record.get("delta")))
                case "message_start":
                    yield self.started(mapping(record.get("message")))
                case "content_block_start":
                    index = count(record.get("index")) or 0
                    self.openings += 1
                    if index in keys:
                        self.assembler.close(keys[index])
                    keys[index] = (index, self.openings)
                    yield from self.opened(keys[index], mapping(record.get("content_block")))
                case "content_block_stop":
                    index = count(record.get("index")) or 0
                    if index in keys:
                        self.assembler.close(keys[index])
                case "message_delta":
                    yield from self._ending(record)
                case "message_stop":
                    response = self.response()
                    yield from self.assembler.ends()
                    yield Finished(response)
                    return
                case "error":
                    raise in_stream_error(record, self.endpoint, string(record.get("request_id")))
                case _:  # pings, and what the protocol will add
                    if record.get("error"):
                        raise in_stream_error(record, self.endpoint)
        raise truncated(self.endpoint, "without message_stop")

    def started(self, message: Mapping[str, Any]) -> StreamStart:
        self.id = string(message.get("id"))
        self.model = string(message.get("model")) or self.endpoint.model
        self._count(mapping(message.get("usage")))
        return StreamStart(self.id, self.model)

    def opened(self, key: tuple[int, int], block: Mapping[str, Any]) -> Iterator[StreamEvent]:
        match block.get("type"):
            case "text":
                self.assembler.begin(key, "text")
                if block.get("text"):
                    yield self.assembler.text(key, string(block["text"]))
            case "thinking":
                self.assembler.begin(key, "thinking")
                if block.get("thinking"):
                    yield self.assembler.thinking(key, string(block["thinking"]))
                if block.get("signature"):
                    self.assembler.signature(key, string(block["signature"]))
            case "redacted_thinking":
                self.assembler.redacted(key, string(block.get("data")))
            case "tool_use":
                yield from self.assembler.tool(
                    key, id=string(block.get("id")), name=string(block.get("name")), start=block.get("input", UNSET)
                )
            case None:
                pass
            case _:
                self.assembler.opaque(key, dict(block))

    def _grown(self, key: tuple[int, int], delta: Mapping[str, Any]) -> Sequence[StreamEvent]:
        if self.assembler.is_opaque(key):
            return ()
        match delta.get("type"):
            case "text_delta":
                return (self.assembler.text(key, string(delta.get("text"))),)
            case "thinking_delta":
                return (self.assembler.thinking(key, string(delta.get("thinking"))),)
            case "input_json_delta":
                fragment = string(delta.get("partial_json"))
                return self.assembler.arguments(key, fragment) if fragment else ()
            case "signature_delta":
                self.assembler.signature(key, string(delta.get("signature")))
                return ()
            case _:
                return ()

    def _ending(self, record: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """Take the stop reason, under `delta` or (seen at Kimi) at the top, and the cumulative usage."""
        delta = mapping(record.get("delta"))
        self.stop_reason = string(delta.get("stop_reason")) or string(record.get("stop_reason")) or self.stop_reason
        self.stop_details = mapping(delta.get("stop_details")) or self.stop_details
        usage = mapping(record.get("usage")) or mapping(delta.get("usage"))
        if usage:
            self._count(usage)
            yield UsageSnapshot(_usage(self.usage))

    def _count(self, usage: Mapping[str, Any]) -> None:
        self.usage |= {name: value for name, value in usage.items() if value is not None}

    def response(self) -> Response:
        finish, detail = _finish(self.stop_reason, self.stop_details)
        return self.assembler.response(
            id=self.id,
            model=self.model,
            finish=finish,
            finish_raw=self.stop_reason,
            finish_detail=detail,
            usage=_usage(self.usage),
        )


def _finish(reason: str, details: Mapping[str, Any]) -> tuple[Finish, str]:
    if not reason:
        return Finish.STOP, ""
    finish, detail = _FINISH.get(reason, (Finish.OTHER, ""))
    return finish, string(details.get("category")) or detail


def _usage(usage: Mapping[str, Any]) -> TokenUsage:
    """Count cached input in: the provider's `input_tokens` leaves it out."""
    plain, read, written = (
        count(usage.get(name)) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return TokenUsage(
        input_total=None if plain is None else plain + (read or 0) + (written or 0),
        output_total=count(usage.get("output_tokens")),
        cache_read=read,
        cache_write=written,
        reasoning=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def decode_complete(body: Json, endpoint: Endpoint, request: Request) -> Response:
    """Read an unstreamed message through the same decoder: each block is whole in its start."""
    message = mapping(body)
    if message.get("type") == "error" or message.get("error"):
        raise in_stream_error(body, endpoint, string(message.get("request_id")))
    content = message.get("content")
    if not isinstance(content, list):
        raise malformed(endpoint, "answered without content")
    decoder = _Decoder(endpoint, request)
    decoder.started(message)
    for index, block in enumerate(content):
        for _ in decoder.opened((index, 0), mapping(block)):
            pass
        decoder.assembler.close((index, 0))
    decoder.stop_reason = string(message.get("stop_reason"))
    decoder.stop_details = mapping(message.get("stop_details"))
    return decoder.response()


def error(answer: HttpError, endpoint: Endpoint) -> LlmError:
    return typed_error(answer, endpoint)
