"""The compiler's doors outward, as small Protocols, and `Archive`: each file of one compile, read once and kept."""

import os.path
from typing import Protocol

from .source import MAX_SOURCE_BYTES, Source, Span


class Files(Protocol):
    """How the compiler reaches files. Paths are as a user would write them: absolute, or from the current folder."""

    def read(self, path: str, limit: int) -> bytes:
        """Return the first `limit` bytes of a file.

        Raises:
            OSError: there is no such file, it is a folder, it may not be read.
        """
        ...

    def names(self, folder: str) -> list[str]:
        """Return the sorted names in `folder`; nothing when it cannot be listed."""
        ...

    def executable(self, path: str) -> bool | None:
        """Return whether the file at `path` may be executed; None when there is no such file."""
        ...

    def repository(self, folder: str) -> str | None:
        """Return the nearest folder, from `folder` upwards, that holds a git repository."""
        ...

    def real(self, path: str) -> str:
        """Return `path` absolute and without symbolic links."""
        ...


class Shell(Protocol):
    """How the compiler asks a shell whether it could read a command, without running it."""

    def syntax_error(self, command: str) -> str | None:
        """Return what `bash -n` says of `command`: "" when it can be read, None when it could not be asked."""
        ...


class Unreadable(Exception):
    """A file cannot be a source; `span` is the place in it where that shows, if it could be read at all."""

    def __init__(self, path: str, reason: str, span: Span | None = None) -> None:
        super().__init__(f"cannot read {path!r}: {reason}")
        self.path = path
        self.reason = reason
        self.span = span


class Archive:
    """What one compile reads: each file once, as `Source`, with the bytes kept for the plan's `sources`."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.contents: dict[str, bytes] = {}
        self._sources: dict[str, Source] = {}

    def source(self, path: str) -> Source:
        """Return the file at `path` as text.

        Raises:
            Unreadable: it is missing, a folder, not permitted, too large, empty, or not text in UTF-8.
        """
        path = os.path.normpath(path)
        if path not in self._sources:
            self._sources[path] = self._read(path)
        return self._sources[path]

    def beside(self, source: Source, path: str) -> Source:
        """Return the file that `source` names as `path`, relative to its own folder; raises as `source` does."""
        return self.source(os.path.join(os.path.dirname(source.path), path))

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that were read, in the order of reading."""
        return tuple(self._sources.values())

    def _read(self, path: str) -> Source:
        try:
            path.encode()  # else it could not stand in the plan
            content = self.files.read(path, MAX_SOURCE_BYTES + 1)
        except OSError as error:
            raise Unreadable(path, (error.strerror or str(error)).lower()) from None
        except UnicodeEncodeError:
            raise Unreadable(path, "its name is not UTF-8 text") from None
        except ValueError as error:  # a NUL in the path
            raise Unreadable(path, str(error)) from None
        if len(content) > MAX_SOURCE_BYTES:
            raise Unreadable(path, f"larger than {MAX_SOURCE_BYTES >> 20} MiB")
        text = _decoded(path, content)
        self.contents[path] = content
        return Source(path, text)


def _decoded(path: str, content: bytes) -> str:
    if not content:
        raise Unreadable(path, "the file is empty", Source(path, "").span(0, 0))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        place = Source(path, before + "\ufffd").span(len(before), len(before) + 1)
        raise Unreadable(path, f"byte 0x{content[error.start]:02x} is not UTF-8 text", place) from None
    nul = text.find("\0")
    if nul >= 0:
        place = Source(path, text[:nul] + "\ufffd").span(nul, nul + 1)
        raise Unreadable(path, "a NUL byte: this is not a text file", place)
    return text
