"""`attractor status`, `logs`, `stop` and `runs`: a run as others see it."""

import io
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attractor.cli.main import main
from attractor.runtime import owner
from attractor.runtime.lock import RunLock
from attractor.runtime.questions import questions_of
from attractor.runtime.run_files import RunFiles
from attractor.runtime.run_index import runs

SLOW = """
  a [shape=parallelogram, max_retries=2, tool_command="echo one; echo two >&2; touch up; sleep 60"]
  start -> a -> exit
"""
FAILING = """
  a [shape=parallelogram, tool_command="echo fine"]
  b [shape=parallelogram, tool_command="echo 'missing required tool: wasm-pack' >&2; exit 3"]
  start -> a -> b -> exit
"""
STUBBORN = """
  a [shape=parallelogram, tool_command="trap '' TERM; touch up; while :; do sleep 1; done"]
  start -> a -> exit
"""


def said(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return main(arguments, out, err), out.getvalue(), err.getvalue()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of one's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "attractor"


def test_behaviour_25_a_run_that_goes_on_is_shown_stopped_and_then_says_how_it_is_resumed(pipeline, going) -> None:
    made = pipeline(SLOW)
    run = going(made)
    run.until((made.folder / "up").exists, "the stage runs")

    shown, read = run.command("status"), json.loads(run.command("status", "--json").stdout)
    stopped = run.command("stop")
    done = run.ended()
    after = run.command("status")

    assert 0 == shown.code
    assert f"(process {run.process.pid}, last event " in shown.stdout
    assert "running   a (tool, attempt 1 of 3) for " in shown.stdout
    assert f"stop           attractor stop {shlex.quote(str(run.folder))}\n" in shown.stdout
    assert ("running", True, run.process.pid) == (read["state"], read["is_alive"], read["pid"])
    assert [("a", 1, 1, 3)] == [(s["node"], s["visit"], s["attempt"], s["attempts"]) for s in read["running"]]
    assert 0 == stopped.code
    assert "is canceled: stopped by signal SIGTERM" in stopped.stdout
    assert ("canceled", 143) == (done.final["status"], done.code)
    assert 1 == after.code
    assert f"go on          attractor exec --resume {shlex.quote(str(run.folder))}\n" in after.stdout
    assert "cut off   a (tool)" in after.stdout


def test_status_of_a_failed_run_says_what_failed_and_why(pipeline) -> None:
    done = pipeline(FAILING).exec("--quiet")

    code, text, _ = said("status", str(done.folder))
    _, read, _ = said("status", str(done.folder), "--json")

    assert 1 == code
    reason = "tool_command failed with exit code 3: missing required tool: wasm-pack"
    assert f"failed    b (deterministic): {reason}" in text
    assert "nodes     3 of 4 done" in text
    assert f"--resume {shlex.quote(str(done.folder))} --retry-failed" in text
    assert [("b", reason)] == [(each["node"], each["reason"]) for each in json.loads(read)["failed"]]


def test_logs_tell_the_story_as_exec_told_it_and_end_with_the_run(pipeline, going) -> None:
    made = pipeline(SLOW)
    run = going(made)
    run.until((made.folder / "up").exists, "the stage runs")
    follower = subprocess.Popen(
        [sys.executable, "-m", "attractor.cli.main", "logs", str(run.folder), "-f"], stdout=subprocess.PIPE, text=True
    )
    run.process.send_signal(signal.SIGINT)
    done = run.ended()

    followed, _ = follower.communicate(timeout=30)

    assert 0 == follower.returncode
    assert done.stdout.splitlines()[:-2] == followed.splitlines()
    assert 130 == done.code


@pytest.mark.broken_run_dir
def test_following_a_run_ends_when_its_process_is_gone(pipeline, going) -> None:
    made = pipeline(SLOW)
    run = going(made)
    run.until((made.folder / "up").exists, "the stage runs")
    run.process.kill()
    run.process.communicate()
    with (run.folder / "progress.ndjson").open("a") as file:
        file.write('{"ts":"2026-')  # torn

    followed = run.command("logs", "--follow")
    status = run.command("status")

    assert 0 == followed.code
    assert "a  started (tool, attempt 1 of 3)" in followed.stdout.replace("a    ", "a")
    assert f"its process {run.process.pid} is gone, and it left no result" in status.stdout
    assert "state     died" in status.stdout


def test_logs_of_a_node_show_its_events_and_what_it_printed(pipeline) -> None:
    done = pipeline(FAILING).exec("--quiet")

    code, text, _ = said("logs", str(done.folder), "--node", "b")
    _, lines, _ = said("logs", str(done.folder), "--node", "b", "--json")
    wrong = said("logs", str(done.folder), "--node", "bb")

    assert 0 == code
    assert text.endswith(f"--- {done.folder / 'stages/b/1-1/stderr.log'}\nmissing required tool: wasm-pack\n")
    assert "fine" not in text
    assert {"b"} == {json.loads(line)["node_id"] for line in lines.splitlines()}
    assert (2, "attractor logs: the run has no node 'bb'; did you mean \"b\"?\n") == (wrong[0], wrong[2])


@pytest.mark.flaky(reruns=2)
def test_a_run_that_does_not_stop_is_said_and_force_ends_it(pipeline, going) -> None:
    made = pipeline(STUBBORN)
    run = going(made)
    run.until((made.folder / "up").exists, "the stage runs")

    patient = run.command("stop", "--wait", "0.1")
    forced = run.command("stop", "--wait", "0.1", "--force")
    done = run.ended()

    assert 1 == patient.code
    assert f"process {run.process.pid} is still there after" in patient.stderr
    assert 0 == forced.code, forced.stderr
    assert "stopped at once after" in forced.stdout or "stopped after" in forced.stdout
    assert "canceled" == done.final["status"]


def test_a_run_that_has_ended_is_not_stopped(pipeline) -> None:
    done = pipeline(FAILING).exec("--quiet")

    code, out, err = said("stop", str(done.folder))

    assert (1, "") == (code, out)
    assert "the run does not run: fail, 'b' failed: tool_command failed with exit code 3" in err


def test_a_process_that_began_after_its_number_was_written_down_is_another_one() -> None:
    process = subprocess.Popen(["sleep", "30"])
    try:
        now = time.time()
        assert [True, False] == [owner.is_alive(process.pid, now), owner.is_alive(process.pid, now - 3_600)]
    finally:
        process.kill()
        process.wait()
    assert not owner.is_alive(process.pid, time.time())
    assert owner.is_alive(os.getpid(), time.time())
    assert not owner.is_alive(0, time.time())


def test_a_run_whose_lock_nobody_holds_is_over_whoever_has_its_number_now(pipeline) -> None:
    done = pipeline(FAILING).exec("--quiet")  # in this very process
    run = RunFiles(done.folder)

    assert (os.getpid(), True, False) == (run.pid(), run.is_here(), run.is_alive())
    with RunLock(done.folder, "2026-11-22T19:05:00.000Z"):
        assert run.is_alive()
    assert not run.is_alive()


@pytest.mark.parametrize("command", ["status", "logs", "stop", "answer"])
def test_what_is_no_run_is_said(tmp_path: Path, alone: Path, command: str) -> None:
    empty = said(command, str(tmp_path))
    latest = said(command, "latest")
    unknown = said(command, "rogue-17")

    assert (2, 2, 2) == (empty[0], latest[0], unknown[0])
    assert f"attractor {command}: {str(tmp_path)!r} is no run directory" in empty[2]
    assert "there is no run yet" in latest[2]
    assert "no run is called 'rogue-17', and there is no such folder; `attractor runs` lists them" in unknown[2]


def test_runs_are_listed_newest_first_wherever_they_lie(pipeline, alone: Path, monkeypatch) -> None:
    made = pipeline(FAILING)
    elsewhere = made.exec("--quiet", "--run-id", "first")
    time.sleep(0.002)
    said("exec", str(made.plan), "--quiet", "--run-id", "second")
    (alone / "runs" / "no run").mkdir()

    code, text, _ = said("runs")
    rows = json.loads(said("runs", "--json", "--state", "fail")[1])

    assert 0 == code
    assert ["second", "first"] == [line.split()[0] for line in text.splitlines()[1:]]
    assert [str(alone / "runs" / "second"), str(elsewhere.folder)] == [row["folder"] for row in rows]
    assert {"'b' failed: tool_command failed with exit code 3: missing required tool: wasm-pack"} == {
        row["reason"] for row in rows
    }
    assert "no run matches\n" == said("runs", "--state", "success")[1]
    assert 1 == len(said("runs", "--name", "seco")[1].splitlines()[1:])
    assert "… and 1 older; --limit 0 lists all\n" == said("runs", "-n", "1")[1].splitlines(keepends=True)[-1]


def test_a_run_is_found_by_its_id_a_part_of_it_and_as_the_latest(pipeline, alone: Path) -> None:
    made = pipeline(FAILING)
    made.exec("--quiet", "--run-id", "r-1")
    time.sleep(0.002)
    done = made.exec("--quiet", "--run-id", "r-22")

    found = [json.loads(said("status", name, "--json")[1])["run_id"] for name in ("latest", "r-22", "22", "r-1")]
    several = said("status", "r-")

    assert ["r-22", "r-22", "r-22", "r-1"] == found
    assert 2 == several[0]
    assert f"2 runs are called 'r-': {done.folder}, " in several[2]


@pytest.mark.parametrize("damage", ["missing", "garbage", "another layout", "stale"])
def test_the_index_is_made_anew_when_it_is_not_to_be_trusted(pipeline, alone: Path, damage: str) -> None:
    done = pipeline(FAILING).exec("--quiet")
    before = runs(alone)
    path = alone / "runs.sqlite"
    if damage == "missing":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"no database at all" * 100)
    else:
        with sqlite3.connect(path) as index:
            index.execute("UPDATE runs SET state = 'success', signature = 'old'")
            if damage == "another layout":
                index.execute("PRAGMA user_version = 99")
        index.close()

    assert before == runs(alone)
    assert [str(done.folder)] == [row.folder for row in before]


def test_a_run_that_was_deleted_leaves_the_list(pipeline, alone: Path) -> None:
    done = pipeline(FAILING).exec("--quiet")
    assert 1 == len(runs(alone))
    done.folder.rename(done.folder.with_name("kept"))

    assert [] == runs(alone)
    assert [] == list((alone / "links").iterdir())
    done.folder.with_name("kept").rename(done.folder)


def test_a_waiting_run_is_listed_as_such(pipeline, going, alone: Path) -> None:
    body = '  g [shape=hexagon, label="Go?"]\n  start -> g\n  g -> exit [label="Go"]'
    run = going(pipeline(body, "human: {mode: file}\n"))
    run.until(lambda: questions_of(run.folder), "it asks")

    states = [row.state for row in runs(alone)]
    status = run.command("status")
    run.command("answer", "go")
    run.ended()

    assert (["waiting"], ["success"]) == (states, [row.state for row in runs(alone)])
    assert "state     waits for a person for " in status.stdout
    assert "    [G] Go  -> exit\n" in status.stdout
