"""Scenarios: stages that answer from a file instead of a model. `schemas/scenario.schema.json` is the format."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .outcome import Json, Usage


class ScriptedCall(NamedTuple):
    """A tool call to record as if a model had made it."""

    name: str
    arguments: Mapping[str, Json]
    result: str
    is_error: bool


class Turn(NamedTuple):
    """What one attempt of one visit does: wait, write `files`, run `commands`, answer."""

    status: str | None  # None: it ends without saying how
    text: str
    notes: str
    preferred_label: str
    suggested_next_ids: Sequence[str]
    context_updates: Mapping[str, Json]
    failure_reason: str
    failure_class: str
    exit_code: int | None
    delay_ms: int
    files: Mapping[str, str]
    commands: Sequence[str]
    tool_calls: Sequence[ScriptedCall]
    usage: Usage


class Scenario:
    """A scenario document that its schema has accepted."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._nodes: Mapping[str, Any] = document.get("nodes") or {}

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._nodes

    @property
    def node_ids(self) -> Sequence[str]:
        return tuple(self._nodes)

    def turn(self, node_id: str, visit: int, attempt: int) -> Turn:
        """Return what `node_id` does at this visit and attempt (both from 1); a node that is not named succeeds.

        In a list of turns the last one repeats.
        """
        chosen = _at(self._nodes.get(node_id, {}), visit)
        while "attempts" in chosen:
            shared = {key: value for key, value in chosen.items() if key != "attempts"}
            chosen = {**shared, **_at(chosen["attempts"], attempt)}
        return turn_of(chosen)


def _at(turns: Any, number: int) -> Mapping[str, Any]:
    if isinstance(turns, Mapping):
        return turns
    chosen: Mapping[str, Any] = turns[min(number, len(turns)) - 1]
    return chosen


def turn_of(written: Mapping[str, Any]) -> Turn:
    """Return the turn that a document of the schema describes; what it leaves out has its default."""
    return Turn(
        status=written.get("status", "success"),
        text=written.get("text", ""),
        notes=written.get("notes", ""),
        preferred_label=written.get("preferred_label", ""),
        suggested_next_ids=tuple(written.get("suggested_next_ids", ())),
        context_updates=written.get("context_updates", {}),
        failure_reason=written.get("failure_reason", ""),
        failure_class=written.get("failure_class", ""),
        exit_code=written.get("exit_code"),
        delay_ms=written.get("delay_ms", 0),
        files=written.get("files", {}),
        commands=tuple(written.get("commands", ())),
        tool_calls=tuple(_call(call) for call in written.get("tool_calls", ())),
        usage=_usage(written.get("usage", {})),
    )


def _call(written: Mapping[str, Any]) -> ScriptedCall:
    return ScriptedCall(
        name=written["name"],
        arguments=written.get("arguments", {}),
        result=written.get("result", ""),
        is_error=written.get("is_error", False),
    )


def _usage(written: Mapping[str, Any]) -> Usage:
    return Usage(
        llm_calls=written.get("llm_calls", 1),
        input_tokens=written.get("input_tokens", 0),
        output_tokens=written.get("output_tokens", 0),
        cache_read_tokens=written.get("cache_read_tokens", 0),
        cache_write_tokens=written.get("cache_write_tokens", 0),
        cost_usd=written.get("cost_usd", 0.0),
    )
