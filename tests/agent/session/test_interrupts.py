"""A second signal leaves at once; even then the conversation that is on disk is paired."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.agent.history import INTERRUPTED, check_pairs
from attractor.runtime.agent.inbox import Inbox
from attractor.runtime.agent.record import NOTHING, Record, Stage, find
from attractor.runtime.agent.session import Ports, Profile, Rules, Session
from attractor.runtime.agent.tools.contract import Bench, Cut, Result, Tool
from attractor.runtime.agent.tools.dispatch import Toolbox
from attractor.runtime.llm.messages import Finish, Response, ToolCall, ToolResult
from attractor.runtime.plan import Hooks

from .test_any_session import Model, Stop

NAMES = ("fine", "breaks_off", "fine")


def _fine(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    return Result("done")


def _breaks_off(arguments: Mapping[str, Any], call_id: str, bench: Bench) -> Result:
    raise KeyboardInterrupt


def test_the_calls_that_were_not_answered_are_answered_as_interrupted(tmp_path: Path) -> None:
    calls = tuple(ToolCall(str(number), name, "{}", {}) for number, name in enumerate(NAMES))
    response = Response(id="r", provider="p", model="m", asked="m", parts=calls, finish=Finish.TOOL_CALLS)
    schema = {"type": "object", "properties": {}}
    tools = [Tool(name, name, schema, Cut(500, "head"), False, run)
             for name, run in (("fine", _fine), ("breaks_off", _breaks_off))]  # fmt: skip
    bench = Bench(tmp_path, None, Stop(), {}, 1, 1, tmp_path / "outputs")  # type: ignore[arg-type]
    profile = Profile("system", (), Toolbox(tools, bench, Hooks("", "")))
    path = tmp_path / "session.ndjson"
    with Record(path, Stage("a", 1, 1), NOTHING) as kept:
        ports = Ports(
            Model([response], 1), kept, lambda provider, name: profile, lambda: False, lambda: False, Inbox(),
            lambda kind, facts: None, lambda line: None, Stop(),
        )  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            Session(ports, Rules(9, 3, None, None, {})).run("Go.")

    found = find(path)
    check_pairs(found.messages)
    assert [("0", "done"), ("1", INTERRUPTED), ("2", INTERRUPTED)] == [
        (part.call_id, part.content) for part in found.messages[-1].parts if isinstance(part, ToolResult)
    ]
    assert found.broke_off(Stage("a", 2, 1))
