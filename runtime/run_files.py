"""A run directory as its readers see it: at any moment, also while the run writes it, also after it was killed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import lock, owner
from .events import Record, from_json


class NotARun(Exception):
    """The folder holds no run; the text says what is wrong."""


class RunFiles:
    """Reads on demand; what is missing or half-written is None or left out."""

    def __init__(self, folder: Path) -> None:
        """Raises NotARun when the folder is no run directory."""
        self.folder = folder
        if not folder.is_dir():
            raise NotARun(f"{str(folder)!r} is no run directory: there is no such folder")
        if not (folder / "plan.json").exists() or not (folder / "progress.ndjson").exists():
            raise NotARun(f"{str(folder)!r} is no run directory: it has no plan.json and progress.ndjson")

    def manifest(self) -> dict[str, Any] | None:
        return self.document("manifest.json")

    def final(self) -> dict[str, Any] | None:
        return self.document("final.json")

    def document(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object of the run; None when there is none."""
        try:
            read = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return read if isinstance(read, dict) else None

    def records(self) -> Iterator[Record]:
        """Yield what the run told, in order; what is damaged, and what this attractor does not know, is passed over."""
        with (self.folder / "progress.ndjson").open("rb") as file:
            for line in file:
                record = record_of(line)
                if record is not None:
                    yield record

    def pid(self) -> int:
        """Return the process that wrote itself down as the run's; 0 for none."""
        written = self.document(lock.NAME) or self.manifest() or {}
        pid = written.get("pid")
        return pid if isinstance(pid, int) else 0

    def is_alive(self) -> bool:
        """Whether the process that runs it is still there: the kernel knows by its lock."""
        held = lock.is_held(self.folder)
        return self.is_here() if held is None else held

    def is_here(self) -> bool:
        """Whether its process is one of this machine's, and the same that wrote its number down."""
        for name in (lock.NAME, "manifest.json"):
            with suppress(OSError):
                return owner.is_alive(self.pid(), (self.folder / name).stat().st_mtime)
        return False


def record_of(line: bytes) -> Record | None:
    """Return the record of a line of progress.ndjson; None for one that is torn, damaged or not known."""
    if not line.endswith(b"\n"):
        return None
    try:
        return from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
