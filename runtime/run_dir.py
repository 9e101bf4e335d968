"""The folder a run leaves behind: created once, written by one process, readable at any moment.

`journal.ndjson` is the truth and is on disk before the walk goes on. `progress.ndjson` tells the story to observers.
Everything else is a snapshot, written whole or not at all.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import events, journal
from .events import Event, Listener, Record, Stamp
from .files import LineFile, utf8, write_durably, write_json, write_whole
from .journal import Entry, outcome_to_json, usage_to_json
from .outcome import Json, Outcome, Usage
from .state import RunState
from .world import Clock

NAME_CHARS = 120  # of a folder name; longer node ids are cut and told apart by a hash


class RunDirError(Exception):
    """The run directory cannot be used; the text says why and what instead."""


class Manifest(NamedTuple):
    """What a run is, known once its workspace is ready."""

    name: str
    goal: str
    digest: str
    plan_path: str
    workspace: str
    mode: str  # worktree | directory
    branch: str
    base_sha: str
    pid: int
    simulated: bool


class Ending(NamedTuple):
    """How a walk ended; of the main walk: how the run ended."""

    status: str  # success | fail | canceled
    reason: str
    failure_class: str  # "" unless status is fail
    node: str


class RunDir:
    def __init__(self, folder: Path, run_id: str, clock: Clock, listeners: Sequence[Listener]) -> None:
        self.folder = folder
        self.run_id = run_id
        self._clock = clock
        self._listeners = listeners
        self._started = clock.utc()
        self._started_s = clock.now_s()
        self._progress = LineFile(folder / "progress.ndjson")
        self._journal = LineFile(folder / "journal.ndjson")
        self._events = 0
        self.journal_lines = 0
        self._snapshot_due = 64
        self._snapshot_s = self._started_s
        self._made: set[str] = set()
        self._manifest: Manifest | None = None
        self.finished = False

    @staticmethod
    def create(folder: Path, run_id: str, plan: bytes, clock: Clock, listeners: Sequence[Listener] = ()) -> "RunDir":
        """Make the folder and put a copy of the plan into it.

        Raises:
            RunDirError: the folder exists, or cannot be made.
        """
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            if not folder.is_dir():
                raise RunDirError(f"run directory {str(folder)!r} is a file; name another one") from None
            if any(folder.iterdir()):
                message = f"run directory {str(folder)!r} exists already; name another one, or resume it"
                raise RunDirError(message) from None
        except OSError as error:
            raise RunDirError(f"run directory {str(folder)!r} cannot be made: {error.strerror}") from None
        try:
            write_durably(folder / "plan.json", plan)
            return RunDir(folder, run_id, clock, listeners)
        except OSError as error:
            raise RunDirError(f"run directory {str(folder)!r} cannot be written: {error.strerror}") from None

    # events

    def emit(self, event: Event, branch: str = "") -> None:
        """Append the event to `progress.ndjson` and show it to the listeners."""
        self._events += 1
        record = Record(Stamp(self._clock.utc(), self._events, self.run_id, branch), event)
        self._progress.append(events.to_line(record))
        for listener in self._listeners:
            listener(record)

    # what the walk leaves

    def append(self, entry: Entry) -> None:
        """Put the entry on disk; when this returns it survives anything."""
        self.journal_lines += 1
        self._journal.append_durably(journal.to_line(entry, self.journal_lines, self._clock.utc()))

    def stage_folder(self, home: str, node_id: str, visit: int, attempt: int) -> Path:
        """Make and return the folder of one attempt; `home` is the folder of the walk's current pass."""
        parent = f"{home}/stages/{folder_name(node_id)}" if home else f"stages/{folder_name(node_id)}"
        folder = self.folder / parent
        if parent not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        attempt_folder = folder / f"{visit}-{attempt}"
        attempt_folder.mkdir(exist_ok=True)
        return attempt_folder

    def write_outcome(self, folder: Path, outcome: Outcome) -> None:
        """Write an attempt's `status.json`."""
        written = outcome_to_json(outcome)
        del written["word"]
        written["status"] = outcome.word
        if outcome.context_updates:
            written["context_updates"] = dict(outcome.context_updates)
        write_whole(folder / "status.json", utf8(journal.encode(written) + "\n"))

    def write_manifest(self, manifest: Manifest) -> None:
        self._manifest = manifest
        started: dict[str, Json] = {"run_id": self.run_id, "started_at": self._started}
        write_json(self.folder / "manifest.json", started | manifest._asdict())

    def snapshot_if_due(self, state: RunState) -> None:
        """Write `checkpoint.json` when the journal has doubled or a minute has passed.

        Doubling keeps the cost per node constant however long the run; the journal alone would be enough to resume.
        """
        now_s = self._clock.now_s()
        if self.journal_lines >= self._snapshot_due or now_s - self._snapshot_s > 60:
            self.snapshot(state)

    def snapshot(self, state: RunState) -> None:
        head: dict[str, Json] = {
            "run_id": self.run_id,
            "written_at": self._clock.utc(),
            "journal_lines": self.journal_lines,
        }
        write_durably(self.folder / "checkpoint.json", utf8(journal.encode(head | state.to_json()) + "\n"))
        self._snapshot_due = max(64, 2 * self.journal_lines)
        self._snapshot_s = self._clock.now_s()
        self.emit(events.CheckpointSaved(self.journal_lines, state.position.node))

    # the end

    def finish(self, ending: Ending, usage: Usage, commit: str, restarts: int) -> None:
        """Write `final.json`, then the terminal event as the last line. A second call does nothing."""
        if self.finished:
            return
        self.finished = True
        manifest = self._manifest
        branch = manifest.branch if manifest else ""
        duration_ms = round((self._clock.now_s() - self._started_s) * 1000)
        final: dict[str, Json] = {
            "run_id": self.run_id,
            "status": ending.status,
            "reason": ending.reason,
            "failure_class": ending.failure_class,
            "node": ending.node,
            "usage": usage_to_json(usage),
            "cost_usd": usage.cost_usd,
            "restarts": restarts,
            "branch": branch,
            "commit": commit,
            "started_at": self._started,
            "finished_at": self._clock.utc(),
            "duration_ms": duration_ms,
        }
        write_json(self.folder / "final.json", final)
        place = (ending.node, str(self.folder), branch, commit, duration_ms)
        match ending.status:
            case "success":
                self.emit(events.RunCompleted(ending.status, ending.reason, *place))
            case "canceled":
                self.emit(events.RunCanceled(ending.status, ending.reason, *place))
            case _:
                self.emit(events.RunFailed(ending.status, ending.reason, ending.failure_class, *place))

    def close(self) -> None:
        self._progress.close()
        self._journal.close()


def folder_name(node_id: str) -> str:
    """Return a name that every file system takes."""
    if len(node_id) <= NAME_CHARS:
        return node_id
    return f"{node_id[: NAME_CHARS - 17]}-{hashlib.sha256(node_id.encode()).hexdigest()[:16]}"
