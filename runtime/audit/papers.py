"""Are the files whole: present, readable, as their schemas say, in order, and of this plan?"""

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise

from ..events import TERMINAL
from ..read_plan import digest
from ..schema import complaint
from .evidence import Checked, Evidence, Finding, Line, where_of

LINES: Mapping[str, str] = {"progress.ndjson": "event", "journal.ndjson": "journal"}
DOCUMENTS: Mapping[str, str] = {
    "lock.json": "lock",
    "manifest.json": "manifest",
    "checkpoint.json": "checkpoint",
    "final.json": "final",
    "status.json": "status",
    "provider_used.json": "provider_used",
    "preflight_report.json": "preflight_report",
}
REQUIRED = ("plan.json", "manifest.json", "progress.ndjson", "journal.ndjson", "checkpoint.json", "final.json")
TOP = ("lock.json", "manifest.json", "checkpoint.json", "final.json", "preflight_report.json")  # nowhere else


def whole(evidence: Evidence) -> Checked:
    """Every file is there and fits its schema."""
    findings = [Finding(name, 0, "is missing") for name in _required(evidence) if not (evidence.folder / name).exists()]
    looked_at = 0
    for path in evidence.files:
        name = evidence.relative(path)
        schema = _schema(name)
        if schema:
            looked_at += 1
            findings += _judged(evidence, name, schema)
    return Checked(looked_at, findings)


def _required(evidence: Evidence) -> tuple[str, ...]:
    """A run that ended before its workspace was ready has no manifest and no walk."""
    journal = evidence.folder / "journal.ndjson"
    if (evidence.folder / "final.json").exists() and journal.exists() and not journal.stat().st_size:
        return ("plan.json", "progress.ndjson", "final.json")
    return REQUIRED


def _schema(name: str) -> str:
    """Return the schema of a file of lines or of a document; "" for none."""
    folder, _, last = name.rpartition("/")
    if not folder:
        return LINES.get(last) or (DOCUMENTS.get(last, "") if last != "status.json" else "")
    if folder in ("questions", "answers") and last.endswith(".json"):
        return folder[:-1]
    if last == "events.ndjson":
        return "session_event"
    return DOCUMENTS.get(last, "") if last not in TOP else ""


def _judged(evidence: Evidence, name: str, schema: str) -> Iterator[Finding]:
    try:
        text = (evidence.folder / name).read_bytes()
    except OSError as error:
        yield Finding(name, 0, f"cannot be read: {error.strerror}")
        return
    if not name.endswith(".ndjson"):
        yield from _complaint(name, 0, text, schema)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        yield from _complaint(name, number, line, schema)
    if text and not text.endswith(b"\n"):
        yield Finding(name, text.count(b"\n") + 1, "the last line is torn")


def _complaint(name: str, line: int, text: bytes, schema: str) -> Iterator[Finding]:
    try:
        wrong = complaint(schema, json.loads(text))
    except (ValueError, RecursionError) as error:
        wrong = f"is not JSON: {error}"
    except FileNotFoundError:
        return  # a schema that this attractor does not have
    if wrong:
        yield Finding(name, line, wrong)


def in_order(evidence: Evidence) -> Checked:
    """Lines are numbered without gaps, are of one run, and the last one says how it ended."""
    findings: list[Finding] = []
    read = [evidence.lines(name) for name in LINES]
    for lines in read:
        findings += (
            line.finding(f"is line {expected} and calls itself {line.value.get('seq')}")
            for expected, line in enumerate(lines, start=1)
            if line.value.get("seq") != expected
        )
    for line in evidence.events:
        run_id, first = line.value["run_id"], evidence.events[0].value["run_id"]
        if run_id != first:
            findings.append(line.finding(f"is of run {run_id!r}, not of {first!r}"))
    findings += _end(evidence)
    return Checked(sum(map(len, read)), findings)


def _end(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.events:
        return
    last = evidence.events[-1]
    if last.value.get("event") not in TERMINAL:
        yield last.finding(f"is the last line and no end of a run: {last.value.get('event')}")
    for line, after in pairwise(evidence.events):
        if line.value.get("event") in TERMINAL and after.value.get("event") not in ("run_resumed", "run_started"):
            yield after.finding(f"{after.value.get('event')} follows the end of the run")


def of_this_plan(evidence: Evidence) -> Checked:
    """The plan is as it was compiled, and manifest, journal and events are of it."""
    document = evidence.document("plan.json")
    if document is None or evidence.plan is None:
        return Checked(1, [Finding("plan.json", 0, "is no plan that this attractor can read")])
    said, findings = document["digest"], []
    if digest(document) != said:
        findings.append(Finding("plan.json", 0, f"was changed: its digest is {digest(document)}, it says {said}"))
    manifest = evidence.document("manifest.json", "manifest")
    if manifest is not None and manifest["digest"] != said:
        findings.append(Finding("manifest.json", 0, f"is of plan {manifest['digest']}, not of {said}"))
    for line in (*evidence.journal, *evidence.events):
        other = line.value.get("digest")
        if other is not None and other != said:
            findings.append(line.finding(f"is of plan {other}, not of {said}"))
    return Checked(2, findings)


def attempts_left_their_files(evidence: Evidence) -> Checked:
    """Each finished attempt has its folder, and its status.json says what the event says.

    The files of a visit that was cut off make way for those of the resumed one.
    """
    findings: list[Finding] = []
    looked_at = 0
    started = [line for line in evidence.events if line.value["event"] == "stage_started"]
    made_last = {line.value["folder"]: line.number for line in started}
    folders: dict[tuple[str, str, int, int], str] = {}
    asked: set[str] = set()
    for line in evidence.events:
        match line.value["event"]:
            case "stage_started":
                folders[where_of(line.value)] = line.value["folder"]
            case "llm_request":
                asked.add(folders.get(where_of(line.value), ""))
            case "stage_attempt_finished":
                folder = folders.get(where_of(line.value), "")
                if folder and line.number > made_last[folder]:
                    looked_at += 1
                    findings += _files_of(evidence, line, folder, has_asked=folder in asked)
            case _:
                pass
    return Checked(looked_at, findings)


def _files_of(evidence: Evidence, line: Line, folder: str, *, has_asked: bool) -> Iterator[Finding]:
    status = evidence.document(f"{folder}/status.json", "status")
    if status is None:
        yield line.finding(f"tells of an attempt that left no {folder}/status.json")
    elif status.get("status") != line.value["status"]:
        said = f"says {status.get('status')!r}, the event {line.value['status']!r} (progress.ndjson:{line.number})"
        yield Finding(f"{folder}/status.json", 0, said)
    place = evidence.folder / folder
    written = (place / "provider_used.json").exists() or any(place.glob("*/provider_used.json"))  # a manager's, by look
    if has_asked and not written:
        yield line.finding(f"asked a model and left no {folder}/provider_used.json")
