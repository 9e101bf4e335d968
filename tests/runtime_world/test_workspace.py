"""Git worktrees that leave the user's checkout alone, and plain folders."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from attractor.runtime.git import GitError
from attractor.runtime.plan import WorkspaceSettings
from attractor.runtime.workspace import FolderWorkspace, WorkspaceError, WorktreeWorkspace, open_workspace

SETTINGS = WorkspaceSettings(
    repo=".",
    mode="auto",
    branch_prefix="attractor/run",
    commit_per_node=True,
    require_clean=False,
    checkpoint_exclude=("**/target/**",),
    push_remote="",
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "my repo ü"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("a\n")
    (folder / "sub").mkdir()
    (folder / "sub/b.txt").write_text("b\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


class Opened:
    def __init__(self, workspace: FolderWorkspace | WorktreeWorkspace, warnings: list[str]) -> None:
        self.workspace = workspace
        self.warnings = warnings


@pytest.fixture
def open_(tmp_path: Path):
    run_folder = tmp_path / "run ü 1"
    run_folder.mkdir()

    def open_(repo: Path, inherited: dict[str, str] | None = None, **changes: object) -> Opened:
        warnings: list[str] = []
        settings = SETTINGS._replace(**changes)
        environment = dict(os.environ) if inherited is None else inherited
        return Opened(open_workspace(settings, repo, run_folder, "r1", environment, warnings.append), warnings)

    return open_


def snapshot(repo: Path) -> tuple[str, ...]:
    """What a user sees of their checkout."""
    files = sorted(str(path.relative_to(repo)) for path in repo.rglob("*") if ".git" not in path.parts)
    return (
        git(repo, "status", "--porcelain"),
        git(repo, "rev-parse", "HEAD"),
        git(repo, "symbolic-ref", "HEAD"),
        git(repo, "stash", "list"),
        git(repo, "config", "--list", "--local"),
        *files,
    )


def test_a_run_leaves_the_checkout_and_its_branch_as_they_were(repo: Path, open_) -> None:
    (repo / "a.txt").write_text("being edited\n")
    before = snapshot(repo)

    workspace = open_(repo).workspace
    (workspace.folder / "new.txt").write_text("new\n")
    (workspace.folder / "a.txt").unlink()
    sha = workspace.commit("attractor(r1): impl (success)")

    assert before == snapshot(repo)
    assert "attractor/run/r1" == workspace.branch
    assert sha == git(repo, "rev-parse", "attractor/run/r1")
    assert "D\ta.txt\nA\tnew.txt" == git(repo, "show", "--format=", "--name-status", sha)


def test_a_commit_is_made_also_when_nothing_changed(repo: Path, open_) -> None:
    workspace = open_(repo).workspace

    first = workspace.commit("attractor(r1): a (success)")
    second = workspace.commit("attractor(r1): b (fail)")

    assert [second, first, workspace.base_sha] == git(repo, "rev-list", "attractor/run/r1").split()
    assert "attractor(r1): b (fail)" == git(repo, "log", "-1", "--format=%B", second)


def test_a_subfolder_works_in_the_same_subfolder_of_the_worktree(repo: Path, open_) -> None:
    workspace = open_(repo / "sub").workspace

    assert ["b.txt"] == os.listdir(workspace.folder)
    (workspace.folder.parent / "above.txt").write_text("beside the sub-folder\n")
    workspace.commit("m")
    assert "above.txt" in git(repo, "ls-tree", "--name-only", "attractor/run/r1")


def test_a_subfolder_that_is_not_committed_is_empty_and_says_so(repo: Path, open_) -> None:
    (repo / "fresh").mkdir()
    opened = open_(repo / "fresh")

    assert [] == os.listdir(opened.workspace.folder)
    assert "fresh/ is not in commit" in opened.warnings[0]


def test_status_files_and_excluded_globs_are_not_committed(repo: Path, open_) -> None:
    workspace = open_(repo / "sub").workspace
    for name in (".attractor/status/a-1-1.json", "target/x.o", "deep/target/y.o", "kept.txt"):
        path = workspace.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")

    workspace.commit("m")

    assert ["sub/b.txt", "sub/kept.txt"] == git(repo, "ls-tree", "-r", "--name-only", workspace.branch, "sub").split()


def test_hooks_and_signing_of_the_user_do_not_run(repo: Path, open_) -> None:
    for name in ("pre-commit", "post-checkout", "commit-msg", "post-commit"):
        hook = repo / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch '{repo}/HOOK-RAN'\nexit 1\n")
        hook.chmod(0o755)
    git(repo, "config", "commit.gpgSign", "true")
    git(repo, "config", "gpg.program", "/bin/false")

    assert open_(repo).workspace.commit("m")
    assert not (repo / "HOOK-RAN").exists()


def test_without_an_identity_a_fallback_commits(repo: Path, open_, tmp_path: Path) -> None:
    nobody = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": os.devnull}
    git(repo, "config", "user.useConfigOnly", "true")

    sha = open_(repo, nobody | {"GIT_CONFIG_NOSYSTEM": "1"}).workspace.commit("m")

    assert "attractor <attractor@localhost>" == git(repo, "log", "-1", "--format=%an <%ae>", sha)


def test_a_git_process_around_us_does_not_redirect_us(repo: Path, open_, tmp_path: Path) -> None:
    around = {**os.environ, "GIT_DIR": str(tmp_path / "elsewhere"), "GIT_INDEX_FILE": str(tmp_path / "index")}

    assert open_(repo, around).workspace.commit("m")
    assert not (tmp_path / "index").exists()


def test_a_stage_that_leaves_the_branch_is_brought_back(repo: Path, open_) -> None:
    opened = open_(repo)
    workspace = opened.workspace
    git(workspace.folder, "checkout", "-q", "-b", "stray")
    (workspace.folder / "work.txt").write_text("w")

    workspace.commit("m")

    assert "work.txt" in git(repo, "ls-tree", "--name-only", "attractor/run/r1")
    assert workspace.base_sha == git(repo, "rev-parse", "stray")
    assert ["a stage left the run's branch; its work is committed to attractor/run/r1"] == opened.warnings


def test_a_lock_that_a_killed_process_left_is_removed(repo: Path, open_) -> None:
    opened = open_(repo)
    lock = Path(git(opened.workspace.folder, "rev-parse", "--absolute-git-dir")) / "index.lock"
    lock.touch()

    assert opened.workspace.commit("m")
    assert "stale git lock" in opened.warnings[0]


def test_what_cannot_be_added_is_told_and_the_rest_is_committed(repo: Path, open_) -> None:
    opened = open_(repo)
    git(opened.workspace.folder, "init", "-q", "nested")
    (opened.workspace.folder / "nested/f").write_text("f")
    (opened.workspace.folder / "good.txt").write_text("g")

    opened.workspace.commit("m")

    assert "good.txt" in git(repo, "ls-tree", "--name-only", "attractor/run/r1")
    assert "not everything could be committed" in opened.warnings[0]
    assert "nested" in opened.warnings[0]


def test_a_commit_that_git_refuses_is_an_error(repo: Path, open_) -> None:
    workspace = open_(repo).workspace
    git(repo, "worktree", "remove", "--force", str(workspace.folder))
    workspace.folder.mkdir()

    with pytest.raises((GitError, OSError)):
        workspace.commit("m")


def test_without_commits_per_node_the_end_commits_everything(repo: Path, open_) -> None:
    workspace = open_(repo, commit_per_node=False).workspace
    (workspace.folder / "n.txt").write_text("n")

    assert "" == workspace.commit("attractor(r1): a (success)")
    workspace.finish("attractor(r1): success")

    assert "attractor(r1): success" == git(repo, "log", "-1", "--format=%B", "attractor/run/r1")
    assert "n.txt" in git(repo, "ls-tree", "--name-only", "attractor/run/r1")


def test_the_branch_is_pushed_where_run_yaml_says(repo: Path, open_, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    git(repo, "remote", "add", "backup", str(tmp_path / "remote.git"))
    workspace = open_(repo, push_remote="backup").workspace
    sha = workspace.commit("m")

    workspace.finish("end")

    assert sha == git(tmp_path / "remote.git", "rev-parse", "attractor/run/r1")


def test_a_push_that_fails_is_a_warning(repo: Path, open_) -> None:
    opened = open_(repo, push_remote="nowhere")

    opened.workspace.finish("end")

    assert "branch attractor/run/r1 was not pushed to 'nowhere'" in opened.warnings[0]


def test_auto_takes_a_folder_without_git_as_it_is(tmp_path: Path, open_) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()

    workspace = open_(folder).workspace

    assert (folder, "", "") == (workspace.folder, workspace.branch, workspace.commit("m"))


def test_auto_takes_a_repository_without_a_commit_as_it_is(tmp_path: Path, open_) -> None:
    folder = tmp_path / "young"
    folder.mkdir()
    git(folder, "init", "-q")

    assert folder == open_(folder).workspace.folder


def test_directory_mode_works_in_place_and_commits_nothing(repo: Path, open_) -> None:
    workspace = open_(repo, mode="directory").workspace

    assert (repo, "") == (workspace.folder, workspace.commit("m"))
    assert ["main"] == git(repo, "branch", "--format=%(refname:short)").split()


@pytest.mark.parametrize(
    ("mode", "make", "message"),
    [
        pytest.param("worktree", "plain", "is not in a git repository; use mode: directory", id="no repository"),
        pytest.param("worktree", "young", "has no commit yet", id="no commit"),
        pytest.param("auto", "", "workspace.repo is not a folder", id="no folder"),
    ],
)
def test_a_place_that_cannot_be_worked_in_is_refused(tmp_path: Path, open_, mode: str, make: str, message: str) -> None:
    folder = tmp_path / "place"
    if make:
        folder.mkdir()
    if make == "young":
        git(folder, "init", "-q")

    with pytest.raises(WorkspaceError, match=message):
        open_(folder, mode=mode)


def test_require_clean_names_what_is_not(repo: Path, open_) -> None:
    (repo / "a.txt").write_text("edited\n")

    with pytest.raises(WorkspaceError, match=r"require_clean is true.*a\.txt"):
        open_(repo, require_clean=True)


def test_two_runs_with_one_id_do_not_share_a_branch(repo: Path, open_) -> None:
    open_(repo)

    with pytest.raises(WorkspaceError, match="exists already"):
        open_(repo)


def test_a_run_directory_that_was_removed_by_hand_may_be_used_again(repo: Path, open_) -> None:
    shutil.rmtree(open_(repo).workspace.folder)
    git(repo, "branch", "-m", "attractor/run/r1", "attractor/run/r0")

    assert "attractor/run/r1" == open_(repo).workspace.branch


@pytest.mark.parametrize(("commit_per_node", "left"), [(True, ["a.txt", "sub"]), (False, ["a.txt", "half", "sub"])])
def test_a_branch_goes_on_at_its_commit_or_where_it_was_if_it_makes_none(
    repo: Path, tmp_path: Path, open_, commit_per_node: bool, left: list[str]
) -> None:
    workspace = open_(repo, commit_per_node=commit_per_node).workspace
    place = tmp_path / "parallel/fan/1/a/worktree"
    commit = workspace.save("forked")
    branch = workspace.branch_off("fan/1/a", place, commit)
    (branch.folder / "half").write_text("of a stage that was interrupted")

    again = workspace.branch_off("fan/1/a", place, commit)

    assert left == sorted(name for name in os.listdir(again.folder) if name != ".git")
    assert ("attractor/run/parallel/r1/fan/1/a", commit) == (again.branch, git(again.folder, "rev-parse", "HEAD"))


def test_a_worktree_that_git_does_not_know_makes_room(repo: Path, tmp_path: Path, open_) -> None:
    workspace = open_(repo).workspace
    place = tmp_path / "parallel/fan/1/a/worktree"
    (place / "torn").mkdir(parents=True)

    branch = workspace.branch_off("fan/1/a", place, workspace.save("forked"))

    assert [".git", "a.txt", "sub"] == sorted(os.listdir(branch.folder))
    workspace.drop(place)
    assert not place.exists()
