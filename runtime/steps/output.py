"""What a running command prints, passed on as events a few times a second, and its last lines for people."""

from collections.abc import Callable
from pathlib import Path

from ..events import StageOutput
from ..world import World
from .contract import Visit

INTERVAL_S = 0.5
EVENT_CHARS = 2_000
TAIL_BYTES = 16_384


class OutputEvents:
    """Collects output and emits the end of what came, at most once per stream and `INTERVAL_S`."""

    def __init__(self, visit: Visit, world: World) -> None:
        self._visit = visit
        self._world = world
        self._waiting: dict[str, bytes] = {}
        self._next_s = 0.0
        self.hide: Callable[[str], str] = str  # set once there are keys to keep out

    def __call__(self, stream: str, text: bytes) -> None:
        if text:
            self._waiting[stream] = (self._waiting.get(stream, b"") + text)[-4 * EVENT_CHARS :]
        if self._waiting and self._world.clock.now_s() >= self._next_s:
            self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        for stream, text in self._waiting.items():
            event = StageOutput(
                node_id=self._visit.node.id,
                visit=self._visit.number,
                attempt=self._visit.attempt,
                stream=stream,
                text=self.hide(text.decode(errors="replace"))[-EVENT_CHARS:],
            )
            self._world.emit(event)
        self._waiting.clear()
        self._next_s = self._world.clock.now_s() + INTERVAL_S


def head(paths: tuple[Path, ...], limit: int) -> str:
    """Return the first `limit` characters of the files, one after the other."""
    text = ""
    for path in paths:
        if len(text) < limit and path.stat().st_size:
            with path.open("rb") as file:
                text += file.read(4 * limit).decode(errors="replace")
    return text[:limit]


def last_lines(path: Path, lines: int, limit: int) -> str:
    """Return the last non-empty lines of a file, at most `limit` characters, the end of them."""
    size = path.stat().st_size
    if not size:
        return ""
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    kept = [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(kept)[-limit:]
