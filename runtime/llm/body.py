"""The body of an answer as its bytes arrive, many chunks at a time.

Servers send every event as an HTTP chunk of its own, and urllib3 hands out chunk by chunk, which costs more than all
that is done with the event afterwards. So chunks are taken apart here, from whatever has arrived.
"""

import re
from typing import Any, Final

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ProtocolError

_READ_BYTES: Final = 65536
_LINE_BYTES: Final = 8192  # of a chunk's size with its extensions, and of a trailer
_SIZE: Final = re.compile(rb"[ \t]*+([0-9A-Fa-f]{1,15})[ \t]*+(?>(?:;[^\n]*+)?)\r?\n")


class Body:
    def __init__(self, raw: BaseHTTPResponse) -> None:
        self._raw = raw
        inner: Any = getattr(raw, "_fp", None)
        plain = raw.headers.get("content-encoding", "identity").strip().lower() in {"", "identity"}
        self._inner = inner if plain and getattr(inner, "chunked", False) and getattr(inner, "fp", None) else None
        self._kept = b""  # the beginning of a line that has not come whole
        self._left = 0  # bytes of the current chunk that are still to come
        self._gap = 0  # bytes between it and the next one's size that are still to come
        self._trailing = False  # the last chunk has come
        self._ended = False

    def read(self) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" at the end.

        Raises:
            OSError, ValueError, urllib3.exceptions.HTTPError: the connection broke, or what came is no HTTP.
        """
        if self._inner is None:
            return self._raw.read1(_READ_BYTES, decode_content=True)
        while not self._ended:
            arrived = self._inner.fp.read1(_READ_BYTES)
            if not arrived:
                raise ProtocolError("the connection was closed inside the answer")
            content = self._content(self._kept + arrived)
            if content:
                return content
        self._release()
        return b""

    def _content(self, arrived: bytes) -> bytes:
        """Return the content in `arrived` without its framing, and remember where in the framing it stops."""
        found: list[bytes] = []
        at, end = 0, len(arrived)
        self._kept = b""
        while at < end and not self._ended:
            if self._left:
                found.append(arrived[at : at + self._left])
                at += self._left
                self._left = max(0, at - end)
            elif self._gap:
                taken = min(self._gap, end - at)
                at, self._gap = at + taken, self._gap - taken
            elif self._trailing:
                at = self._trailer(arrived, at)
            else:
                at = self._chunk(arrived, at)
        return found[0] if len(found) == 1 else b"".join(found)

    def _chunk(self, arrived: bytes, at: int) -> int:
        """Read a chunk's size at `at`; return where its content begins."""
        size = _SIZE.match(arrived, at)
        if size is None:
            return self._keep(arrived, at)
        self._left = int(size[1], 16)
        self._gap = 2
        if not self._left:
            self._trailing, self._gap = True, 0
        return size.end()

    def _trailer(self, arrived: bytes, at: int) -> int:
        """Skip a line after the last chunk; the empty one is the end. Return where the next one begins."""
        end = arrived.find(b"\n", at)
        if end < 0:
            return self._keep(arrived, at)
        self._ended = not arrived[at:end].strip(b"\r")
        return end + 1

    def _keep(self, arrived: bytes, at: int) -> int:
        """Keep a line that has not come whole for the next time."""
        self._kept = arrived[at:]
        if b"\n" in self._kept or len(self._kept) > _LINE_BYTES:
            raise ProtocolError(f"no chunk begins with {self._kept[:40]!r}")
        return len(arrived)

    def _release(self) -> None:
        """Tell the libraries that the body has been read, so that the connection can serve the next request."""
        if self._inner is not None and not self._inner.closed:
            self._inner.close()
            self._raw.read1(1, decode_content=False)
