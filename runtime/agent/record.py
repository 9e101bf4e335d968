"""A session's conversation on disk: appended to before and after every round, read again by whoever goes on with it.

A session of fidelity `full` is a thread: stages that name it, and further visits of them, go on where it stands. Its
file is the only place where it is kept between stages, so that a run that was resumed goes on as one that was not.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from ..files import LineFile
from ..llm.messages import (
    ArgumentState,
    Message,
    Opaque,
    Origin,
    Part,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ..outcome import Json
from .history import History, paired

_KINDS: Final[Mapping[type[Part], str]] = {
    Text: "text",
    Thinking: "thinking",
    RedactedThinking: "redacted_thinking",
    Opaque: "opaque",
    ToolCall: "tool_call",
    ToolResult: "tool_result",
}
_PARTS: Final[Mapping[str, type[Part]]] = {kind: part for part, kind in _KINDS.items()}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Stage(NamedTuple):
    """Which attempt of which stage speaks."""

    node: str
    visit: int
    attempt: int


class Found(NamedTuple):
    """What a file of a conversation holds."""

    messages: Sequence[Message]
    speaker: Stage | None  # who spoke last
    ended: bool  # it got to its end
    damaged: bool  # the file could not be read whole: its conversation is lost

    def broke_off(self, now: Stage) -> bool:
        """Whether the speaker was cut off: in the middle, or before its result was kept, so that it speaks again."""
        return self.speaker is not None and (not self.ended or self.speaker == now)


class Record:
    """A conversation and its file; `messages` may be read by anyone and is changed here alone."""

    def __init__(self, path: Path, stage: Stage, found: Found, hide: Callable[[str], str] = str) -> None:
        """Go on with what was found; it is on disk already."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.hide = hide
        self._file = LineFile(path)
        self._history = History(paired(found.messages))
        for message in self._history.messages[len(found.messages) :]:
            self._write({"entry": "message", **message_json(message)})
        self._write({"entry": "begin", **stage._asdict()})

    @property
    def messages(self) -> Sequence[Message]:
        return self._history.messages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, message: Message) -> Message:
        """Append a message; when this returns it survives the end of this process."""
        taken = self._history.add(message)
        self._write({"entry": "message", **message_json(taken)})
        return taken

    def replace(self, messages: Sequence[Message]) -> None:
        """Put the same conversation in other words: outputs were taken out."""
        self._history = History(messages)
        self._write({"entry": "cleared", "reason": "outputs were taken out"})
        for message in messages:
            self._write({"entry": "message", **message_json(message)})

    def give_up(self, reason: str) -> None:
        """Let nobody go on with this conversation."""
        self._history = History()
        self._write({"entry": "cleared", "reason": reason})

    def end(self, outcome: str) -> None:
        """Say that the stage is over; when this returns its conversation survives the power going, too."""
        self._file.append_durably(self._line({"entry": "end", "outcome": outcome}))

    def _write(self, entry: Mapping[str, Json]) -> None:
        self._file.append(self._line(entry))

    def _line(self, entry: Mapping[str, Json]) -> str:
        return self.hide(_encode(entry)) + "\n"


NOTHING: Final = Found((), None, ended=True, damaged=False)


def find(path: Path) -> Found:
    """Return the conversation in a file; a last line that broke off is taken away, a damaged file put aside."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return NOTHING
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        os.truncate(path, len(whole))
    try:
        return _found(map(json.loads, whole.splitlines()))
    except (ValueError, KeyError, TypeError, AttributeError):
        os.replace(path, f"{path}.damaged")
        return NOTHING._replace(damaged=True)


def _found(entries: Iterable[Mapping[str, Any]]) -> Found:
    messages: list[Message] = []
    speaker: Stage | None = None
    ended = True
    for entry in entries:
        match entry["entry"]:
            case "begin":
                speaker, ended = Stage(entry["node"], entry["visit"], entry["attempt"]), False
            case "message":
                messages.append(message_from_json(entry))
            case "cleared":
                messages = []
            case "end":
                ended = True
            case other:
                raise ValueError(other)
    return Found(messages, speaker, ended, damaged=False)


def message_json(message: Message) -> dict[str, Json]:
    return {
        "role": str(message.role),
        "parts": [{"kind": _KINDS[type(part)], **part._asdict()} for part in message.parts],
        "origin": message.origin._asdict() if message.origin else None,
    }


def message_from_json(written: Mapping[str, Any]) -> Message:
    """The opposite of `message_json`."""
    origin = written["origin"]
    return Message(
        Role(written["role"]), tuple(map(_part, written["parts"])), Origin(**origin) if origin is not None else None
    )


def _part(written: Mapping[str, Any]) -> Part:
    fields = {key: value for key, value in written.items() if key != "kind"}
    if "state" in fields and written["kind"] == "tool_call":
        fields["state"] = ArgumentState(fields["state"])
    return _PARTS[written["kind"]](**fields)
