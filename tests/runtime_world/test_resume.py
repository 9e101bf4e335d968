"""Going on with a run after kill -9, a signal or a failure: nothing finished runs again, nobody's work is lost."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import Done, Pipeline, command

# A stage that kills the run in which it runs for the first time, and leaves something half done.
DIES = "echo half > half-done; mkdir half-folder; mkdir '{marks}/died' 2>/dev/null && kill -9 $PPID; sleep 0.05"
RUN = [sys.executable, "-m", "attractor.cli.main"]

GIT = """version: 1
graph: p.dot
workspace: {mode: worktree}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""


class Crashing(Pipeline):
    """A pipeline whose stages may kill the run; `marks` is a folder outside of every workspace."""

    marks: Path

    def ran(self) -> list[str]:
        """Return the stages that ran, in order: each appends a line."""
        return (self.marks / "ran").read_text().split()


@pytest.fixture
def crashing(tmp_path: Path, pipeline: Any) -> Callable[..., Crashing]:
    """Compile a pipeline of tool nodes (name: command) and further statements; GIT makes a repository of its folder."""

    def crashing(tools: Mapping[str, str], body: str, yaml: str = GIT) -> Crashing:
        marks = tmp_path / "marks"
        marks.mkdir()
        commands = {name: command.replace("{marks}", str(marks)) for name, command in tools.items()}
        nodes = (
            f"{name} [shape=parallelogram, tool_command=\"echo {name} >> '{marks}/ran'; {command}\"]\n"
            for name, command in commands.items()
        )
        made: Crashing = pipeline("".join(nodes) + body, yaml)
        made.__class__ = Crashing
        made.marks = marks
        if yaml is GIT:
            git(made.folder, "init", "-q")
            git(made.folder, "add", ".")
            git(made.folder, "commit", "-qm", "first")
        return made

    return crashing


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def killed(pipeline: Pipeline, *arguments: str) -> Path:
    """Run the pipeline in a process of its own, which kills itself; return the run directory."""
    folder = pipeline.new_run_folder()
    done = subprocess.run(
        [*RUN, "exec", str(pipeline.plan), "--run-dir", str(folder), *arguments], capture_output=True, check=False
    )
    assert -9 == done.returncode, done.stdout
    return folder


def resumed(folder: Path, *arguments: str) -> Done:
    """Go on with the run; one that succeeds with its own plan has to pass its audit."""
    done = command("exec", "--resume", str(folder), *arguments)
    if done.code == 0 and "--allow-edited" not in arguments:
        audit = command("audit", str(folder))
        assert 0 == audit.code, audit.stdout
    return done._replace(folder=folder)


def test_a_killed_run_goes_on_with_the_stage_that_was_running(crashing: Any) -> None:
    made = crashing({"a": "echo a > a.txt", "b": DIES, "c": "cat a.txt half-done"}, "start -> a -> b -> c -> exit")
    folder = killed(made)

    done = resumed(folder)

    assert (0, "") == (done.code, done.stderr)
    assert ["a", "b", "b", "c"] == made.ran()
    assert ["start=success", "a=success", "b=success", "c=success", "exit=success"] == done.walked()
    assert "success" == done.final["status"]
    assert [os.getpid()] == [each["pid"] for each in json.loads((folder / "manifest.json").read_text())["resumed"]]
    run_id = done.final["run_id"]
    messages = git(made.folder, "log", "--format=%s", "--reverse", done.final["branch"]).splitlines()
    assert ["start", "a", "b", "c", "exit"] == [each.split(": ")[1].split()[0] for each in messages[1:]]
    assert all(each.startswith(f"attractor({run_id}): ") for each in messages[1:])


def test_what_an_interrupted_stage_had_done_is_away_and_kept(crashing: Any) -> None:
    made = crashing(
        {"a": "echo a > a.txt", "b": f"test ! -e half-done && test ! -e half-folder || exit 9; {DIES}"},
        "start -> a -> b -> exit",
    )
    folder = killed(made)

    done = resumed(folder)

    assert 0 == done.code, done.stdout
    warnings = [event["message"] for event in done.events if event["event"] == "warning"]
    (ref,) = [message.split()[-1] for message in warnings if " is kept as " in message]
    assert "half" == git(made.folder, "show", f"{ref}:half-done")
    assert (folder / "interrupted/1/stages/b/1-1/stdout.log").exists()
    assert ["1-1"] == os.listdir(folder / "stages/b")


