"""Parts of a session by themselves: instruction files, the system prompt's snapshot, pairing, the record."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.agent.history import History, check_pairs
from attractor.runtime.agent.instructions import CUT, MOST_BYTES, read_instructions
from attractor.runtime.agent.record import NOTHING, Record, find, message_from_json, message_json
from attractor.runtime.agent.record import Stage as Speaker
from attractor.runtime.agent.system_prompt import git_snapshot
from attractor.runtime.agent.tools.contract import Bench
from attractor.runtime.llm.errors import Configuration
from attractor.runtime.llm.messages import (
    ArgumentState,
    Message,
    Opaque,
    Origin,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    tool_results,
    user,
)
from attractor.runtime.shell import RealShell

from .test_any_session import Stop

GO = user("go")


def asks(*ids: str) -> Message:
    return Message(Role.ASSISTANT, tuple(ToolCall(id, "f", "{}", {}) for id in ids))


def says(*ids: str, text: str = "fine") -> Message:
    return tool_results([ToolResult(id, "f", text) for id in ids])


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        pytest.param([], "there is nothing to answer", id="nothing"),
        pytest.param([GO, asks("a")], "the results of a are missing", id="no results"),
        pytest.param([GO, asks("a", "b"), says("a")], "message 3 answers a, and the calls", id="one is missing"),
        pytest.param([GO, asks("a", "b"), says("b", "a")], "message 3 answers b, a", id="out of order"),
        pytest.param([GO, asks("a"), says("a", "a")], "message 3 answers a, a", id="twice"),
        pytest.param([GO, says("a")], "message 2 answers a, and the calls before it are none", id="no call"),
        pytest.param([GO, asks("a"), GO, says("a")], "message 3 stands where the results", id="not adjacent"),
        pytest.param([GO, asks("a"), says("a"), asks("a"), says("a")], "the id 'a' of message 4", id="an id twice"),
        pytest.param([GO, asks("a"), says("a", text=" ")], "the result of a is empty", id="an empty result"),
        pytest.param([GO, asks("a"), says("a", text="\ud800")], "holds half a character", id="a lone surrogate"),
        pytest.param([GO, Message(Role.ASSISTANT, (Text("hm"),))], "there is nothing to answer", id="nothing new"),
    ],
)  # fmt: skip
def test_a_history_that_is_not_paired_is_never_sent(messages: list[Message], complaint: str) -> None:
    with pytest.raises(Configuration, match="a bug of attractor") as raised:
        check_pairs(messages)

    assert complaint in raised.value.message


def test_a_paired_history_is_fine() -> None:
    check_pairs([user("go"), asks("a", "b"), says("a", "b"), user("and now"), asks("c"), says("c")])


def test_ids_that_came_before_are_given_anew() -> None:
    history = History([user("go"), asks("a"), says("a")])

    taken = [history.add(asks("a", "a", "")).calls, history.add(asks("a_2")).calls]

    assert [["a_2", "a_3", "call"], ["a_2_2"]] == [[call.id for call in calls] for calls in taken]


def test_every_part_of_a_message_survives_being_written_down() -> None:
    message = Message(
        Role.ASSISTANT,
        (
            Thinking("hm", "SIG", {"id": "t"}), RedactedThinking("X"), Text("é \u2028", {"phase": "final"}),
            Opaque({"type": "reasoning", "n": [1, None]}),
            ToolCall("a", "f", '{"a"', None, ArgumentState.TRUNCATED, "cut", "note", {"item": "i"}),
            ToolCall("b", "f", "{}", {"x": {"y": [1.5, True]}}),
        ),
        Origin("p", "m"),
    )  # fmt: skip

    assert message == message_from_json(message_json(message))
    assert says("a") == message_from_json(message_json(says("a")))


def test_a_record_that_is_given_up_is_found_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson"
    with Record(path, Speaker("a", 1, 1), NOTHING) as kept:
        kept.add(user("go"))
        kept.give_up("too long")
        kept.end("fail")

    assert ([], Speaker("a", 1, 1), True, False) == find(path)


# instruction files


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


FILES = {
    "AGENTS.md": "root", "CLAUDE.md": "for one", "GEMINI.md": "for another", ".codex/instructions.md": "codex",
    "sub/AGENTS.md": "deep", "sub/other/AGENTS.md": "elsewhere",
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "files"),
    [
        pytest.param("openai", ["AGENTS.md", ".codex/instructions.md", "sub/AGENTS.md"], id="openai"),
        pytest.param("anthropic", ["AGENTS.md", "CLAUDE.md", "sub/AGENTS.md"], id="anthropic"),
        pytest.param("google", ["AGENTS.md", "GEMINI.md", "sub/AGENTS.md"], id="google"),
    ],
)
def test_a_family_reads_its_files_from_the_top_down(tmp_path: Path, family: str, files: list[str]) -> None:
    write(tmp_path, {**FILES, ".git/HEAD": ""})

    found = read_instructions(tmp_path / "sub", family)

    assert files == list(found.files)
    assert found.text.startswith("## AGENTS.md\n\nroot\n\n## ")
    assert found.text.endswith("## sub/AGENTS.md\n\ndeep")


def test_outside_a_repository_only_the_workspace_counts(tmp_path: Path) -> None:
    write(tmp_path, FILES)

    assert ["AGENTS.md"] == list(read_instructions(tmp_path / "sub", "anthropic").files)
    assert "deep" in read_instructions(tmp_path / "sub", "anthropic").text


def test_a_file_under_two_names_is_read_once_and_links_out_are_not_followed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home, {"AGENTS.md": "root", ".git/HEAD": ""})
    (home / "CLAUDE.md").symlink_to("AGENTS.md")
    write(tmp_path, {"secret.md": "no"})
    (home / "GEMINI.md").symlink_to("../secret.md")
    os.mkfifo(home / "fifo")

    assert ["AGENTS.md"] == list(read_instructions(home, "anthropic").files)
    assert ["AGENTS.md"] == list(read_instructions(home, "google").files)


def test_instructions_are_cut_at_a_character(tmp_path: Path) -> None:
    write(tmp_path, {"AGENTS.md": "é" * MOST_BYTES, "CLAUDE.md": "never"})

    found = read_instructions(tmp_path, "anthropic")

    assert found.cut
    assert found.text.endswith(f"é\n\n{CUT}")
    assert MOST_BYTES // 2 == found.text.count("é")
    assert "never" not in found.text


# the snapshot


def bench(folder: Path, outputs: Path) -> Bench:
    return Bench(folder, RealShell(os.environ, ()), Stop(), {}, 1000, 1000, outputs)


def test_the_snapshot_says_where_the_repository_stands(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")

    def run(*arguments: str) -> Any:
        return subprocess.run([*git, *arguments], cwd=home, check=True, capture_output=True)

    assert "" == git_snapshot(bench(home, tmp_path / "outputs"))
    run("init", "-q", "-b", "main")
    write(home, {"a": "1", "b": "1"})
    run("add", "-A")
    run("commit", "-q", "-m", "Begin")
    write(home, {"a": "2", "c": "1"})

    text = git_snapshot(bench(home, tmp_path / "outputs"))

    assert "- git branch: main\n- changed files: 1, new files: 1\n- last commits:\n  - Begin" == text
