"""The vocabulary of a conversation with a model: messages and their parts, requests, responses, usage.

Pure values. Their text has no lone surrogates: it can be written and sent everywhere. What only one
provider understands (signatures, reasoning items) rides on the part it came with, and is echoed only to where it came
from (`Message.origin`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from ..outcome import Json

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def whole_characters(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone surrogates replaced: providers split pairs over fragments."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Finish(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"  # derived: at least one call, whatever the provider says
    CONTENT_FILTER = "content_filter"
    ERROR = "error"
    OTHER = "other"


class Origin(NamedTuple):
    """Who made an assistant message: the provider, and the model as it was asked for."""

    provider: str
    model: str


class Text(NamedTuple):
    text: str
    state: Mapping[str, Json] | None = None  # provider-private, echoed verbatim (a thought signature on a text part)


class Thinking(NamedTuple):
    text: str  # may be empty: a signature alone must survive a round trip too
    signature: str = ""
    state: Mapping[str, Json] | None = None


class RedactedThinking(NamedTuple):
    data: str


class Opaque(NamedTuple):
    """A block only its provider understands, echoed verbatim at the same place."""

    payload: Mapping[str, Json]


class ArgumentState(StrEnum):
    VALID = "valid"
    MALFORMED = "malformed"  # not one JSON object
    TRUNCATED = "truncated"  # cut by the output limit


class ToolCall(NamedTuple):
    """One call. `arguments` is None unless `state` is valid; `error` then says what is wrong."""

    id: str
    name: str
    raw: str  # the argument text as it came
    arguments: Mapping[str, Json] | None
    state: ArgumentState = ArgumentState.VALID
    error: str = ""
    note: str = ""  # what was mended: "spliced", "dup-collapsed", "double-encoded", …
    private: Mapping[str, Json] | None = None  # provider-private: item id, thought signature


class ToolResult(NamedTuple):
    call_id: str
    name: str
    content: str  # never empty
    is_error: bool = False


Part = Text | Thinking | RedactedThinking | Opaque | ToolCall | ToolResult


class Message(NamedTuple):
    role: Role
    parts: tuple[Part, ...]
    origin: Origin | None = None  # of assistant messages

    @property
    def text(self) -> str:
        """The text parts joined; "" when there are none."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def user(text: str) -> Message:
    return Message(Role.USER, (Text(text),))


def tool_results(results: Sequence[ToolResult]) -> Message:
    """Return the one message that answers all calls of a turn, in call order."""
    return Message(Role.TOOL, tuple(results))


class ToolDefinition(NamedTuple):
    name: str  # [A-Za-z][A-Za-z0-9_]{0,63}
    description: str
    parameters: Mapping[str, Json]  # JSON Schema with root type object


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, independent of who is asked; the model comes from the entry of the chain."""

    system: str = ""
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()
    tool_choice: str = "auto"  # auto | none | required | the name of a tool
    max_tokens: int | None = None
    reasoning_effort: str | None = None


class TokenUsage(NamedTuple):
    """Inclusive counts of one call; None = the provider did not say. Snapshots replace each other, they never add."""

    input_total: int | None = None  # cached input included
    output_total: int | None = None  # reasoning included
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One complete answer: nothing of it is acted upon before it exists."""

    id: str
    provider: str
    model: str  # as served, which may be a dated name of what was asked for
    asked: str  # the model as asked for
    parts: tuple[Part, ...]
    finish: Finish
    finish_raw: str = ""
    finish_detail: str = ""  # context_window, pause, malformed_call, a refusal's category
    usage: TokenUsage = TokenUsage()
    request_id: str = ""  # for the provider's support
    warnings: tuple[str, ...] = ()

    @property
    def message(self) -> Message:
        return Message(Role.ASSISTANT, self.parts, Origin(self.provider, self.asked))

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return self.message.calls


class StreamStart(NamedTuple):
    response_id: str
    model: str


class TextDelta(NamedTuple):
    block: int
    delta: str


class ReasoningDelta(NamedTuple):
    block: int
    delta: str


class ToolCallStart(NamedTuple):
    block: int
    id: str
    name: str


class ToolCallDelta(NamedTuple):
    block: int
    delta: str  # this fragment only, never the prefix


class ToolCallEnd(NamedTuple):
    block: int
    call: ToolCall


class UsageSnapshot(NamedTuple):
    usage: TokenUsage


class Finished(NamedTuple):
    """Exactly one, last."""

    response: Response


StreamEvent = (
    StreamStart | TextDelta | ReasoningDelta | ToolCallStart | ToolCallDelta | ToolCallEnd | UsageSnapshot | Finished
)
