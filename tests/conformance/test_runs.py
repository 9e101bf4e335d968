"""Behaviours 22, 23 and 25: stalls, status files, stopping and going on."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from ..runtime_world.conftest import command

RUN = [sys.executable, "-m", "attractor.cli.main"]
WATCHED = "runtime_policy: {stall_timeout_ms: 400, stall_check_interval_ms: 50}\n"
GIT = """version: 1
graph: p.dot
workspace: {mode: worktree}
"""


def play(made: Any, nodes: dict[str, Any], **kwargs: Any) -> Any:
    """Run a pipeline whose LLM stages are answered by `nodes`, node by node."""
    path = made.folder.parent / "scenario.yaml"
    path.write_text(json.dumps({"version": 1, "nodes": nodes}))
    return made.exec("--quiet", f"--simulate={path}", **kwargs)


# 22


def test_22_a_stall_cancels_the_run_which_fails_with_that_cause_and_starts_nothing_more(pipeline: Any) -> None:
    made = pipeline('  a [prompt="x"]\n  b [prompt="x"]\n  start -> a -> b -> exit', WATCHED)

    done = play(made, {"a": {"delay_ms": 60_000}})

    assert (1, "fail", True) == (done.code, done.final["status"], done.final["reason"].startswith("stalled: "))
    assert 400 == done.one("stall_detected")["stall_timeout_ms"]
    assert ["start", "a"] == [event["node_id"] for event in done.events if event["event"] == "stage_started"]


def test_22_an_active_branch_keeps_the_run_alive(pipeline: Any) -> None:
    ticks = "  \n".join(f'  t{at} [prompt="x"]' for at in range(5))
    made = pipeline(
        f"""{ticks}
      slow [prompt="x"]; fan [shape=component]; join [shape=tripleoctagon]
      start -> fan; fan -> slow -> join; fan -> {" -> ".join(f"t{at}" for at in range(5))} -> join; join -> exit""",
        "runtime_policy: {stall_timeout_ms: 900, stall_check_interval_ms: 50}\n",
    )

    done = play(made, {"slow": {"delay_ms": 1_500}} | {f"t{at}": {"delay_ms": 300} for at in range(5)})

    assert (0, 0) == (done.code, done.names().count("stall_detected"))


# 23

AGENT = '  a [prompt="x"]\n  start -> a -> exit'


def says(status: str, **fields: str) -> str:
    return json.dumps({"status": status, **fields})


def test_23_a_fallback_alone_is_read_and_taken_away(pipeline: Any) -> None:
    made = pipeline(AGENT)

    done = play(made, {"a": {"status": None, "files": {".ai/status.json": says("success", notes="from .ai")}}})

    assert 0 == done.code
    assert "fallback status file" == done.one("stage_attempt_finished")["source"]
    assert "from .ai" == json.loads((done.folder / "stages/a/1-1/status.json").read_text())["notes"]
    assert not (made.folder / ".ai/status.json").exists()


def test_23_of_two_fallbacks_the_one_in_the_workspace_counts_and_both_are_taken(pipeline: Any) -> None:
    made = pipeline(AGENT)
    files = {"status.json": says("success", notes="upper"), ".ai/status.json": says("fail", failure_reason="lower")}

    done = play(made, {"a": {"status": None, "files": files}})

    assert (0, "upper") == (done.code, json.loads((done.folder / "stages/a/1-1/status.json").read_text())["notes"])
    assert not any((made.folder / name).exists() for name in files)


def test_23_a_file_of_an_earlier_attempt_is_never_read(pipeline: Any) -> None:
    """The second attempt says nothing: what the first one had written is neither there nor read."""
    made = pipeline('  a [prompt="x", max_retries=1]\n  start -> a -> exit')
    first = {"status": None, "files": {"status.json": says("retry", failure_reason="once more")}}

    done = play(made, {"a": {"attempts": [first, {"status": None}]}})

    assert 1 == done.code
    assert "missing outcome: " in done.final["reason"]
    assert 2 == done.names().count("stage_attempt_finished")


@pytest.mark.parametrize(("auto_status", "code"), [("false", 1), ("true", 0)])
def test_23_no_outcome_is_a_failure_unless_auto_status_says_otherwise(
    pipeline: Any, auto_status: str, code: int
) -> None:
    made = pipeline(f'  a [prompt="x", auto_status={auto_status}]\n  start -> a -> exit')

    assert code == play(made, {"a": {"status": None}}).code


def test_23_a_failure_without_a_reason_is_given_one(pipeline: Any) -> None:
    done = play(pipeline(AGENT), {"a": {"status": None, "files": {"status.json": says("fail")}}})

    assert (1, "'a' failed: failed without giving a reason") == (done.code, done.final["reason"])


# 25

TWICE = """
  a [shape=parallelogram, tool_command="echo a >> ../ran"]
  b [shape=parallelogram, timeout="30s", tool_command="echo b >> ../ran; test -e ../again || { touch ../again; HOW; }"]
  c [shape=parallelogram, tool_command="echo c >> ../ran; git rev-parse HEAD~1 HEAD~2"]
  start -> a -> b -> c -> exit"""


def repository(pipeline: Any, how: str) -> Any:
    made = pipeline(TWICE.replace("HOW", how), GIT)
    git = "git -c user.name=me -c user.email=me@example.org"
    script = f"git init -q && git add p.dot run.yaml && {git} commit -qm first"
    subprocess.run(["bash", "-c", script], cwd=made.folder, check=True)
    return made


def test_25_a_run_that_is_stopped_says_so_everywhere(pipeline: Any) -> None:
    made = repository(pipeline, "sleep 60")
    folder = made.new_run_folder()
    process = subprocess.Popen([*RUN, "exec", str(made.plan), "--run-dir", str(folder)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (folder / "again").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    stopped = command("stop", str(folder))

    assert 0 == stopped.code, stopped.stderr
    assert 143 == process.wait(20)
    final = json.loads((folder / "final.json").read_text())
    assert ("canceled", "stopped by signal SIGTERM") == (final["status"], final["reason"])
    assert "canceled" == json.loads(command("status", str(folder), "--json").stdout)["state"]


@pytest.mark.parametrize("how", ["kill -9 $PPID", "kill $PPID; sleep 60"], ids=["killed", "stopped"])
def test_25_a_run_goes_on_with_the_next_node_its_timeouts_and_its_branch(pipeline: Any, how: str) -> None:
    made = repository(pipeline, how)
    folder = made.new_run_folder()
    subprocess.run([*RUN, "exec", str(made.plan), "--run-dir", str(folder)], capture_output=True, check=False)
    branch = json.loads((folder / "manifest.json").read_text())["branch"]
    last = [json.loads(line) for line in (folder / "journal.ndjson").read_text().splitlines()]
    commit = [entry["commit"] for entry in last if entry["entry"] == "finished"][-1]

    done = command("exec", "--resume", str(folder))._replace(folder=folder)

    assert 0 == done.code, done.stdout
    assert ["a", "b", "b", "c"] == (folder / "ran").read_text().split()
    assert commit == done.one("run_resumed")["commit"]
    log = subprocess.run(
        ["git", "log", "--format=%H", branch], cwd=made.folder, check=True, capture_output=True, text=True
    )
    assert commit in log.stdout.split()
    assert "run_completed" == done.names()[-1]


def test_25_a_resumed_run_has_its_bounds_again(pipeline: Any) -> None:
    """The time limit of its stage and the watchdog: what runs again is stopped as it would have been before."""
    body = """
      a [shape=parallelogram, timeout="1s", tool_command="test -e up || { touch up; kill -9 $PPID; }; sleep 60"]
      start -> a -> exit"""
    made = pipeline(body)
    folder = made.new_run_folder()
    subprocess.run([*RUN, "exec", str(made.plan), "--run-dir", str(folder)], capture_output=True, check=False)

    done = command("exec", "--resume", str(folder))._replace(folder=folder)

    assert (1, "'a' failed: tool_command timed out after 1 s") == (done.code, done.final["reason"])


def test_25_a_run_that_cannot_begin_ends_with_a_terminal_event_too(pipeline: Any) -> None:
    done = pipeline(TWICE, GIT).exec("--quiet")  # no repository there

    assert (1, "run_failed") == (done.code, done.names()[-1])
