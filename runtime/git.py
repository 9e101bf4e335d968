"""Git, asked in a way that never runs the user's hooks, waits for a person, or packs the repository behind our back."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .environment import child_environment

# A variable of another git process (we may run inside a hook) must not point us at its repository or index, so
# GIT_DIR and its kin are not here.
# fmt: off
PASSED = frozenset({
    "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM",
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE",
})
# fmt: on
QUIET = (
    *("-c", "gc.auto=0", "-c", "maintenance.auto=0"),  # a background gc races with worktrees
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"),
    *("-c", "commit.gpgSign=false"),  # would ask for a passphrase
)
FALLBACK_IDENTITY = ("attractor", "attractor@localhost")


class GitError(Exception):
    """Git could not do what was asked; the text says what and why."""


class Git:
    """Git in one folder."""

    def __init__(self, folder: Path, inherited: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = child_environment(inherited, PASSED, {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"})

    def within(self, folder: Path) -> "Git":
        """Return git in another folder, as the same person."""
        other = Git(folder, {})
        other._environment = self._environment
        return other

    def run(self, *arguments: str, timeout_s: float | None = None) -> str:
        """Return what git printed, without the last line end.

        Raises:
            GitError: git is missing, took too long, or exited with another code than 0.
        """
        try:
            # Its own session: Ctrl-C at the terminal is for us to handle, not for a commit to die of.
            done = subprocess.run(
                ["git", *QUIET, *arguments],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {arguments[0]} took longer than {timeout_s:.0f} s") from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            hint = "install git, or set workspace.mode: directory, which works in place"
            raise GitError(f"git could not be started: {reason}; {hint}") from error
        if done.returncode != 0:
            text = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise GitError(f"git {arguments[0]} failed: {text or f'exit code {done.returncode}'}")
        return os.fsdecode(done.stdout).removesuffix("\n")

    def lacks_identity(self) -> bool:
        try:
            self.run("var", "GIT_COMMITTER_IDENT")
            self.run("var", "GIT_AUTHOR_IDENT")
        except GitError:
            return True
        return False

    def use_fallback_identity(self) -> None:
        name, email = FALLBACK_IDENTITY
        for who in ("AUTHOR", "COMMITTER"):
            self._environment[f"GIT_{who}_NAME"] = name
            self._environment[f"GIT_{who}_EMAIL"] = email


def holds_repository(folder: Path) -> bool:
    """Whether `folder` lies in a repository's checkout, found without starting git."""
    return any((place / ".git").exists() for place in (folder, *folder.parents))


def excluding_pathspecs(folder: str, globs: Sequence[str]) -> list[str]:
    """Return pathspecs, from the top of the checkout, that leave out `folder` and what `globs` name."""
    return [f":(top,exclude,literal){folder}", *(f":(top,exclude,glob){pattern}" for pattern in globs)]
