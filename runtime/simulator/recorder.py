"""What arrived: every request, with its keys hidden, in memory and on request in a file."""

import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..outcome import Json

MASK: Final = "***"
_KEY_HEADERS: Final = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie")
)
_KEY_IN_QUERY: Final = re.compile(r"(?<=[?&])(key|api_key|access_token)=[^&]*")


class Recorded(NamedTuple):
    """A request. `headers` have names in lower case; `body` is text when it is no JSON."""

    number: int
    connection: int  # requests of one connection share it
    method: str
    path: str  # with its query
    headers: Mapping[str, str]
    body: Json
    protocol: str  # "": no provider's path
    model: str
    stream: bool
    answer: str  # which of the scenario's answers it got: its position from 0, or "otherwise", "fixed", "none"


def hidden_key(name: str, value: str) -> str:
    """Return a header's value with the key in it replaced; the scheme before the key stays."""
    if name not in _KEY_HEADERS:
        return value
    scheme, blank, _ = value.partition(" ")
    return f"{scheme} {MASK}" if blank and name.endswith("authorization") else MASK


def hidden_query(path: str) -> str:
    return _KEY_IN_QUERY.sub(lambda match: f"{match[1]}={MASK}", path)


class Recorder:
    """Keeps what arrives, for tests here and in other processes."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._all: list[Recorded] = []
        self._count = 0
        if path is not None:
            path.write_bytes(b"")

    def add(self, request: Recorded) -> int:
        """Keep a request and return its number, from 1."""
        with self._lock:
            self._count += 1
            request = request._replace(number=self._count)
            self._all.append(request)
            if self._path is not None:
                line = json.dumps(request._asdict(), ensure_ascii=False) + "\n"
                with self._path.open("ab") as file:
                    file.write(line.encode("utf-8", "backslashreplace"))
            return self._count

    def all(self) -> list[Recorded]:
        with self._lock:
            return list(self._all)

    def clear(self) -> None:
        with self._lock:
            self._all.clear()

    def document(self) -> dict[str, Any]:
        return {"requests": [request._asdict() for request in self.all()]}
