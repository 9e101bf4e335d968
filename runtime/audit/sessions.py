"""Did each tool call get exactly one result, and did broken calls end the session in time?"""

from collections.abc import Iterator
from typing import Any

from .evidence import Checked, Evidence, Finding, Line

MALFORMED = "invalid tool arguments"
CALLS = (("type", "tool_use", "id"), ("type", "function_call", "call_id"))  # field, its value, the id's field
RESULTS = (
    ("type", "tool_result", "tool_use_id"),
    ("type", "function_call_output", "call_id"),
    ("role", "tool", "tool_call_id"),
)


def one_result_per_call(evidence: Evidence) -> Checked:
    """In the session's events, and in what was sent to the provider."""
    findings: list[Finding] = []
    looked_at = 0
    for _, name in evidence.named("events.ndjson"):
        lines = evidence.session(name)
        looked_at += sum(line.value.get("kind") == "TOOL_CALL_START" for line in lines)
        findings += _paired(lines)
    for path in evidence.files:
        if path.name.startswith("request-") and path.suffix == ".json":
            name = evidence.relative(path)
            calls, results = _on_the_wire((evidence.document(name) or {}).get("body"))
            looked_at += len(calls)
            findings += (Finding(name, 0, message) for message in _unequal(calls, results))
    return Checked(looked_at, findings)


def _paired(lines: list[Line]) -> Iterator[Finding]:
    open_: dict[str, Line] = {}
    closed: set[str] = set()
    ends, backend = False, ""
    for line in lines:
        kind, data = line.value.get("kind"), line.value.get("data", {})
        call = str(data.get("call_id", ""))
        if kind == "SESSION_START":
            backend = str(data.get("backend", ""))
        elif kind == "SESSION_END":
            ends = True
        elif kind == "TOOL_CALL_START":
            if call in open_:
                yield line.finding(f"tool call {call!r} begins again before it has its result")
            open_[call] = line
            closed.discard(call)
        elif kind == "TOOL_CALL_END":
            if open_.pop(call, None) is None:
                what = "a second result" if call in closed else "a result, but no such call was made"
                yield line.finding(f"tool call {call!r} has {what}")
            closed.add(call)
    if ends and backend != "cli":  # a session that was killed, or a vendor's program that was, ends in the middle
        for call, line in open_.items():
            name = line.value["data"].get("tool_name", "")
            yield line.finding(f"tool call {call!r} ({name}) has no result")


def _on_the_wire(body: Any) -> tuple[list[str], list[str]]:
    """Return the ids of tool calls and of results in a request, whatever its protocol; one without ids has none."""
    calls: list[str] = []
    results: list[str] = []
    waiting = [body]
    while waiting:
        at = waiting.pop()
        if isinstance(at, list):
            waiting += at
        elif isinstance(at, dict):
            calls += (str(at[key]) for field, value, key in CALLS if at.get(field) == value and key in at)
            results += (str(at[key]) for field, value, key in RESULTS if at.get(field) == value and key in at)
            made = at.get("tool_calls")
            if isinstance(made, list):
                calls += (str(call["id"]) for call in made if isinstance(call, dict) and "id" in call)
            arguments = ("tools", "arguments", *(("input",) if at.get("type") == "tool_use" else ()))
            waiting += (value for key, value in at.items() if key not in arguments)  # a model may write anything there
    return calls, results


def _unequal(calls: list[str], results: list[str]) -> Iterator[str]:
    for call in sorted({*calls, *results}):
        made, answered = calls.count(call), results.count(call)
        if made != answered:
            yield f"tool call {call!r} was made {made} times and has {answered} results"


def malformed_calls_bounded(evidence: Evidence) -> Checked:
    """The same broken call, round after round, ends the session at `malformed_tool_call_limit`."""
    if evidence.plan is None:
        return Checked(0, [])
    limit = evidence.plan.policy.malformed_tool_call_limit
    findings: list[Finding] = []
    looked_at = 0
    for _, name in evidence.named("events.ndjson"):
        rounds = list(_rounds(evidence.session(name)))
        looked_at += sum(len(each) for each in rounds)
        findings += _beyond(rounds, limit)
    return Checked(looked_at, findings)


Round = dict[str, Line]  # what was broken (tool and arguments), and where it was answered


def _rounds(lines: list[Line]) -> Iterator[Round]:
    """Yield the broken calls of each round of a session that had calls."""
    asked: dict[str, str] = {}
    broken: Round = {}
    calls = 0
    for line in lines:
        kind, data = line.value.get("kind"), line.value.get("data", {})
        if kind in ("LLM_REQUEST", "ASSISTANT_TEXT_START", "SESSION_START") and calls:
            yield broken
            broken, calls = {}, 0
        elif kind == "TOOL_CALL_START":
            calls += 1
            asked[str(data.get("call_id"))] = f"{data.get('tool_name')} {data.get('arguments')!r}"
        elif kind == "TOOL_CALL_END" and data.get("is_error"):
            call, said = str(data.get("call_id")), str(data.get("full_output", ""))
            if said.startswith(MALFORMED):
                broken[f"{asked.get(call, call)} {said}"] = line  # the result quotes what was sent
    if calls:
        yield broken


def _beyond(rounds: list[Round], limit: int) -> Iterator[Finding]:
    before: frozenset[str] = frozenset()
    times = 0
    for broken in rounds:
        same = frozenset(broken)
        times = times + 1 if same and same == before else int(bool(same))
        before = same
        if times > limit:
            line = next(iter(broken.values()))
            yield line.finding(f"the same malformed call for the {times}th time running, the limit is {limit}")
