"""Puts a response together, block by block, as a stream delivers it.

Blocks keep the order in which they were first seen. Nothing of a tool call is decided before `response` is called, and
that only happens at the protocol's terminal event: a stream that ends without one yields nothing at all.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from ..outcome import Json
from .arguments import UNSET, Resolved, resolve
from .messages import (
    ArgumentState,
    Finish,
    Opaque,
    Part,
    ReasoningDelta,
    RedactedThinking,
    Response,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    TokenUsage,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)  # fmt: skip

NAMELESS: Final = "invalid_tool"  # stands in history for a call without a name: providers refuse empty ones


class _Block:
    """What is known of one block so far. Fragments are kept apart and joined once: arguments may be megabytes."""

    __slots__ = (
        "closed",
        "fragments",
        "full",
        "id",
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
        self.id = ""
        self.name = ""
        self.start: object = UNSET
        self.fragments: list[str] = []
        self.full: str | None = None
        self.signature = ""
        self.state: Mapping[str, Json] | None = None
        self.payload: Mapping[str, Json] = {}
        self.closed = False


class Assembler:
    """One response in the making. `key` is the protocol's own name for a block (an index, an item id)."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Block] = {}
        self._blocks: list[_Block] = []
        self.warnings: list[str] = []

    def known(self, key: Hashable) -> bool:
        return key in self._open

    def text(self, key: Hashable, delta: str) -> TextDelta:
        block = self._block(key, "text")
        block.fragments.append(delta)
        return TextDelta(block.ordinal, delta)

    def thinking(self, key: Hashable, delta: str) -> ReasoningDelta:
        block = self._block(key, "thinking")
        block.fragments.append(delta)
        return ReasoningDelta(block.ordinal, delta)

    def signature(self, key: Hashable, signature: str) -> None:
        """Set the signature of a thinking block; it arrives once."""
        self._block(key, "thinking").signature = signature

    def redacted(self, key: Hashable, data: str) -> None:
        self._block(key, "redacted").payload = {"data": data}

    def opaque(self, key: Hashable, payload: Mapping[str, Json]) -> None:
        """Keep (or replace) a block that only its provider understands."""
        self._block(key, "opaque").payload = payload

    def private(self, key: Hashable, state: Mapping[str, Json]) -> None:
        """Attach provider-private state to the block at `key`."""
        block = self._open.get(key)
        if block is not None:
            block.state = state

    def tool(self, key: Hashable, *, id: str = "", name: str = "", start: object = UNSET) -> ToolCallStart:
        """Open a tool call, or learn more about the one at `key`: what is known already is never overwritten."""
        block = self._block(key, "tool")
        block.id = block.id or id
        block.name = block.name or name
        if block.start is UNSET:
            block.start = start
        return ToolCallStart(block.ordinal, block.id, block.name)

    def rename(self, key: Hashable, name: str) -> None:
        """Replace the name of the call at `key`: one vendor splits names over fragments."""
        self._block(key, "tool").name = name

    def arguments(self, key: Hashable, fragment: str) -> ToolCallDelta:
        block = self._block(key, "tool")
        block.fragments.append(fragment)
        return ToolCallDelta(block.ordinal, fragment)

    def full_arguments(self, key: Hashable, text: str) -> None:
        """Set the text that the provider declares to be the whole."""
        self._block(key, "tool").full = text

    def argument_text(self, key: Hashable) -> str:
        block = self._open.get(key)
        return "" if block is None else "".join(block.fragments)

    def id_of(self, key: Hashable) -> str:
        block = self._open.get(key)
        return "" if block is None else block.id

    def name_of(self, key: Hashable) -> str:
        block = self._open.get(key)
        return "" if block is None else block.name

    def close(self, key: Hashable) -> None:
        """Close the block at `key`; an unknown key is ignored. Later words about it open a block of their own."""
        block = self._open.get(key)
        if block is not None:
            block.closed = True

    def release(self, key: Hashable) -> None:
        """Let `key` name a new block from now on; the old one stays."""
        block = self._open.pop(key, None)
        if block is not None:
            block.closed = True

    def _block(self, key: Hashable, kind: str) -> _Block:
        block = self._open.get(key)
        if block is None:
            block = self._open[key] = _Block(len(self._blocks), kind)
            self._blocks.append(block)
        return block

    def events(self, parts: Sequence[Part]) -> list[StreamEvent]:
        """Return the `ToolCallEnd` of each call among `parts`, in order."""
        return [ToolCallEnd(at, part) for at, part in enumerate(parts) if isinstance(part, ToolCall)]

    def response(
        self,
        *,
        id: str,
        provider: str,
        model: str,
        finish: Finish,
        finish_raw: str,
        finish_detail: str = "",
        usage: TokenUsage,
        request_id: str = "",
    ) -> Response:
        """Resolve every block and return the whole. `finish` becomes tool_calls when there are calls to run."""
        parts = self._parts(cut=finish is Finish.LENGTH)
        if finish in {Finish.STOP, Finish.OTHER} and any(isinstance(part, ToolCall) for part in parts):
            finish = Finish.TOOL_CALLS
        return Response(
            id=id, provider=provider, model=model, parts=parts, finish=finish, finish_raw=finish_raw,
            finish_detail=finish_detail, usage=usage, request_id=request_id, warnings=tuple(self.warnings),
        )  # fmt: skip

    def _parts(self, *, cut: bool) -> tuple[Part, ...]:
        parts: list[Part] = []
        seen: dict[str, ToolCall] = {}
        last = self._blocks[-1] if self._blocks else None
        for block in self._blocks:
            if block.kind != "tool":
                part = _plain(block)
                if part is not None:
                    parts.append(part)
                continue
            resolved = resolve(
                block.start, block.fragments, block.full, cut=cut, last=block is last or not block.closed
            )
            call = _call(block, resolved, len(seen))
            twin = seen.get(call.id)
            if twin is not None and (twin.name, twin.raw) == (call.name, call.raw):
                self.warnings.append(f"call {call.id} was delivered twice")
                continue
            if twin is not None:
                call = call._replace(id=_free_id(call.id, seen))
                self.warnings.append(f"two calls had the id {twin.id}; the second is now {call.id}")
            if resolved.note:
                self.warnings.append(f"arguments of {call.name} ({call.id}): {resolved.note}")
            seen[call.id] = call
            parts.append(call)
        return tuple(parts)


def _plain(block: _Block) -> Part | None:
    text = "".join(block.fragments)
    match block.kind:
        case "thinking":
            return Thinking(text, block.signature, block.state)
        case "redacted":
            return RedactedThinking(str(block.payload["data"]))
        case "opaque":
            return Opaque(block.payload)
        case _:
            return Text(text, block.state) if text or block.state else None


def _call(block: _Block, resolved: Resolved, ordinal: int) -> ToolCall:
    """Return the call; one without an id gets one that a replay of the same stream gives again."""
    id = (
        block.id
        or "call_"
        + hashlib.sha256(f"{ordinal}\0{block.name}\0{resolved.raw}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    )
    call = ToolCall(
        id, block.name, resolved.raw, resolved.arguments, resolved.state, resolved.error, resolved.note, block.state
    )
    if block.name:
        return call
    return call._replace(
        name=NAMELESS, arguments=None, state=ArgumentState.MALFORMED, error="the call has no tool name"
    )


def _free_id(id: str, taken: Mapping[str, ToolCall]) -> str:
    number = 2
    while f"{id}_{number}" in taken:
        number += 1
    return f"{id}_{number}"
