"""Managers and their child pipelines: real runs through the front door."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PARENT = """
  stack.child_dotfile="child.dot"
  watch [shape=house, prompt="Keep it on course", manager.poll_interval="{poll}"{more}]
  after [shape=parallelogram, tool_command="true"]
  start -> watch -> after -> exit
"""
CHILD = """digraph child {
  goal="the child's"
  start [shape=Mdiamond]
  exit [shape=Msquare]
  %s
}
"""
ONE_STAGE = 'work [shape=parallelogram, tool_command="%s"]\n  start -> work -> exit'


@pytest.fixture
def family(pipeline: Any) -> Any:
    """Write and compile a parent and its child; `more` are attributes of the manager."""

    def family(child: str, more: str = "", *, poll: str = "50ms", yaml: str = "", parent: str = "") -> Any:
        made = pipeline("", yaml, compiles=False)
        body = (parent or PARENT).format(poll=poll, more=more and f", {more}")
        (made.folder / "p.dot").write_text(
            f"digraph p {{\n  start [shape=Mdiamond]\n  exit [shape=Msquare]\n{body}\n}}\n"
        )
        (made.folder / "child.dot").write_text(CHILD % child)
        compiled = subprocess.run(
            [sys.executable, "-m", "attractor.cli.main", "compile", "-q", "run.yaml"],
            cwd=made.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert 0 == compiled.returncode, compiled.stderr
        return made

    return family


def child_of(done: Any, stage: str = "stages/watch/1-1") -> Path:
    return Path(done.folder) / stage / "child"


def context_of(done: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "checkpoint.json").read_text())["context"]
    return found


def scenario(made: Any, text: str) -> str:
    (made.folder / "s.yaml").write_text(f"version: 1\nnodes:\n{text}")
    return f"--simulate={made.folder / 's.yaml'}"


def scripted(made: Any, text: str) -> Any:
    """Let the provider answer by a script, in which the manager's turns are its steering calls; compile again."""
    (made.folder / "script.yaml").write_text(f"version: 1\nnodes:\n{text}")
    run_yaml = made.folder / "run.yaml"
    run_yaml.write_text(run_yaml.read_text().replace("backend: scripted", "backend: scripted, script: script.yaml"))
    program = [sys.executable, "-m", "attractor.cli.main", "compile", "-q", "run.yaml"]
    compiled = subprocess.run(program, cwd=made.folder, capture_output=True, text=True, check=False)
    assert 0 == compiled.returncode, compiled.stderr
    return made


def test_a_child_runs_in_a_run_directory_of_its_own_and_its_end_is_the_managers(family: Any) -> None:
    done = family(ONE_STAGE % "echo made > made.txt").exec("--quiet")

    assert 0 == done.code
    child = child_of(done)
    assert "success" == json.loads((child / "final.json").read_text())["status"]
    assert {"journal.ndjson", "progress.ndjson", "plan.json", "manifest.json"} < {path.name for path in child.iterdir()}
    assert "made\n" == (done.folder.parent / "my pipeline ü/made.txt").read_text()
    assert ("done", "success", "exit", "stages/watch/1-1/child") == tuple(
        context_of(done)[f"stack.child.{key}"] for key in ("status", "outcome", "node", "folder")
    )


def test_the_parents_stream_follows_the_child(family: Any) -> None:
    done = family(ONE_STAGE % "sleep 0.3").exec("--quiet")

    told = [event for event in done.events if event["event"].startswith("child_")]
    assert ["child_started", "child_progress", "child_progress", "child_progress", "child_finished"] == [
        event["event"] for event in told
    ]
    assert ["start", "work", "exit"] == [event["stage"] for event in told if "stage" in event]
    cycles = [event for event in done.events if event["event"] == "manager_cycle"]
    assert ("running", "done") == (cycles[0]["child_status"], cycles[-1]["child_status"])


def test_a_child_that_fails_fails_its_manager_with_its_reason_and_class(family: Any) -> None:
    done = family(ONE_STAGE % "echo connection refused >&2; exit 1").exec("--quiet")

    assert ("fail", "transient_infra", "watch") == tuple(done.final[key] for key in ("status", "failure_class", "node"))
    assert "the child pipeline ended in fail: 'work' failed: tool_command failed" in done.final["reason"]
    assert "connection refused" in done.final["reason"]


