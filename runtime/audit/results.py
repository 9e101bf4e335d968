"""Is what the run says at its end what it has done, and did it keep what is secret?"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..checkpoint import CheckpointError, load
from ..journal import usage_to_json
from .evidence import Checked, Evidence, Finding

ENDS = {"run_completed": "success", "run_failed": "fail", "run_canceled": "canceled"}
SHORTEST_SECRET = 8  # characters; what is shorter may stand anywhere
LARGEST_FILE = 256 * 1024 * 1024


def add_up(evidence: Evidence) -> Checked:
    """final.json, the last event, the checkpoint and the sum of the journal say the same."""
    final = evidence.document("final.json", "final")
    if final is None and (evidence.folder / "final.json").exists():
        return Checked(0, [])
    if final is None:
        return Checked(0, [Finding("final.json", 0, "is missing: the run has not ended; resume it")])
    findings = list(_last_event(evidence, final))
    if evidence.journal:
        findings += _sum(evidence, final)
    return Checked(1, findings)


def _last_event(evidence: Evidence, final: Mapping[str, Any]) -> Iterator[Finding]:
    if not evidence.events:
        return
    last = evidence.events[-1]
    said = ENDS.get(str(last.value.get("event")))
    if said is not None and said != final.get("status"):
        yield last.finding(f"tells that the run ended in {said}, final.json says {final.get('status')}")
    elif said is not None and last.value.get("reason") != final.get("reason"):
        yield last.finding(f"gives the reason {last.value.get('reason')!r}, final.json {final.get('reason')!r}")


def _sum(evidence: Evidence, final: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        state = load(evidence.folder).state
    except (CheckpointError, RecursionError) as error:
        yield Finding("journal.ndjson", 0, f"cannot be read back: {error}")
        return
    spent = usage_to_json(state.spent())
    for key, value in spent.items():
        told = final.get("usage", {}).get(key)
        if not _same(told, value):
            yield Finding("final.json", 0, f"says {key} {told}, the journal adds up to {value}")
    if final.get("restarts") != state.restarts:
        yield Finding("final.json", 0, f"says {final.get('restarts')} restarts, the journal holds {state.restarts}")
    if state.ended and state.ended != final.get("status") and final.get("status") == "success":
        yield Finding("final.json", 0, f"says success, the journal ended in {state.ended}")


def _same(told: Any, value: Any) -> bool:
    if isinstance(told, float) and isinstance(value, float):
        return abs(told - value) <= 1e-6 + 1e-9 * abs(value)
    return bool(told == value)


def no_secrets(evidence: Evidence, environment: Mapping[str, str] | None = None) -> Checked:
    """No value of a key variable of the plan, as this environment has it, stands in any file."""
    if evidence.plan is None:
        return Checked(0, [])
    environment = os.environ if environment is None else environment
    names = {provider.api.api_key_env for provider in evidence.plan.providers.values() if provider.api}
    secrets = {
        name: environment[name].strip().encode()
        for name in sorted(names)
        if len(environment.get(name, "").strip()) >= SHORTEST_SECRET
    }
    findings: list[Finding] = []
    if not secrets:
        return Checked(0, [])
    for path in evidence.files:
        try:
            text = path.read_bytes() if path.stat().st_size <= LARGEST_FILE else b""
        except OSError:
            continue
        for name, secret in secrets.items():
            at = text.find(secret)
            if at >= 0:
                line = text.count(b"\n", 0, at) + 1
                findings.append(Finding(evidence.relative(path), line, f"holds the value of {name}"))
    return Checked(len(evidence.files), findings)
