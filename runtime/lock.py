"""One writer per run directory: the lock is the kernel's, so that it goes when its process does, however that ends.

`lock.json` says who holds it, or held it last. What it says decides nothing: a process number may have been given to
another process since, and in a container it means something else.
"""

import errno
import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .files import utf8, write_all

NAME = "lock.json"
PATIENCE_S = 1.0  # for a process that was killed: what it was just starting may hold the lock for a moment
POLL_S = 0.02


class Busy(Exception):
    """Another process writes into the run directory; the text says which."""


class RunLock:
    """Holds a run directory: a context manager. It ends with the process in any case."""

    def __init__(self, folder: Path, taken_at: str) -> None:
        """Take the lock.

        Raises:
            Busy: another process holds it.
            OSError: the file cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(folder / NAME, flags, 0o644)
        try:
            self._wait(folder)
            os.ftruncate(self._descriptor, 0)
            write_all(self._descriptor, utf8(json.dumps({"pid": os.getpid(), "taken_at": taken_at}) + "\n"))
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        os.close(self._descriptor)

    def _wait(self, folder: Path) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                if time.monotonic() >= deadline:
                    raise Busy(f"run directory {str(folder)!r} is in use{_by(folder)}; stop that one first") from None
                time.sleep(POLL_S)
            else:
                return


def is_held(folder: Path) -> bool | None:
    """Return whether a process holds the lock; None where nobody can say: no lock was ever taken, or no locks work."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # gone again at once; whoever wants it is patient
    except OSError as error:
        return True if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    finally:
        os.close(descriptor)
    return False


def _by(folder: Path) -> str:
    """Return which process says that it holds the lock."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return f" by process {said['pid']} since {said['taken_at']}"
    return " by another process"
