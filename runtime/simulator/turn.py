"""One answer to one request, before a protocol turns it into records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from ..outcome import Json
from .scenario import Answer, CallBlock, Dialect, ErrorAnswer, RedactedBlock, TextBlock, ThinkingBlock, Tokens
from .shapes import LIMITED, NO_TERMINAL, Arrival, arrival

Sent = TextBlock | ThinkingBlock | RedactedBlock | Arrival
LIVE: Final = "live"  # a frame's place: content, or one of the two ends below
TERMINAL: Final = "terminal"  # proves that the answer is complete
DONE: Final = "done"  # a mark after that, such as `[DONE]`


class Frame(NamedTuple):
    """One record of a stream."""

    data: Mapping[str, Json] | str  # text is sent verbatim
    event: str = ""  # the `event:` field
    place: str = LIVE
    cut: bool = False  # the stream ends before the blank line that would end this record


class Failure(NamedTuple):
    """An unsuccessful answer."""

    status: int
    body: Json
    headers: Mapping[str, str]


class Asked(NamedTuple):
    """What a request says that decides its answer."""

    model: str
    stream: bool
    user_texts: Sequence[str]  # of the user's messages, in order
    body: Mapping[str, Any]


class Turn(NamedTuple):
    number: int  # of the request; ids are made of it
    asked: Asked
    model: str  # as served
    blocks: Sequence[Sent]
    finish: str
    finish_raw: str | None
    finish_raw_given: bool
    usage: Tokens
    dialect: Dialect

    @property
    def calls(self) -> list[Arrival]:
        return [block for block in self.blocks if isinstance(block, Arrival)]


class ServedProtocol(Protocol):
    """What each protocol's module offers."""

    REFUSED_SHAPES: frozenset[str]

    def asked(self, path: str, body: Mapping[str, Any]) -> Asked: ...

    def frames(self, turn: Turn) -> Iterator[Frame]:
        """Yield the records of a streamed answer, the terminal one included."""
        ...

    def complete(self, turn: Turn) -> Mapping[str, Json]:
        """Return the body of an unstreamed answer."""
        ...

    def failure(self, error: ErrorAnswer, asked: Asked, number: int) -> Failure: ...

    def error_frame(self, error: ErrorAnswer, turn: Turn) -> Frame:
        """Return the record that reports `error` inside a stream."""
        ...


def prepare(answer: Answer, asked: Asked, number: int) -> Turn:
    """Return what `answer` says to this request."""
    blocks: list[Sent] = [arrival(block) if isinstance(block, CallBlock) else block for block in answer.blocks]
    calls = [block for block in blocks if isinstance(block, Arrival)]
    finish = answer.finish
    if not finish:
        limited = any(call.shape in LIMITED for call in calls)
        finish = "length" if limited else "tool_calls" if calls else "stop"
    return Turn(
        number,
        asked,
        answer.model or asked.model,
        blocks,
        finish,
        answer.finish_raw,
        answer.finish_raw_given,
        answer.usage,
        answer.dialect,
    )


def has_terminal(turn: Turn) -> bool:
    return not any(call.shape in NO_TERMINAL for call in turn.calls)


def finish_word(turn: Turn, words: Mapping[str, str]) -> str | None:
    """Return the protocol's word for how the turn ends, or the scenario's own."""
    return turn.finish_raw if turn.finish_raw_given else words.get(turn.finish, turn.finish)


def shape_of(block: Sent) -> str:
    """Return a call's shape, "" for other blocks."""
    return block.shape if isinstance(block, Arrival) else ""


def is_cut(turn: Turn) -> bool:
    return any(call.shape == "cut_in_fragment" for call in turn.calls)


def streamed(turn: Turn, prefix: str) -> list[Sent]:
    """Return the blocks of a stream: with ids, calls that are delivered twice twice, nothing after one that is cut."""
    blocks: list[Sent] = []
    for block in with_ids(turn, prefix):
        blocks += [block] * (2 if shape_of(block) == "delivered_twice" else 1)
        if shape_of(block) == "cut_in_fragment":
            break
    return blocks


def next_index(index: int, block: Sent) -> int:
    """Return the index of `block`, which comes after the block at `index`."""
    return max(0, index) if shape_of(block).startswith("index_reused") else index + 1


def with_ids(turn: Turn, prefix: str) -> list[Sent]:
    """Return the blocks with an id for every call: the scenario's, the one before (`duplicate_ids`), or a new one."""
    named: list[Sent] = []
    last = ""
    for position, block in enumerate(turn.blocks):
        if isinstance(block, Arrival):
            made = f"{prefix}{turn.number:04}{position:02}" if prefix else ""
            last = last if block.shape == "duplicate_ids" and last else block.id or made
            block = block._replace(id=last)
        named.append(block)
    return named


def groups(blocks: Sequence[Sent]) -> Iterator[list[Sent]]:
    """Yield blocks that are sent together: neighbouring interleaved calls, everything else alone."""
    together: list[Sent] = []
    for block in blocks:
        if shape_of(block) == "interleaved":
            together.append(block)
            continue
        if together:
            yield together
            together = []
        yield [block]
    if together:
        yield together


def round_robin(queues: Sequence[Sequence[Frame]]) -> Iterator[Frame]:
    """Yield the first of each, then the second of each, and so on."""
    for at in range(max(map(len, queues), default=0)):
        for queue in queues:
            if at < len(queue):
                yield queue[at]


def text_of(content: object, *keys: str) -> str:
    """Return the text of a message's content: a string, or a list of parts with a text each."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    return "\n".join(
        str(part[key])
        for part in content
        if isinstance(part, Mapping)
        for key in keys
        if isinstance(part.get(key), str)
    )


def user_texts(messages: object, content: str, *keys: str) -> list[str]:
    """Return the text of each of the user's messages; `content` is the key of what a message holds."""
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        return []
    users = (message for message in messages if isinstance(message, Mapping) and message.get("role") == "user")
    return [text_of(message.get(content), *keys) for message in users]
