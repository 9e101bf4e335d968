"""What the four protocols do alike: history for a new reader, ids, URLs, one JSON record per event."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ...outcome import Json
from ..errors import MalformedStream
from ..messages import (
    ArgumentState,
    Message,
    Opaque,
    Part,
    RedactedThinking,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ..wire import Endpoint, SseEvent

_UNSAFE_ID: Final = re.compile(r"[^A-Za-z0-9_-]")
_UNPARSED_CHARS: Final = 2000


def address(endpoint: Endpoint) -> str:
    return endpoint.api.base_url.rstrip("/") + endpoint.api.path.replace("{model}", endpoint.model)


def flag(endpoint: Endpoint, name: str) -> Any:
    """Return a vendor's flag; the plan holds every flag of the protocol."""
    return endpoint.api.flags[name]


def max_tokens(endpoint: Endpoint, asked: int | None) -> int | None:
    """Return the output limit to send: the node's, never below the provider's floor; None = send none."""
    default = flag(endpoint, "max_tokens_default")
    limit = asked if asked is not None else default
    return None if limit is None else max(limit, endpoint.api.max_tokens_floor)


def safe_id(id: str) -> str:
    """Return `id` in the letters that every vendor accepts; the same id always gives the same."""
    return _UNSAFE_ID.sub("_", id)[:64] or "call"


def for_reader(messages: Iterable[Message], endpoint: Endpoint) -> Iterator[Message]:
    """Yield the history as `endpoint` may see it.

    What only the author of a message understands stays with messages that `endpoint` wrote itself; empty messages are
    left out.
    """
    for message in messages:
        own = message.origin is not None and message.origin == (endpoint.provider, endpoint.model)
        parts = tuple(part for part in (_for_reader(part, own=own) for part in message.parts) if part is not None)
        if parts:
            yield message._replace(parts=parts)


def _for_reader(part: Part, *, own: bool) -> Part | None:
    match part:
        case Text():
            part = part if own else part._replace(state=None)
            return part if part.text or part.state else None
        case Thinking() | RedactedThinking() | Opaque():
            return part if own else None
        case ToolCall():
            return part if own else part._replace(private=None)
        case ToolResult():
            return part


def argument_object(call: ToolCall) -> Mapping[str, Json]:
    """Return the arguments for a protocol that wants an object, also of a call whose text was none."""
    if call.state is ArgumentState.VALID and call.arguments is not None:
        return call.arguments
    return {"_unparsed": call.raw[:_UNPARSED_CHARS]} if call.raw else {}


def argument_string(call: ToolCall) -> str:
    """Return the arguments for a protocol that wants JSON text; servers parse it again on the next turn."""
    if call.state is ArgumentState.VALID and call.arguments is not None:
        return json.dumps(call.arguments, ensure_ascii=False)
    return "{}"


def error_text(result: ToolResult) -> str:
    """Return a result's text for a protocol without an error flag."""
    if result.is_error and not result.content.startswith("Error:"):
        return f"Error: {result.content}"
    return result.content


def records(events: Iterable[SseEvent], endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Yield the JSON object of each event; `[DONE]` is yielded as `{"[DONE]": true}`. Raises MalformedStream."""
    for event in events:
        if event.data.strip() == "[DONE]":
            yield {"[DONE]": True}
            continue
        try:
            record = json.loads(event.data)
        except (ValueError, RecursionError):
            shown = event.data if len(event.data) <= 200 else event.data[:200] + " …"
            raise MalformedStream(
                f"{endpoint.provider} sent an event that is not JSON: {shown!r}",
                provider=endpoint.provider,
                model=endpoint.model,
            ) from None
        if isinstance(record, list) and len(record) == 1:
            record = record[0]
        if not isinstance(record, dict):
            raise MalformedStream(
                f"{endpoint.provider} sent an event that is not a JSON object",
                provider=endpoint.provider,
                model=endpoint.model,
            )
        yield record


def count(value: object) -> int | None:
    """Return a token count, None when the provider did not give a number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is an object, else an empty one: optional parts of a record may be missing or null."""
    return value if isinstance(value, Mapping) else {}


def string(value: object) -> str:
    return value if isinstance(value, str) else ""
