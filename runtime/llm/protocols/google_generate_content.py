"""Google generateContent: `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent?alt=sse`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...outcome import Json
from ..assembler import Assembler
from ..classify import in_stream_error, read_error, typed_error
from ..errors import LlmError
from ..messages import (
    Finish,
    Finished,
    Part,
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

_FINISH: Final[Mapping[str, tuple[Finish, str]]] = {
    "STOP": (Finish.STOP, ""),
    "MAX_TOKENS": (Finish.LENGTH, ""),
    "SAFETY": (Finish.CONTENT_FILTER, "safety"),
    "RECITATION": (Finish.CONTENT_FILTER, "recitation"),
    "BLOCKLIST": (Finish.CONTENT_FILTER, "blocklist"),
    "PROHIBITED_CONTENT": (Finish.CONTENT_FILTER, "prohibited_content"),
    "SPII": (Finish.CONTENT_FILTER, "spii"),
    "LANGUAGE": (Finish.CONTENT_FILTER, "language"),
    "MALFORMED_FUNCTION_CALL": (Finish.OTHER, "malformed_call"),
    "UNEXPECTED_TOOL_CALL": (Finish.OTHER, "malformed_call"),
    "TOO_MANY_TOOL_CALLS": (Finish.OTHER, "malformed_call"),
}
_LEVELS: Final = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM"}
_BUDGETS: Final = {"none": 0, "minimal": 512, "low": 2048, "medium": 8192}
_HIGH_BUDGET: Final = 24576
# What the vendor documents for calls that its model did not make itself, after a failover.
_FOREIGN: Final = "skip_thought_signature_validator"


def encode(request: Request, endpoint: Endpoint, key: str, *, stream: bool) -> HttpRequest:
    headers = dict(endpoint.api.headers)
    if key:
        headers["x-goog-api-key"] = key  # never in the query, which ends up in logs
    body: dict[str, Any] = {"contents": _contents(request, endpoint)}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    if request.tools:
        body["tools"] = [
            {
                "functionDeclarations": [
                    {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
                    for tool in request.tools
                ]
            }
        ]
        body["toolConfig"] = {"functionCallingConfig": _tool_choice(request.tool_choice)}
    configuration = _configuration(request, endpoint)
    if configuration:
        body["generationConfig"] = configuration
    url = address(endpoint)
    if stream:
        url = url.replace(":generateContent", ":streamGenerateContent") + ("&alt=sse" if "?" in url else "?alt=sse")
    return HttpRequest(url, headers, body)


def _configuration(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    configuration: dict[str, Any] = {}
    limit = max_tokens(endpoint, request.max_tokens)
    if limit is not None:
        configuration["maxOutputTokens"] = limit
    effort = request.reasoning_effort
    match flag(endpoint, "thinking") if effort is not None else "":
        case "level":
            configuration["thinkingConfig"] = {"thinkingLevel": _LEVELS.get(str(effort), "HIGH")}
        case "budget":
            configuration["thinkingConfig"] = {"thinkingBudget": _BUDGETS.get(str(effort), _HIGH_BUDGET)}
        case _:
            pass
    return configuration


def _tool_choice(choice: str) -> dict[str, Any]:
    match choice:
        case "auto":
            return {"mode": "AUTO"}
        case "none":
            return {"mode": "NONE"}
        case "required":
            return {"mode": "ANY"}
        case name:
            return {"mode": "ANY", "allowedFunctionNames": [name]}


def _contents(request: Request, endpoint: Endpoint) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = []
    own_ids: set[str] = set()
    for message in for_reader(request.messages, endpoint):
        role = "model" if message.role is Role.ASSISTANT else "user"
        own_ids |= {call.id for call in message.calls if (call.private or {}).get("id")}
        parts = [encoded for encoded in (_part(part, own_ids) for part in message.parts) if encoded]
        if flag(endpoint, "thinking") == "level":
            _sign_first_call(parts)
        if contents and contents[-1]["role"] == role == "user":
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _sign_first_call(parts: list[dict[str, Any]]) -> None:
    """See to it that the first call of a step has a signature: models that check them refuse a call without one."""
    call = next((part for part in parts if "functionCall" in part), None)
    if call is not None:
        call.setdefault("thoughtSignature", _FOREIGN)


def _part(part: Part, own_ids: set[str]) -> dict[str, Any]:
    """Return one part as it came: signed parts are neither merged nor moved."""
    match part:
        case Text():
            return {"text": part.text} | dict(part.state or {})
        case Thinking():
            return {"text": part.text, "thought": True} | dict(part.state or {}) if part.text or part.state else {}
        case ToolCall():
            private = dict(part.private or {})
            call: dict[str, Any] = {"name": part.name, "args": argument_object(part)}
            if private.pop("id", None):
                call["id"] = part.id
            return {"functionCall": call} | private
        case ToolResult():
            response: dict[str, Any] = {
                "name": part.name,
                "response": {"error" if part.is_error else "output": part.content},
            }
            if part.call_id in own_ids:
                response["id"] = part.call_id
            return {"functionResponse": response}
        case _:
            return {}


def decode(events: Iterator[SseEvent], endpoint: Endpoint, request: Request) -> Iterator[StreamEvent]:
    return _Decoder(endpoint, request).run(events)


class _Decoder:
    """One stream: every record is a whole response with the next parts; the end of the stream is the end."""

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self.endpoint = endpoint
        self.assembler = Assembler(endpoint, request)
        self.id = ""
        self.model = endpoint.model
        self.started = False
        self.finish_raw = ""
        self.blocked = ""
        self.usage: dict[str, Any] = {}
        self.blocks = 0
        self.running = ""  # kind of the block that unsigned text still joins

    def run(self, events: Iterator[SseEvent]) -> Iterator[StreamEvent]:
        for record in records(events, self.endpoint):
            yield from self.chunk(record)
        if not self.finish_raw and not self.blocked:
            raise truncated(self.endpoint, "without a finish reason")
        response = self.response()
        yield from self.assembler.ends()
        yield Finished(response)

    def chunk(self, record: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if record.get("error"):
            raise in_stream_error(record, self.endpoint, self.id)
        if not self.started:
            self.started = True
            self.id = string(record.get("responseId"))
            self.model = string(record.get("modelVersion")) or self.model
            yield StreamStart(self.id, self.model)
        candidates = record.get("candidates")
        candidate = mapping(candidates[0]) if isinstance(candidates, list) and candidates else {}
        parts = mapping(candidate.get("content")).get("parts")
        for part in parts if isinstance(parts, list) else ():
            yield from self._part(mapping(part))
        usage = mapping(record.get("usageMetadata"))
        if usage:
            self.usage |= usage
            yield UsageSnapshot(_usage(self.usage))
        self.finish_raw = string(candidate.get("finishReason")) or self.finish_raw
        self.blocked = string(mapping(record.get("promptFeedback")).get("blockReason")) or self.blocked

    def _part(self, part: Mapping[str, Any]) -> Iterator[StreamEvent]:
        state = {"thoughtSignature": part["thoughtSignature"]} if part.get("thoughtSignature") else {}
        if isinstance(part.get("functionCall"), Mapping):
            yield from self._call(part["functionCall"], state)
        elif string(part.get("text")) or state:
            kind = "thinking" if part.get("thought") else "text"
            # A signed part stays as it came: nothing joins it.
            if state or self.running != kind:
                self.blocks += 1
            take = self.assembler.thinking if kind == "thinking" else self.assembler.text
            yield take(self.blocks, string(part.get("text")))
            if state:
                self.assembler.private(self.blocks, state)
            self.running = "" if state else kind

    def _call(self, call: Mapping[str, Any], state: dict[str, Json]) -> Iterator[StreamEvent]:
        self.blocks += 1
        self.running = ""
        id, arguments = string(call.get("id")), call.get("args")
        yield from self.assembler.tool(self.blocks, id=id, name=string(call.get("name")))
        if arguments is not None:
            yield from self.assembler.arguments(self.blocks, json.dumps(arguments, ensure_ascii=False))
        self.assembler.private(self.blocks, state | ({"id": True} if id else {}))
        self.assembler.close(self.blocks)

    def response(self) -> Response:
        if self.blocked and not self.finish_raw:
            finish, detail = Finish.CONTENT_FILTER, f"prompt blocked: {self.blocked}"
        else:
            finish, detail = _FINISH.get(self.finish_raw, (Finish.OTHER, ""))
            if self.finish_raw.startswith("IMAGE_"):
                finish = Finish.CONTENT_FILTER
        return self.assembler.response(
            id=self.id,
            model=self.model,
            finish=finish,
            finish_raw=self.finish_raw or self.blocked,
            finish_detail=detail,
            usage=_usage(self.usage),
            request_id=self.id,
        )


def _usage(usage: Mapping[str, Any]) -> TokenUsage:
    """Count thoughts and tool prompts in: the provider leaves them out."""
    prompt, tools = count(usage.get("promptTokenCount")), count(usage.get("toolUsePromptTokenCount"))
    output, thoughts = count(usage.get("candidatesTokenCount")), count(usage.get("thoughtsTokenCount"))
    return TokenUsage(
        input_total=None if prompt is None else prompt + (tools or 0),
        output_total=None if output is None and thoughts is None else (output or 0) + (thoughts or 0),
        cache_read=count(usage.get("cachedContentTokenCount")),
        reasoning=thoughts,
    )


def decode_complete(body: Json, endpoint: Endpoint, request: Request) -> Response:
    record = mapping(body)
    if "candidates" not in record and "promptFeedback" not in record:
        if read_error(body) is not None:
            raise in_stream_error(body, endpoint)
        raise malformed(endpoint, "answered without candidates")
    decoder = _Decoder(endpoint, request)
    for _ in decoder.chunk(record):
        pass
    return decoder.response()


def error(answer: HttpError, endpoint: Endpoint) -> LlmError:
    return typed_error(answer, endpoint)
