"""Status files: how a stage without a tool for it says how it ended.

Precedence: what the step itself knows, the file at `$ATTRACTOR_STATUS_PATH`, a fallback file. A fallback counts only
if it did not exist when the attempt began, so that a user's own `status.json` is neither taken nor removed.
"""

import json
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .failure import parse_class
from .outcome import FailureClass, Outcome, Status
from .plan import Kind, Node
from .schema import complaint

FOLDER = ".attractor/status"
FALLBACKS = ("status.json", ".ai/status.json")
MAX_BYTES = 1 << 20

WORD_ALIASES: Mapping[str, str] = {
    "ok": "success",
    "succeeded": "success",
    "failed": "fail",
    "failure": "fail",
    "error": "fail",
    "skip": "skipped",
}
_READERS = (Kind.TOOL, Kind.CODERGEN, Kind.MANAGER)  # kinds that are told where to write a status file


class StatusFiles(NamedTuple):
    """Where one attempt may report."""

    primary: str
    fallbacks: Sequence[str]  # those that did not exist when the attempt began

    @property
    def reported(self) -> bool:
        """Whether a file of the attempt's is there, whatever it says."""
        return any(os.path.lexists(path) for path in (self.primary, *self.fallbacks))


class Ingested(NamedTuple):
    outcome: Outcome
    source: str  # step | status file | fallback status file | auto_status | missing


def prepare(workspace: Path, folder_name: str, node: Node, visit: int, attempt: int) -> StatusFiles:
    """Remove what an earlier attempt of the same name left behind, and note which fallbacks exist already."""
    folder = f"{workspace}/{FOLDER}"
    primary = f"{folder}/{folder_name}-{visit}-{attempt}.json"
    if node.kind not in _READERS:
        return StatusFiles(primary, ())
    if os.path.isdir(folder):
        with suppress(OSError):  # a folder of that name, say; reading it will complain
            os.unlink(primary)
    else:
        os.makedirs(folder, exist_ok=True)
    if node.kind is not Kind.CODERGEN:  # what a command builds may well be called status.json
        return StatusFiles(primary, ())
    places = (f"{workspace}/{place}" for place in FALLBACKS)
    return StatusFiles(primary, tuple(place for place in places if not os.path.lexists(place)))


def tidy(workspace: Path) -> None:
    """Remove the folder of status files when nothing is in it, so that a workspace is left as it was found."""
    with suppress(OSError):
        os.rmdir(workspace / FOLDER)
        os.rmdir((workspace / FOLDER).parent)


def ingest(node: Node, known: Outcome | None, files: StatusFiles) -> Ingested:
    """Return how the attempt ended, and take the status files away so that they are never committed.

    Args:
        known: what the step itself says; None if it ended without saying how. A tool's exit code 0 is no report: its
            command may still say more in a status file. A failed command stays failed whatever it wrote.
    """
    written = _take(files) if node.kind in _READERS else None
    spoken_for = known is not None and not (node.kind is Kind.TOOL and known.status is Status.SUCCESS)
    if known is not None and (spoken_for or written is None):
        return Ingested(known, "step")
    if written is not None:
        return written
    if node.auto_status:
        return Ingested(Outcome.success(notes="ended without an outcome; auto_status counts that as success"),
                        "auto_status")  # fmt: skip
    reason = "missing outcome: the stage ended without report_outcome and without a status file (auto_status=false)"
    return Ingested(Outcome.failed(reason, FailureClass.DETERMINISTIC), "missing")


def _take(files: StatusFiles) -> Ingested | None:
    """Read the first file that exists and remove all that are ours."""
    found: Ingested | None = None
    for path, source in ((files.primary, "status file"), *((path, "fallback status file") for path in files.fallbacks)):
        text = _read(path)
        if text is None:
            continue
        name = os.path.basename(path)
        outcome = parse(text, name) if isinstance(text, bytes) else _invalid(name, text)
        found = found or Ingested(outcome, source)
        with suppress(OSError):
            os.unlink(path)
    return found


def _read(path: str) -> bytes | str | None:
    """Return the bytes, or what is wrong with the file, or None when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return "is not a file"
        if facts.st_size > MAX_BYTES:
            return f"is {facts.st_size} bytes long, more than {MAX_BYTES}"
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def parse(text: bytes, name: str) -> Outcome:
    """Return the outcome that a status file reports; a failure that quotes the error when the file is invalid."""
    try:
        document = json.loads(text.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return _invalid(name, f"is not JSON: {error}; it begins {text[:80].decode('utf-8', 'replace')!r}")
    wrong = complaint("status", document)
    return _invalid(name, f"does not fit its schema: {wrong}") if wrong else _outcome(document)


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def _outcome(document: Mapping[str, Any]) -> Outcome:
    word = normalise_word(document.get("status", document.get("outcome", "")))
    outcome = outcome_of_word(word)
    failed = outcome.status in (Status.FAIL, Status.RETRY)
    return Outcome(
        status=outcome.status,
        word=outcome.word,
        preferred_label=document.get("preferred_label") or document.get("preferred_next_label") or "",
        suggested_next_ids=tuple(document.get("suggested_next_ids") or ()),
        context_updates=document.get("context_updates") or {},
        notes=document.get("notes") or "",
        failure_reason=(document.get("failure_reason") or "") if failed else "",
        failure_class=parse_class(document.get("failure_class") or "") if failed else None,
        failure_signature=(document.get("failure_signature") or "") if failed else "",
    )


def normalise_word(word: str) -> str:
    """Return an outcome word as conditions know it: lower case, aliases resolved."""
    word = word.strip().lower()
    return WORD_ALIASES.get(word, word)


def outcome_of_word(word: str) -> Outcome:
    """Return an outcome with nothing but a normalised word."""
    try:
        status = Status(word)
    except ValueError:
        status = Status.CUSTOM
    return Outcome(status=status, word=word)


def _invalid(name: str, wrong: str) -> Outcome:
    return Outcome.failed(f"invalid status file {name}: {wrong}", FailureClass.DETERMINISTIC)