@pytest.mark.parametrize("what", ["worktree removed", "worktree damaged", "git lock left", "on another branch"])
def test_the_workspace_is_made_again_whatever_happened_to_it(crashing: Any, what: str) -> None:
    made = crashing({"a": "echo a > a.txt", "b": DIES, "c": "cat a.txt"}, "start -> a -> b -> c -> exit")
    folder = killed(made)
    private = Path(git(folder / "worktree", "rev-parse", "--absolute-git-dir"))
    match what:
        case "worktree removed":
            shutil.rmtree(folder / "worktree")
        case "worktree damaged":
            (folder / "worktree" / ".git").write_text("gitdir: /nowhere\n")
        case "git lock left":
            (private / "index.lock").write_text("")
        case _:
            git(folder / "worktree", "checkout", "-q", "--detach")

    done = resumed(folder)

    assert 0 == done.code, done.stdout
    assert ["a", "b", "b", "c"] == made.ran()
    if what == "worktree damaged":
        assert "half\n" == (folder / "interrupted/1/worktree/half-done").read_text()


def test_a_run_whose_commits_are_gone_cannot_go_on(crashing: Any) -> None:
    made = crashing({"a": "echo a > a.txt", "b": DIES}, "start -> a -> b -> exit")
    folder = killed(made)
    shutil.rmtree(folder / "worktree")
    branch = json.loads((folder / "manifest.json").read_text())["branch"]
    git(made.folder, "worktree", "prune")
    git(made.folder, "branch", "-D", branch)
    git(made.folder, "reflog", "expire", "--expire=now", "--all")
    git(made.folder, "gc", "-q", "--prune=now")

    done = resumed(folder)

    assert 1 == done.code
    assert f"of branch {branch} is not in {made.folder} any more, so the run cannot go on" in done.final["reason"]


def test_without_commits_per_node_the_worktree_stays_as_it_is(crashing: Any) -> None:
    made = crashing({"a": "echo a > a.txt", "b": DIES, "c": "cat a.txt"}, "start -> a -> b -> c -> exit")
    text = (made.folder / "run.yaml").read_text().replace("worktree}", "worktree, commit_per_node: false}")
    (made.folder / "run.yaml").write_text(text)
    assert 0 == command("compile", "-q", str(made.folder / "run.yaml")).code
    folder = killed(made)

    assert 0 == resumed(folder).code


def test_without_commits_per_node_a_worktree_that_is_gone_is_the_end(crashing: Any) -> None:
    made = crashing({"a": "echo a > a.txt", "b": DIES}, "start -> a -> b -> exit")
    text = (made.folder / "run.yaml").read_text().replace("worktree}", "worktree, commit_per_node: false}")
    (made.folder / "run.yaml").write_text(text)
    assert 0 == command("compile", "-q", str(made.folder / "run.yaml")).code
    folder = killed(made)
    shutil.rmtree(folder / "worktree")

    done = resumed(folder)

    assert (1, True) == (done.code, "nothing else holds what the run has done: start a new one" in done.final["reason"])


DIRECTORY = GIT.replace("worktree}", "directory}")


def test_a_run_in_a_plain_folder_goes_on_too(crashing: Any) -> None:
    made = crashing({"a": "echo a > a.txt", "b": DIES, "c": "cat a.txt"}, "start -> a -> b -> c -> exit", DIRECTORY)
    folder = killed(made)

    assert 0 == resumed(folder).code
    assert ["a", "b", "b", "c"] == made.ran()


def test_a_workspace_that_is_gone_is_a_clear_failure_and_the_run_can_go_on_later(crashing: Any) -> None:
    made = crashing({"a": "true", "b": DIES}, "start -> a -> b -> exit", DIRECTORY)
    folder = killed(made)
    made.folder.rename(made.folder.with_name("elsewhere"))

    done = resumed(folder)

    assert (1, f"workspace.repo is not a folder any more: {made.folder}") == (done.code, done.final["reason"])
    made.folder.with_name("elsewhere").rename(made.folder)
    assert 0 == resumed(folder).code


def test_restarts_and_their_folders_go_on(crashing: Any) -> None:
    made = crashing(
        {"b": "test -e ok || { touch ok; exit 1; }", "c": DIES},
        """
        a [prompt="x"]
        start -> a -> b
        b -> c [condition="outcome=success"]
        b -> a [condition="outcome=fail", loop_restart=true]
        c -> exit""",
    )
    folder = killed(made)

    done = resumed(folder)

    assert (0, 1) == (done.code, done.final["restarts"])
    assert ["b", "b", "c", "c"] == made.ran()
    assert (folder / "restart-1/stages/c/1-1/status.json").exists()
    assert (folder / "interrupted/1/restart-1/stages/c/1-1").is_dir()


