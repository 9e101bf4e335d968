"""Reading back where a run stands: the last snapshot, and the lines of the journal that came after it.

A last line without its newline was being written when the process died; what it said did not happen. Any other
damage is refused, because guessing would run a stage twice.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from .journal import from_json
from .schema import complaint
from .state import RunState


class CheckpointError(Exception):
    """The run's files cannot be read back; the text says which line of which file."""


class Loaded(NamedTuple):
    """The main walk's state. What lies in the journal beyond `journal_bytes` is torn and is to be cut off."""

    state: RunState
    journal_lines: int
    journal_bytes: int


def load(folder: Path) -> Loaded:
    """Return where the run in `folder` stands.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    try:
        text = (folder / "journal.ndjson").read_bytes()
    except OSError as error:
        raise CheckpointError(f"journal.ndjson: {error.strerror}") from None
    whole = text[: text.rfind(b"\n") + 1]
    state, known = _snapshot(folder)
    lines = whole.split(b"\n")[:-1]
    if known > len(lines):
        raise CheckpointError(f"checkpoint.json knows {known} lines, journal.ndjson has {len(lines)}")
    for number, line in enumerate(lines[known:], start=known + 1):
        try:
            document = json.loads(line)
        except ValueError:
            raise CheckpointError(f"journal.ndjson:{number}: is not JSON") from None
        wrong = complaint("journal", document)
        if wrong or document["seq"] != number:
            raise CheckpointError(f"journal.ndjson:{number}: {wrong or 'is out of order'}")
        try:
            apply_line(state, document)
        except KeyError:
            branch = document["branch"]
            raise CheckpointError(f"journal.ndjson:{number}: branch {branch!r} is of no open region") from None
    state.elapsed_ms, state.paused_ms = state.last_clocks()  # they are the run's, whichever walk read them last
    return Loaded(state, len(lines), len(whole))


def apply_line(state: RunState, document: dict[str, Any]) -> None:
    """Apply a journal line to the state of the walk that it belongs to: the main one's, or that of an open branch.

    Raises:
        KeyError: the line belongs to a branch of a region that is not open.
    """
    state.walk_of(document.get("branch", "")).apply(from_json(document))


def _snapshot(folder: Path) -> tuple[RunState, int]:
    """Return the last snapshot and how many lines it holds; an empty state when there is none, or a damaged one."""
    try:
        document = json.loads((folder / "checkpoint.json").read_bytes())
    except (OSError, ValueError, RecursionError):  # the journal alone says all there is
        return RunState({}), 0
    if complaint("checkpoint", document):
        return RunState({}), 0
    return RunState.from_json(document), document["journal_lines"]
