"""The conversation of a session, and the pairing that every provider insists on.

Each call of an assistant message has exactly one result, in the message right behind it, in call order; ids are unique
in the conversation and never change once sent; a result holds text that can be written everywhere.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ..llm.errors import Configuration
from ..llm.messages import Message, Part, Role, ToolCall, ToolResult, tool_results

INTERRUPTED: Final = "not known: the run was interrupted while this call was under way; look before you repeat it"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class History:
    """Grows by whole messages only."""

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self.messages = list(messages)
        self._ids = {call.id for message in messages for call in message.calls}

    def add(self, message: Message) -> Message:
        """Append a message and return it as it was taken in: an id that an earlier call has is not used again."""
        taken = self._with_new_ids(message) if message.calls else message
        self.messages.append(taken)
        return taken

    def _with_new_ids(self, message: Message) -> Message:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                part = part._replace(id=self._free_id(part.id))
                self._ids.add(part.id)
            parts.append(part)
        return message._replace(parts=tuple(parts))

    def _free_id(self, id: str) -> str:
        stem = id.strip() or "call"
        free, number = stem, 2
        while free in self._ids:
            free, number = f"{stem}_{number}", number + 1
        return free


def check_pairs(messages: Sequence[Message]) -> None:
    """Look at a whole history before it is sent.

    Raises:
        Configuration: the pairing is broken. That is our mistake, told here rather than by a provider's refusal.
    """
    broken = next(_violations(messages), "")
    if broken:
        raise Configuration(f"the conversation is not fit to be sent, which is a bug of attractor: {broken}")


def _violations(messages: Sequence[Message]) -> Iterator[str]:
    waiting: tuple[ToolCall, ...] = ()
    ids: set[str] = set()
    for number, message in enumerate(messages, start=1):
        if message.role is Role.TOOL:
            yield from _wrong_answers(number, waiting, message)
            waiting = ()
            continue
        if waiting:
            yield f"message {number} stands where the results of {_ids(waiting)} belong"
        waiting = message.calls if message.role is Role.ASSISTANT else ()
        for call in waiting:
            if call.id in ids or not call.id:
                yield f"the id {call.id!r} of message {number} is used twice, or empty"
            ids.add(call.id)
    if waiting:
        yield f"the results of {_ids(waiting)} are missing"
    if not messages or messages[-1].role is Role.ASSISTANT:
        yield "there is nothing to answer"


def _wrong_answers(number: int, calls: tuple[ToolCall, ...], message: Message) -> Iterator[str]:
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if [call.id for call in calls] != [result.call_id for result in results] or len(results) != len(message.parts):
        answered = ", ".join(result.call_id for result in results) or "nothing"
        yield f"message {number} answers {answered}, and the calls before it are {_ids(calls) or 'none'}"
    for result in results:
        if not result.content.strip():
            yield f"the result of {result.call_id} is empty"
        elif not result.content.isascii() and _SURROGATE.search(result.content):
            yield f"the result of {result.call_id} holds half a character"


def _ids(calls: Sequence[ToolCall]) -> str:
    return ", ".join(call.id for call in calls)


def paired(messages: Sequence[Message]) -> list[Message]:
    """Return a history that broke off, its last calls answered: a call is never made again by itself."""
    if not messages or not messages[-1].calls:
        return list(messages)
    return [*messages, tool_results([interrupted(call) for call in messages[-1].calls])]


def interrupted(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, call.name, INTERRUPTED, is_error=True)
