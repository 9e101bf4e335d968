"""What the world does to a run: it ends clearly, leaves nothing half-written, and goes on where that is possible."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.lock import Busy, RunLock

from .conftest import command

RUN = [sys.executable, "-m", "attractor.cli.main"]
SLOW = """
  a [shape=parallelogram, tool_command="touch up; sleep 60"]
  start -> a -> exit"""


def started(pipeline: Any, *arguments: str) -> tuple[subprocess.Popen[str], Path]:
    """Start a run and wait until its slow stage is up."""
    folder = pipeline.new_run_folder()
    process = subprocess.Popen(
        [*RUN, "exec", str(pipeline.plan), "--run-dir", str(folder), *arguments], stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not (pipeline.folder / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return process, folder


def test_a_second_process_on_a_run_directory_is_refused(pipeline: Any) -> None:
    process, folder = started(pipeline(SLOW))
    before = (folder / "progress.ndjson").read_bytes()

    refused = command("exec", "--resume", str(folder))
    also = pipeline(SLOW).exec(run_dir=folder)

    said = json.loads((folder / "lock.json").read_text())
    process.terminate()
    process.communicate()
    assert (2, f"attractor exec: run directory {str(folder)!r} is in use by process {process.pid} "
               f"since {said['taken_at']}; stop that one first\n") == (refused.code, refused.stderr)  # fmt: skip
    assert (2, True) == (also.code, "exists already" in also.stderr)
    assert (folder / "progress.ndjson").read_bytes().startswith(before)


@pytest.mark.parametrize("pid", [1, os.getpid(), 4_194_305], ids=["another process's", "our own", "nobody's"])
def test_a_lock_file_that_nobody_holds_is_no_lock(tmp_path: Path, pid: int) -> None:
    """A process that was killed has left it; its number may be another process's by now."""
    (tmp_path / "lock.json").write_text(json.dumps({"pid": pid, "taken_at": "2026-11-22T19:05:00.000Z"}))

    with RunLock(tmp_path, "2026-11-23T19:05:00.000Z"):
        assert os.getpid() == json.loads((tmp_path / "lock.json").read_text())["pid"]


