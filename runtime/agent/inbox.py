"""What is said to a session while it works: steering is heard before the next request, a follow-up when it is done.

The door is a file beside the session's other files, so that anything that can append a line can use it.
"""

import json
from collections import deque
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 20


class Inbox:
    """`inbox.ndjson`: one line per message, `{"steer": TEXT}` or `{"follow_up": TEXT}`; other lines are passed over."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._read = 0
        self._steering: deque[str] = deque()
        self._follow_ups: deque[str] = deque()

    def steer(self, text: str) -> None:
        self._steering.append(text)

    def follow(self, text: str) -> None:
        self._follow_ups.append(text)

    def steering(self) -> list[str]:
        """Return what has come since the last call, in order."""
        self._look()
        heard = list(self._steering)
        self._steering.clear()
        return heard

    def follow_up(self) -> str:
        """Return the next one; "" when there is none."""
        self._look()
        return self._follow_ups.popleft() if self._follow_ups else ""

    def _look(self) -> None:
        """Read the whole lines that were appended."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            lines = file.read(MOST_BYTES)
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        for key, queue in (("steer", self._steering), ("follow_up", self._follow_ups)):
            text = said.get(key) if isinstance(said, dict) else None
            if isinstance(text, str) and text.strip():
                queue.append(text)
