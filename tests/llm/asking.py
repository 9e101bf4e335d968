"""Asking a raw server in one of the four protocols, as the client does but once: post, decode, response."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attractor.runtime.llm.messages import (
    Finished,
    Message,
    Request,
    Response,
    StreamEvent,
    ToolDefinition,
    ToolResult,
    tool_results,
    user,
)
from attractor.runtime.llm.protocols import protocol
from attractor.runtime.llm.transport import Limits, Transport
from attractor.runtime.llm.wire import Endpoint, HttpError, SseEvent
from attractor.runtime.plan import Api

ANTHROPIC = "anthropic_messages"
RESPONSES = "openai_responses"
CHAT = "openai_chat_completions"
GOOGLE = "google_generate_content"
PROTOCOLS = (ANTHROPIC, RESPONSES, CHAT, GOOGLE)
KEY = "sk-canary-0123456789"
LIMITS = Limits(connect_s=2.0, first_byte_s=5.0, idle_s=5.0, total_s=20.0)
SCHEMA = {"type": "object", "properties": {}}
TOOLS = tuple(ToolDefinition(name, f"does {name}", SCHEMA) for name in ("f", "g", "read_file", "bash"))
REQUEST = Request(system="be brief", messages=(user("hello"),), tools=TOOLS)

_CATALOGUE: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[2] / "compiler" / "catalog" / "protocols.json").read_text()
)


class NotCanceled:
    reason = ""

    def wait(self, seconds: float) -> bool:
        return False


class Cancelable:
    """A cancellation that a test sets."""

    reason = ""

    def wait(self, seconds: float) -> bool:
        return bool(self.reason)


def endpoint(
    name: str,
    url: str = "http://127.0.0.1:9",
    *,
    provider: str = "vendor",
    model: str = "model-1",
    floor: int = 0,
    headers: Mapping[str, str] = {},
    **flags: Any,
) -> Endpoint:
    """Return an endpoint with the flags that the catalogue has for the protocol, some of them set otherwise."""
    known = _CATALOGUE[name]
    assert {} == {flag: value for flag, value in flags.items() if flag not in known["flags"]}
    api = Api(
        protocol=name, base_url=url, path=known["path"], api_key_env="KEY", headers=headers,
        profile_family=known["profile_family"], max_tokens_floor=floor, force_stream=False,
        flags={**known["flags"], **flags}, model_flags={},
    )  # fmt: skip
    return Endpoint(provider, model, api)


def ask(
    target: Endpoint,
    request: Request = REQUEST,
    *,
    transport: Transport | None = None,
    limits: Limits = LIMITS,
    cancellation: Any = None,
    heard: list[StreamEvent] | None = None,
    stream: bool = True,
    key: str = KEY,
) -> Response:
    """Ask once. Raises LlmError."""
    wire = protocol(target.api.protocol)
    through = transport or Transport()
    try:
        post = wire.encode(request, target, key, stream=stream)
        with through.post(post, limits, cancellation or NotCanceled(), stream=stream) as answer:
            if not 200 <= answer.status < 300:
                raise wire.error(HttpError(answer.status, answer.headers, answer.body()), target)
            if not stream:
                return wire.decode_complete(answer.json(), target, request)
            for event in wire.decode(answer.events(), target, request):
                if heard is not None:
                    heard.append(event)
                if isinstance(event, Finished):
                    return event.response
    finally:
        if transport is None:
            through.close()
    raise AssertionError("the stream ended without an end")


def decoded(
    target: Endpoint, *records: Any, request: Request = REQUEST, heard: list[StreamEvent] | None = None
) -> Response:
    """Decode records without a server. Raises LlmError."""
    events = (SseEvent("message", record if isinstance(record, str) else json.dumps(record)) for record in records)
    all_events = list(protocol(target.api.protocol).decode(iter(events), target, request))
    if heard is not None:
        heard += all_events
    last = all_events[-1]
    assert isinstance(last, Finished)
    return last.response


def body_of(target: Endpoint, request: Request, *, stream: bool = True) -> Any:
    """Return the body that asks `request`, as JSON text gives it."""
    post = protocol(target.api.protocol).encode(request, target, KEY, stream=stream)
    return json.loads(json.dumps(post.body))


def answered(response: Response, *contents: str, more: Sequence[Message] = ()) -> Request:
    """Return the next request: each call of `response` answered, in order."""
    results = [
        ToolResult(call.id, call.name, content)
        for call, content in zip(response.calls, contents or ["done"] * len(response.calls), strict=True)
    ]
    messages = [*REQUEST.messages, response.message]
    if results:
        messages.append(tool_results(results))
    return Request(system=REQUEST.system, messages=(*messages, *more), tools=TOOLS)