def test_another_attempt_has_a_child_of_its_own(family: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    child = ONE_STAGE % f"test -e '{mark}' || {{ touch '{mark}'; echo connection refused; exit 1; }}"
    done = family(child, "max_retries=1, retry.backoff.initial_delay_ms=1").exec("--quiet")

    assert 0 == done.code, done.final
    ends = [json.loads((child_of(done, f"stages/watch/1-{n}") / "final.json").read_text())["status"] for n in (1, 2)]
    assert ["fail", "success"] == ends


def test_what_the_child_writes_into_the_context_reaches_the_parent(family: Any) -> None:
    made = family('work [prompt="do"]\n  start -> work -> exit')
    done = made.exec("--quiet", scenario(made, "  work: {context_updates: {coverage: 80}}\n"))

    assert 80 == context_of(done)["coverage"]


def test_the_child_sees_what_the_parent_wrote(family: Any) -> None:
    parent = """
      stack.child_dotfile="child.dot"
      first [prompt="say"]
      watch [shape=house, prompt="Keep it on course", manager.poll_interval="{poll}"{more}]
      start -> first -> watch -> exit"""
    made = family(
        'route [shape=diamond]\n  yes [shape=parallelogram, tool_command="true"]\n  start -> route\n'
        '  route -> yes [condition="context.color=red"]\n  route -> exit [condition="context.color!=red"]\n'
        "  yes -> exit",
        parent=parent,
    )
    done = made.exec("--quiet", scenario(made, "  first: {context_updates: {color: red}}\n"))

    assert 0 == done.code
    finished = (child_of(done) / "progress.ndjson").read_text()
    assert '"node_id":"yes"' in finished


def test_a_stop_condition_ends_child_and_supervision_in_success(family: Any) -> None:
    child = """early [prompt="do"]; late [shape=parallelogram, tool_command="sleep 60"]
      start -> early -> late -> exit"""
    made = family(child, 'manager.stop_condition="context.coverage=80"')
    started = time.monotonic()
    done = made.exec("--quiet", scenario(made, "  early: {context_updates: {coverage: 80}}\n"))

    assert 0 == done.code, done.final
    assert time.monotonic() - started < 30
    assert "canceled" == json.loads((child_of(done) / "final.json").read_text())["status"]
    assert "manager.stop_condition holds after 'early'" in [
        event["notes"] for event in done.events if event["event"] == "stage_finished"
    ]


def test_cycles_are_bounded_and_the_reason_says_what_to_raise(family: Any) -> None:
    done = family(ONE_STAGE % "sleep 60", "manager.max_cycles=2").exec("--quiet")

    assert "manager.max_cycles=2 is reached; raise manager.max_cycles or manager.poll_interval" in done.final["reason"]
    assert "budget_exhausted" == done.final["failure_class"]
    assert "canceled" == json.loads((child_of(done) / "final.json").read_text())["status"]


STEERS = 'manager.actions="observe,steer,wait"'


def test_a_note_reaches_the_childs_next_llm_stage_and_only_that(family: Any) -> None:
    child = """wait [shape=parallelogram, tool_command="sleep 0.5"]; one [prompt="first"]; two [prompt="second"]
      start -> wait -> one -> two -> exit"""
    made = family(child, STEERS, poll="200ms")
    done = scripted(made, '  watch: [{notes: "mind the gap"}, {}]\n').exec("--quiet")

    assert 0 == done.code
    prompts = [(child_of(done) / f"stages/{stage}/1-1/prompt.md").read_text() for stage in ("one", "two")]
    assert [True, False] == ["mind the gap" in prompt for prompt in prompts]
    assert "- status: running" in (done.folder / "stages/watch/1-1/steer-1/prompt.md").read_text()


@pytest.mark.parametrize(("status", "code"), [("success", 0), ("fail", 1)])
def test_a_model_may_stop_the_child(family: Any, status: str, code: int) -> None:
    made = family(ONE_STAGE % "sleep 60", STEERS)
    said = f"{{status: {status}, preferred_label: stop, notes: enough, failure_reason: hopeless}}"
    done = scripted(made, f"  watch: {said}\n").exec("--quiet")

    assert code == done.code
    assert ("canceled", "its manager stopped it: enough") == tuple(
        json.loads((child_of(done) / "final.json").read_text())[key] for key in ("status", "reason")
    )
    assert code == 0 or "hopeless" in done.final["reason"]


def test_a_steering_call_that_fails_leaves_the_child_alone(family: Any) -> None:
    made = family(ONE_STAGE % "sleep 0.3", STEERS, poll="100ms")
    done = scripted(made, "  watch: {status: fail, failure_reason: http 503}\n").exec("--quiet")

    assert 0 == done.code
    assert "'watch' could not steer its child: http 503" in [
        event["message"] for event in done.events if event["event"] == "warning"
    ]


def test_a_child_that_is_not_started_waits_for_the_model_to_say_so(family: Any) -> None:
    made = family(ONE_STAGE % "true", f"{STEERS}, stack.child_autostart=false")
    done = scripted(made, "  watch: [{}, {preferred_label: start}, {}]\n").exec("--quiet")

    assert 0 == done.code
    cycles = [event["child_status"] for event in done.events if event["event"] == "manager_cycle"]
    assert ["waiting", "waiting"] == cycles[:2]


def test_a_child_that_nobody_starts_is_refused(family: Any) -> None:
    done = family(ONE_STAGE % "true", "stack.child_autostart=false").exec("--quiet")

    assert "nothing starts the child: stack.child_autostart=false" in done.final["reason"]


def test_a_child_works_in_its_sub_folder_which_is_made(family: Any) -> None:
    parent = PARENT.replace('"child.dot"', '"child.dot"; stack.child_workdir="packages/core"')
    done = family(ONE_STAGE % "pwd", parent=parent).exec("--quiet")

    assert 0 == done.code
    printed = (child_of(done) / "stages/work/1-1/stdout.log").read_text().strip()
    assert printed.endswith("/packages/core")


def test_a_child_does_not_work_outside_of_the_workspace(family: Any) -> None:
    parent = PARENT.replace('"child.dot"', '"child.dot"; stack.child_workdir="../elsewhere"')
    done = family(ONE_STAGE % "pwd", parent=parent).exec("--quiet")

    assert "stack.child_workdir='../elsewhere' leads out of the workspace" in done.final["reason"]


def test_the_childs_usage_counts_in_the_parents_limits(family: Any) -> None:
    child = """a [prompt="x"]; start -> a
      a -> exit [condition="outcome=success"]; a -> a [condition="outcome=fail"]"""
    made = family(child, yaml="limits: {max_llm_calls: 2}\n")
    turns = ", ".join(f"{{status: fail, failure_reason: {word}}}" for word in ("one", "two", "three"))
    done = made.exec("--quiet", scenario(made, f"  a: [{turns}]\n"))

    assert 1 == done.code
    assert "limit reached: max_llm_calls is 2, used 2; raise limits.max_llm_calls in run.yaml" in done.final["reason"]
    assert "max_llm_calls" == done.one("limit_reached")["limit_name"]
    ended = json.loads((child_of(done) / "final.json").read_text())
    assert ("fail", 2) == (ended["status"], ended["usage"]["llm_calls"])


def test_the_childs_usage_is_in_the_parents_final(family: Any) -> None:
    done = family('a [prompt="x"]; b [prompt="x"]\n  start -> a -> b -> exit').exec("--quiet", "--simulate")

    assert 2 == done.final["usage"]["llm_calls"]


def test_a_stop_reaches_the_child(family: Any, tmp_path: Path) -> None:
    made = family(ONE_STAGE % f"echo $$ > '{tmp_path}/pid'; sleep 60")
    folder = tmp_path / "stopped"
    command = [sys.executable, "-m", "attractor.cli.main", "exec", str(made.plan), "--run-dir", str(folder), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)

    assert 143 == process.wait(30)
    assert "canceled" == json.loads((folder / "final.json").read_text())["status"]
    child = folder / "stages/watch/1-1/child"
    assert ("canceled", "stopped by signal SIGTERM") == tuple(
        json.loads((child / "final.json").read_text())[key] for key in ("status", "reason")
    )


def test_a_child_in_a_worktree_commits_to_the_runs_branch(family: Any) -> None:
    made = family(ONE_STAGE % "echo made > made.txt", yaml="")
    run_yaml = made.folder / "run.yaml"
    run_yaml.write_text(run_yaml.read_text().replace("mode: directory", "mode: worktree"))
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=made.folder, check=True)
    done = made.run("--quiet", "--run-id", "r1")

    assert 0 == done.code, done.stderr
    log = subprocess.run(
        [*git, "log", "--format=%s", "attractor/run/r1"], cwd=made.folder, capture_output=True, text=True
    )
    assert "attractor(r1.watch): work (success)" in log.stdout.splitlines()
    assert "attractor(r1): watch (success)" in log.stdout.splitlines()


