"""Chat Completions: `POST /chat/completions`, spoken by many; what differs between them is flags of the plan."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ...outcome import Json
from ..arguments import UNSET
from ..assembler import Assembler
from ..classify import in_stream_error, typed_error
from ..errors import LlmError, MalformedStream, StreamTruncated
from ..messages import (
    Finish,
    Finished,
    Message,
    Opaque,
    Request,
    Response,
    Role,
    StreamEvent,
    StreamStart,
    Thinking,
    TokenUsage,
    ToolDefinition,
    ToolResult,
    UsageSnapshot,
)
from ..wire import Endpoint, HttpError, HttpRequest, SseEvent
from .shared import address, argument_string, count, error_text, flag, for_reader, mapping, max_tokens, records, string

_FINISH: Final[Mapping[str, tuple[Finish, str]]] = {
    "stop": (Finish.STOP, ""),
    "length": (Finish.LENGTH, ""),
    "tool_calls": (Finish.TOOL_CALLS, ""),
    "function_call": (Finish.TOOL_CALLS, ""),
    "content_filter": (Finish.CONTENT_FILTER, ""),
    "sensitive": (Finish.CONTENT_FILTER, ""),
    "model_context_window_exceeded": (Finish.LENGTH, "context_window"),
}
# Reasons that are failures of the vendor's, to be treated as an error in the stream.
_FAILED: Final = ("error", "network_error", "insufficient_system_resource")


def encode(request: Request, endpoint: Endpoint, key: str, *, stream: bool) -> HttpRequest:
    headers = dict(endpoint.api.headers)
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": _messages(request, endpoint),
        "stream": stream,
    }
    if stream and flag(endpoint, "stream_options"):
        body["stream_options"] = {"include_usage": True}
    limit = max_tokens(endpoint, request.max_tokens)
    if limit is not None:
        body[flag(endpoint, "max_tokens_key")] = limit
    if request.reasoning_effort and flag(endpoint, "effort_key"):
        body[flag(endpoint, "effort_key")] = request.reasoning_effort
    if flag(endpoint, "clear_thinking") is not None:
        body["thinking"] = {"type": "enabled", "clear_thinking": flag(endpoint, "clear_thinking")}
    if request.tools:
        body["tools"] = [{"type": "function", "function": _tool(tool, endpoint)} for tool in request.tools]
        body["tool_choice"] = _tool_choice(request.tool_choice)
        if flag(endpoint, "parallel_tool_calls") is not None:
            body["parallel_tool_calls"] = flag(endpoint, "parallel_tool_calls")
        if stream and flag(endpoint, "tool_stream"):
            body["tool_stream"] = True
    return HttpRequest(address(endpoint), headers, body)


def _tool(tool: ToolDefinition, endpoint: Endpoint) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return function | {"strict": False} if flag(endpoint, "strict_tools") else function


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _messages(request: Request, endpoint: Endpoint) -> list[dict[str, Any]]:
    encoded: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    for message in for_reader(request.messages, endpoint):
        match message.role:
            case Role.SYSTEM | Role.USER:
                encoded.append({"role": str(message.role), "content": message.text})
            case Role.ASSISTANT:
                encoded.append(_assistant(message, endpoint))
            case Role.TOOL:
                encoded += [
                    {"role": "tool", "tool_call_id": part.call_id, "content": error_text(part)}
                    for part in message.parts
                    if isinstance(part, ToolResult)
                ]
    return encoded


def _assistant(message: Message, endpoint: Endpoint) -> dict[str, Any]:
    encoded: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.calls:
        encoded["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": argument_string(call)}}
            for call in message.calls
        ]
    elif encoded["content"] is None:
        encoded["content"] = ""
    reasoning = "".join(part.text for part in message.parts if isinstance(part, Thinking))
    if flag(endpoint, "echo_reasoning"):
        encoded[flag(endpoint, "reasoning_out")] = reasoning  # the key is wanted even when there was none
    for part in message.parts:
        if isinstance(part, Opaque):
            encoded |= part.payload
    return encoded


def decode(events: Iterator[SseEvent], endpoint: Endpoint, request: Request) -> Iterator[StreamEvent]:
    return _Decoder(endpoint, frozenset(tool.name for tool in request.tools)).run(events)


class _Slots:
    """Which call a fragment belongs to: vendors disagree on `index` and `id`, so both and the order are looked at."""

    def __init__(self, assembler: Assembler, tools: frozenset[str]) -> None:
        self._assembler = assembler
        self._tools = tools
        self._by_index: dict[int, str] = {}
        self._by_id: dict[str, str] = {}
        self._order: list[str] = []

    def choose(self, index: int | None, id: str, name: str, position: int) -> str:
        """Return the key of the slot for a fragment, a new one where it begins another call."""
        if index is not None:
            slot = self._by_index.get(index)
            if slot is not None and self._another(slot, id, name):
                slot = None
            return slot or self._new(index, id)
        if id and id in self._by_id:
            return self._by_id[id]
        if name or not self._order:
            return self._new(None, id)
        return self._order[-1] if position == 0 or position >= len(self._order) else self._order[position]

    def learn(self, slot: str, id: str) -> None:
        if id:
            self._by_id.setdefault(id, slot)

    def _new(self, index: int | None, id: str) -> str:
        slot = f"tool {len(self._order)}"
        self._order.append(slot)
        if index is not None:
            self._by_index[index] = slot
        self.learn(slot, id)
        return slot

    def _another(self, slot: str, id: str, name: str) -> bool:
        """Say whether a fragment on an occupied index begins another call."""
        if id and self._assembler.id_of(slot):
            return id != self._assembler.id_of(slot)
        return name in self._tools and _complete(self._assembler.argument_text(slot))


def _complete(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class _Decoder:
    def __init__(self, endpoint: Endpoint, tools: frozenset[str]) -> None:
        self.endpoint = endpoint
        self.tools = tools
        self.assembler = Assembler()
        self.slots = _Slots(self.assembler, tools)
        self.id = ""
        self.model = endpoint.model
        self.started = False
        self.finish_raw = ""
        self.usage: Mapping[str, Any] = {}
        self.details: list[Json] = []

    def run(self, events: Iterator[SseEvent]) -> Iterator[StreamEvent]:
        done = False
        for record in records(events, self.endpoint):
            if record.get("[DONE]") is True:
                done = True
                break
            yield from self._chunk(record)
        if not self._ended(done=done):
            raise StreamTruncated(
                f"the stream of {self.endpoint.provider} ended before the answer did",
                provider=self.endpoint.provider,
                model=self.endpoint.model,
            )
        response = self.response()
        yield from self.assembler.events(response.parts)
        yield Finished(response)

    def _ended(self, *, done: bool) -> bool:
        """Say whether what came was the whole: `[DONE]`, or a finish reason where the vendor sends no `[DONE]`."""
        if done:
            return True
        return bool(self.finish_raw) and not flag(self.endpoint, "needs_done")

    def _chunk(self, record: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if record.get("error"):
            raise in_stream_error(record, self.endpoint)
        if not self.started:
            self.started = True
            self.id = string(record.get("id"))
            self.model = string(record.get("model")) or self.model
            yield StreamStart(self.id, self.model)
        choices = record.get("choices")
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        usage = mapping(record.get("usage")) or mapping(choice.get("usage"))
        if usage:
            self.usage = usage
            yield UsageSnapshot(_usage(usage))
        yield from self.delta(mapping(choice.get("delta")))
        reason = string(choice.get("finish_reason"))
        if reason in _FAILED:
            raise in_stream_error(
                {"error": mapping(choice.get("error")) or {"code": reason, "message": f"finish_reason {reason}"}},
                self.endpoint,
            )
        self.finish_raw = reason or self.finish_raw

    def delta(self, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """Take a chunk's delta, or the whole message of an unstreamed answer: they have one shape."""
        reasoning = string(delta.get("reasoning_content")) or string(delta.get("reasoning"))
        if reasoning:
            yield self.assembler.thinking("thinking", reasoning)
        if isinstance(delta.get("reasoning_details"), list):
            self.details += delta["reasoning_details"]
            self.assembler.opaque("details", {"reasoning_details": self.details})
        if string(delta.get("content")):
            yield self.assembler.text("text", delta["content"])
        if string(delta.get("refusal")):
            self.finish_raw = "content_filter"
            yield self.assembler.text("text", delta["refusal"])
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            yield from self._call(mapping(call), position)

    def _call(self, call: Mapping[str, Any], position: int) -> Iterator[StreamEvent]:
        function = mapping(call.get("function"))
        index = count(call.get("index"))
        index = count(function.get("index")) if index is None else index
        id, name, arguments = string(call.get("id")), string(function.get("name")), function.get("arguments")
        slot = self.slots.choose(index, id, name, position)
        known = self.assembler.name_of(slot)
        if known and name and name != known:
            # A name split over fragments; one that is complete already is never extended.
            if known not in self.tools and not self.assembler.argument_text(slot):
                self.assembler.rename(slot, known + name)
        elif not self.assembler.known(slot) or name or id:
            yield self.assembler.tool(slot, id=id, name=name, start=UNSET)
        self.slots.learn(slot, id)
        if isinstance(arguments, Mapping | list):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str) and arguments:
            yield self.assembler.arguments(slot, arguments)

    def response(self) -> Response:
        finish, detail = _FINISH.get(self.finish_raw, (Finish.OTHER if self.finish_raw else Finish.STOP, ""))
        if finish is Finish.TOOL_CALLS:
            finish = Finish.STOP  # the content decides
        return self.assembler.response(
            id=self.id,
            provider=self.endpoint.provider,
            model=self.model,
            finish=finish,
            finish_raw=self.finish_raw,
            finish_detail=detail,
            usage=_usage(self.usage),
        )


def _usage(usage: Mapping[str, Any]) -> TokenUsage:
    prompt = mapping(usage.get("prompt_tokens_details"))
    read = (prompt.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens"))
    return TokenUsage(
        input_total=count(usage.get("prompt_tokens")),
        output_total=count(usage.get("completion_tokens")),
        cache_read=next((number for number in map(count, read) if number is not None), None),
        cache_write=count(prompt.get("cache_write_tokens")),
        reasoning=count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def decode_complete(body: Json, endpoint: Endpoint, request: Request) -> Response:
    record = mapping(body)
    if record.get("error"):
        raise in_stream_error(body, endpoint)
    choices = record.get("choices")
    if not isinstance(choices, Sequence) or not choices:
        raise MalformedStream(
            f"{endpoint.provider} answered without choices", provider=endpoint.provider, model=endpoint.model
        )
    choice = mapping(choices[0])
    decoder = _Decoder(endpoint, frozenset(tool.name for tool in request.tools))
    for _ in decoder._chunk({**record, "choices": [{**choice, "delta": choice.get("message")}]}):
        pass
    return decoder.response()


def error(answer: HttpError, endpoint: Endpoint) -> LlmError:
    return typed_error(answer, endpoint)
