"""Puts a response together, block by block, as a stream delivers it.

Blocks keep the order in which they were first seen, and calls the id under which they were announced. Nothing of a
tool call is decided before `response` is called, and that only happens at the protocol's terminal event: a stream that
ends without one yields nothing at all.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from ..outcome import Json
from .arguments import UNSET, resolve
from .messages import (
    ArgumentState,
    Finish,
    Opaque,
    Part,
    ReasoningDelta,
    RedactedThinking,
    Request,
    Response,
    Role,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    whole_characters,
)  # fmt: skip
from .wire import Endpoint

_MOST_FRAGMENTS: Final = 4000  # that are kept apart
NAMELESS: Final = "invalid_tool"  # stands in history for a call without a name: providers refuse empty ones


class _Block:
    """What is known of one block so far.

    Fragments are kept apart and joined at the end, because arguments may be megabytes; thousands of them are joined
    before, because a short one takes several times the room of its letters.
    """

    __slots__ = (
        "announced",
        "closed",
        "fragments",
        "full",
        "given",
        "id",
        "joined",
        "kind",
        "name",
        "ordinal",
        "payload",
        "signature",
        "start",
        "state",
    )

    def __init__(self, ordinal: int, kind: str) -> None:
        self.ordinal = ordinal
        self.kind = kind  # text | thinking | redacted | opaque | tool
        self.id = ""  # of a call: unique in the response
        self.given = ""  # the id as the provider gave it
        self.name = ""
        self.announced = False
        self.start: object = UNSET
        self.joined: list[str] = []  # what came before `fragments`
        self.fragments: list[str] = []  # empty only while there was none at all
        self.full: str | None = None
        self.signature = ""
        self.state: Mapping[str, Json] | None = None
        self.payload: Mapping[str, Json] = {}
        self.closed = False

    def add(self, fragment: str) -> None:
        self.fragments.append(fragment)
        if len(self.fragments) > _MOST_FRAGMENTS:
            self.joined.append("".join(self.fragments[:-1]))
            del self.fragments[:-1]

    def raw_text(self) -> str:
        """Return the fragments joined; from now on they are kept so, and only once."""
        if self.joined or len(self.fragments) > 1:
            self.fragments = ["".join([*self.joined, *self.fragments])]
            self.joined = []
        return self.fragments[0] if self.fragments else ""

    @property
    def text(self) -> str:
        return whole_characters(self.raw_text())


class Assembler:
    """One response in the making. `key` is the protocol's own name for a block (an index, an item id)."""

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self.warnings: list[str] = []
        self._endpoint = endpoint
        self._turn = sum(message.role is Role.ASSISTANT for message in request.messages) + 1
        self._open: dict[Hashable, _Block] = {}
        self._blocks: list[_Block] = []
        self._ids: dict[str, _Block] = {}
        self._ends: list[StreamEvent] = []

    def __bool__(self) -> bool:
        """Say whether anything has come at all."""
        return any(block.kind != "text" or block.fragments for block in self._blocks)

    def known(self, key: Hashable) -> bool:
        return key in self._open

    def begin(self, key: Hashable, kind: str) -> None:
        """Give the block at `key` its place, before anything of its content is known."""
        self._block(key, kind)

    def text(self, key: Hashable, delta: str) -> TextDelta:
        block = self._block(key, "text")
        block.add(delta)
        return TextDelta(block.ordinal, delta)

    def thinking(self, key: Hashable, delta: str) -> ReasoningDelta:
        block = self._block(key, "thinking")
        block.add(delta)
        return ReasoningDelta(block.ordinal, delta)

    def signature(self, key: Hashable, signature: str) -> None:
        """Set the signature of a thinking block; it arrives once."""
        self._block(key, "thinking").signature = signature

    def redacted(self, key: Hashable, data: str) -> None:
        self._block(key, "redacted").payload = {"data": data}

    def opaque(self, key: Hashable, payload: Mapping[str, Json]) -> None:
        """Keep (or replace) a block that only its provider understands."""
        self._block(key, "opaque").payload = payload

    def is_opaque(self, key: Hashable) -> bool:
        block = self._open.get(key)
        return block is not None and block.kind == "opaque"

    def private(self, key: Hashable, state: Mapping[str, Json]) -> None:
        """Attach provider-private state to the block at `key`."""
        block = self._open.get(key)
        if block is not None:
            block.state = state

    def tool(self, key: Hashable, *, id: str = "", name: str = "", start: object = UNSET) -> list[ToolCallStart]:
        """Open a tool call, or learn more about the one at `key`: what is known already is never overwritten.

        Returns the call's announcement, once: [] for a call that was announced before.
        """
        block = self._block(key, "tool")
        block.given = block.given or id
        block.name = block.name or whole_characters(name)
        if block.start is UNSET:
            block.start = start
        return [] if block.announced else [self._announce(block)]

    def _announce(self, block: _Block) -> ToolCallStart:
        """Give the call the id that it keeps from now on."""
        block.announced = True
        block.id = self._free_id(whole_characters(block.given) or f"call_{self._turn}_{len(self._ids) + 1}")
        self._ids[block.id] = block
        return ToolCallStart(block.ordinal, block.id, block.name)

    def rename(self, key: Hashable, name: str) -> None:
        """Replace the name of the call at `key`: one vendor splits names over fragments."""
        self._block(key, "tool").name = whole_characters(name)

    def arguments(self, key: Hashable, fragment: str) -> list[StreamEvent]:
        """Add to the arguments of the call at `key`; a call that nothing announced is announced first."""
        block = self._block(key, "tool")
        events: list[StreamEvent] = [] if block.announced else [self._announce(block)]
        block.add(fragment)
        return [*events, ToolCallDelta(block.ordinal, fragment)]

    def full_arguments(self, key: Hashable, text: str) -> None:
        """Set the text that the provider declares to be the whole."""
        self._block(key, "tool").full = text

    def argument_text(self, key: Hashable) -> str:
        block = self._open.get(key)
        return "" if block is None else block.raw_text()

    def last_fragment(self, key: Hashable) -> str:
        block = self._open.get(key)
        return "" if block is None or not block.fragments else block.fragments[-1]

    def has_text(self, key: Hashable) -> bool:
        block = self._open.get(key)
        return block is not None and bool(block.fragments)

    def given_id(self, key: Hashable) -> str:
        """Return the id that the provider gave the call at `key`; "" when it gave none."""
        block = self._open.get(key)
        return "" if block is None else block.given

    def name_of(self, key: Hashable) -> str:
        block = self._open.get(key)
        return "" if block is None else block.name

    def close(self, key: Hashable) -> None:
        """Close the block at `key`; an unknown key is ignored."""
        block = self._open.get(key)
        if block is not None:
            block.closed = True

    def _block(self, key: Hashable, kind: str) -> _Block:
        """Return the block at `key`, a new one when there is none of that kind yet."""
        block = self._open.get(key)
        if block is not None and block.kind != kind:
            key = (key, kind)
            block = self._open.get(key)
        if block is None:
            block = self._open[key] = _Block(len(self._blocks), kind)
            self._blocks.append(block)
        return block

    def _free_id(self, id: str) -> str:
        """Return `id`, with a number behind it when another call of this response has it already."""
        free, number = id, 2
        while free in self._ids:
            free, number = f"{id}_{number}", number + 1
        return free

    def response(
        self,
        *,
        id: str,
        model: str,
        finish: Finish,
        finish_raw: str,
        finish_detail: str = "",
        usage: TokenUsage,
        request_id: str = "",
    ) -> Response:
        """Resolve every block and return the whole; whether `finish` is tool_calls the content decides."""
        parts = self._parts(cut=finish is Finish.LENGTH)
        if finish in {Finish.STOP, Finish.OTHER, Finish.TOOL_CALLS}:
            if any(isinstance(part, ToolCall) for part in parts):
                finish = Finish.TOOL_CALLS
            elif finish is Finish.TOOL_CALLS:
                finish = Finish.STOP
        return Response(
            id=whole_characters(id), provider=self._endpoint.provider, model=whole_characters(model),
            asked=self._endpoint.model, parts=parts, finish=finish, finish_raw=whole_characters(finish_raw),
            finish_detail=whole_characters(finish_detail), usage=usage, request_id=request_id,
            warnings=tuple(self.warnings),
        )  # fmt: skip

    def ends(self) -> Sequence[StreamEvent]:
        """Return the end of each call of the response, in order; before it the start of one that nothing announced."""
        return self._ends

    def _parts(self, *, cut: bool) -> tuple[Part, ...]:
        parts: list[Part] = []
        twins: dict[str, list[ToolCall]] = {}  # given id -> its calls
        last = self._blocks[-1] if self._blocks else None
        for block in self._blocks:
            if block.kind != "tool":
                part = _plain(block)
                if part is not None:
                    parts.append(part)
                continue
            if not block.announced:
                self._ends.append(self._announce(block))
            call = _call(block, cut=cut, last=block is last or not block.closed)
            known = twins.setdefault(block.given or block.id, [])
            if any(_same(call, twin) for twin in known):
                self.warnings.append(f"call {block.given} was delivered twice")
                continue
            if known:
                self.warnings.append(f"two calls had the id {block.given}; the second is now {call.id}")
            if call.note:
                self.warnings.append(f"arguments of {call.name} ({call.id}): {call.note}")
            known.append(call)
            parts.append(call)
            self._ends.append(ToolCallEnd(block.ordinal, call))
        return tuple(parts)


def _plain(block: _Block) -> Part | None:
    match block.kind:
        case "thinking":
            text = block.text
            return Thinking(text, block.signature, block.state) if text or block.signature or block.state else None
        case "redacted":
            return RedactedThinking(str(block.payload.get("data", "")))
        case "opaque":
            return Opaque(block.payload)
        case _:
            text = block.text
            return Text(text, block.state) if text or block.state else None


def _call(block: _Block, *, cut: bool, last: bool) -> ToolCall:
    resolved = resolve(block.start, (block.raw_text(),), block.full, cut=cut, last=last)
    if not block.name:
        resolved = resolved._replace(arguments=None, state=ArgumentState.MALFORMED, error="the call has no tool name")
    return ToolCall(
        id=block.id,
        name=block.name or NAMELESS,
        raw=resolved.raw,
        arguments=resolved.arguments,
        state=resolved.state,
        error=resolved.error,
        note=resolved.note,
        private=block.state,
    )


def _same(call: ToolCall, other: ToolCall) -> bool:
    if call.name != other.name:
        return False
    if call.arguments is not None:
        return call.arguments == other.arguments
    return other.arguments is None and call.raw == other.raw
