"""How much of a model's context a conversation fills, and how room is made in it.

Old outputs of tools go first. They are taken out in one large step, because each step changes what the provider has
cached; the calls and the place of their results stay.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..llm.messages import (
    Message,
    Opaque,
    Part,
    RedactedThinking,
    Response,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

CHARS_PER_TOKEN: Final = 3.5
WARN_AT: Final = 0.80
ACT_AT: Final = 0.95
ROOM_AT: Final = 0.60  # what is left after acting
_KEPT_ROUNDS: Final = 2  # the model is still at work on these
_WORTH_CHARS: Final = 400  # an output that is shorter saves nothing


class Stubbed(NamedTuple):
    messages: list[Message]
    outputs: int  # how many were taken out
    tokens: int  # how many that saves, estimated


class Gauge:
    """Estimates the tokens of the next request: what the provider counted, and what was said since."""

    def __init__(self, overhead_chars: int) -> None:
        """`overhead_chars`: of system prompt and tools."""
        self._overhead = overhead_chars
        self._counted = 0  # tokens of the messages before `_known`
        self._known = 0

    def tokens(self, messages: Sequence[Message]) -> int:
        since = sum(map(chars, messages[self._known :]))
        overhead = 0 if self._known else self._overhead
        return self._counted + round((since + overhead) / CHARS_PER_TOKEN)

    def counted(self, response: Response, messages: int) -> None:
        """Take over what the provider counted; `messages`: how many there are, the response included."""
        usage = response.usage
        if usage.input_total is not None:
            self._counted, self._known = usage.input_total + (usage.output_total or 0), messages

    def forget(self) -> None:
        """The history has changed: estimate all of it."""
        self._counted = self._known = 0


def chars(message: Message) -> int:
    return sum(map(_chars, message.parts))


def _chars(part: Part) -> int:
    match part:
        case Text(text) | Thinking(text):
            return len(text)
        case RedactedThinking(data):
            return len(data)
        case ToolCall():
            return len(part.name) + len(part.raw)
        case ToolResult():
            return len(part.content)
        case Opaque():
            return len(str(part.payload))


def stub_outputs(messages: Sequence[Message], to_save: int) -> Stubbed:
    """Return the history without its oldest outputs, as many as save `to_save` tokens; the last rounds stay whole."""
    rounds = [at for at, message in enumerate(messages) if message.role is Role.TOOL]
    shorter: dict[int, Message] = {}
    saved = outputs = 0
    for at in rounds[: max(0, len(rounds) - _KEPT_ROUNDS)]:
        if saved / CHARS_PER_TOKEN >= to_save:
            break
        parts = tuple(_stub(part) for part in messages[at].parts)
        gone = chars(messages[at]) - sum(map(_chars, parts))
        if gone > 0:
            shorter[at] = messages[at]._replace(parts=parts)
            saved += gone
            outputs += sum(old is not new for old, new in zip(messages[at].parts, parts, strict=True))
    return Stubbed(_with(messages, shorter), outputs, round(saved / CHARS_PER_TOKEN))


def _with(messages: Sequence[Message], others: Mapping[int, Message]) -> list[Message]:
    return [others.get(at, message) for at, message in enumerate(messages)]


def _stub(part: Part) -> Part:
    if not isinstance(part, ToolResult) or len(part.content) < _WORTH_CHARS:
        return part
    removed = f"{len(part.content)} characters of {part.name}'s output were taken out to make room"
    return part._replace(content=f"[{removed}; call it again if you need them]")
