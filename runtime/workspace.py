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

    def finish(self, message: str, *, push: bool = True) -> str:  # noqa: ARG002
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

    def go_back(self, commit: str) -> None:
        """Make the worktree what `commit` is. What was there beyond it is kept under a ref of its own; what commits
        leave out (`checkpoint_exclude`, ignored files) stays where it is.

        Raises:
            GitError: git refused.
        """
        self.settle()
        if not self._settings.commit_per_node:  # what its stages have done is nowhere else
            return
        self._stage_all()
        tree = self._git.run("write-tree")
        if tree != self._git.run("rev-parse", f"{commit}^{{tree}}") or self._head() != commit:
            last = self._git.run("commit-tree", tree, "-p", "HEAD", "-m", "what was there when the run was cut off")
            keep(self._git, self.branch, last, self._warn)
        self._git.run("reset", "--quiet", "--hard", commit)
        self._git.run("clean", "-d", "--force", "--quiet", "--", ":(top)", *self._excluded)  # folders left empty

    def commit(self, message: str) -> str:
        """Record the worktree's state, also when nothing changed.

        Raises:
            GitError: the commit could not be made.
        """
        return self._commit(message) if self._settings.commit_per_node else ""

    def finish(self, message: str, *, push: bool = True) -> str:
        """Commit what no node's commit has, and push if run.yaml asks for it; a push that fails is a warning.

        Args:
            push: whether there is time for that.

        Returns:
            The commit, if one was made.

        Raises:
            GitError: the commit could not be made.
        """
        commit = "" if self._settings.commit_per_node else self._commit(message)
        remote = self._settings.push_remote
        if remote and push:
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
        inside = folder / self._prefix if self._prefix else folder
        if folder.exists():  # the run was cut off in this branch
            try:
                left = self._with(self._git.within(folder), inside, branch, self._family)
                left.go_back(commit)
            except (GitError, OSError):  # it is only half there
                pass
            else:
                inside.mkdir(parents=True, exist_ok=True)
                return left
        with self._family.lock:
            if self._settings.commit_per_node or not folder.exists():  # else what it holds is nowhere else
                self._take_away(folder)
                folder.parent.mkdir(parents=True, exist_ok=True)
                add_worktree(self._git, branch, folder, commit)
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
        self.settle()
        fast_forward(self._git, commit)

    def merge(self, heads: Mapping[str, str], message: str) -> Mapping[str, Sequence[str]]:
        self.settle()
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

    def take_in(self, message: str) -> str:
        """Commit what a person has changed since the last stage; return the last commit, "" without commits per node.

        Raises:
            GitError: git refused.
        """
        self.settle()
        if not self._settings.commit_per_node:
            return ""
        self._stage_all()
        if self._git.run("write-tree") == self._git.run("rev-parse", "HEAD^{tree}"):
            return self._head()
        return self._commit(message)

    def settle(self) -> None:
        """Make git ready, whatever a stage or a killed process has left of it."""
        self._return_to_branch()
        self._await_index()

    def _head(self) -> str:
        try:
            return self._ref.read_text().strip()
        except OSError:  # refs are not files everywhere
            return self._git.run("rev-parse", f"refs/heads/{self.branch}")

    def _commit(self, message: str) -> str:
        self.settle()
        self._stage_all()
        self._git.run("commit", "--quiet", "--allow-empty", "-m", message)
        return self._head()

    def _stage_all(self) -> None:
        try:
            self._git.run("add", "--all", "--ignore-errors", "--", ":(top)", *self._excluded)
        except GitError as error:  # a nested repository without a commit, an unreadable file
            self._warn(f"not everything could be committed: {error}")

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


def keep(git: Git, branch: str, commit: str, warn: Warn) -> None:
    """Keep a commit that nothing else may lead to any more."""
    ref = f"refs/attractor/kept/{branch}/{commit[:12]}"
    git.run("update-ref", ref, commit)
    warn(f"what was done on {branch} after the last finished stage is kept as {ref}")


def head_of(git: Git, branch: str) -> str:
    """Return the last commit of a branch; "" when there is no such branch."""
    try:
        return git.run("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}")
    except GitError:
        return ""


def add_worktree(git: Git, branch: str, folder: Path, commit: str) -> None:
    """Make a worktree on a branch that begins at `commit`, or goes back to it."""
    # Forced: git still knows the worktree of an earlier run whose folder was removed by hand.
    add = ("worktree", "add", "--force", "--quiet", "--no-track")
    try:
        git.run(*add, "-B", branch, str(folder), commit)
    except GitError:  # git thinks that the branch is in use, in a folder that is gone
        git.run("worktree", "remove", "--force", "--force", str(folder))
        git.run(*add, "-B", branch, str(folder), commit)


RealWorkspace = FolderWorkspace | WorktreeWorkspace


def open_workspace(
    settings: WorkspaceSettings,
    repo: Path,
    run_folder: Path,
    run_id: str,
    inherited: Mapping[str, str],
    warn: Warn,
    announce: Callable[[str, str], None] = lambda _branch, _commit: None,
) -> RealWorkspace:
    """Return the place to work in, made as `settings` say; `repo` is the folder that run.yaml names.

    Args:
        announce: is told the branch and the commit it begins at before the branch is made.

    Raises:
        WorkspaceError: the folder is missing, is not what `settings` need, or git refused.
    """
    if not repo.is_dir():
        raise WorkspaceError(f"workspace.repo is not a folder: {repo}")
    try:
        return _open(settings, repo.resolve(), run_folder, run_id, inherited, warn, announce)
    except GitError as error:
        raise WorkspaceError(str(error)) from error


def _open(
    settings: WorkspaceSettings,
    repo: Path,
    run_folder: Path,
    run_id: str,
    inherited: Mapping[str, str],
    warn: Warn,
    announce: Callable[[str, str], None],
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
    if head_of(git, branch):
        raise WorkspaceError(f"branch {branch} exists already; give the run another id, or remove the branch")
    announce(branch, base_sha)
    add_worktree(git, branch, worktree, base_sha)
    folder = worktree / prefix if prefix else worktree
    if not folder.is_dir():
        warn(f"{prefix} is not in commit {base_sha[:12]}; the run starts in an empty folder")
        folder.mkdir(parents=True)
    refs = (repo / common / "refs/heads").resolve()
    return worktree_workspace(
        Git(worktree, inherited), folder, branch=branch, base_sha=base_sha, refs=refs, settings=settings, warn=warn
    )


def worktree_workspace(
    git: Git, folder: Path, *, branch: str, base_sha: str, refs: Path, settings: WorkspaceSettings, warn: Warn
) -> WorktreeWorkspace:
    """Return the workspace of a run in the worktree that `git` works in."""
    if git.lacks_identity():
        git.use_fallback_identity()
    prefix, run_id = settings.branch_prefix, branch.removeprefix(f"{settings.branch_prefix}/")
    family = Family(refs, f"{prefix}/parallel/{run_id}", Lock())
    return WorktreeWorkspace(
        git=git, folder=folder, branch=branch, base_sha=base_sha, family=family, settings=settings, warn=warn
    )


def _refuse_changes(git: Git) -> None:
    changes = git.run("status", "--porcelain").splitlines()
    if changes:
        shown = ", ".join(line[3:] for line in changes[:5]) + (", …" if len(changes) > 5 else "")
        raise WorkspaceError(
            f"workspace.require_clean is true, and there are uncommitted changes in {git.folder}: {shown}"
        )
