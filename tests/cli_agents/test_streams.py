"""What the vendors' own agents print, recorded, and what that means to us.

The recordings are what each program printed while it talked to a local server; of claude's first line only what is read
is kept.
"""

import json
from pathlib import Path

import pytest

from attractor.runtime.cli_agents.contract import (
    Called,
    Closed,
    Failed,
    Heard,
    Noted,
    Order,
    Returned,
    Said,
    Session,
    Spent,
)
from attractor.runtime.cli_agents.failures import failure
from attractor.runtime.cli_agents.programs import PROGRAMS
from attractor.runtime.llm.messages import TokenUsage

RECORDINGS = Path(__file__).parent / "recordings"
ORDER = Order("x", "vendor", "a-model", None, "/workspace", tools=True)


def heard(name: str) -> list[Heard]:
    program = PROGRAMS[name.partition("-")[0]]
    lines = (RECORDINGS / f"{name}.ndjson").read_text("utf-8").splitlines()
    return [each for line in lines for each in program.read(json.loads(line))]


def test_claude_works_with_a_tool() -> None:
    session, *rest = heard("claude-tool_call")

    assert isinstance(session, Session)
    call = rest[1].call_id  # type: ignore[union-attr]
    assert [
        Said("I make it."),
        Called(call, "Bash", {"command": "echo hello > made.txt && echo made", "description": "Make it"}),
        Returned(call, "made"),
        Said("It is there."),
        Spent(TokenUsage(50, 20, 0, 0), rest[4].cost_usd, 2),  # type: ignore[union-attr]
        Closed(),
    ] == rest
    assert rest[4].cost_usd == pytest.approx(0.00045)  # type: ignore[union-attr]


def test_codex_works_with_a_tool() -> None:
    session, note, *rest = heard("codex-tool_call")

    assert isinstance(session, Session)
    assert isinstance(note, Noted)  # it does not know this model's window
    shown = "/bin/bash -lc 'echo hello > made.txt && echo made'"
    assert [
        Said("I make it."),
        Called("item_2", "command_execution", {"command": shown}),
        Returned("item_2", "made\n"),
        Said("It is there."),
        Spent(TokenUsage(50, 20, 0, 0, 0), of_session=True),
        Closed(),
    ] == rest


def test_gemini_works_with_a_tool() -> None:
    session, *rest = heard("gemini-tool_call")

    assert isinstance(session, Session)
    call = rest[1].call_id  # type: ignore[union-attr]
    assert [
        Said("I make it.", whole=False),
        Called(call, "run_shell_command", {"command": "echo hello > made.txt && echo made", "description": "Make it"}),
        Returned(call, "made"),
        Said("It is there.", whole=False),
        Spent(TokenUsage(50, 20, 0)),
        Closed(),
    ] == rest


KINDS = {
    "wrong_key": "authentication",
    "unknown_model": "model_not_found",
    "no_quota": "quota_exceeded",
    "overloaded": "overloaded",
}


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in RECORDINGS.glob("*.ndjson") if "tool_call" not in path.name)
)
def test_a_program_that_gives_up_is_understood(name: str) -> None:
    program, _, case = name.partition("-")
    (said,) = (each for each in heard(name) if isinstance(each, Failed))

    error = failure(PROGRAMS[program], ORDER, 1, said, "")

    assert KINDS[case] == error.kind
    assert "sk-" not in error.message.replace("sk-***", "")


@pytest.mark.parametrize(
    ("program", "exit_code", "stderr", "kind", "says"),
    [
        ("claude", 127, "bash: line 1: exec: claude: not found", "configuration", "npm install"),
        ("claude", 1, "error: unknown option '--effort'", "configuration", "unknown option '--effort'"),
        ("codex", 2, "error: unexpected argument '--json' found\n\nUsage: codex", "configuration", "'--json'"),
        ("gemini", 1, "Unknown arguments: skip-trust, skipTrust", "configuration", "skip-trust"),
        ("gemini", 41, "Please set an Auth method in your settings.json", "authentication", "start `gemini` once"),
        ("codex", 1, "Error: stream disconnected before completion", "network", "stream disconnected"),
        ("codex", 1, "Error: thread panicked", "invalid_request", "exit code 1: Error: thread panicked"),
        ("claude", 0, "", "stream_truncated", "claude ended without a result"),
        ("claude", 137, "", "invalid_request", "exit code 137"),
    ],
)
def test_a_program_that_ends_without_a_reason_is_judged_by_how_it_ended(
    program: str, exit_code: int, stderr: str, kind: str, says: str
) -> None:
    error = failure(PROGRAMS[program], ORDER, exit_code, None, stderr)

    assert (kind, True) == (error.kind, says in error.message)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("line", ["{}", '{"type":null}', '{"type":"result"}', '{"type":"assistant","message":7}',
                                  '{"type":"user","message":{"content":[3,{"type":"tool_result"}]}}',
                                  '{"type":"item.completed","item":"x"}', '{"type":"turn.completed","usage":[]}',
                                  '{"type":"message","role":"assistant"}'])  # fmt: skip
def test_an_odd_line_is_no_reason_to_break(program: str, line: str) -> None:
    for each in PROGRAMS[program].read(json.loads(line)):
        assert isinstance(each, Heard)


COMMANDS = {
    "claude": (
        ["x", "-p", "--output-format", "stream-json", "--verbose", "--model", "a-model", "--permission-mode",
         "acceptEdits", "--allowedTools", "Bash,Edit,Glob,Grep,NotebookEdit,Read,TodoWrite,Write", "--effort", "high"],
        ["--resume", "s-1"],
    ),
    "codex": (
        ["x", "exec", "--json", "--skip-git-repo-check", "--model", "a-model", "--cd", "/workspace", "--sandbox",
         "workspace-write", "--config", 'model_reasoning_effort="high"'],
        ["resume", "s-1", "-"],
    ),
    "gemini": (
        ["x", "--output-format", "stream-json", "--skip-trust", "--model", "a-model", "--approval-mode", "yolo"],
        ["--resume", "s-1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_program_is_started_as_its_vendor_documents(name: str) -> None:
    first, more = COMMANDS[name]

    command = PROGRAMS[name].command(ORDER._replace(effort="high", session="s-1"))

    assert [*first, *more] == list(command)


@pytest.mark.parametrize(("name", "words"), [("claude", ["--tools", ""]), ("codex", ["--sandbox", "read-only"]),
                                             ("gemini", ["--approval-mode", "plan"])])  # fmt: skip
def test_a_stage_of_one_call_gets_no_tools(name: str, words: list[str]) -> None:
    command = list(PROGRAMS[name].command(ORDER._replace(tools=False)))

    assert words == command[(at := command.index(words[0])) : at + 2]
