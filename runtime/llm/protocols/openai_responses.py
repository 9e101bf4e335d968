"""OpenAI Responses: `POST /v1/responses`, without state on the server."""

import json
from collections.abc import Iterator, Mapping
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
    Request,
    Response,
    Role,
    StreamEvent,
    StreamStart,
    Text,
    TokenUsage,
    ToolCall,
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

_INCOMPLETE: Final[Mapping[str, Finish]] = {
    "max_output_tokens": Finish.LENGTH,
    "content_filter": Finish.CONTENT_FILTER,
}


def encode(request: Request, endpoint: Endpoint, key: str, *, stream: bool) -> HttpRequest:
    headers = dict(endpoint.api.headers)
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body: dict[str, Any] = {
        "model": endpoint.model,
        "input": [item for message in for_reader(request.messages, endpoint) for item in _items(message)],
        "stream": stream,
        "store": False,
    }
    if request.system:
        body["instructions"] = request.system
    limit = max_tokens(endpoint, request.max_tokens)
    if limit is not None:
        body["max_output_tokens"] = limit
    if request.reasoning_effort and flag(endpoint, "effort_key"):
        # Only models that reason know these fields; others answer 400 to them.
        body["reasoning"] = {flag(endpoint, "effort_key"): request.reasoning_effort}
        body["include"] = ["reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in request.tools
        ]
        body["tool_choice"] = _tool_choice(request.tool_choice)
        if flag(endpoint, "parallel_tool_calls") is not None:
            body["parallel_tool_calls"] = flag(endpoint, "parallel_tool_calls")
    return HttpRequest(address(endpoint), headers, body)


