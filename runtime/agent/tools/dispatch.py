"""From a call to its one result: look up, parse, validate, ask the hook, run, cut.

Whatever the model sent and whatever the workspace did, each call gets exactly one result, in call order, with a text
that is not empty and can be written everywhere.
"""

import difflib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...llm.messages import ArgumentState, ToolCall, ToolResult, whole_characters
from ...outcome import Json
from ...plan import Hooks
from . import hooks as hook
from .arguments import check, required, validator_of
from .contract import Bench, Refusal, Result, Tool
from .truncation import truncate

SIDE_BY_SIDE: Final = 8  # read-only calls of one turn at a time
PATIENCE: Final = 3  # from this refusal in a row on, a tool lists what it needs
QUOTED_CHARS: Final = 300
NO_OUTPUT: Final = "(no output)"


class Ending(StrEnum):
    """How a call came to its result."""

    RAN = "ran"
    FAILED = "failed"  # the tool could not carry it out
    UNKNOWN = "unknown"  # no tool of that name
    MALFORMED = "malformed"  # the arguments were not one JSON object, or cut off
    INVALID = "invalid"  # they did not fit the schema
    SKIPPED = "skipped"  # by tool_hooks.pre
    CRASHED = "crashed"  # our bug
    CANCELED = "canceled"  # not executed: the session was stopped before


class Answered(NamedTuple):
    result: ToolResult  # what the model is told
    ending: Ending
    notes: tuple[str, ...] = ()  # arguments that were mended, hooks that failed
    full: Path | None = None  # the whole text, when the result holds only parts of it
    chars: int = 0  # of the whole text
    duration_ms: int = 0


OnStart = Callable[[ToolCall], None]
OnEnd = Callable[[ToolCall, Answered], None]


class Toolbox:
    """The tools of one session and what is remembered between its calls."""

    def __init__(self, tools: Sequence[Tool], bench: Bench, hooks: Hooks) -> None:
        """A later tool takes the place of an earlier one of its name."""
        self.tools = {tool.name: tool for tool in tools}
        self._bench = bench
        self._hooks = hooks
        self._validators: dict[str, Any] = {}
        self._refused: dict[str, int] = {}  # by tool: calls in a row whose arguments did not fit

    def run_batch(self, calls: Sequence[ToolCall], on_start: OnStart, on_end: OnEnd) -> tuple[Answered, ...]:
        """Answer all calls of one turn: neighbours that only read side by side, all others one after the other.

        `on_start` and `on_end` are called in this thread, in call order.
        """
        answers: list[Answered] = []
        for reads_only, group in groupby(calls, self._reads_only):
            together = list(group)
            if reads_only and len(together) > 1:
                answers += self._side_by_side(together, on_start, on_end)
            else:
                answers += self._in_turn(together, on_start, on_end)
        return tuple(answers)

    def answer(self, call: ToolCall) -> Answered:
        """Return the result of one call. Raises nothing but what ends the process."""
        started = time.monotonic()
        ending, notes, said = self._said(call)
        text = _presentable(said.text)
        tool = self.tools.get(call.name)
        shown = truncate(text, tool.cut, call.id, self._bench.outputs) if tool else None
        return Answered(
            result=ToolResult(call.id, call.name, shown.text if shown else text, said.is_error),
            ending=ending,
            notes=notes,
            full=shown.full if shown else None,
            chars=len(text),
            duration_ms=round((time.monotonic() - started) * 1000),
        )

    def _reads_only(self, call: ToolCall) -> bool:
        tool = self.tools.get(call.name)
        return tool is not None and tool.reads_only

    def _in_turn(self, calls: Sequence[ToolCall], on_start: OnStart, on_end: OnEnd) -> list[Answered]:
        answers = []
        for call in calls:
            on_start(call)
            answers.append(self.answer(call))
            on_end(call, answers[-1])
        return answers

    def _side_by_side(self, calls: Sequence[ToolCall], on_start: OnStart, on_end: OnEnd) -> list[Answered]:
        for call in calls:
            on_start(call)
        pool = ThreadPoolExecutor(min(SIDE_BY_SIDE, len(calls)), thread_name_prefix="tool")
        try:
            answers = []
            for call, answered in zip(calls, pool.map(self.answer, calls), strict=True):
                on_end(call, answered)
                answers.append(answered)
            return answers
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _said(self, call: ToolCall) -> tuple[Ending, tuple[str, ...], Result]:
        """Return how the call ended, what is to be noted, and what there is to say, at any length."""
        if reason := self._bench.cancellation.reason:
            return Ending.CANCELED, (), Result(f"not executed: canceled ({reason})", is_error=True)
        tool = self.tools.get(call.name)
        if tool is None:
            return Ending.UNKNOWN, (), Result(self._unknown(call.name), is_error=True)
        if call.state is not ArgumentState.VALID or call.arguments is None:
            return Ending.MALFORMED, (), Result(_malformed(call, tool), is_error=True)
        checked = check(call.arguments, tool.parameters, self._validator(tool))
        if checked.errors:
            return Ending.INVALID, checked.notes, Result(self._misfit(tool, checked.errors), is_error=True)
        self._refused.pop(tool.name, None)
        call = call._replace(arguments=checked.arguments)
        if veto := hook.before(self._hooks.pre, call, self._bench):
            return Ending.SKIPPED, checked.notes, Result(f"not executed: {veto}", is_error=True)
        ending, result = _run(tool, call, self._bench)
        complaint = hook.after(self._hooks.post, call, result, self._bench)
        return ending, (*checked.notes, complaint) if complaint else checked.notes, result

    def _validator(self, tool: Tool) -> Any:
        if tool.name not in self._validators:
            self._validators[tool.name] = validator_of(tool.parameters)
        return self._validators[tool.name]

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name[:100], self.tools, n=1)
        meant = f"; did you mean {close[0]!r}" if close else ""
        return f"unknown tool: {name[:100]!r}{meant}; the tools are {', '.join(sorted(self.tools))}"

    def _misfit(self, tool: Tool, errors: Sequence[str]) -> str:
        times = self._refused[tool.name] = self._refused.get(tool.name, 0) + 1
        text = f"invalid tool arguments for {tool.name}: {'; '.join(errors)}"
        if times < PATIENCE:
            return text
        return f"{text}\nthis is refusal {times} in a row; {_needs(tool)}"


