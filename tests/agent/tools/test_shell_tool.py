"""The shell tool with real processes: what it says, when it ends, what it leaves behind."""

import os
import re
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from attractor.runtime.agent.tools import shell
from attractor.runtime.agent.tools.contract import Bench
from attractor.runtime.agent.tools.dispatch import Toolbox
from attractor.runtime.llm.messages import ToolCall
from attractor.runtime.plan import Hooks

SHELL = shell.TOOL


def run(bench: Bench, command: str, **arguments: object):
    return Toolbox([SHELL], bench, Hooks("", "")).answer(
        ToolCall("c1", "shell", "", {"command": command, **arguments})  # type: ignore[dict-item]
    )


def alive(marker: str) -> list[str]:
    """Return the command lines of living processes that hold `marker`."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and name != str(os.getpid()):
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker in line and state not in "ZX":
                found.append(line)
    return found


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param("echo hi", "hi\nexit_code=0 timed_out=false", id="what it prints"),
        pytest.param("true", "exit_code=0 timed_out=false", id="nothing"),
        pytest.param("echo a; echo b >&2; exit 3", "a\n[stderr]\nb\nexit_code=3 timed_out=false", id="both streams"),
        pytest.param("kill -9 $$", "exit_code=137 timed_out=false", id="a signal"),
        pytest.param("cat; echo done", "done\nexit_code=0 timed_out=false", id="nothing to read"),
        pytest.param("printf 'a\\0b\\377c'", "ab\ufffdc\nexit_code=0 timed_out=false", id="what no message may hold"),
        pytest.param("pwd -P", "{workspace}\nexit_code=0 timed_out=false", id="in the workspace"),
        pytest.param("cd /; true", "exit_code=0 timed_out=false", id="a shell of its own"),
    ],
)
def test_a_command_says_what_it_printed_and_how_it_ended(bench: Bench, command: str, said: str) -> None:
    result = run(bench, command).result

    assert (said.format(workspace=bench.workspace), False) == (result.content, result.is_error)


def test_a_process_in_the_background_delays_nothing_and_is_ended(bench: Bench) -> None:
    started = time.monotonic()
    result = run(bench, "sleep 60.117 & echo hi").result

    assert time.monotonic() - started < 5
    assert result.content.startswith("hi\n[processes that the command left in the background were ended with it")
    assert not result.is_error
    assert [] == alive("sleep 60.117")


def test_a_command_is_cut_at_the_default_time_and_nothing_of_its_group_lives(bench: Bench) -> None:
    command = "echo partial; sleep 600.118 & (trap '' TERM; sleep 600.119; sleep 600.119) & sleep 600.118"
    result = run(bench._replace(command_default_ms=200), command).result

    assert result.is_error
    assert (
        "partial\n[ERROR: Command timed out after 200 ms and was ended; above is what it printed; give a larger "
        "timeout_ms, at most 60000, or do less in one command]\nexit_code=124 timed_out=true" == result.content
    )
    assert [] == alive("sleep 600.11")


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [({"timeout_ms": 150}, 150), ({"timeout_ms": 10**9}, 300), ({"timeout_ms": "160"}, 160), ({"timeout_ms": 0}, 200),
     ({"timeout_ms": -5}, 200), ({"timeout_ms": None}, 200)],
)  # fmt: skip
def test_the_time_is_the_calls_within_the_cap_of_the_stage(bench: Bench, arguments, limit: int) -> None:
    bench = bench._replace(command_default_ms=200, command_max_ms=300)
    text = run(bench, "sleep 600.120", **arguments).result.content

    assert f"timed out after {limit} ms" in text
    assert ("no command may run longer" in text) is (limit == 300)


@pytest.mark.flaky(reruns=3)
def test_a_cancellation_ends_a_command_at_once(bench: Bench, stop) -> None:
    threading.Timer(0.3, stop.press).start()
    started = time.monotonic()
    result = run(bench, "echo partial; sleep 600.121").result

    assert time.monotonic() - started < 0.3 + 0.5
    assert "partial\n[ERROR: Command was stopped: stopped by the test; above is what it printed]" in result.content
    assert result.is_error
    assert [] == alive("sleep 600.121")


@pytest.mark.flaky(reruns=3)
def test_a_gigabyte_is_bounded_in_memory_and_on_disk(bench: Bench) -> None:
    largest = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal largest
        while not done.wait(0.01):
            sizes = []
            for path in bench.outputs.rglob("*"):
                try:
                    sizes.append(path.stat().st_size)
                except OSError:
                    continue
            largest = max(largest, sum(sizes))

    thread = threading.Thread(target=watch)
    thread.start()
    tracemalloc.start()
    try:
        answered = run(bench, "echo first; head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo last")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        done.set()
        thread.join()

    assert peak < 100_000_000
    assert largest < 200_000_000
    assert len(answered.result.content) < 31_000
    assert answered.result.content.startswith("first\nxxx")
    assert answered.result.content.endswith("xxx\nlast\nexit_code=0 timed_out=false")
    assert answered.full is not None
    assert answered.full.stat().st_size < 20_000_000
    assert [answered.full] == list(bench.outputs.iterdir())


def test_long_output_is_cut_in_the_middle_with_its_end(bench: Bench) -> None:
    answered = run(bench, "seq 1 1000; echo failed >&2; exit 1")
    lines = answered.result.content.splitlines()

    assert "1" == lines[0]
    assert ["1000", "[stderr]", "failed", "exit_code=1 timed_out=false"] == lines[-4:]
    assert 257 == len(lines)
    assert re.fullmatch(r"\[WARNING: Tool output was truncated: \d+ characters \(747 lines\) .*\]", lines[128])
    assert answered.full is not None
    assert 1002 == answered.full.read_text().count("\n")


def test_the_same_command_says_the_same_again(bench: Bench) -> None:
    assert run(bench, "sleep 0.05; exit 1").result == run(bench, "exit 1").result


def test_output_is_heard_while_the_command_runs(bench: Bench) -> None:
    heard: list[tuple[str, bytes]] = []
    run(bench._replace(on_output=lambda stream, text: heard.append((stream, text))), "echo one; sleep 0.5; echo two")

    assert [("stdout", b"one\n"), ("stdout", b"two\n")] == [each for each in heard if each[1]]
    assert ("stdout", b"") in heard  # silent, but running


def test_git_asks_nobody_and_opens_no_editor(bench: Bench) -> None:
    command = (
        "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && "
        "git -c user.name=a -c user.email=a@b commit --amend --allow-empty && git log --oneline | cat"
    )
    text = run(bench, command).result.content

    assert "exit_code=0" in text


def test_a_folder_that_cannot_be_written_is_told(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answered = run(bench._replace(outputs=tmp_path / "file" / "x"), "true")

    assert answered.result.is_error
    assert "the command could not be run: Not a directory" == answered.result.content
