"""Where stages work: a plain folder, or a git worktree on a branch of its own with a commit per node.

In a worktree the user's checkout, index and branches are never touched: the run has its own branch, its own index and
its own HEAD, and shares only the object store.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from .git import Git, GitError, excluding_pathspecs, holds_repository
from .merging import fast_forward, merge_all, touched
from .plan import WorkspaceSettings

STATUS_FOLDER = ".attractor/status"  # where stages write their status files; never committed
LOCK_PATIENCE_S = 2.0  # how long another process may hold the worktree's index
PUSH_TIMEOUT_S = 120.0

Warn = Callable[[str], None]


class WorkspaceError(Exception):
    """There is no place to work in; the text says why and what to change."""


class FolderWorkspace:
    """A folder that stages change in place."""

    branch = ""
    base_sha = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def commit(self, message: str) -> str:  # noqa: ARG002 - there is nothing to record in
        return ""

    def finish(self, message: str) -> str:  # noqa: ARG002
        return ""

    def inside(self, folder: str, name: str) -> "FolderWorkspace":  # noqa: ARG002
        place = self.folder / folder if folder else self.folder
        place.mkdir(parents=True, exist_ok=True)
        return FolderWorkspace(place)

    def save(self, message: str) -> str:  # noqa: ARG002
        return ""

    def seal(self, message: str) -> str:  # noqa: ARG002
        return ""

    def branch_off(self, name: str, folder: Path, commit: str) -> "FolderWorkspace":  # noqa: ARG002 - shared
        return self

    def changed_since(self, commit: str) -> Sequence[str]:  # noqa: ARG002
        return ()

    def drop(self, folder: Path) -> None:
        pass

    def take(self, commit: str) -> None:
        pass

    def merge(self, heads: Mapping[str, str], message: str) -> Mapping[str, Sequence[str]]:  # noqa: ARG002
        return {}


class Family(NamedTuple):
    """What the worktrees of one run share."""

    refs: Path  # the repository's branches, as files
    nest: str  # of the branches of parallel regions; beside the run's own branch, which as a ref is no folder
    lock: Lock  # held while a worktree comes or goes


class WorktreeWorkspace:
    """A git worktree in the run directory; `folder` is the sub-folder of it that run.yaml's `repo` names."""

    def __init__(
        self,
        *,
        git: Git,
        folder: Path,
        branch: str,
        base_sha: str,
        family: Family,
        settings: WorkspaceSettings,
        warn: Warn,
    ) -> None:
        self.folder = folder
        self.branch = branch
        self.base_sha = base_sha
        self._git = git
        self._ref = family.refs / branch
        self._settings = settings
        self._warn = warn
        self._private = Path((git.folder / ".git").read_text().removeprefix("gitdir:").strip())
        self._prefix = "" if folder == git.folder else f"{folder.relative_to(git.folder).as_posix()}/"
        self._excluded = excluding_pathspecs(self._prefix + STATUS_FOLDER, settings.checkpoint_exclude)
        self._family = family

    def commit(self, message: str) -> str:
        """Record the worktree's state, also when nothing changed.

        Raises:
            GitError: the commit could not be made.
        """
        return self._commit(message) if self._settings.commit_per_node else ""

    def finish(self, message: str) -> str:
        """Commit what no node's commit has, and push if run.yaml asks for it; a push that fails is a warning.

        Returns:
            The commit, if one was made.

        Raises:
            GitError: the commit could not be made.
        """
        commit = "" if self._settings.commit_per_node else self._commit(message)
        remote = self._settings.push_remote
        if remote:
            try:
                self._git.run("push", "--quiet", remote, self.branch, timeout_s=PUSH_TIMEOUT_S)
            except GitError as error:
                self._warn(f"branch {self.branch} was not pushed to {remote!r}: {error}")
        return commit

    def inside(self, folder: str, name: str) -> "WorktreeWorkspace":
        place = self.folder / folder if folder else self.folder
        place.mkdir(parents=True, exist_ok=True)
        nest = f"{self._family.nest}/child+{name}"
        return self._with(self._git, place, self.branch, self._family._replace(nest=nest))

    def save(self, message: str) -> str:
        return self._commit(message)

    def seal(self, message: str) -> str:
        return self._head() if self._settings.commit_per_node else self._commit(message)

    def branch_off(self, name: str, folder: Path, commit: str) -> "WorktreeWorkspace":
        branch = f"{self._family.nest}/{name}"
        with self._family.lock:
            if self._settings.commit_per_node or not folder.exists():  # else what it holds is nowhere else
                self._take_away(folder)
                folder.parent.mkdir(parents=True, exist_ok=True)
                self._git.run("worktree", "add", "--force", "--quiet", "--no-track", "-B", branch, str(folder), commit)
        inside = folder / self._prefix if self._prefix else folder
        inside.mkdir(parents=True, exist_ok=True)
        return self._with(self._git.within(folder), inside, branch, self._family)

    def _with(self, git: Git, folder: Path, branch: str, family: Family) -> "WorktreeWorkspace":
        return WorktreeWorkspace(
            git=git,
            folder=folder,
            branch=branch,
            base_sha=self.base_sha,
            family=family,
            settings=self._settings,
            warn=self._warn,
        )

    def changed_since(self, commit: str) -> Sequence[str]:
        return touched(self._git, commit, "HEAD")

    def drop(self, folder: Path) -> None:
        with self._family.lock:
            self._take_away(folder)

    def take(self, commit: str) -> None:
        self._settle()
        fast_forward(self._git, commit)

    def merge(self, heads: Mapping[str, str], message: str) -> Mapping[str, Sequence[str]]:
        self._settle()
        return merge_all(self._git, heads, message)

    def _take_away(self, folder: Path) -> None:
        """Remove a worktree, also one that is only half there."""
        if folder.exists():
            try:
                self._git.run("worktree", "remove", "--force", "--force", str(folder))
            except GitError:  # git does not know it: it died while it made it
                try:
                    shutil.rmtree(folder)
                except OSError as error:  # a container left files of another user, say
                    raise GitError(f"{folder} cannot be removed: {error.strerror or error}") from None
                self._git.run("worktree", "prune")

    def _settle(self) -> None:
        self._return_to_branch()
        self._await_index()

    def _head(self) -> str:
        try:
            return self._ref.read_text().strip()
        except OSError:  # refs are not files everywhere
            return self._git.run("rev-parse", f"refs/heads/{self.branch}")

    def _commit(self, message: str) -> str:
        self._settle()
        try:
            self._git.run("add", "--all", "--ignore-errors", "--", ":(top)", *self._excluded)
        except GitError as error:  # a nested repository without a commit, an unreadable file
            self._warn(f"not everything could be committed: {error}")
        self._git.run("commit", "--quiet", "--allow-empty", "-m", message)
        return self._head()

    def _return_to_branch(self) -> None:
        """Put HEAD back on the run's branch if a stage moved it; files and index stay as they are."""
        own = f"refs/heads/{self.branch}"
        if (self._private / "HEAD").read_text().strip() != f"ref: {own}":
            self._warn(f"a stage left the run's branch; its work is committed to {self.branch}")
            self._git.run("symbolic-ref", "HEAD", own)

    def _await_index(self) -> None:
        """Wait for another process that has the index open; a lock that outlives it was left by a killed one."""
        lock = self._private / "index.lock"
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while lock.exists():
            if time.monotonic() >= deadline:
                self._warn(f"removed a stale git lock: {lock}")
                lock.unlink(missing_ok=True)
            else:
                time.sleep(0.05)


