"""Parallel branches in git: a worktree and a branch for each, the winner's work taken over, or everybody's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

RUN_YAML = """version: 1
graph: p.dot
workspace: {mode: worktree%s}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""
REGION = """
  fan [shape=component{fan}]; join [shape=tripleoctagon{join}]
  left [shape=parallelogram, tool_command="{left}"]
  right [shape=parallelogram, tool_command="{right}"]
  after [shape=parallelogram, tool_command="ls > seen"]
  start -> fan; fan -> left; fan -> right; left -> join; right -> join; join -> after -> exit
"""
LEFT, RIGHT = "echo left > left.txt", "echo right > right.txt"


def region(left: str = LEFT, right: str = RIGHT, *, fan: str = "", join: str = "") -> str:
    return REGION.format(left=left, right=right, fan=fan and f", {fan}", join=join and f", {join}")


class Repo:
    """A pipeline in a git repository of its own."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.folder: Path = pipeline.folder
        self.git("init", "-q", "-b", "main")
        (self.folder / ".gitignore").write_text("*.plan.json\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def run(self, *arguments: str) -> Any:
        return self.pipeline.run("--quiet", "--run-id", "r1", *arguments)

    def branches(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname:short)", "refs/heads/attractor").splitlines()

    def files(self, ref: str = "attractor/run/r1") -> set[str]:
        return set(self.git("ls-tree", "-r", "--name-only", ref).splitlines()) - {".gitignore", "p.dot", "run.yaml"}

    def log(self, ref: str = "attractor/run/r1") -> list[str]:
        return self.git("log", "--format=%s", "--first-parent", ref).splitlines()[::-1]


@pytest.fixture
def repo(pipeline: Any) -> Any:
    def repo(body: str, workspace: str = "") -> Repo:
        return Repo(pipeline(body, RUN_YAML % (workspace and f", {workspace}")))

    return repo


def context_of(done: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "checkpoint.json").read_text())["context"]
    return found


def test_each_branch_works_alone_and_the_winner_is_taken_fast_forward(repo: Any) -> None:
    made = repo(region("pwd > place; ls > before", "sleep 0.2; ls > before2"))
    done = made.run()

    assert 0 == done.code, done.final
    assert ["attractor/run/parallel/r1/fan/1/left", "attractor/run/parallel/r1/fan/1/right", "attractor/run/r1"] == (
        made.branches()
    )
    assert {"place", "before", "seen"} == made.files()
    assert str(done.folder / "parallel/fan/1/left/worktree") == made.git("show", "attractor/run/r1:place")
    assert [
        "first",
        *(f"attractor(r1): {node}" for node in ("start (success)", "fan (forked)", "left (success)")),
        *(f"attractor(r1): {node}" for node in ("join (success)", "after (success)", "exit (success)")),
    ] == made.log()


def test_a_losers_work_stays_on_its_branch_and_its_worktree_goes(repo: Any) -> None:
    made = repo(region())
    done = made.run()

    assert {"right.txt"} == made.files("attractor/run/parallel/r1/fan/1/right")
    assert [] == list(done.folder.glob("parallel/**/worktree"))
    assert 2 == len(made.git("worktree", "list").splitlines())  # the user's and the run's


def test_the_results_name_commit_branch_files_and_folders(repo: Any) -> None:
    made = repo(region(right="echo no >&2; exit 1"))
    done = made.run()

    left, right = context_of(done)["parallel.results"]
    assert ("attractor/run/parallel/r1/fan/1/left", ["left.txt"]) == (left["git_branch"], left["files"])
    assert made.git("rev-parse", left["git_branch"]) == left["head_sha"]
    assert (done.folder / left["artifacts"]["left"] / "1-1/status.json").exists()
    assert ("fail", "'right' failed: tool_command failed with exit code 1: no") == (
        right["outcome"],
        right["failure_reason"],
    )
    assert left["head_sha"] == context_of(done)["parallel.fan_in.best_head_sha"]


def test_the_users_checkout_and_its_branch_are_not_touched(repo: Any) -> None:
    made = repo(region())
    (made.folder / "run.yaml").write_text((made.folder / "run.yaml").read_text() + "\n")
    before = (made.git("status", "--porcelain"), made.git("rev-parse", "HEAD"), made.git("symbolic-ref", "HEAD"))
    made.run()

    assert before == (
        made.git("status", "--porcelain"),
        made.git("rev-parse", "HEAD"),
        made.git("symbolic-ref", "HEAD"),
    )


def test_a_failed_branch_does_not_win_though_it_comes_first(repo: Any) -> None:
    made = repo(region("echo half > half.txt; exit 1"))
    done = made.run()

    assert 0 == done.code
    assert {"right.txt", "seen"} == made.files()
    assert "right" == context_of(done)["parallel.fan_in.best_id"]


def test_all_failed_takes_nothing_over_and_fails(repo: Any) -> None:
    made = repo(region("echo l > l; exit 1", "echo r > r; exit 1"))
    done = made.run()

    assert 1 == done.code
    assert set() == made.files()
    assert "all parallel branches failed" in done.final["reason"]


def test_merge_all_merges_every_branch_in_order(repo: Any) -> None:
    made = repo(region(join="merge=all"))
    done = made.run()

    assert 0 == done.code, done.final
    assert {"left.txt", "right.txt", "seen"} == made.files()
    assert "attractor(r1): join merges: right" in made.log()


def test_merge_all_leaves_out_what_failed(repo: Any) -> None:
    made = repo(region(right="echo half > half.txt; exit 1", join="merge=all"))
    made.run()

    assert {"left.txt", "seen"} == made.files()


def test_a_conflict_is_a_failure_that_names_branches_and_files(repo: Any) -> None:
    made = repo(region("echo left > same; echo l > l", "echo right > same; echo r > r", join="merge=all"))
    done = made.run()

    assert (1, "deterministic") == (done.code, done.final["failure_class"])
    assert (
        "'join' failed: merge=all: the branches conflict, and nothing was merged: 'right' after 'left' in same"
        == done.final["reason"]
    )
    assert set() == made.files()
    assert "" == subprocess.run(
        ["git", "status", "--porcelain"], cwd=done.folder / "worktree", capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    assert "" == context_of(done)["parallel.fan_in.best_id"]


def test_a_conflict_may_be_routed(repo: Any) -> None:
    body = region("echo left > same", "echo right > same", join="merge=all").replace(
        "join -> after",
        'mend [shape=parallelogram, tool_command="echo both > same"]\n'
        '  join -> mend [condition="outcome=fail"]; mend -> after; join -> after',
    )
    made = repo(body)

    assert 0 == made.run().code
    assert {"same", "seen"} == made.files()


def test_a_second_visit_has_worktrees_and_branches_of_its_own(repo: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    body = region(f"test -e '{mark}' || {{ touch '{mark}'; exit 1; }}", "echo r >> r; test $(wc -l < r) = 2 || exit 1")
    made = repo(body.replace("join -> after", 'join -> fan [condition="outcome=fail"]; join -> after'))
    done = made.run()

    assert 0 == done.code, done.final
    assert [f"attractor/run/parallel/r1/fan/{n}/{name}" for n in (1, 2) for name in ("left", "right")] == (
        made.branches()[:-1]
    )


def test_a_visit_after_a_restart_has_branches_of_its_own(repo: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    again = f"test -e '{mark}' || {{ touch '{mark}'; echo connection refused; exit 1; }}"
    body = region().replace('"ls > seen"', f'"{again}"').replace(
        "after -> exit",
        'after; after -> exit [condition="outcome=success"]\n'
        '  after -> fan [condition="outcome=fail", loop_restart=true]',
    )  # fmt: skip
    made = repo(body)
    done = made.run()

    assert (0, 1) == (done.code, done.final["restarts"])
    assert {
        f"attractor/run/parallel/r1/{pass_}fan/1/{name}" for pass_ in ("", "restart-1+") for name in ("left", "right")
    } == set(made.branches()[:-1])
    assert (done.folder / "restart-1/parallel/fan/1/left/stages/left/1-1").is_dir()


def test_regions_nest_and_the_inner_winner_is_in_the_outer_branch(repo: Any) -> None:
    made = repo("""
      outer [shape=component]; inner [shape=component]
      j1 [shape=tripleoctagon, merge=all]; j2 [shape=tripleoctagon]
      a [shape=parallelogram, tool_command="echo a > a"]; b [shape=parallelogram, tool_command="echo b > b"]
      c [shape=parallelogram, tool_command="echo c > c"]
      start -> outer; outer -> inner; outer -> c; inner -> a; inner -> b; a -> j1; b -> j1; j1 -> j2; c -> j2
      j2 -> exit""")
    done = made.run()

    assert 0 == done.code, done.final
    assert {"a", "b"} == made.files()
    assert [
        "attractor/run/parallel/r1/outer/1/c",
        "attractor/run/parallel/r1/outer/1/inner",
        "attractor/run/parallel/r1/outer/1/inner+inner/1/a",
        "attractor/run/parallel/r1/outer/1/inner+inner/1/b",
        "attractor/run/r1",
    ] == sorted(made.branches())


def test_without_a_commit_per_node_branches_are_committed_all_the_same(repo: Any) -> None:
    first = 'first [shape=parallelogram, tool_command="echo f > f"]\n  start -> first -> fan'
    made = repo(region(left="cat f; echo left > left.txt").replace("start -> fan", first), "commit_per_node: false")
    done = made.run()

    assert 0 == done.code, done.final
    assert {"f", "left.txt", "seen"} == made.files()


def test_files_that_are_not_committed_stay_where_they_are(repo: Any) -> None:
    first = 'first [shape=parallelogram, tool_command="mkdir target; echo o > target/o"]\n  start -> first -> fan'
    body = region(left="test ! -e target && mkdir target && echo x > target/o && echo l > l")
    made = repo(body.replace("start -> fan", first), "checkpoint_exclude: ['**/target/**']")
    done = made.run()

    assert 0 == done.code, done.final
    assert {"l", "seen"} == made.files()
    assert "o\n" == (done.folder / "worktree/target/o").read_text()


def test_a_pipeline_in_a_sub_folder_works_in_the_same_one_of_each_worktree(pipeline: Any) -> None:
    made = Repo(pipeline(region("pwd > place"), RUN_YAML % ", repo: sub"))
    (made.folder / "sub").mkdir()
    (made.folder / "sub/kept").write_text("kept\n")
    made.git("add", "-A")
    made.git("commit", "-qm", "second")
    done = made.run()

    assert 0 == done.code, done.final
    assert str(done.folder / "parallel/fan/1/left/worktree/sub") == made.git("show", "attractor/run/r1:sub/place")


def test_a_stage_that_leaves_its_branch_loses_nothing(repo: Any) -> None:
    done = (made := repo(region("git checkout -q --detach; echo left > left.txt"))).run()

    assert 0 == done.code
    assert {"left.txt", "seen"} == made.files()


def test_a_stage_that_destroys_its_worktree_fails_its_branch_alone(repo: Any) -> None:
    made = repo(region("rm .git"))
    done = made.run()

    assert (0, {"right.txt", "seen"}) == (done.code, made.files())
    left, right = context_of(done)["parallel.results"]
    assert ("fail", "success") == (left["outcome"], right["outcome"])
    assert "could not be committed" in left["failure_reason"]
    assert [] == list(done.folder.glob("parallel/**/worktree"))


def test_one_folder_for_all_is_told(pipeline: Any) -> None:
    done = pipeline(region()).exec("--quiet")

    assert 0 == done.code
    (warning,) = [event["message"] for event in done.events if event["event"] == "warning"]
    assert warning.startswith("the branches of 'fan' share one folder, ")
    assert "workspace.mode: worktree" in warning


def test_in_one_folder_branches_do_not_read_each_others_status(pipeline: Any) -> None:
    body = """
      fan [shape=component]; join [shape=tripleoctagon]; a [prompt="x"]; b [prompt="x"]
      start -> fan; fan -> a; fan -> b; a -> join; b -> join; join -> exit"""
    made = pipeline(body)
    success = """echo '{"status": "success"}' > """
    commands = {"a": success + "status.json", "b": success + '"$ATTRACTOR_STATUS_PATH"'}
    nodes = {name: {"status": None, "commands": [command]} for name, command in commands.items()}
    (made.folder / "s.yaml").write_text(json.dumps({"version": 1, "nodes": nodes}))
    done = made.exec("--quiet", f"--simulate={made.folder / 's.yaml'}")

    assert {"a": "fail", "b": "success"} == {
        each["id"]: each["outcome"] for each in context_of(done)["parallel.results"]
    }
    assert (made.folder / "status.json").exists()


@pytest.mark.flaky(reruns=3)
def test_eight_sleeps_take_as_long_as_one(pipeline: Any) -> None:
    names = [f"b{number}" for number in range(8)]
    body = "".join(f'  {n} [shape=parallelogram, tool_command="sleep 1"]\n  fan -> {n}; {n} -> join\n' for n in names)
    made = pipeline(
        f"  fan [shape=component, max_parallel=8]; join [shape=tripleoctagon]\n{body}  start -> fan; join -> exit"
    )
    started = time.monotonic()

    assert 0 == made.exec("--quiet").code
    assert time.monotonic() - started < 4  # 8 in a row; the figure itself is the bench's


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(_alive, pids))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
def test_losers_are_stopped_with_all_their_processes(repo: Any, tmp_path: Path) -> None:
    made = repo(
        region(
            f"sleep 60 & echo $! $$ > '{tmp_path}/pids'; wait",
            f"until test -s '{tmp_path}/pids'; do sleep 0.05; done; echo r > r",
            fan="join_policy=first_success",
        )
    )
    done = made.run()

    assert 0 == done.code, done.final
    assert {"r", "seen"} == made.files()
    assert _gone([int(pid) for pid in (tmp_path / "pids").read_text().split()])
    assert ["canceled", "success"] == [each["outcome"] for each in context_of(done)["parallel.results"]]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
@pytest.mark.parametrize(("signals", "code"), [(1, 143), (2, 143)])
def test_a_stop_ends_every_branch_and_leaves_no_process(repo: Any, tmp_path: Path, signals: int, code: int) -> None:
    ignores = "trap '' TERM; " if signals == 2 else ""
    command = f"{ignores}echo $$ > '{tmp_path}/NAME'; while true; do sleep 0.2; done"
    made = repo(region(command.replace("NAME", "1"), command.replace("NAME", "2")))
    folder = tmp_path / "stopped"
    program = [sys.executable, "-m", "attractor.cli.main"]
    process = subprocess.Popen(
        [*program, "exec", str(made.pipeline.plan), "--quiet", "--run-dir", str(folder), "--run-id", "r1"],
        stdout=subprocess.DEVNULL,
    )
    pids = [tmp_path / "1", tmp_path / "2"]
    deadline = time.monotonic() + 30
    while not all(path.exists() and path.read_text().strip() for path in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    started = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)

    assert code == process.wait(30)
    assert time.monotonic() - started < 10
    assert _gone([int(path.read_text()) for path in pids])
    final = json.loads((folder / "final.json").read_text())
    assert ("canceled", "SIGTERM") == (final["status"], final["reason"].removeprefix("stopped by signal ")[:7])
    region_ = json.loads((folder / "checkpoint.json").read_text())["region"]
    assert signals == 2 or (["left", "right"], {}) == (list(region_["branches"]), region_["results"])