def test_a_run_that_was_killed_right_at_a_restart_goes_on_there(crashing: Any) -> None:
    made = crashing(
        {"a": f"test ! -e ok || {{ {DIES}; }}", "b": "test -e ok || { touch ok; exit 1; }"},
        """
        start -> a -> b
        b -> exit [condition="outcome=success"]
        b -> a [condition="outcome=fail", loop_restart=true]""",
    )
    folder = killed(made)

    done = resumed(folder)

    assert (0, 1) == (done.code, done.final["restarts"])
    assert ["a", "b", "a", "a", "b"] == made.ran()


BRANCHES = {"l1": "echo l1 > l1.txt", "l2": f"sleep 0.2; {DIES}", "r1": "echo r1 > r1.txt", "after": "cat l1.txt"}
REGION = """
  fan [shape=component]; join [shape=tripleoctagon]
  start -> fan; fan -> l1 -> l2 -> join; fan -> r1 -> join
  join -> after -> exit"""


@pytest.mark.parametrize("removed", [False, True], ids=["worktrees there", "worktrees removed"])
def test_branches_go_on_each_from_its_own_place(crashing: Any, removed: bool) -> None:
    made = crashing(BRANCHES, REGION)
    folder = killed(made)
    if removed:
        for worktree in folder.glob("parallel/fan/1/*/worktree"):
            shutil.rmtree(worktree)

    done = resumed(folder)

    assert 0 == done.code, done.stdout
    ran = made.ran()
    assert {"l1": 1, "r1": 1, "l2": 2, "after": 1} == {name: ran.count(name) for name in ran}
    assert ["l1", "r1"] == [each["id"] for each in _context(folder)["parallel.results"]]


def _context(folder: Path) -> dict[str, Any]:
    context: dict[str, Any] = json.loads((folder / "checkpoint.json").read_text())["context"]
    return context


def test_what_interrupted_stages_cost_is_told_apart(crashing: Any, tmp_path: Path) -> None:
    made = crashing(
        {},
        """
        a [prompt="x"]
        b [prompt="x"]
        start -> a -> b -> exit""",
    )
    cost = "{llm_calls: 2, input_tokens: 10, output_tokens: 3, cache_read_tokens: 4, cost_usd: 0.5}"
    die = DIES.format(marks=made.marks).replace("'", "")
    (tmp_path / "s.yaml").write_text(f"""version: 1
nodes:
  a: {{usage: {cost}}}
  b:
    usage: {cost}
    commands: ["{die}"]
""")
    folder = killed(made, f"--simulate={tmp_path / 's.yaml'}")

    done = resumed(folder)

    assert 0 == done.code, done.stdout
    zero = {"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_usd": 0.0}
    assert {"llm_calls": 2, **zero} == done.final["interrupted"]  # it was asked, and died before it answered
    assert (4, 20, 8, 1.0) == tuple(
        done.final["usage"][key] for key in ("llm_calls", "input_tokens", "cache_read_tokens", "cost_usd")
    )


def test_a_simulated_run_goes_on_with_its_scenario(crashing: Any, tmp_path: Path) -> None:
    made = crashing(
        {"a": DIES},
        """
        b [prompt="x"]
        start -> a -> b -> exit""",
    )
    (tmp_path / "s.yaml").write_text("version: 1\nnodes:\n  b: {status: fail, failure_reason: as the scenario says}\n")
    folder = killed(made, f"--simulate={tmp_path / 's.yaml'}")
    (tmp_path / "s.yaml").unlink()

    done = resumed(folder)

    assert (1, "'b' failed: as the scenario says") == (done.code, done.final["reason"])


# What cannot be resumed


def test_a_run_that_succeeded_is_refused(crashing: Any) -> None:
    done = crashing({"a": "true"}, "start -> a -> exit").exec("--quiet")
    before = (done.folder / "progress.ndjson").read_bytes()

    refused = resumed(done.folder)

    message = f"attractor exec: the run in {str(done.folder)!r} has ended in success; there is nothing to resume\n"
    assert (2, message) == (refused.code, refused.stderr)
    assert before == (done.folder / "progress.ndjson").read_bytes()


