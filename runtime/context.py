"""The context: a flat store of small values that travels with the walk, and what conditions see of it."""

import json
import re
from collections.abc import Iterable, Mapping

from .outcome import Json, Outcome, Status
from .plan import Clause

# Keys that only the engine writes; beside them `graph.*` and `inputs.*`.
ENGINE_KEYS = frozenset(
    {
        "outcome",
        "preferred_label",
        "failure_reason",
        "failure_class",
        "failure_signature",
        "current_node",
        "previous_node",
        "previous_outcome",
        "last_stage",
        "last_response",
        "tool.output",
        "tool.exit_status",
        "human.gate.selected",
        "human.gate.label",
        "human.gate.note",
        "parallel.results",
        "parallel.fan_in.best_id",
        "parallel.fan_in.best_outcome",
        "parallel.fan_in.best_head_sha",
        "stack.child.status",
        "stack.child.outcome",
        "stack.child.node",
        "stack.child.folder",
        "loop_restart.iteration",
        "loop_restart.from_node",
    }
)
FAILURE_KEYS = ("failure_reason", "failure_class", "failure_signature")
CLIPPED: Mapping[str, int] = {"last_response": 200, "tool.output": 8_000}  # characters kept

# As the compiler normalises labels: `[K] `, `K) ` or `K - ` in front does not count.
_ACCELERATOR = re.compile(r"(?:\[[A-Za-z0-9]++\]|[A-Za-z0-9]\)|[A-Za-z0-9] -)\s++(?=\S)")


def is_engine_key(key: str) -> bool:
    return key in ENGINE_KEYS or key.startswith(("graph.", "inputs."))


def facts_of(outcome: Outcome) -> dict[str, Json]:
    """Return what the engine writes about an outcome; a failure's three keys only when there is one."""
    facts: dict[str, Json] = {"outcome": outcome.word, "preferred_label": outcome.preferred_label}
    if outcome.status in (Status.FAIL, Status.RETRY):
        facts["failure_reason"] = outcome.failure_reason
        facts["failure_class"] = str(outcome.failure_class or "")
        facts["failure_signature"] = outcome.failure_signature
    return facts


def clip(facts: Mapping[str, Json]) -> dict[str, Json]:
    return {
        key: value[: CLIPPED[key]] if key in CLIPPED and isinstance(value, str) else value
        for key, value in facts.items()
    }


def holds(when: Iterable[Clause], outcome: Outcome, context: Mapping[str, Json]) -> bool:
    """Return whether all clauses hold; comparison is exact but for labels, a missing key is the empty string."""
    return all(_holds(clause, _value(clause.key, outcome, context)) for clause in when)


def _holds(clause: Clause, value: str) -> bool:
    if clause.op == "=":
        return value == clause.literal
    if clause.op == "!=":
        return value != clause.literal
    return value not in ("", "false")


def _value(key: str, outcome: Outcome, context: Mapping[str, Json]) -> str:
    if key == "outcome":
        return outcome.word
    if key == "preferred_label":
        return normalise_label(outcome.preferred_label)  # the plan holds its literals so
    found = context.get(key.removeprefix("context."))
    return as_text(context.get(key) if found is None else found)


def normalise_label(label: str) -> str:
    """Return a label as it is compared: lowercased, trimmed, without an accelerator in front."""
    label = label.strip()
    prefix = _ACCELERATOR.match(label)
    return (label if prefix is None else label[prefix.end() :]).lower()


def as_text(value: Json) -> str:
    """Return a value as conditions compare it: text as it is, nothing for null, JSON for the rest."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