def test_of_many_that_want_a_run_directory_one_gets_it(tmp_path: Path) -> None:
    got: list[object] = []
    barrier = threading.Barrier(5)

    def want() -> None:
        barrier.wait()
        try:
            got.append(RunLock(tmp_path, "now"))
        except Busy as busy:
            got.append(busy)

    threads = [threading.Thread(target=want) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (lock,) = [each for each in got if isinstance(each, RunLock)]
    assert 4 == sum(isinstance(each, Busy) for each in got)
    lock.release()


# Full disks

LIMITED = """
import resource, signal, sys
from attractor.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""
COUNT = """
  graph [loop_restart_signature_limit=99]
  a [shape=parallelogram, max_visits=0, tool_command="echo x >> ran; test $(wc -l < ran) -ge 30"]
  start -> a
  a -> a [condition="outcome=fail"]
  a -> exit [condition="outcome=success"]"""
CHAIN = "\n".join(
    [f'  n{at} [shape=parallelogram, tool_command="echo {at} >> ran"]' for at in range(12)]
    + ["  start -> " + " -> ".join(f"n{at}" for at in range(12)) + " -> exit"]
)


@pytest.mark.broken_run_dir
@pytest.mark.parametrize("size", [9_000, 12_000, 15_000, 18_000])
def test_a_disk_that_fills_up_ends_the_run_clearly_and_with_room_it_goes_on(pipeline: Any, size: int) -> None:
    made = pipeline(COUNT)
    folder = made.new_run_folder()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), "exec", str(made.plan), "--run-dir", str(folder), "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 1 == done.returncode, done.stdout + done.stderr
    assert done.stdout.startswith("the run's files cannot be written: File too large"), done.stdout
    assert "" == done.stderr
    assert [] == [path.name for path in folder.rglob("*.tmp")]
    for name in ("journal.ndjson", "progress.ndjson"):
        for line in (folder / name).read_text().splitlines():
            json.loads(line)

    again = command("exec", "--resume", str(folder), "--quiet")._replace(folder=folder)

    assert 0 == again.code, again.stdout + again.stderr
    assert again.one("run_resumed")["journal_lines"] > 3
    assert len((made.folder / "ran").read_text().split()) in (30, 31)  # what could not be written down ran again


def test_dev_full_is_a_clear_failure_of_the_stage(pipeline: Any) -> None:
    done = pipeline('  a [shape=parallelogram, tool_command="echo x > /dev/full"]\n  start -> a -> exit').exec(
        "--quiet"
    )

    assert (1, True) == (done.code, "No space left on device" in done.final["reason"])


def test_a_place_that_is_full_from_the_start_is_refused(pipeline: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "100", "exec", str(pipeline(CHAIN).plan), "--quiet",
         "--run-dir", str(pipeline(CHAIN).new_run_folder())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 2 == done.returncode
    assert "cannot be written: file too large" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere, so nothing is read-only for it")
def test_a_read_only_place_is_refused(pipeline: Any, tmp_path: Path) -> None:
    place = tmp_path / "read-only"
    place.mkdir(mode=0o555)

    done = pipeline(CHAIN).exec(run_dir=place / "run")

    assert (2, True) == (done.code, "cannot be made: Permission denied" in done.stderr)


@pytest.mark.broken_run_dir
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere, so nothing is read-only for it")
def test_a_run_directory_that_became_read_only_is_refused(pipeline: Any) -> None:
    done = pipeline("  a [shape=parallelogram, tool_command=false]\n  start -> a -> exit").exec("--quiet")
    (done.folder / "lock.json").chmod(0o444)
    done.folder.chmod(0o555)
    try:
        refused = command("exec", "--resume", str(done.folder), "--retry-failed")
    finally:
        done.folder.chmod(0o755)

    assert (2, True) == (refused.code, "cannot be written: Permission denied" in refused.stderr)


def test_a_clock_that_jumps_back_changes_no_order(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations come from a clock that cannot jump; times of day are for people."""
    from attractor.runtime.real_world import RealClock

    times = iter(range(59, -10_000, -1))
    monkeypatch.setattr(RealClock, "utc", lambda _: f"2026-11-22T19:05:{max(0, next(times)):02}.000Z")

    done = pipeline(CHAIN).exec("--quiet")

    assert 0 == done.code
    assert list(range(1, len(done.events) + 1)) == [event["seq"] for event in done.events]
    assert done.final["duration_ms"] >= 0


# Stalls and signals


def test_a_run_that_stalls_is_stopped_and_says_so(pipeline: Any, tmp_path: Path) -> None:
    made = pipeline(
        '  a [prompt="x"]\n  b [prompt="x"]\n  start -> a -> b -> exit',
        "runtime_policy: {stall_timeout_ms: 300, stall_check_interval_ms: 50}\n",
    )
    (tmp_path / "s.yaml").write_text("version: 1\nnodes:\n  b: {delay_ms: 60000}\n")

    done = made.exec("--quiet", f"--simulate={tmp_path / 's.yaml'}")

    assert (1, "fail", "transient_infra", "b") == (
        done.code, *(done.final[key] for key in ("status", "failure_class", "node"))
    )  # fmt: skip
    assert done.final["reason"].startswith("stalled: nothing has happened for 0.")
    assert 300 <= done.one("stall_detected")["idle_ms"] < 30_000
    assert ["start=success", "a=success"] == done.walked()
    (done.folder / "scenario.json").unlink()
    again = command("exec", "--resume", str(done.folder), "--retry-failed")
    assert 0 == again.code, again.stdout + again.stderr


def test_a_silent_command_within_its_timeout_is_no_stall(pipeline: Any) -> None:
    made = pipeline(
        '  a [shape=parallelogram, tool_command="sleep 1", timeout="20s"]\n  start -> a -> exit',
        "runtime_policy: {stall_timeout_ms: 200, stall_check_interval_ms: 20}\n",
    )

    assert 0 == made.exec("--quiet").code


STUBBORN = """
  fan [shape=component]; join [shape=tripleoctagon]
  a [shape=parallelogram, tool_command="trap '' TERM; touch up; sleep 60 & wait; sleep 60"]
  b [shape=parallelogram, tool_command="trap '' TERM; sleep 60 & wait; sleep 60"]
  start -> fan; fan -> a -> join; fan -> b -> join; join -> exit"""


def test_a_second_signal_ends_stubborn_commands_in_branches_at_once(pipeline: Any) -> None:
    process, folder = started(pipeline(STUBBORN))
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert 130 == process.returncode
    assert time.monotonic() - began < 1.5
    final = json.loads((folder / "final.json").read_text())
    assert ("canceled", "stopped by signal SIGINT, twice") == (final["status"], final["reason"])
    assert [] == _of_run(folder)


@pytest.mark.broken_run_dir
def test_what_a_killed_run_left_running_is_ended_before_its_stage_runs_again(pipeline: Any) -> None:
    made = pipeline("""
      a [shape=parallelogram, tool_command="test -e up || { touch up; sleep 60; }"]
      start -> a -> exit""")
    process, folder = started(made)
    process.kill()
    process.communicate()
    assert _of_run(folder)

    done = command("exec", "--resume", str(folder))

    assert 0 == done.code, done.stdout
    assert [] == _of_run(folder)
    assert "ended what the earlier process had left running: " in done.stdout


def test_what_a_finished_stage_left_running_lives_on(pipeline: Any) -> None:
    made = pipeline("""
      a [shape=parallelogram, tool_command="sleep 30 >/dev/null 2>&1 & echo $! > server"]
      b [shape=parallelogram, tool_command="test -e up || { touch up; kill -9 $PPID; sleep 5; }"]
      start -> a -> b -> exit""")
    process, folder = started(made)
    process.communicate()
    server = int((made.folder / "server").read_text())

    done = command("exec", "--resume", str(folder), "--quiet")

    os.kill(server, signal.SIGKILL)  # fails if it is gone
    assert 0 == done.code


def _of_run(folder: Path) -> list[str]:
    """Return the processes whose stage is one of this run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ATTRACTOR_STAGE_DIR={folder}/".encode() in path.read_bytes() and _is_alive(path.parent):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def _is_alive(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
