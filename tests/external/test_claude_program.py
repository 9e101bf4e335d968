"""The real `claude` program against the provider simulator. `make test-external` installs it and says where it is."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.runtime.simulator.server import Simulator

AGENTS = os.environ.get("ATTRACTOR_AGENTS", "")
CLAUDE = f"{AGENTS}/claude"
KEY = "sk-ant-canary-0815"
SIGNATURE = "c2lnbmVk"
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not AGENTS, reason="`make test-external` installs the program"),
]


class Answered(NamedTuple):
    code: int
    events: list[dict[str, Any]]  # what it printed, one JSON object per line
    text: str  # the same, as text

    @property
    def result(self) -> dict[str, Any]:
        """The last line."""
        assert "result" == self.events[-1]["type"], self.text
        return self.events[-1]

    @property
    def tool_results(self) -> list[dict[str, Any]]:
        return [
            block
            for event in self.events
            if event["type"] == "user"
            for block in event["message"]["content"]
            if block["type"] == "tool_result"
        ]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


def ask_claude(simulator: Simulator, workspace: Path, prompt: str = "Make the file.") -> Answered:
    """Run one turn without a terminal, in a home of its own, with nothing of this machine's settings."""
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": str(workspace.parent / "home"),
        "ANTHROPIC_BASE_URL": simulator.url,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",  # else it asks ten times more, for minutes, even when the key is wrong
        "DISABLE_AUTOUPDATER": "1",
    }
    command = [CLAUDE, "-p", "--output-format", "stream-json", "--verbose", "--allowedTools", "Bash", "--", prompt]
    done = subprocess.run(
        command, cwd=workspace, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    print(done.stdout, done.stderr)  # shown by pytest -rP, and when the test fails
    return Answered(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stdout)


def scripted(*answers: Mapping[str, Any]) -> Simulator:
    return Simulator({"version": 1, "answers": answers})


def bash(command: str, **more: Any) -> dict[str, Any]:
    return {"name": "Bash", "arguments": {"command": command, "description": "Do what was asked"}, **more}


def test_it_completes_a_turn_with_a_tool_call(workspace: Path) -> None:
    with scripted({"tool_calls": [bash("echo hello > made.txt && echo made")]}, {"text": "It is there."}) as simulator:
        answered = ask_claude(simulator, workspace)

    assert (0, False, "It is there.") == (answered.code, answered.result["is_error"], answered.result["result"])
    assert "hello\n" == (workspace / "made.txt").read_text()
    assert [("made", False)] == [(result["content"], result["is_error"]) for result in answered.tool_results]
    asked = [request for request in simulator.requests if request.protocol]
    assert ["/v1/messages?beta=true"] * 2 == [request.path for request in asked]
    assert ["0", "1"] == [request.answer for request in asked]
    call, result = asked[1].body["messages"][-2:]
    assert call["content"][0]["id"] == result["content"][0]["tool_use_id"]
    assert KEY not in json.dumps(simulator.recorder.document())


def test_it_takes_thinking_text_and_parallel_calls(workspace: Path) -> None:
    first = {
        "thinking": "Two files.",
        "signature": SIGNATURE,
        "text": "I make both.",
        "tool_calls": [bash("echo 1 > one"), bash("echo 2 > two", fragments=7)],
        "usage": {"input": 100, "output": 50, "cache_read": 60, "reasoning": 9},
    }
    with scripted(first, {"text": "Both are there."}) as simulator:
        answered = ask_claude(simulator, workspace)

    assert "Both are there." == answered.result["result"]
    assert ["1\n", "2\n"] == [(workspace / name).read_text() for name in ("one", "two")]
    usage = answered.result["usage"]
    assert (40 + 25, 60, 50 + 10) == (
        usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]
    )  # fmt: skip
    blocks = [block for request in simulator.requests[-1:] for block in request.body["messages"][-2]["content"]]
    assert ["thinking", "text", "tool_use", "tool_use"] == [block["type"] for block in blocks]
    assert SIGNATURE == blocks[0]["signature"]


def test_it_tries_again_after_an_overload_and_a_broken_stream(workspace: Path) -> None:
    overloaded = {"error": {"kind": "overloaded", "retry_after": {"s": 0}}}
    broken = {"text": "It will not", "delivery": {"drop": {"after_events": 4, "how": "reset"}}}
    with scripted(overloaded, broken, {"repeat": "always", "text": "It worked."}) as simulator:
        answered = ask_claude(simulator, workspace)

    assert (0, "It worked.") == (answered.code, answered.result["result"])
    assert "2" == simulator.requests[-1].answer


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("authentication", "API key"),
        ("quota", "Credit balance is too low"),
        ("model_not_found", "model"),
    ],
)
def test_it_explains_errors_that_do_not_pass(workspace: Path, kind: str, words: str) -> None:
    with scripted({"repeat": "always", "error": {"kind": kind}}) as simulator:
        answered = ask_claude(simulator, workspace)

    assert (1, True) == (answered.code, answered.result["is_error"])
    assert words in answered.result["result"]