def test_a_run_that_failed_is_refused_with_what_to_do(crashing: Any) -> None:
    done = crashing({"a": "exit 3"}, "start -> a -> exit").exec("--quiet")

    refused = resumed(done.folder)

    message = (
        "attractor exec: the run has failed: 'a' failed: tool_command failed with exit code 3; "
        "--retry-failed runs 'a' again\n"
    )
    assert (2, message) == (refused.code, refused.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--simulate"], "--simulate does not go with --resume: a run keeps what it began with"),
        (["--run-dir", "x"], "--run-dir does not go with --resume: a run keeps what it began with"),
        (["--retry-failed"], "the run has not failed, it was cut off; resume it without --retry-failed"),
    ],
)
@pytest.mark.broken_run_dir
def test_options_that_do_not_fit_are_refused(crashing: Any, arguments: list[str], message: str) -> None:
    folder = killed(crashing({"a": DIES}, "start -> a -> exit"))

    refused = resumed(folder, *arguments)

    assert (2, f"attractor exec: {message}\n") == (refused.code, refused.stderr)


def test_retry_failed_alone_is_refused(crashing: Any) -> None:
    made = crashing({"a": "true"}, "start -> a -> exit")

    assert "--retry-failed goes with --resume DIR" in command("exec", str(made.plan), "--retry-failed").stderr


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    refused = resumed(tmp_path)

    assert (2, f"attractor exec: {str(tmp_path)!r} is no run directory: it has no plan.json\n") == (
        refused.code,
        refused.stderr,
    )
    assert [] == os.listdir(tmp_path)


@pytest.mark.broken_run_dir
def test_a_plan_that_was_changed_is_refused(crashing: Any) -> None:
    folder = killed(crashing({"a": DIES}, "start -> a -> exit"))
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace("echo a", "echo b"))

    assert "its digest does not match" in resumed(folder).stderr
    assert 0 == resumed(folder, "--allow-edited").code


def test_another_plan_is_refused(crashing: Any) -> None:
    made = crashing({"a": DIES}, "start -> a -> exit")
    folder = killed(made)
    kept = made.plan.read_bytes()
    (made.folder / "p.dot").write_text((made.folder / "p.dot").read_text().replace("echo a", "echo b"))
    assert 0 == command("compile", "-q", str(made.folder / "run.yaml")).code

    refused = command("exec", str(made.plan), "--resume", str(folder))
    assert (2, True) == (refused.code, "is not the plan that the run began with" in refused.stderr)

    made.plan.write_bytes(kept)
    assert 0 == command("exec", str(made.plan), "--resume", str(folder)).code


@pytest.mark.parametrize("damage", ["torn journal", "torn progress", "no snapshot", "torn snapshot", "half a file"])
def test_what_was_being_written_when_it_died_is_no_trouble(crashing: Any, damage: str) -> None:
    made = crashing({"a": "true", "b": DIES}, "start -> a -> b -> exit")
    folder = killed(made)
    checkpoint = folder / "checkpoint.json"
    match damage:
        case "torn journal":
            with (folder / "journal.ndjson").open("ab") as file:
                file.write(b'{"seq":4,"ts":"2026-')
        case "torn progress":
            with (folder / "progress.ndjson").open("ab") as file:
                file.write(b'{"ts":"2026-')
        case "no snapshot":
            checkpoint.unlink()
        case "torn snapshot":
            checkpoint.write_bytes(checkpoint.read_bytes()[:100])
        case _:
            (folder / "final.json.tmp").write_text("{")

    assert 0 == resumed(folder).code
    assert ["a", "b", "b"] == made.ran()


@pytest.mark.broken_run_dir
def test_a_damaged_journal_is_refused_and_left_alone(crashing: Any) -> None:
    folder = killed(crashing({"a": "true", "b": DIES}, "start -> a -> b -> exit"))
    (folder / "checkpoint.json").unlink()
    journal = (folder / "journal.ndjson").read_bytes().splitlines(keepends=True)
    (folder / "journal.ndjson").write_bytes(b"".join([journal[0], *journal[2:]]))

    refused = resumed(folder)

    assert (2, True) == (refused.code, "cannot be read back: journal.ndjson:2: is out of order" in refused.stderr)


# What failed the run, again


