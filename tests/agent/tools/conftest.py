"""A bench as a session sets it up: a real workspace, a real shell, and a stop button."""

import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.agent.tools.contract import Bench, Result, Tool
from attractor.runtime.agent.tools.dispatch import Answered, Toolbox
from attractor.runtime.llm.messages import ToolCall
from attractor.runtime.plan import Hooks
from attractor.runtime.shell import RealShell


class StopButton:
    """A cancellation that a test presses, from any thread."""

    def __init__(self) -> None:
        self.reason = ""
        self._read, self._write = os.pipe()

    def press(self, reason: str = "stopped by the test") -> None:
        self.reason = reason
        os.write(self._write, b"\0")

    def wait(self, seconds: float) -> bool:
        select.select([self._read], [], [], seconds)
        return bool(self.reason)


@pytest.fixture
def stop() -> StopButton:
    return StopButton()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def bench(tmp_path: Path, workspace: Path, stop: StopButton) -> Bench:
    return Bench(
        workspace=workspace,
        shell=RealShell(os.environ, ()),
        cancellation=stop,
        environment={},
        command_default_ms=20_000,
        command_max_ms=60_000,
        outputs=tmp_path.resolve() / "outputs",
    )


@pytest.fixture
def use(bench: Bench) -> Callable[..., Answered]:
    """Call a tool as a session does, with the arguments as keywords."""

    def use(tool: Tool, call_id: str = "call_1", **arguments: Any) -> Answered:
        return Toolbox([tool], bench, Hooks("", "")).answer(ToolCall(call_id, tool.name, "", arguments))

    return use


def result_of(answered: Answered) -> Result:
    return Result(answered.result.content, answered.result.is_error)
