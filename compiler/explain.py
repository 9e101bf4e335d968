"""Where the effective values of a plan came from, as lines for people."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .lower_nodes import FIELD_OF_ATTRIBUTE
from .plan import Plan, ProvenanceEntry
from .provenance import BUILT_IN
from .suggest import did_you_mean

MAX_VALUE = 100  # characters of a value in a list; one field alone is shown whole

# Groups whose name says nothing that the field does not say: `timeouts.command_ms` is shown as `command_ms`.
_GROUPS = ("timeouts.", "llm.")
# What the compiler works out from the graph as a whole.
_DERIVED = {"id", "catch", "outcomes", "join", "child", "name", "start", "exits", "sources",
            "plan_version", "compiler", "digest", "preflight.env", "preflight.executables", "preflight.probes",
            "llm.chain", "match", "accelerator"}  # fmt: skip
_NOT_EXPLAINED = {"nodes", "provenance", "edges", "digest", "plan_version", "compiler", "context"}

_ATTRIBUTE_OF_FIELD: Mapping[str, str] = {
    **{field: attribute for attribute, field in FIELD_OF_ATTRIBUTE.items()},
    "attempts": "max_retries",
    "backoff.initial_ms": "retry.backoff.initial_delay_ms",
    "backoff.factor": "retry.backoff.backoff_factor",
    "backoff.max_ms": "retry.backoff.max_delay_ms",
    "backoff.jitter": "retry.backoff.jitter",
    "fidelity": "fidelity",
    "llm.max_agent_turns": "max_agent_turns",
    "llm.max_tokens": "max_tokens",
    "llm.model": "llm_model",
    "llm.provider": "llm_provider",
    "llm.reasoning_effort": "reasoning_effort",
    "max_visits": "max_visits",
    "mode": "agent_mode",
    "thread": "thread_id",
    "timeouts.command_default_ms": "default_command_timeout_ms",
    "timeouts.command_max_ms": "max_command_timeout_ms",
    "timeouts.command_ms": "timeout",
    "timeouts.stage_ms": "timeout",
}
"""Fields that a node's attribute may set, and a wider place, too."""


class UnknownName(Exception):
    """There is no such node or field; the message names near ones."""


class Value(NamedTuple):
    field: str
    value: Any
    origin: ProvenanceEntry | None


def explain_run(plan: Plan, field: str | None = None) -> Iterator[str]:
    """Yield the values of the run as a whole, then the nodes; or one value."""
    values = _values({key: value for key, value in plan.items() if key not in _NOT_EXPLAINED}, plan, "")
    if field is not None:
        yield from _one(field, values, "", ("the run",))
        return
    yield f"{plan['name']}: {len(plan['nodes'])} nodes, {plan['digest']}"
    yield from _lines(values)
    yield ""
    yield "nodes (`attractor explain PLAN NODE` says more)"
    width = max(len(node["id"]) for node in plan["nodes"])
    yield from (f"  {node['id']:<{width}}  {node['kind']}" for node in plan["nodes"])


def explain(plan: Plan, subject: str, field: str | None = None) -> Iterator[str]:
    """Yield where the values of `subject` came from: a node, an edge "a -> b", a field of the run or a group of them.

    Raises:
        UnknownName: there is no such thing.
    """
    node = next((node for node in plan["nodes"] if node["id"] == subject), None)
    if node is not None:
        yield from _explain_node(node, plan, field)
    elif "->" in subject:
        yield from _explain_edges(plan, subject, field)
    elif field is None and any(
        value.field == subject or value.field.startswith(f"{subject}.") for value in _run_values(plan)
    ):
        yield from explain_run(plan, subject)
    else:
        ids = [node["id"] for node in plan["nodes"]]
        hint = did_you_mean(subject, [*ids, *(value.field for value in _run_values(plan))])
        raise UnknownName(f'there is no node or field "{subject}"; {hint or "`attractor explain PLAN` lists them"}')


def _run_values(plan: Plan) -> list[Value]:
    return _values({key: value for key, value in plan.items() if key not in _NOT_EXPLAINED}, plan, "")


def _explain_node(node: Mapping[str, Any], plan: Plan, field: str | None) -> Iterator[str]:
    flat = {key: value for key, value in node.items() if key != "edges"}
    values = _values(flat, plan, node["id"])
    llm = node.get("llm")
    if llm is not None:
        entries = plan["provenance"].get(node["id"], {})
        first = llm["chain"][0]
        values += [Value(f"llm.{key}", first[key], entries.get(f"llm.{key}")) for key in ("provider", "model")]
    if field is not None and field != "edges":
        yield from _one(field, values, node["id"], ("edges",))
        return
    if field is None:
        yield f"{node['id']} ({node['kind']})"
        yield from _lines(sorted(values, key=lambda value: value.field))
    for number, edge in enumerate(node["edges"], 1):
        entry = plan["provenance"].get(f"{node['id']} -> {edge['to']}#{number}", {}).get("to")
        yield f"  edge {number}: -> {edge['to']} ({_edge_words(edge)})" + (f" ← {_place(entry)}" if entry else "")


