"""Real processes: nothing here is faked but the person who cancels."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.shell import RealShell
from attractor.runtime.world import Command, CommandResult


class Stop:
    """A cancellation that says stop after a while."""

    def __init__(self, after_s: float = float("inf")) -> None:
        self._at = time.monotonic() + after_s

    @property
    def reason(self) -> str:
        return "stopped" if time.monotonic() >= self._at else ""

    def wait(self, seconds: float) -> bool:
        time.sleep(min(seconds, max(0.0, self._at - time.monotonic())))
        return bool(self.reason)


class Ran:
    def __init__(self, result: CommandResult, folder: Path, heard: list[tuple[str, bytes]]) -> None:
        self.result = result
        self.stdout = (folder / "out").read_bytes()
        self.stderr = (folder / "err").read_bytes()
        self.heard = heard


@pytest.fixture
def run(tmp_path: Path):
    def run(text: str, timeout_ms: int = 0, stop: Stop | None = None, **more: Any) -> Ran:
        shell = RealShell(os.environ, ())
        heard: list[tuple[str, bytes]] = []
        command = Command(
            command=text,
            folder=tmp_path,
            environment={},
            timeout_ms=timeout_ms,
            stdout=tmp_path / "out",
            stderr=tmp_path / "err",
            **more,
        )
        result = shell.run(command, stop or Stop(), lambda stream, data: heard.append((stream, data)) if data else None)
        return Ran(result, tmp_path, heard)

    return run


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param("true", 0, id="success"),
        pytest.param("exit 7", 7, id="its own code"),
        pytest.param("no_such_program_at_all", 127, id="a missing program"),
        pytest.param("kill -TERM $$", 143, id="ended by a signal"),
        pytest.param("cat", 0, id="reading stdin, which is empty"),
        pytest.param("a\0b", 127, id="a command that no process can be given"),
    ],
)
def test_the_exit_code_is_that_of_the_command(run, command: str, code: int) -> None:
    ran = run(command)

    assert (code, False, False) == (ran.result.exit_code, ran.result.timed_out, ran.result.canceled)


def test_both_streams_land_in_their_files_and_are_passed_on(run) -> None:
    ran = run("echo out; echo err >&2")

    assert (b"out\n", b"err\n") == (ran.stdout, ran.stderr)
    assert [("stdout", b"out\n"), ("stderr", b"err\n")] == ran.heard


def test_output_is_passed_on_while_the_command_runs(run) -> None:
    ran = run("echo one; sleep 0.4; echo two")

    assert [("stdout", b"one\n"), ("stdout", b"two\n")] == ran.heard


@pytest.mark.flaky(reruns=3)
def test_a_background_process_that_holds_the_output_does_not_delay(run) -> None:
    started = time.monotonic()
    ran = run("sleep 60 & echo $!")

    assert time.monotonic() - started < 5
    assert 0 == ran.result.exit_code
    os.kill(int(ran.stdout), signal.SIGKILL)


def test_a_timeout_ends_the_whole_group(run, tmp_path: Path) -> None:
    ran = run("sleep 61 & echo $! > child; echo before; sleep 61", timeout_ms=300)

    assert (124, True) == (ran.result.exit_code, ran.result.timed_out)
    assert b"before\n" == ran.stdout
    assert is_gone(int((tmp_path / "child").read_text()))


@pytest.mark.flaky(reruns=3)
def test_a_group_that_ignores_term_is_killed_after_two_seconds(run, tmp_path: Path) -> None:
    started = time.monotonic()
    ran = run("trap '' TERM; echo $$ > leader; while :; do sleep 0.1; done", timeout_ms=200)

    assert ran.result.timed_out
    assert 2 <= time.monotonic() - started < 5
    assert is_gone(int((tmp_path / "leader").read_text()))


def test_a_child_that_ignores_term_is_killed_though_its_leader_obeyed(run, tmp_path: Path) -> None:
    run("(trap '' TERM; echo $BASHPID > child; while :; do sleep 0.1; done) & sleep 61", timeout_ms=300)

    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_command_may_clean_up_when_its_time_is_up(run) -> None:
    ran = run("trap 'echo tidy; exit 0' TERM; while :; do sleep 0.05; done", timeout_ms=300)

    assert b"tidy\n" == ran.stdout
    assert 124 == ran.result.exit_code


@pytest.mark.flaky(reruns=3)
def test_cancellation_stops_the_command_at_once(run) -> None:
    started = time.monotonic()
    ran = run("sleep 62", stop=Stop(after_s=0.2))

    assert (True, False) == (ran.result.canceled, ran.result.timed_out)
    assert time.monotonic() - started < 2


def test_a_missing_folder_is_told_in_stderr(tmp_path: Path) -> None:
    command = Command(
        command="true",
        folder=tmp_path / "nowhere",
        environment={},
        timeout_ms=0,
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
    )
    result = RealShell(os.environ, ()).run(command, Stop(), lambda _stream, _text: None)

    assert 127 == result.exit_code
    assert "nowhere" in (tmp_path / "err").read_text()


def test_endless_output_is_kept_within_bounds_with_its_start_and_its_end(run) -> None:
    text = "echo first; for i in 1 2 3; do head -c 300000 /dev/zero | tr '\\0' x; sleep 0.25; done; echo last"
    ran = run(text, output_limit=100_000)

    assert len(ran.stdout) < 130_000
    assert ran.stdout.startswith(b"first\n")
    assert ran.stdout.endswith(b"last\n")
    assert b"[attractor: output too long, " in ran.stdout


@pytest.mark.flaky(reruns=3)  # how far it goes beyond them depends on when this process gets its turn
def test_a_flood_of_output_stays_within_bounds_while_it_is_written(tmp_path: Path) -> None:
    sizes: list[int] = []
    command = Command(
        command="echo first; head -c 300000000 /dev/zero; echo last",
        folder=tmp_path,
        environment={},
        timeout_ms=60_000,
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        output_limit=8_000_000,
    )
    result = RealShell(os.environ, ()).run(
        command, Stop(), lambda _stream, _text: sizes.append((tmp_path / "out").stat().st_size)
    )

    assert 0 == result.exit_code
    assert max(sizes) < 150_000_000
    text = (tmp_path / "out").read_bytes()
    assert len(text) < 10_000_000
    assert (True, True) == (text.startswith(b"first\n"), text.endswith(b"last\n"))


def test_what_a_command_leaves_behind_is_ended_when_that_is_asked_for(run, tmp_path: Path) -> None:
    started = time.monotonic()
    ran = run("sleep 60 & echo $!", ends_group=True)

    assert (0, True, False) == (ran.result.exit_code, ran.result.left_behind, ran.result.canceled)
    assert is_gone(int(ran.stdout))
    assert time.monotonic() - started < 5


def test_a_command_that_leaves_nothing_behind_is_told_so(run) -> None:
    assert not run("sleep 0.01 & wait; echo hi", ends_group=True).result.left_behind


def test_a_command_reads_the_file_it_is_given(run, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * 1_000_000)

    assert b"1000000\n" == run("wc -c", stdin=tmp_path / "in").stdout


def test_a_command_has_a_session_of_its_own(run) -> None:
    ran = run(f"{sys.executable} -c 'import os; print(os.getsid(0))'; echo $$")

    session, pid = ran.stdout.split()
    assert session == pid
    assert os.getsid(0) != int(session)


def test_commands_run_in_threads_too(run, tmp_path: Path) -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(run("exit 3").result.exit_code)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [3, 3] == results


def test_a_second_signal_leaves_nothing_running(tmp_path: Path) -> None:
    script = f"""
import os, sys
from pathlib import Path
from attractor.runtime.real_world import StopSignals
from attractor.runtime.shell import RealShell
from attractor.runtime.world import Command
here = Path({str(tmp_path)!r})
with StopSignals() as stop:
    command = Command(command="trap '' TERM; echo $$ > leader; while :; do sleep 0.1; done", folder=here,
                      environment={{}}, timeout_ms=0, stdout=here / "out", stderr=here / "err")
    try:
        RealShell(os.environ, ()).run(command, stop, lambda s, t: None)
    except KeyboardInterrupt:
        print("at once", stop.reason)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    wait_for(tmp_path / "leader")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=10)

    assert "at once stopped by signal SIGINT\n" == stdout
    assert is_gone(int((tmp_path / "leader").read_text()))


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody reaps counts."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False
