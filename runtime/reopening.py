"""The workspace of a run that goes on: as the last finished stage left it, whatever has happened to it since."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .git import Git, GitError
from .plan import WorkspaceSettings
from .workspace import (
    FolderWorkspace,
    RealWorkspace,
    Warn,
    WorkspaceError,
    WorktreeWorkspace,
    add_worktree,
    head_of,
    keep,
    worktree_workspace,
)


class Left(NamedTuple):
    """What the earlier process has written down of its workspace."""

    mode: str  # worktree | directory
    branch: str
    base_sha: str
    commit: str  # where the last finished stage left it; "" before the first
    has_begun: bool  # whether a stage has finished
    is_mended: bool  # what has changed since is a person's work, and stays
    aside: Path  # where to put what is in the way


def reopen_workspace(
    settings: WorkspaceSettings, repo: Path, run_folder: Path, left: Left, inherited: Mapping[str, str], warn: Warn
) -> RealWorkspace:
    """Return the workspace of an earlier process; `repo` is the folder that run.yaml names.

    Raises:
        WorkspaceError: it is gone and cannot be made again.
    """
    if not repo.is_dir():
        raise WorkspaceError(f"workspace.repo is not a folder any more: {repo}")
    if left.mode == "directory":
        return FolderWorkspace(repo.resolve())
    try:
        return _Worktree(settings, repo.resolve(), run_folder / "worktree", left, inherited, warn).open()
    except GitError as error:
        raise WorkspaceError(str(error)) from error


class _Worktree:
    def __init__(
        self,
        settings: WorkspaceSettings,
        repo: Path,
        folder: Path,
        left: Left,
        inherited: Mapping[str, str],
        warn: Warn,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._left = left
        self._inherited = inherited
        self._warn = warn
        self._git = Git(repo, inherited)
        self._commit = left.commit or left.base_sha
        prefix, common = self._git.run("rev-parse", "--show-prefix", "--git-common-dir").split("\n")
        self._inside = folder / prefix if prefix else folder
        self._refs = (repo / common / "refs/heads").resolve()

    def open(self) -> WorktreeWorkspace:
        self._check_commit()
        if self._folder.exists():
            try:
                workspace = self._workspace()
                if not self._left.is_mended:
                    workspace.go_back(self._commit)
            except (GitError, OSError) as error:
                self._put_aside(str(error))
            else:
                self._inside.mkdir(parents=True, exist_ok=True)
                return workspace
        if not self._settings.commit_per_node and self._left.has_begun:
            raise WorkspaceError(
                f"the worktree is gone: {self._folder}; workspace.commit_per_node is false, so nothing else holds what "
                f"the run has done: start a new one"
            )
        self._keep_head()
        add_worktree(self._git, self._left.branch, self._folder, self._commit)
        self._inside.mkdir(parents=True, exist_ok=True)
        return self._workspace()

    def _workspace(self) -> WorktreeWorkspace:
        return worktree_workspace(
            Git(self._folder, self._inherited),
            self._inside,
            branch=self._left.branch,
            base_sha=self._left.base_sha,
            refs=self._refs,
            settings=self._settings,
            warn=self._warn,
        )

    def _check_commit(self) -> None:
        try:
            self._git.run("rev-parse", "--quiet", "--verify", f"{self._commit}^{{commit}}")
        except GitError:
            raise WorkspaceError(
                f"commit {self._commit[:12]} of branch {self._left.branch} is not in {self._git.folder} any more, so "
                f"the run cannot go on; start a new one"
            ) from None

    def _keep_head(self) -> None:
        """Keep what the branch holds beyond the last finished stage, if it is still there."""
        head = head_of(self._git, self._left.branch)
        if head not in ("", self._commit):
            keep(self._git, self._left.branch, head, self._warn)

    def _put_aside(self, why: str) -> None:
        self._left.aside.mkdir(parents=True, exist_ok=True)
        self._folder.rename(self._left.aside / "worktree")
        self._warn(f"the worktree was damaged and is made anew ({why}); what it held is in {self._left.aside}/worktree")
