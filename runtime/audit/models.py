"""Was nobody asked but whom the plan names, and nobody in another's place but where the plan allows it?"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ..llm import errors
from ..plan import Model, Node
from .evidence import Checked, Evidence, Finding, Line, chain_of, shown, where_of

ASKING = ("llm_request", "llm_response", "llm_retry")
TURN_LIMIT = "turn limit"


def _kinds(error: type[errors.LlmError]) -> Iterator[tuple[str, bool]]:
    yield error.kind, error.failover_ok
    for each in error.__subclasses__():
        yield from _kinds(each)


def in_chain(evidence: Evidence) -> Checked:
    """Events, provider_used.json and requests name only models of the node's chain."""
    findings: list[Finding] = []
    looked_at = 0
    for line in evidence.events:
        if line.value.get("event") in ASKING:
            looked_at += 1
            findings += _outside(evidence, line.value["node_id"], line.value, line.file, line.number)
    for attempt in evidence.attempts.values():
        for path in sorted(attempt.folder.glob("*.json")):
            if path.name != "provider_used.json" and not path.name.startswith("request-"):
                continue
            schema = "provider_used" if path.name == "provider_used.json" else ""
            document = evidence.document(evidence.relative(path), schema) or {}
            node_id = attempt.node.id if attempt.node else attempt.folder.parent.name
            for asked in (document, *document.get("attempts", ())) if document else ():
                looked_at += 1
                findings += _outside(evidence, node_id, asked, evidence.relative(path), 0)
    return Checked(looked_at, findings)


def _outside(evidence: Evidence, node_id: str, asked: dict[str, Any], file: str, line: int) -> Iterator[Finding]:
    node = evidence.plan.nodes.get(node_id) if evidence.plan else None
    model = Model(str(asked.get("provider")), str(asked.get("model")))
    chain = chain_of(node) if node else ()
    if model not in chain:
        message = f"{node_id!r} asked {model.provider} {model.model}, the plan allows {shown(chain)}"
        yield Finding(file, line, message)


def failovers_allowed(evidence: Evidence) -> Checked:
    """A failover leads to the next entry of the chain, after an error that it is for; no model changes without."""
    findings: list[Finding] = []
    looked_at = 0
    places: dict[tuple[str, str, int], int] = {}  # of a visit: where in the chain its last attempt stood
    now: tuple[str, str, int, int] | None = None
    for line in evidence.events:
        event = line.value
        name = event.get("event")
        if name == "stage_started":
            now = where_of(event)
            if now[3] == 1:
                places.pop(now[:3], None)
        elif name == "llm_failover":
            looked_at += 1
            findings += _switch(evidence, line, places)
        elif name == "llm_request":
            looked_at += 1
            findings += _without_failover(evidence, line, places)
    findings += _causes(evidence)
    return Checked(looked_at, findings)


def _node(evidence: Evidence, event: dict[str, Any]) -> Node | None:
    return evidence.plan.nodes.get(event["node_id"]) if evidence.plan else None


def _switch(evidence: Evidence, line: Line, places: dict[tuple[str, str, int], int]) -> Iterator[Finding]:
    event, node = line.value, _node(evidence, line.value)
    chain = chain_of(node) if node else ()
    before = Model(event["from_provider"], event["from_model"])
    after = Model(event["to_provider"], event["to_model"])
    visit = where_of(event)[:3]
    steps = [place for place in range(1, len(chain)) if (chain[place - 1], chain[place]) == (before, after)]
    if steps:
        places[visit] = steps[0]
        return
    told = f"failed over from {before.provider} {before.model} to {after.provider} {after.model}"
    yield line.finding(f"{event['node_id']!r} {told}, the plan's chain is {shown(chain)}")
    if after in chain:
        places[visit] = chain.index(after)


def _without_failover(evidence: Evidence, line: Line, places: dict[tuple[str, str, int], int]) -> Iterator[Finding]:
    event, node = line.value, _node(evidence, line.value)
    chain = chain_of(node) if node else ()
    model = Model(event["provider"], event["model"])
    if model not in chain:
        return  # the check of models says so
    place = chain.index(model)
    if place > places.get(where_of(event)[:3], 0):
        yield line.finding(f"{event['node_id']!r} asked {model.provider} {model.model} without a failover to it")


def _causes(evidence: Evidence) -> Iterator[Finding]:
    """Between two providers in provider_used.json stands an error after which another one may be asked."""
    may_fail_over = dict(_kinds(errors.LlmError))
    for _, name in evidence.named("provider_used.json"):
        asked = (evidence.document(name, "provider_used") or {}).get("attempts", ())
        for before, after in pairwise(asked):
            if (before["provider"], before["model"]) == (after["provider"], after["model"]):
                continue
            if not may_fail_over.get(before["error"], before["error"] != ""):
                cause = f"an error of kind {before['error']}" if before["error"] else "an answer"
                switch = f"{before['provider']} {before['model']} to {after['provider']} {after['model']}"
                yield Finding(name, 0, f"request {after['request']} went from {switch} after {cause}")


def no_failover_at_turn_limits(evidence: Evidence) -> Checked:
    """A session that used up its turns ends: nobody is asked after that, and nobody in another's place."""
    findings: list[Finding] = []
    looked_at = 0
    for _, name in evidence.named("events.ndjson"):
        limit = 0
        for line in evidence.session(name):
            kind = line.value.get("kind")
            if kind == "SESSION_START":
                limit = 0
            elif kind == "TURN_LIMIT":
                looked_at, limit = looked_at + 1, line.number
            elif kind == "LLM_REQUEST" and limit:
                asked = line.value["data"]
                told = f"{asked.get('provider')} {asked.get('model')} was asked after the turn limit of line {limit}"
                findings.append(line.finding(told))
    for line in evidence.events:
        if line.value.get("event") == "llm_failover":
            looked_at += 1
            if TURN_LIMIT in line.value["reason"]:
                findings.append(line.finding(f"{line.value['node_id']!r} failed over because of a turn limit"))
    return Checked(looked_at, findings)