def test_children_nest(family: Any) -> None:
    made = family(ONE_STAGE % "true")
    (made.folder / "grand.dot").write_text(CHILD % (ONE_STAGE % "echo deep > deep.txt"))
    (made.folder / "child.dot").write_text(
        CHILD % 'stack.child_dotfile="grand.dot"\n  inner [shape=house, prompt="x", manager.poll_interval="50ms"]\n'
        "  start -> inner -> exit"
    )
    done = made.run("--quiet")

    assert 0 == done.code, done.stderr
    grand = child_of(done) / "stages/inner/1-1/child"
    assert "success" == json.loads((grand / "final.json").read_text())["status"]
    assert "deep\n" == (made.folder / "deep.txt").read_text()


def test_a_child_that_ends_leaves_the_status_folder_to_other_branches(family: Any) -> None:
    late = "until test -e over; do sleep 0.05; done; sleep 1; cat said > $ATTRACTOR_STATUS_PATH"
    parent = """
      stack.child_dotfile="child.dot"
      fan [shape=component]; join [shape=tripleoctagon]
      watch [shape=house, prompt="x", manager.poll_interval="{poll}"{more}]
      late [shape=parallelogram, tool_command="bash late.sh"]
      start -> fan; fan -> watch -> join; fan -> late -> join; join -> exit"""
    made = family(ONE_STAGE % "touch over", parent=parent)
    (made.folder / "late.sh").write_text(late.replace("$A", '"$A') + '"\n')
    (made.folder / "said").write_text('{"status": "success", "notes": "written late"}')
    done = made.exec("--quiet")

    assert 0 == done.code, done.final
    assert "written late" == context_of(done)["parallel.results"][1]["notes"]