def _run(tool: Tool, call: ToolCall, bench: Bench) -> tuple[Ending, Result]:
    assert call.arguments is not None  # noqa: S101 - validated
    try:
        result = tool.run(call.arguments, call.id, bench)
    except Refusal as refusal:
        result = Result(str(refusal), is_error=True)
    except OSError as error:
        where = f": {error.filename!r}" if error.filename else ""
        result = Result(f"{error.strerror or error}{where}", is_error=True)
    except Exception as error:  # the session must pair every call, also one that finds a bug of ours
        return Ending.CRASHED, Result(f"{tool.name} broke: {type(error).__name__}: {error}", is_error=True)
    return Ending.FAILED if result.is_error else Ending.RAN, result


def _malformed(call: ToolCall, tool: Tool) -> str:
    sent = call.raw if len(call.raw) <= QUOTED_CHARS else f"{call.raw[:QUOTED_CHARS]}…"
    if call.state is ArgumentState.TRUNCATED:
        return (
            f"invalid tool arguments JSON: {call.error or 'cut off'}; "
            f"they began with {sent!r}; send the call again, with a shorter text or in several steps"
        )
    return f"invalid tool arguments JSON: {call.error}; you sent {sent!r}; send one JSON object: {_needs(tool)}"


def _needs(tool: Tool) -> str:
    """Return what a call of the tool is made of, required arguments first."""
    needed = required(tool.parameters)
    properties: Json = tool.parameters.get("properties")
    optional = [name for name in properties if name not in needed] if isinstance(properties, dict) else []
    also = f"; optional: {', '.join(optional)}" if optional else ""
    return f"{tool.name} requires {', '.join(needed) or 'nothing'}{also}"


def _presentable(text: str) -> str:
    text = whole_characters(text)
    return text if text.strip() else NO_OUTPUT
