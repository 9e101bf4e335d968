"""What an agent session leaves in its stage's folder, beside prompt.md and response.md."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .outcome import Json
from .world import Clock


class SessionLog:
    """`events.ndjson` of one attempt: one line per event, written as it happens (`session_event.schema.json`)."""

    def __init__(self, folder: Path, session_id: str, clock: Clock) -> None:
        self._path = folder / "events.ndjson"
        self._session_id = session_id
        self._clock = clock
        self._events = 0
        self.hide: Callable[[str], str] = str  # set once there are keys to keep out

    def add(self, kind: str, data: Mapping[str, Json]) -> None:
        """Append an event; `kind` is one of the schema's words."""
        self._events += 1
        line = {
            "seq": self._events,
            "timestamp": self._clock.utc(),
            "session_id": self._session_id,
            "kind": kind,
            "data": data,
        }
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(self.hide(json.dumps(line, ensure_ascii=False, separators=(",", ":"))) + "\n")


def write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_provider_used(
    folder: Path,
    *,
    provider: str,
    model: str,
    mode: str,
    backend: str,
    failovers: int,
    attempts: Sequence[Json] = (),
) -> None:
    """Say who answered in the end, or was asked last, and every request on the way: `provider_used.json`."""
    used = {
        "provider": provider,
        "model": model,
        "mode": mode,
        "backend": backend,
        "failovers": failovers,
        "attempts": list(attempts),
    }
    write_text(folder / "provider_used.json", json.dumps(used, ensure_ascii=False, indent=2) + "\n")
