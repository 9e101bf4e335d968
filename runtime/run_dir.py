"""The folder a run leaves behind: created once, written by one process, readable at any moment.

`journal.ndjson` is the truth and is on disk before the walk goes on. `progress.ndjson` tells the story to observers.
Everything else is a snapshot, written whole or not at all.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from . import events, journal, lock
from .checkpoint import Loaded
from .events import Event, Listener, Record, Stamp
from .files import LineFile, folder_name, utf8, whole_lines, write_durably, write_json, write_whole
from .journal import Entry, outcome_to_json, usage_to_json
from .outcome import NO_USAGE, Json, Outcome, Usage
from .state import RunState
from .world import Clock


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
    base: str = ""  # run.yaml's folder
    auto_approve: bool = False
    own_programs: Sequence[str] = ()  # on PATH, from the run's own repository
    resumed: Sequence[Json] = ()  # when and by which process


class Ending(NamedTuple):
    """How a walk ended; of the main walk: how the run ended."""

    status: str  # success | fail | canceled
    reason: str
    failure_class: str  # "" unless status is fail
    node: str


class RunDir:
    def __init__(self, folder: Path, run_id: str, clock: Clock, listeners: Sequence[Listener]) -> None:
        self.folder = folder
        self._root = str(folder)
        self.run_id = run_id
        self._clock = clock
        self._listeners = listeners
        self._started = clock.utc()
        self._started_s = clock.now_s()
        self._progress = LineFile(folder / "progress.ndjson")
        self._journal = LineFile(folder / "journal.ndjson")
        self._lock = RLock()  # branches are threads; a listener may tell something itself
        self._events = 0
        self.journal_lines = 0
        self._snapshot_due = 64
        self._snapshot_s = self._started_s
        self._made: set[str] = set()
        self.aside = ""  # of a resumed run: where the files of interrupted visits go
        self._manifest: Manifest | None = None
        self.finished = False

    @staticmethod
    def create(folder: Path, run_id: str, plan: bytes, clock: Clock, listeners: Sequence[Listener] = ()) -> "RunDir":
        """Make the folder and put a copy of the plan into it.

        Raises:
            RunDirError: the folder exists, or cannot be made.
        """
        RunDir.make(folder)
        try:
            write_durably(folder / "plan.json", plan)
            return RunDir(folder, run_id, clock, listeners)
        except OSError as error:
            raise RunDirError(f"run directory {str(folder)!r} cannot be written: {_reason(error)}") from None

    @staticmethod
    def make(folder: Path) -> None:
        """Make the folder; one that exists may hold nothing but a lock.

        Raises:
            RunDirError: it holds something, or cannot be made.
        """
        try:
            if folder.is_dir():
                if any(path.name != lock.NAME for path in folder.iterdir()):
                    message = f"run directory {str(folder)!r} exists already; name another one, or resume it"
                    raise RunDirError(message)
            elif folder.exists():
                raise RunDirError(f"run directory {str(folder)!r} is a file; name another one")
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirError(f"run directory {str(folder)!r} cannot be made: {_reason(error)}") from None

    @staticmethod
    def reopen(
        folder: Path, clock: Clock, listeners: Sequence[Listener], manifest: Mapping[str, Any], at: Loaded
    ) -> "RunDir":
        """Go on with the run in `folder`, which stands where `at` says; cut off what was torn, keep everything else.

        Raises:
            RunDirError: the folder cannot be written.
        """
        try:
            for leftover in folder.glob("*.tmp"):
                leftover.unlink()
            os.truncate(folder / "journal.ndjson", at.journal_bytes)
            told = whole_lines(folder / "progress.ndjson")
            records = RunDir(folder, manifest["run_id"], clock, listeners)
            (folder / "final.json").unlink(missing_ok=True)  # the run has not ended
        except OSError as error:
            raise RunDirError(f"run directory {str(folder)!r} cannot be written: {_reason(error)}") from None
        records._events, records.journal_lines = told, at.journal_lines
        records._started = manifest["started_at"]
        records._started_s -= at.state.elapsed_ms / 1000
        records._snapshot_due = max(64, 2 * at.journal_lines)
        records.aside = f"interrupted/{len(manifest['resumed']) + 1}"
        return records

    # events

    def emit(self, event: Event, branch: str = "") -> None:
        """Append the event to `progress.ndjson` and show it to the listeners."""
        with self._lock:
            record = Record(Stamp(self._clock.utc(), self._events + 1, self.run_id, branch), event)
            self._progress.append(events.to_line(record))
            self._events += 1  # now that the line is there: numbers have no gaps
            for listener in self._listeners:
                listener(record)

    # what the walk leaves

    def append(self, entry: Entry) -> None:
        """Put the entry on disk; when this returns it survives anything."""
        with self._lock:
            self._journal.append_durably(journal.to_line(entry, self.journal_lines + 1, self._clock.utc()))
            self.journal_lines += 1

    def stage_folder(self, home: str, node_id: str, visit: int, attempt: int) -> str:
        """Make the folder of one attempt and return it, relative to the run directory.

        Args:
            home: folder of the walk's current pass.
        """
        parent = f"{home}/stages" if home else "stages"
        node_folder = f"{parent}/{folder_name(node_id)}"
        if node_folder not in self._made:  # plain strings here and below: this is done for every attempt
            os.makedirs(f"{self._root}/{node_folder}", exist_ok=True)
            self._made.add(node_folder)
        folder = f"{node_folder}/{visit}-{attempt}"
        if self.aside and attempt == 1:
            self._set_aside(node_folder, f"{visit}-")
        with suppress(FileExistsError):
            os.mkdir(f"{self._root}/{folder}")
        return folder

    def _set_aside(self, node_folder: str, visit: str) -> None:
        """Move what an interrupted visit has left out of the way; it is kept."""
        for name in os.listdir(f"{self._root}/{node_folder}"):
            if name.startswith(visit):
                kept = f"{self._root}/{self.aside}/{node_folder}"
                os.makedirs(kept, exist_ok=True)
                os.rename(f"{self._root}/{node_folder}/{name}", f"{kept}/{name}")
                for half_written in Path(kept, name).rglob("*.json.tmp"):
                    half_written.unlink()

    def write_outcome(self, folder: str, outcome: Outcome) -> None:
        """Write an attempt's `status.json`; `folder` as `stage_folder` returned it."""
        written = outcome_to_json(outcome)
        del written["word"]
        written["status"] = outcome.word
        if outcome.context_updates:
            written["context_updates"] = dict(outcome.context_updates)
        write_whole(f"{self._root}/{folder}/status.json", utf8(journal.encode(written) + "\n"))

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

    def finish(
        self, ending: Ending, usage: Usage, commit: str, restarts: int, *, interrupted: Usage = NO_USAGE
    ) -> None:
        """Write `final.json`, then the terminal event as the last line. A second call does nothing.

        Args:
            usage: of the visits that are over.
            interrupted: of those that are not.
        """
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
            "interrupted": usage_to_json(interrupted),
            "cost_usd": (usage + interrupted).cost_usd,
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


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
