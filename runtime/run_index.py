"""The runs of this user: an SQLite index over run directories, which alone are the truth.

It is brought up to date whenever it is asked: directories that changed are read again, those that are gone are dropped,
and an index that is missing or damaged is made anew. Runs elsewhere (`--run-dir`) are found through `links/`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from .run_files import NotARun, RunFiles
from .standing import GOING, standing

LAYOUT = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
  folder TEXT PRIMARY KEY, signature TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, started_at TEXT NOT NULL, duration_ms INTEGER NOT NULL, llm_calls INTEGER NOT NULL,
  tokens INTEGER NOT NULL, cost_usd REAL, branch TEXT NOT NULL, simulated INTEGER NOT NULL
)
"""
_COLUMNS = (
    "folder, run_id, name, state, reason, started_at, duration_ms, llm_calls, tokens, cost_usd, branch, simulated"
)


class Row(NamedTuple):
    """One run, as `_COLUMNS`."""

    folder: str
    run_id: str
    name: str
    state: str
    reason: str
    started_at: str
    duration_ms: int
    llm_calls: int
    tokens: int
    cost_usd: float | None
    branch: str
    simulated: bool


def runs(state_folder: Path) -> list[Row]:
    """Return all runs that can be found, newest first."""
    try:
        return _up_to_date(state_folder, state_folder / "runs.sqlite")
    except (sqlite3.Error, OSError):
        with suppress(OSError):
            (state_folder / "runs.sqlite").unlink()
    try:
        return _up_to_date(state_folder, state_folder / "runs.sqlite")
    except (sqlite3.Error, OSError):  # a folder that cannot be written: the same, without keeping it
        return _up_to_date(state_folder, None)


def _up_to_date(state_folder: Path, path: Path | None) -> list[Row]:
    with closing(sqlite3.connect(path or ":memory:", timeout=10)) as index, index:
        if index.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
            index.execute("DROP TABLE IF EXISTS runs")
            index.execute(f"PRAGMA user_version = {LAYOUT}")
        index.execute(_TABLE)
        known = {folder: (signature, state) for folder, signature, state in index.execute(
            "SELECT folder, signature, state FROM runs")}  # fmt: skip
        found = set()
        for folder in _folders(state_folder):
            signature = _signature(folder)
            if not signature:
                continue
            found.add(str(folder))
            before = known.get(str(folder))
            if before is None or before[0] != signature or before[1] in GOING:
                _put(index, folder, signature)
        index.executemany("DELETE FROM runs WHERE folder = ?", [(folder,) for folder in known.keys() - found])
        rows = index.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY started_at DESC, run_id DESC")  # noqa: S608 - ours
        return [Row._make(row)._replace(simulated=bool(row[-1])) for row in rows]


def _folders(state_folder: Path) -> Iterator[Path]:
    for name in ("runs", "links"):
        with suppress(OSError):
            for entry in (state_folder / name).iterdir():
                if name == "links" and not entry.exists():
                    with suppress(OSError):
                        entry.unlink()  # the run was deleted
                    continue
                yield entry.resolve() if name == "links" else entry


def _signature(folder: Path) -> str:
    """Return what changes whenever a run does; "" for what is no run."""
    parts = []
    for name in ("progress.ndjson", "manifest.json", "final.json"):
        try:
            found = (folder / name).stat()
            parts.append(f"{found.st_mtime_ns}.{found.st_size}")
        except OSError:
            parts.append("-")
    return "" if parts[0] == "-" else " ".join(parts)


def _put(index: sqlite3.Connection, folder: Path, signature: str) -> None:
    try:
        it = standing(RunFiles(folder))
    except NotARun:
        return
    spent = it.spent
    row = Row(
        str(folder), it.run_id, it.name, it.state, it.reason, it.started_at, it.elapsed_ms, spent.llm_calls,
        spent.input_tokens + spent.output_tokens, spent.cost_usd, it.branch, it.simulated,
    )  # fmt: skip
    marks = ", ".join("?" * (len(row) + 1))
    index.execute(f"INSERT OR REPLACE INTO runs (signature, {_COLUMNS}) VALUES ({marks})", (signature, *row))  # noqa: S608
