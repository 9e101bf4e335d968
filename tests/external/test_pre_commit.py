"""The hooks of this repository under the real `pre-commit` program. `make test-external` installs it."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

PRE_COMMIT = os.environ.get("ATTRACTOR_PRE_COMMIT", "")
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not PRE_COMMIT, reason="`make test-external` installs the program"),
]

GOOD = """digraph g {
  goal="A greeting"
  max_node_visits=3
  start [shape=Mdiamond]
  write [prompt="Write it: $goal", timeout="60s"]
  done  [shape=Msquare]
  start -> write -> done
}
"""
RUN = "version: 1\ngraph: g.dot\nllm: {defaults: {provider: r, model: m}, providers: {r: {backend: scripted}}}\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="session")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it is now, uncommitted changes included, as one commit: pre-commit clones what it runs."""
    copy = tmp_path_factory.mktemp("hooks")
    names = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
            (copy / name).chmod((ROOT / name).stat().st_mode)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "As it is now")
    return copy


class Committed(NamedTuple):
    code: int
    said: str


class Repository:
    """A user's repository in which the hooks are installed."""

    def __init__(self, folder: Path, hooks: Path, hook: str, home: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PRE_COMMIT_HOME": str(home), "NO_COLOR": "1", "GIT_TERMINAL_PROMPT": "0"}
        rev = git(hooks, "rev-parse", "HEAD").strip()
        git(folder, "init", "--quiet")
        (folder / ".pre-commit-config.yaml").write_text(
            f"repos:\n  - repo: {hooks}\n    rev: {rev}\n    hooks:\n      - id: {hook}\n"
        )
        (folder / "g.dot").write_text(GOOD)
        (folder / "run.yaml").write_text(RUN)
        (folder / "notes.yaml").write_text("not: ours\n")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "Begin")
        subprocess.run([PRE_COMMIT, "install"], cwd=folder, env=self.environment, check=True, capture_output=True)

    def commit(self, **texts: str) -> Committed:
        for name, text in texts.items():
            (self.folder / name.replace("_", ".")).write_text(text)
        command = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "--all", "-m", "Change"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        print(done.stdout)  # shown by pytest -rP, and when the test fails
        return Committed(done.returncode, done.stdout)

    @property
    def commits(self) -> int:
        return len(git(self.folder, "log", "--oneline").splitlines())


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the environment that it makes for the hooks, once for all tests."""
    return tmp_path_factory.mktemp("pre-commit")


@pytest.fixture
def checked(tmp_path: Path, hooks: Path, home: Path) -> Repository:
    return Repository(tmp_path, hooks, "attractor-compile", home)


@pytest.fixture
def fixing(tmp_path: Path, hooks: Path, home: Path) -> Repository:
    return Repository(tmp_path, hooks, "attractor-compile-fix", home)


def test_a_bad_graph_is_stopped_with_the_place_of_each_mistake(checked: Repository) -> None:
    bad = GOOD.replace("-> done", "-> doen").replace('timeout="60s"', 'timeout="soon"')

    done = checked.commit(g_dot=bad)

    assert (1, 1) == (done.code, checked.commits)
    assert "attractor compile --check" in done.said
    assert "g.dot:5:44: error[duration_valid]" in done.said
    assert 'g.dot:7:21: error[edge_target_exists] "doen" is not declared; did you mean "done"?' in done.said


def test_a_bad_run_yaml_is_stopped(checked: Repository) -> None:
    done = checked.commit(run_yaml=RUN + "limits: {max_llm_cals: 3}\n")

    assert (1, 1) == (done.code, checked.commits)
    assert 'run.yaml:4:10: error[run_unknown_key] unknown key "max_llm_cals" in "limits"' in done.said


def test_a_mistake_that_only_both_files_together_show_is_stopped_though_one_was_changed(checked: Repository) -> None:
    done = checked.commit(run_yaml=RUN.replace("g.dot", "h.dot"))

    assert (1, 1) == (done.code, checked.commits)
    assert "run.yaml:2:8: error[" in done.said


def test_a_good_change_passes(checked: Repository) -> None:
    done = checked.commit(g_dot=GOOD.replace("60s", "90s"))

    assert (0, 2) == (done.code, checked.commits), done.said


def test_files_of_others_are_not_looked_at(checked: Repository) -> None:
    done = checked.commit(notes_yaml="still: not ours\n")

    assert (0, 2) == (done.code, checked.commits)
    assert "(no files to check)Skipped" in done.said


def test_the_fixing_hook_rewrites_stops_once_and_then_passes(fixing: Repository) -> None:
    first = fixing.commit(g_dot=GOOD.replace('timeout="60s"', "timeout=60"))

    assert (1, 1) == (first.code, fixing.commits)
    assert "files were modified by this hook" in first.said
    assert 'timeout="60s"' in (fixing.folder / "g.dot").read_text()
    (fixing.folder / "g.dot").write_text((fixing.folder / "g.dot").read_text().replace("A greeting", "Two greetings"))
    assert (0, 2) == (fixing.commit().code, fixing.commits)


def test_what_no_fix_mends_is_stopped_by_the_fixing_hook_too(fixing: Repository) -> None:
    done = fixing.commit(g_dot=GOOD.replace("-> done", "-> nowhere"))

    assert (1, 1) == (done.code, fixing.commits)
    assert "error[edge_target_exists]" in done.said