def test_retry_failed_runs_the_failed_node_again_on_what_a_person_has_mended(crashing: Any) -> None:
    made = crashing({"a": "true", "b": "test -e mended"}, "start -> a -> b -> exit")
    folder = made.exec("--quiet").folder
    (folder / "worktree/mended").write_text("")

    done = resumed(folder, "--retry-failed")

    assert (0, ["a", "b", "b"]) == (done.code, made.ran())
    log = git(made.folder, "log", "--format=%s", done.final["branch"]).splitlines()
    assert ["exit (success)", "b (success)", "changed by hand", "b (fail)"] == [each.split(": ")[1] for each in log[:4]]
    assert ["run_failed", "run_completed"] == [name for name in done.names() if name in ("run_failed", "run_completed")]


def test_what_a_person_has_mended_survives_a_crash_of_the_second_try(crashing: Any) -> None:
    made = crashing({"a": "true", "b": f"test -e mended || exit 1; {DIES}"}, "start -> a -> b -> exit")
    folder = made.exec("--quiet").folder
    (folder / "worktree/mended").write_text("")
    subprocess.run([*RUN, "exec", "--resume", str(folder), "--retry-failed"], check=False, capture_output=True)

    assert 0 == resumed(folder).code
    assert ["a", "b", "b", "b"] == made.ran()


def test_retry_failed_behind_a_diamond_runs_the_stage_again(crashing: Any) -> None:
    made = crashing(
        {"a": "test -e mended"},
        """
        d [shape=diamond]
        start -> a -> d
        a -> d [condition="outcome=fail"]
        d -> exit [condition="outcome=success"]""",
    )
    folder = made.exec("--quiet").folder
    (folder / "worktree/mended").write_text("")

    assert 0 == resumed(folder, "--retry-failed").code
    assert ["a", "a"] == made.ran()


def test_retry_failed_of_a_region_walks_its_branches_again(crashing: Any) -> None:
    made = crashing(
        {"l": "test -e mended", "r": "test -e mended"},
        """
        fan [shape=component]; join [shape=tripleoctagon]
        start -> fan; fan -> l -> join; fan -> r -> join
        join -> exit [condition="outcome=success"]""",
    )
    folder = made.exec("--quiet").folder
    (folder / "worktree/mended").write_text("")

    done = resumed(folder, "--retry-failed")

    assert 0 == done.code, done.stdout
    assert ["l", "l", "r", "r"] == sorted(made.ran())


def test_retry_failed_gives_a_node_one_more_visit_than_its_bound(crashing: Any) -> None:
    made = crashing(
        {"a": "test -e mended"},
        """
        graph [max_node_visits=2, loop_restart_signature_limit=9]
        a2 [shape=diamond]
        start -> a
        a -> a2 [condition="outcome=fail"]
        a2 -> a [condition="outcome=fail"]
        a -> exit [condition="outcome=success"]""",
    )
    first = made.exec("--quiet")
    assert (1, 2) == (first.code, len(made.ran()))
    (first.folder / "worktree/mended").write_text("")

    assert 0 == resumed(first.folder, "--retry-failed").code


# Signals


def test_a_run_that_was_stopped_by_a_signal_goes_on(crashing: Any) -> None:
    stops = "mkdir '{marks}/died' 2>/dev/null && { kill $PPID; sleep 60; }; true"
    made = crashing({"a": "true", "b": stops}, "start -> a -> b -> exit")
    folder = made.new_run_folder()
    done = subprocess.run([*RUN, "exec", str(made.plan), "--run-dir", str(folder)], capture_output=True, check=False)
    assert 143 == done.returncode

    again = resumed(folder)

    assert (0, ["run_canceled", "run_completed"]) == (
        again.code,
        [name for name in again.names() if name in ("run_canceled", "run_completed")],
    )


@pytest.mark.parametrize("without_result", [True, False], ids=["no final.json", "no last event"])
@pytest.mark.parametrize(("command_", "code", "status"), [("true", 0, "success"), ("false", 1, "fail")])
def test_a_run_that_died_between_its_end_and_its_result_says_the_result(
    crashing: Any, command_: str, code: int, status: str, without_result: bool
) -> None:
    made = crashing({"a": command_}, "start -> a -> exit")
    folder = made.exec("--quiet").folder
    if without_result:
        (folder / "final.json").unlink()
    lines = (folder / "progress.ndjson").read_bytes().splitlines(keepends=True)
    (folder / "progress.ndjson").write_bytes(b"".join(lines[:-1]))

    done = resumed(folder)

    assert (code, status, ["a"]) == (done.code, done.final["status"], made.ran())
    assert 2 == resumed(folder).code