RealWorkspace = FolderWorkspace | WorktreeWorkspace


def open_workspace(
    settings: WorkspaceSettings, repo: Path, run_folder: Path, run_id: str, inherited: Mapping[str, str], warn: Warn
) -> RealWorkspace:
    """Return the place to work in, made as `settings` say; `repo` is the folder that run.yaml names.

    Raises:
        WorkspaceError: the folder is missing, is not what `settings` need, or git refused.
    """
    if not repo.is_dir():
        raise WorkspaceError(f"workspace.repo is not a folder: {repo}")
    try:
        return _open(settings, repo.resolve(), run_folder, run_id, inherited, warn)
    except GitError as error:
        raise WorkspaceError(str(error)) from error


def _open(
    settings: WorkspaceSettings, repo: Path, run_folder: Path, run_id: str, inherited: Mapping[str, str], warn: Warn
) -> RealWorkspace:
    git = Git(repo, inherited) if holds_repository(repo) else None
    if git is not None and settings.require_clean:
        _refuse_changes(git)
    if settings.mode == "directory" or (settings.mode == "auto" and git is None):
        return FolderWorkspace(repo)
    if git is None:
        raise WorkspaceError(f"workspace.mode is worktree, but {repo} is not in a git repository; use mode: directory")
    top, prefix, common = git.run("rev-parse", "--show-toplevel", "--show-prefix", "--git-common-dir").split("\n")
    try:
        base_sha = git.run("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    except GitError:
        if settings.mode == "auto":
            return FolderWorkspace(repo)
        raise WorkspaceError(f"workspace.mode is worktree, but {top} has no commit yet") from None
    branch = f"{settings.branch_prefix}/{run_id}"
    worktree = run_folder / "worktree"
    # Forced: git still knows the worktree of an earlier run whose folder was removed by hand.
    git.run("worktree", "add", "--force", "--quiet", "--no-track", "-b", branch, str(worktree), base_sha)
    folder = worktree / prefix if prefix else worktree
    if not folder.is_dir():
        warn(f"{prefix} is not in commit {base_sha[:12]}; the run starts in an empty folder")
        folder.mkdir(parents=True)
    inside = Git(worktree, inherited)
    if inside.lacks_identity():
        inside.use_fallback_identity()
    refs = (repo / common / "refs/heads").resolve()
    family = Family(refs, f"{settings.branch_prefix}/parallel/{run_id}", Lock())
    return WorktreeWorkspace(
        git=inside, folder=folder, branch=branch, base_sha=base_sha, family=family, settings=settings, warn=warn
    )


def _refuse_changes(git: Git) -> None:
    changes = git.run("status", "--porcelain").splitlines()
    if changes:
        shown = ", ".join(line[3:] for line in changes[:5]) + (", …" if len(changes) > 5 else "")
        raise WorkspaceError(
            f"workspace.require_clean is true, and there are uncommitted changes in {git.folder}: {shown}"
        )
