"""What the four protocols do alike: history for a new reader, ids and names, URLs, one JSON record per event."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from ...outcome import Json
from ..assembler import NAMELESS
from ..errors import LlmError, MalformedStream, StreamTruncated
from ..messages import (
    ArgumentState,
    Message,
    Opaque,
    Part,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ..wire import Endpoint, SseEvent

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_NAME_CHARS: Final = 64
_ID_CHARS: Final = 40  # one vendor refuses more
_UNPARSED_CHARS: Final = 2000
_SHOWN_CHARS: Final = 200
_DECODER: Final = json.JSONDecoder()


def address(endpoint: Endpoint) -> str:
    return endpoint.api.base_url.rstrip("/") + endpoint.api.path.replace("{model}", quote(endpoint.model, safe="/:@"))


def flag(endpoint: Endpoint, name: str) -> Any:
    """Return a vendor's flag; the plan holds every flag of the protocol."""
    return endpoint.api.flags[name]


def max_tokens(endpoint: Endpoint, asked: int | None) -> int | None:
    """Return the output limit to send: the node's, never below the provider's floor; None = send none."""
    default = flag(endpoint, "max_tokens_default")
    limit = asked if asked is not None else default
    return None if limit is None else max(limit, endpoint.api.max_tokens_floor)


def for_reader(messages: Iterable[Message], endpoint: Endpoint, *, any_id: bool = True) -> Iterator[Message]:
    """Yield the history as `endpoint` may see it.

    What only the author of a message understands stays with messages that `endpoint` wrote itself; ids of calls are
    rewritten where they may be refused, alike in the call and its result; empty messages are left out.

    Args:
        any_id: the endpoint takes ids that it gave itself as they are; otherwise they too are rewritten.
    """
    ids, here = _Ids(), (endpoint.provider, endpoint.model)
    for message in messages:
        own = message.origin == here
        if message.role is Role.ASSISTANT:
            ids.begin(verbatim=own and any_id)
        parts = tuple(
            [part for part in [_for_reader(part, ids, own=own) for part in message.parts] if part is not None]
        )
        if parts:
            yield Message(message.role, parts, message.origin)


class _Ids:
    """The ids of calls as their reader accepts them: the same id always gives the same, two never one."""

    def __init__(self) -> None:
        self._safe: dict[str, str] = {}
        self._taken: set[str] = set()
        self._verbatim = False

    def begin(self, *, verbatim: bool) -> None:
        """Begin an assistant message; the results after it follow its rule."""
        self._verbatim = verbatim

    def of(self, id: str) -> str:
        if self._verbatim:
            return id
        safe = self._safe.get(id)
        if safe is None:
            stem = _safe_id(id)
            safe, number = stem, 2
            while safe in self._taken:
                safe, number = f"{stem[: _ID_CHARS - 5]}_{number}", number + 1
            self._safe[id] = safe
            self._taken.add(safe)
        return safe


@lru_cache(maxsize=4096)
def _safe_id(id: str) -> str:
    return _UNSAFE.sub("_", id)[:_ID_CHARS] or "call"


def _for_reader(part: Part, ids: _Ids, *, own: bool) -> Part | None:
    match part:  # the frequent ones first: a long history is read for every request
        case ToolResult(id, name, content, is_error):
            return ToolResult(ids.of(id), safe_name(name), content, is_error)
        case ToolCall():
            private = part.private if own else None
            return part._replace(id=ids.of(part.id), name=safe_name(part.name), private=private)
        case Text():
            part = part if own or part.state is None else part._replace(state=None)
            return part if part.text or part.state else None
        case Thinking() | RedactedThinking() | Opaque():
            return part if own else None


@lru_cache(maxsize=256)
def safe_name(name: str) -> str:
    """Return a tool's name as every vendor accepts it: models also call tools that cannot exist."""
    return _UNSAFE.sub("_", name)[:_NAME_CHARS] or NAMELESS


def argument_object(call: ToolCall) -> Mapping[str, Json]:
    """Return the arguments for a protocol that wants an object, also of a call whose text was none."""
    if call.state is ArgumentState.VALID and call.arguments is not None:
        return call.arguments
    return {"_unparsed": call.raw[:_UNPARSED_CHARS]} if call.raw else {}


def argument_string(call: ToolCall) -> str:
    """Return the arguments for a protocol that wants JSON text; servers parse it again, and want an object."""
    if call.state is ArgumentState.VALID and call.arguments is not None:
        return json.dumps(call.arguments, ensure_ascii=False)
    return "{}"


def error_text(result: ToolResult) -> str:
    """Return a result's text for a protocol without an error flag."""
    if result.is_error and not result.content.startswith("Error:"):
        return f"Error: {result.content}"
    return result.content


def records(events: Iterable[SseEvent], endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Yield the JSON object of each event; `[DONE]` is yielded as `{"[DONE]": true}`.

    Raises:
        LlmError: MalformedStream, or StreamTruncated when the stream was cut inside the event.
    """
    for event in events:
        try:
            record, end = _DECODER.raw_decode(event.data)
            if end != len(event.data):
                record = json.loads(event.data)
        except (ValueError, RecursionError):
            record = _odd_record(event, endpoint)
        if isinstance(record, list) and len(record) == 1:
            record = record[0]
        if not isinstance(record, dict):
            raise malformed(endpoint, "sent an event that is not a JSON object")
        yield record


def _odd_record(event: SseEvent, endpoint: Endpoint) -> object:
    """Return what an event holds that does not begin with JSON. Raises as `records` does."""
    if event.data.strip() == "[DONE]":
        return {"[DONE]": True}
    try:
        return json.loads(event.data)
    except (ValueError, RecursionError):
        if not event.whole:
            raise truncated(endpoint, "inside an event") from None
        shown = event.data if len(event.data) <= _SHOWN_CHARS else event.data[:_SHOWN_CHARS] + " …"
        raise malformed(endpoint, f"sent an event that is not JSON: {shown!r}") from None


def truncated(endpoint: Endpoint, where: str) -> LlmError:
    return StreamTruncated(
        f"the stream of {endpoint.provider} ended {where}", provider=endpoint.provider, model=endpoint.model
    )


def malformed(endpoint: Endpoint, what: str) -> LlmError:
    return MalformedStream(f"{endpoint.provider} {what}", provider=endpoint.provider, model=endpoint.model)


def count(value: object) -> int | None:
    """Return a token count, None when the provider did not give a number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is an object, else an empty one: optional parts of a record may be missing or null."""
    return value if isinstance(value, dict) else {}


def string(value: object) -> str:
    return value if isinstance(value, str) else ""
