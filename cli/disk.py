"""The compiler's doors in their real form: files on disk, `bash -n`; and writing a file all or nothing."""

import os
import stat
from collections.abc import Iterable
from typing import TextIO


class Disk:
    """`attractor.compiler.reading.Files` on the real disk."""

    def read(self, path: str, limit: int) -> bytes:
        # O_NONBLOCK: opening a named pipe must not wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(0, "it is a folder")
            if not stat.S_ISREG(mode):
                raise OSError(0, "it is not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder or "."))
        except OSError:
            return []

    def executable(self, path: str) -> bool | None:
        return os.access(path, os.X_OK) if os.path.isfile(path) else None

    def repository(self, folder: str) -> str | None:
        folder = os.path.abspath(folder or ".")
        while not os.path.exists(os.path.join(folder, ".git")):
            above = os.path.dirname(folder)
            if above == folder:
                return None
            folder = above
        return folder

    def real(self, path: str) -> str:
        return os.path.realpath(path or ".")


class Overlay(Disk):
    """The disk, as it would be with `texts` written to it."""

    def __init__(self, texts: dict[str, bytes]) -> None:
        self.texts = texts

    def read(self, path: str, limit: int) -> bytes:
        text = self.texts.get(path)
        return super().read(path, limit) if text is None else text[:limit]


class Bash:
    """`attractor.compiler.reading.Shell`: asks bash, which only reads and runs nothing."""

    TIMEOUT_S = 10

    def syntax_error(self, command: str) -> str | None:
        import subprocess

        environment = {key: value for key, value in os.environ.items() if key not in {"BASH_ENV", "ENV"}}
        try:
            result = subprocess.run(
                ["bash", "--norc", "--noprofile", "-n", "/dev/stdin"],  # named as a file: else bash says no line
                input=command.encode("utf-8", "replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**environment, "LC_ALL": "C"},
                timeout=self.TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return "" if result.returncode == 0 else result.stderr.decode("utf-8", "replace").strip() or "syntax error"


def write_atomically(path: str, content: bytes) -> None:
    """Write `content` to `path` so that at any moment either the old file is there or the new one, whole.

    Raises:
        OSError: it could not be written; what was at `path` is as before.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(0, "it is a folder")
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout, a pipe: nothing can be renamed over it
        with open(path, "wb") as file:
            file.write(content)
        return
    path = os.path.realpath(path)  # through a symbolic link, not over it
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        mode = None
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def save(path: str, content: bytes, made_from: Iterable[str]) -> str:
    """Write `content` to `path`; return "" or why that could not be, or must not: it is a file it is made from."""
    if os.path.realpath(path) in map(os.path.realpath, made_from):
        return f"cannot write {path!r}: it is made from that file; give --output another name"
    try:
        write_atomically(path, content)
    except OSError as error:
        return f"cannot write {path!r}: {(error.strerror or str(error)).lower()}"
    except ValueError as error:  # a NUL in the path
        return f"cannot write {path!r}: {error}"
    return ""


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems cannot; the file itself is safe
        pass
    finally:
        os.close(descriptor)


def write_bytes(stream: TextIO, content: bytes) -> None:
    """Write UTF-8 text as it is, whatever the terminal's encoding."""
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(content.decode())
    else:
        stream.flush()
        buffer.write(content)
        buffer.flush()
