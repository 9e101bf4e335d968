"""Chat Completions: `POST /chat/completions`, spoken by many; what differs between them is flags of the plan."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ...outcome import Json
from ..assembler import Assembler
from ..classify import in_stream_error, typed_error
from ..errors import LlmError
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
from .shared import (
    address,
    argument_string,
    count,
    error_text,
    flag,
    for_reader,
    malformed,
    mapping,
    max_tokens,
    records,
    string,
    truncated,
)

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
    return _Decoder(endpoint, request).run(events)


class _Fragment(NamedTuple):
    """What a chunk says of one call."""

    under: int | None  # its index
    position: int | None  # in a list of several; None when it is the only one
    id: str
    name: str
    arguments: str


class _Slots:
    """Which call a fragment belongs to: vendors disagree on `index` and `id`, so both and the order are looked at."""

    def __init__(self, assembler: Assembler, tools: frozenset[str]) -> None:
        self._assembler = assembler
        self._tools = tools
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}
        self._slots = 0

    def choose(self, fragment: _Fragment) -> int:
        """Return the slot for a fragment, a new one where it begins another call."""
        slot = self._slot(fragment)
        if slot is None:
            slot = self._slots
            self._slots += 1
        if fragment.under is not None:
            self._by_index[fragment.under] = slot
        if fragment.id:
            self._by_id.setdefault(fragment.id, slot)
        return slot

    def _slot(self, fragment: _Fragment) -> int | None:
        if fragment.under is not None:
            slot = self._by_index.get(fragment.under)
            return None if slot is None or self._is_another(slot, fragment) else slot
        if fragment.id in self._by_id:
            return self._by_id[fragment.id]
        if fragment.name or not self._slots:
            return None
        if fragment.position is not None and fragment.position < self._slots:
            return fragment.position
        return self._slots - 1

    def _is_another(self, slot: int, fragment: _Fragment) -> bool:
        """Say whether a fragment on an occupied index begins another call."""
        given = self._assembler.given_id(slot)
        if fragment.id and given:
            return fragment.id != given
        if fragment.name not in self._tools:
            return False
        known = self._assembler.name_of(slot)
        return (known in self._tools and known != fragment.name) or self._is_complete(slot, fragment)

    def _is_complete(self, slot: int, fragment: _Fragment) -> bool:
        """Say whether the call at `slot` has all its arguments; cheap where every fragment repeats the header."""
        if not self._assembler.last_fragment(slot).rstrip().endswith("}"):
            return False
        if fragment.arguments.strip() and not fragment.arguments.lstrip().startswith("{"):
            return False
        try:
            return isinstance(json.loads(self._assembler.argument_text(slot), strict=False), dict)
        except (ValueError, RecursionError):
            return False


class _Decoder:
    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self.endpoint = endpoint
        self.tools = frozenset(tool.name for tool in request.tools)
        self.assembler = Assembler(endpoint, request)
        self.slots = _Slots(self.assembler, self.tools)
        self.id = ""
        self.model = endpoint.model
        self.started = False
        self.finish_raw = ""
        self.refused = False
        self.usage: Mapping[str, Any] = {}
        self.usage_is_final = False
        self.details: list[Json] = []

    def run(self, events: Iterator[SseEvent]) -> Iterator[StreamEvent]:
        done = False
        for record in records(events, self.endpoint):
            if record.get("[DONE]") is True:
                done = True
                break
            yield from self.chunk(record)
        if not self._ended(done=done):
            raise truncated(self.endpoint, "before the answer did")
        response = self.response()
        yield from self.assembler.ends()
        yield Finished(response)

    def _ended(self, *, done: bool) -> bool:
        """Say whether what came was the whole.

        That is what `[DONE]` says, or where the vendor sends none a finish reason, or else the chunk after the last
        choice, which has the usage.
        """
        if done:
            return True
        ended = bool(self.finish_raw) or (self.usage_is_final and bool(self.assembler))
        return ended and not flag(self.endpoint, "needs_done")

    def chunk(self, record: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if record.get("error") or record.get("object") == "error":
            raise in_stream_error(record, self.endpoint)
        if not self.started:
            self.started = True
            self.id = string(record.get("id"))
            self.model = string(record.get("model")) or self.model
            yield StreamStart(self.id, self.model)
        choices = record.get("choices")
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        self.usage_is_final = choices == [] and bool(record.get("usage"))
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
            self.refused = True
            yield self.assembler.text("text", delta["refusal"])
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            for position, call in enumerate(calls):
                yield from self._call(_fragment(mapping(call), position if len(calls) > 1 else None))

    def _call(self, fragment: _Fragment) -> Iterator[StreamEvent]:
        slot = self.slots.choose(fragment)
        known = self.assembler.name_of(slot)
        unfinished = known and known not in self.tools and not self.assembler.last_fragment(slot)
        if unfinished and fragment.name not in {"", known}:
            self.assembler.rename(slot, known + fragment.name)  # a name split over fragments
        yield from self.assembler.tool(slot, id=fragment.id, name=fragment.name)
        if fragment.arguments:
            yield from self.assembler.arguments(slot, fragment.arguments)

    def response(self) -> Response:
        finish, detail = _FINISH.get(self.finish_raw, (Finish.OTHER if self.finish_raw else Finish.STOP, ""))
        if self.refused and finish is Finish.STOP:
            finish = Finish.CONTENT_FILTER
        return self.assembler.response(
            id=self.id,
            model=self.model,
            finish=finish,
            finish_raw=self.finish_raw,
            finish_detail=detail,
            usage=_usage(self.usage),
        )


def _fragment(call: Mapping[str, Any], position: int | None) -> _Fragment:
    function = mapping(call.get("function"))
    index = count(call.get("index"))
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping | list):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return _Fragment(
        under=count(function.get("index")) if index is None else index,
        position=position,
        id=string(call.get("id")),
        name=string(function.get("name")),
        arguments=string(arguments),
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
    if record.get("error") or record.get("object") == "error":
        raise in_stream_error(body, endpoint)
    choices = record.get("choices")
    if not isinstance(choices, list) or not choices:
        raise malformed(endpoint, "answered without choices")
    choice = mapping(choices[0])
    decoder = _Decoder(endpoint, request)
    for _ in decoder.chunk({**record, "choices": [{**choice, "delta": choice.get("message")}]}):
        pass
    return decoder.response()


def error(answer: HttpError, endpoint: Endpoint) -> LlmError:
    return typed_error(answer, endpoint)
