"""The journal's entries: what became true, one durable line each. They are the truth of a run.

A `RunState` changes only by applying one of these, and resuming is applying them again. So whatever must survive a
crash belongs into an entry.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .outcome import NO_USAGE, Dossier, FailureClass, Json, Outcome, Status, Usage


class Begun(NamedTuple):
    """The run exists; the walk stands before the start node."""

    digest: str
    context: Mapping[str, Json]


class Finished(NamedTuple):
    """A visit of a node is over. It is never run again."""

    branch: str  # "" in the main walk
    node: str
    visit: int
    attempts: int
    outcome: Outcome
    context: Mapping[str, Json]  # keys that were set, the engine's included
    cleared: Sequence[str]  # keys that were removed
    signature: str  # counted by the breaker; "" when it counts nothing
    dossier: Dossier | None  # the failure that what follows has to know about
    paused_ms: int  # of the run so far: time that does not count towards max_wall_ms
    elapsed_ms: int  # of the run so far, pauses included
    commit: str  # "" when nothing was committed


class Forked(NamedTuple):
    """A parallel node was entered; its branches walk with copies of the context. It opens a region of the walk."""

    branch: str
    node: str
    visit: int
    branches: Sequence[str]  # ids
    commit: str  # where all of them begin; "" without git


class Joined(NamedTuple):
    """A branch of an open region is over, or is not needed any more. It is never walked again."""

    branch: str  # of the walk that forked, not of the branch
    node: str
    visit: int
    id: str  # the branch's
    result: Mapping[str, Json]  # what `parallel.results` will hold of it


class Restarted(NamedTuple):
    """A walk starts over at `to` with a fresh context."""

    branch: str
    node: str  # where the restart edge begins
    to: str
    restarts: int
    home: str  # folder of the new pass, relative to the run directory
    context: Mapping[str, Json]


class Resumed(NamedTuple):
    """Another process goes on with the run."""

    interrupted: Usage  # what the visits have cost that were cut off since the entry before of this kind
    told: int  # lines of progress.ndjson until then
    retry: str  # the node that is visited again although it is over, because it failed the run; "" for none
    at: str  # with `retry`: the node that the walk comes from
    outcome: Outcome | None  # with `retry`: how that one ended
    commit: str  # with `retry`: of what a person has changed meanwhile; "" for nothing


class Ended(NamedTuple):
    """The walk is over."""

    status: str
    reason: str
    node: str


Entry = Begun | Finished | Forked | Joined | Restarted | Resumed | Ended

ENTRIES: Mapping[type[Entry], str] = {
    Begun: "begun",
    Finished: "finished",
    Forked: "forked",
    Joined: "joined",
    Restarted: "restarted",
    Resumed: "resumed",
    Ended: "ended",
}

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_line(entry: Entry, seq: int, ts: str) -> str:
    """Return the entry as one line of JSON, newline included."""
    fields = entry._asdict()
    if isinstance(entry, Finished):
        fields["outcome"] = outcome_to_json(entry.outcome)
        fields["dossier"] = entry.dossier and entry.dossier._asdict()
    elif isinstance(entry, Resumed):
        fields["interrupted"] = usage_to_json(entry.interrupted)
        fields["outcome"] = entry.outcome and outcome_to_json(entry.outcome)
    return encode({"seq": seq, "ts": ts, "entry": ENTRIES[type(entry)]} | fields) + "\n"


def from_json(line: dict[str, Any]) -> Entry:
    """Return the entry of a line that `journal.schema.json` accepts."""
    fields = {key: value for key, value in line.items() if key not in ("seq", "ts", "entry")}
    match line["entry"]:
        case "begun":
            return Begun(**fields)
        case "forked":
            return Forked(**fields)
        case "joined":
            return Joined(**fields)
        case "restarted":
            return Restarted(**fields)
        case "ended":
            return Ended(**fields)
        case "resumed":
            fields["interrupted"] = Usage(**fields["interrupted"])
            fields["outcome"] = fields["outcome"] and outcome_from_json(fields["outcome"])
            return Resumed(**fields)
        case _:
            fields["outcome"] = outcome_from_json(fields["outcome"])
            fields["dossier"] = fields["dossier"] and Dossier(**fields["dossier"])
            return Finished(**fields)


def outcome_to_json(outcome: Outcome) -> dict[str, Json]:
    """Return what there is to say; empty fields are left out."""
    written: dict[str, Json] = {"status": str(outcome.status), "word": outcome.word}
    if outcome.preferred_label:
        written["preferred_label"] = outcome.preferred_label
    if outcome.suggested_next_ids:
        written["suggested_next_ids"] = list(outcome.suggested_next_ids)
    if outcome.notes:
        written["notes"] = outcome.notes
    if outcome.failure_class is not None:
        written["failure_reason"] = outcome.failure_reason
        written["failure_class"] = str(outcome.failure_class)
        written["failure_signature"] = outcome.failure_signature
    if outcome.usage != NO_USAGE:
        written["usage"] = usage_to_json(outcome.usage)
    return written


def outcome_from_json(written: Mapping[str, Any]) -> Outcome:
    """The opposite of `outcome_to_json`; context updates are not part of it, they are the entry's `context`."""
    failure_class = written.get("failure_class")
    return Outcome(
        status=Status(written["status"]),
        word=written["word"],
        preferred_label=written.get("preferred_label", ""),
        suggested_next_ids=tuple(written.get("suggested_next_ids", ())),
        notes=written.get("notes", ""),
        failure_reason=written.get("failure_reason", ""),
        failure_class=FailureClass(failure_class) if failure_class else None,
        failure_signature=written.get("failure_signature", ""),
        usage=Usage(**written["usage"]) if "usage" in written else NO_USAGE,
    )


def usage_to_json(usage: Usage) -> dict[str, Json]:
    return {"llm_calls": usage.llm_calls, **spent_to_json(usage)}


def spent_to_json(usage: Usage) -> dict[str, Json]:
    """Return tokens and cost, without the number of calls: for what is one call."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost_usd": usage.cost_usd,
    }