def _explain_edges(plan: Plan, subject: str, field: str | None) -> Iterator[str]:
    source, _, target = (part.strip() for part in subject.partition("->"))
    found = [
        (f"{source} -> {target}#{number}", edge)
        for node in plan["nodes"]
        if node["id"] == source
        for number, edge in enumerate(node["edges"], 1)
        if edge["to"] == target
    ]
    if not found:
        known = [f"{node['id']} -> {edge['to']}" for node in plan["nodes"] for edge in node["edges"]]
        hint = did_you_mean(f"{source} -> {target}", known)
        raise UnknownName(f'there is no edge "{source} -> {target}"' + (f"; {hint}" if hint else ""))
    for name, edge in found:
        values = _values(edge, plan, name)
        if field is not None:
            yield from _one(field, values, name, ())
        else:
            yield f"{name} ({_edge_words(edge)})"
            yield from _lines(values)


def _edge_words(edge: Mapping[str, Any]) -> str:
    words = [edge["kind"]]
    words += [condition_text(edge["when"])] if edge["when"] else []
    words += [f'label "{edge["label"]}"'] if edge["label"] else []
    words += [f"weight {edge['weight']}"] if edge["weight"] else []
    words += [f"restarts on {edge['restart']['on']}"] if edge["restart"] else []
    return ", ".join(words)


def condition_text(clauses: Iterable[Iterable[str]]) -> str:
    """Return parsed clauses as a condition, as an author would write it."""
    return " && ".join(key if op == "set" else f"{key}{op}{literal}" for key, op, literal in clauses)


# Values


def _values(fields: Mapping[str, Any], plan: Plan, subject: str) -> list[Value]:
    """Return the fields with their origins, nested ones flattened: `timeouts.stage_ms`."""
    entries = plan["provenance"].get(subject, {})
    values: list[Value] = []
    for field, value in fields.items():
        if isinstance(value, dict) and value and field not in {"prompt", "child", "restart"} and field not in entries:
            values += _values({f"{field}.{key}": below for key, below in value.items()}, plan, subject)
        else:
            values.append(Value(field, value, entries.get(field)))
    return values


def _one(field: str, values: list[Value], subject: str, others: tuple[str, ...]) -> Iterator[str]:
    names = {name: value for value in values for name in (value.field, _short(value.field))}
    chosen = names.get(field) or names.get(next((k for k, v in _ATTRIBUTE_OF_FIELD.items() if v == field), ""))
    if chosen is None:
        group = [value for value in values if value.field.startswith(f"{field}.")]
        if group:
            yield from _lines(group)
            return
        hint = did_you_mean(field, [*names, *others]) or f"there are {', '.join(_short(v.field) for v in values)}"
        raise UnknownName(f'{subject or "the run"} has no field "{field}"; {hint}')
    yield _line(chosen, None)


def _lines(values: Iterable[Value]) -> Iterator[str]:
    yield from (f"  {_line(value, MAX_VALUE)}" for value in values)


def _line(value: Value, limit: int | None) -> str:
    text = json.dumps(
        value.value["text"] if value.field == "prompt" and value.value else value.value, ensure_ascii=False
    )
    if limit is not None and len(text) > limit:
        text = f"{text[: limit - 1]}…"
    return f"{_short(value.field)} = {text} ← {_origin(value)}"


def _short(field: str) -> str:
    for group in _GROUPS:
        if field.startswith(group):
            return field.removeprefix(group)
    return field


def _origin(value: Value) -> str:
    if value.origin is None:
        if value.field in _DERIVED:
            return "worked out by the compiler"
        return f"built-in default{_unset(value.field, BUILT_IN)}"
    origin, _, _, _, note = value.origin
    match origin:
        case "edge" if value.field == "to":
            words = "written"
        case "node" | "edge" | "graph":
            attribute = note or _ATTRIBUTE_OF_FIELD.get(value.field, value.field)
            words = f"{origin} attribute {attribute}"
        case _:
            words = f"{origin} {note}".rstrip()
    place = _place(value.origin)
    return words + (f", {place}" if place else "") + _unset(value.field, origin)


def _unset(field: str, origin: str) -> str:
    """Say which nearer place could have set `field` and did not."""
    return " (node: unset)" if field in _ATTRIBUTE_OF_FIELD and origin in _WIDER else ""


_WIDER = {"graph", "run.yaml", "command line", "catalogue", BUILT_IN}


def _place(entry: ProvenanceEntry) -> str:
    _, file, line, column, _ = entry
    return f"{file}:{line}:{column}" if file else ""