def _tool_choice(choice: str) -> str | dict[str, str]:
    return choice if choice in {"auto", "none", "required"} else {"type": "function", "name": choice}


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the input items of a message, in the order of its parts: a reasoning item precedes what it led to."""
    match message.role:
        case Role.SYSTEM:
            yield {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": message.text}]}
        case Role.USER:
            yield {"type": "message", "role": "user", "content": [{"type": "input_text", "text": message.text}]}
        case Role.TOOL:
            for part in message.parts:
                if isinstance(part, ToolResult):
                    yield {"type": "function_call_output", "call_id": part.call_id, "output": error_text(part)}
        case Role.ASSISTANT:
            for part in message.parts:
                match part:
                    case Opaque():
                        if _can_be_sent_back(part.payload):
                            yield dict(part.payload)
                    case Text():
                        item = {
                            "type": "message",
                            "role": "assistant",
                            "content": [{"type": "output_text", "text": part.text}],
                        }
                        yield item | dict(part.state or {})
                    case ToolCall():
                        yield {
                            "type": "function_call",
                            "call_id": part.id,
                            "name": part.name,
                            "arguments": argument_string(part),
                        }
                    case _:
                        pass


def _can_be_sent_back(item: Mapping[str, Json]) -> bool:
    """Say whether the provider will know the item again: nothing is stored, so reasoning has to be in it."""
    return item.get("type") != "reasoning" or bool(item.get("encrypted_content"))


def decode(events: Iterator[SseEvent], endpoint: Endpoint, request: Request) -> Iterator[StreamEvent]:
    return _Decoder(endpoint, request).run(events)


class _Decoder:
    """One stream. Blocks are told apart by `output_index`; ids of items and of calls are different things."""

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self.endpoint = endpoint
        self.assembler = Assembler(endpoint, request)
        self.id = ""
        self.model = endpoint.model
        self.refused = False
        self.indexes: dict[str, int] = {}  # item id -> index of its block
        self.newest: dict[int, int] = {}  # output_index -> index of its newest block, where that is another one
        self.opened: dict[int, str] = {}  # index of a block -> id of the item that opened it
        self.last = 0  # index of the newest item's block
        self.begun = False

    def run(self, events: Iterator[SseEvent]) -> Iterator[StreamEvent]:
        for record in records(events, self.endpoint):
            kind = string(record.get("type"))
            match kind:
                case "response.created" | "response.queued" | "response.in_progress":
                    if not self.begun:
                        yield self.started(mapping(record.get("response")))
                case "response.output_item.added":
                    self._open(record)
                    yield from self._added(self._index(record), mapping(record.get("item")))
                case "response.output_text.delta":
                    yield self.assembler.text(self._key(record), string(record.get("delta")))
                case "response.refusal.delta":
                    self.refused = True
                    yield self.assembler.text(self._key(record), string(record.get("delta")))
                case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                    # Kept for the reader; what is echoed is the item itself.
                    continue
                case "response.function_call_arguments.delta":
                    if string(record.get("delta")):
                        yield from self.assembler.arguments(self._key(record), string(record.get("delta")))
                case "response.function_call_arguments.done":
                    self._full(self._key(record), record)
                case "response.output_item.done":
                    yield from self.done(self._index(record), mapping(record.get("item")))
                case "response.completed" | "response.incomplete" | "response.failed":
                    ending = mapping(record.get("response"))
                    yield from self.rest(ending)
                    response = self.ended(ending, kind.removeprefix("response."))
                    yield UsageSnapshot(response.usage)
                    yield from self.assembler.ends()
                    yield Finished(response)
                    return
                case "error":
                    raise in_stream_error({"error": record.get("error") or record}, self.endpoint)
                case _:
                    if not kind and record.get("error"):
                        raise in_stream_error(record, self.endpoint)
        raise truncated(self.endpoint, "without response.completed")

    def started(self, response: Mapping[str, Any]) -> StreamStart:
        self.begun = True
        self.id = string(response.get("id"))
        self.model = string(response.get("model")) or self.model
        return StreamStart(self.id, self.model)

    def _index(self, record: Mapping[str, Any]) -> int:
        """Return the block's index; a record that lacks it is recognised by its item."""
        item = string(record.get("item_id")) or string(mapping(record.get("item")).get("id"))
        index = count(record.get("output_index"))
        if index in self.newest:
            index = self.indexes.get(item, self.newest[index])
        if index is None:
            index = self.indexes.get(item, len(self.indexes)) if item else self.last
        if item:
            self.indexes.setdefault(item, index)
        self.last = index
        return index

    def _open(self, record: Mapping[str, Any]) -> None:
        """Give an item a block of its own when it comes under an `output_index` that another item has."""
        item, index = string(mapping(record.get("item")).get("id")), count(record.get("output_index"))
        if not item or index is None or item in self.indexes:
            return
        holder = self.newest.get(index, index)
        if holder in self.opened:
            holder = self.newest[index] = self.indexes[item] = -1 - len(self.newest) - len(self.opened)
        self.opened[holder] = item

    def _key(self, record: Mapping[str, Any]) -> tuple[int, int]:
        return self._index(record), count(record.get("content_index")) or 0

    def _added(self, index: int, item: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if item.get("type") == "function_call":
            yield from self.assembler.tool(
                (index, 0),
                id=string(item.get("call_id")),
                name=string(item.get("name")),
                start=item.get("arguments") or UNSET,
            )
        elif item.get("type") == "reasoning":
            self.assembler.opaque((index, 0), dict(item))
        elif item.get("type") == "message":
            self.assembler.begin((index, 0), "text")  # its place is now, though its text may come after others'

    def _full(self, key: tuple[int, int], record: Mapping[str, Any]) -> None:
        arguments = record.get("arguments")
        if isinstance(arguments, Mapping):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str) and arguments:
            self.assembler.full_arguments(key, arguments)

    def done(self, index: int, item: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """Take a finished item: it says authoritatively what its deltas said before."""
        key = (index, 0)
        match item.get("type"):
            case "function_call":
                yield from self.assembler.tool(key, id=string(item.get("call_id")), name=string(item.get("name")))
                self._full(key, item)
                self.assembler.close(key)
            case "message":
                content = item.get("content")
                for at, part in enumerate(content if isinstance(content, list) else ()):
                    text = string(mapping(part).get("text")) or string(mapping(part).get("refusal"))
                    self.refused = self.refused or mapping(part).get("type") == "refusal"
                    if text and not self.assembler.has_text((index, at)):
                        yield self.assembler.text((index, at), text)
                    if string(item.get("phase")):
                        self.assembler.private((index, at), {"phase": item["phase"]})
            case "reasoning":
                self.assembler.opaque(key, dict(item))
            case _:
                pass  # items of the provider's own tools, which are never asked for

    def whole(self, response: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """Take the items of a whole response."""
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            yield from self.done(index, mapping(item))

    def rest(self, response: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """Take from the terminal record what was not said before: everything, or arguments without an end."""
        if not self.assembler:
            yield from self.whole(response)
            return
        output = response.get("output")
        for item in map(mapping, output if isinstance(output, list) else ()):
            index = self.indexes.get(string(item.get("id")))
            if index is not None and item.get("type") == "function_call":
                self._full((index, 0), item)

    def ended(self, response: Mapping[str, Any], status: str) -> Response:
        """Take the terminal record; `status` is what its type says of it. Raises LlmError for a failed response."""
        self.id = self.id or string(response.get("id"))
        self.model = string(response.get("model")) or self.model
        status = string(response.get("status")) or status
        if status == "failed" or mapping(response.get("error")):
            raise in_stream_error({"error": mapping(response.get("error"))}, self.endpoint)
        reason = string(mapping(response.get("incomplete_details")).get("reason"))
        finish = Finish.STOP
        if status == "incomplete":
            finish = _INCOMPLETE.get(reason, Finish.OTHER)
        elif status == "cancelled":
            finish = Finish.ERROR
        elif self.refused:
            finish = Finish.CONTENT_FILTER
        return self.assembler.response(
            id=self.id,
            model=self.model,
            finish=finish,
            finish_raw=reason or status,
            usage=_usage(mapping(response.get("usage"))),
        )


def _usage(usage: Mapping[str, Any]) -> TokenUsage:
    details = mapping(usage.get("input_tokens_details"))
    return TokenUsage(
        input_total=count(usage.get("input_tokens")),
        output_total=count(usage.get("output_tokens")),
        cache_read=count(details.get("cached_tokens")),
        cache_write=count(details.get("cache_write_tokens")),
        reasoning=count(mapping(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )


def decode_complete(body: Json, endpoint: Endpoint, request: Request) -> Response:
    record = mapping(body)
    if not isinstance(record.get("output"), list):
        if record.get("error"):
            raise in_stream_error(body, endpoint)
        raise malformed(endpoint, "answered without output")
    decoder = _Decoder(endpoint, request)
    decoder.started(record)
    for _ in decoder.whole(record):
        pass
    return decoder.ended(record, "completed")


def error(answer: HttpError, endpoint: Endpoint) -> LlmError:
    return typed_error(answer, endpoint)
