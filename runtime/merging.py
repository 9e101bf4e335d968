"""Bringing the work of parallel branches into the worktree that they began in."""

from collections.abc import Mapping, Sequence

from .git import Git, GitError

# What a user's configuration might say of merges is not asked: a run gives the same result for everybody.
MERGE = ("-c", "rerere.enabled=false", "-c", "merge.conflictStyle=merge", "merge", "--quiet", "--no-verify-signatures")


def fast_forward(git: Git, commit: str) -> None:
    """Go forward to `commit`.

    Raises:
        GitError: it is not ahead of the worktree, or files that no commit has are in the way.
    """
    git.run(*MERGE, "--ff-only", commit)


def merge_all(git: Git, heads: Mapping[str, str], message: str) -> dict[str, list[str]]:
    """Merge the commits in order; leave everything as it was if one of them conflicts with those before it.

    Args:
        heads: by the name that `message` and the answer use.

    Returns:
        The files in conflict by name; empty when all is merged.

    Raises:
        GitError: git could not merge for another reason than a conflict.
    """
    before = git.run("rev-parse", "HEAD")
    conflicts: dict[str, list[str]] = {}
    for name, head in heads.items():
        try:
            git.run(*MERGE, "--ff", "-m", f"{message}: {name}", head)
        except GitError:
            files = git.run("diff", "-z", "--name-only", "--diff-filter=U").split("\0")[:-1]
            if not files:
                _return_to(git, before)
                raise
            conflicts[name] = files
            git.run("merge", "--abort")
    if conflicts:
        _return_to(git, before)
    return conflicts


def _return_to(git: Git, commit: str) -> None:
    git.run("reset", "--quiet", "--hard", commit)


def touched(git: Git, since: str, until: str) -> Sequence[str]:
    """Return the files that differ between two commits."""
    return git.run("diff", "-z", "--name-only", "--no-renames", since, until).split("\0")[:-1]
