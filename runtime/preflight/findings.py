"""What preflight found: checks and their sum, as `schemas/preflight_report.schema.json` describes them."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from ..journal import usage_to_json
from ..outcome import NO_USAGE, Json, Usage
from ..world import Cancellation, Clock

REPORT = "preflight_report.json"


class Doors(NamedTuple):
    """What preflight may ask of the world."""

    environment: Mapping[str, str]
    stop: Cancellation
    clock: Clock


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Check(NamedTuple):
    """One thing that was looked for. What does not apply to it is empty."""

    name: str  # key | executable | toolchain | failover | probe
    subject: str  # the variable or program, or PROVIDER MODEL
    status: Verdict
    message: str  # what was found, and what to do about it
    provider: str = ""
    model: str = ""
    mode: str = ""
    transport: str = ""
    effort: str = ""
    host: str = ""
    http_status: int = 0
    attempts: int = 0
    duration_ms: int = 0
    usage: Usage = NO_USAGE

    @property
    def line(self) -> str:
        how = ", ".join(part for part in (self.mode, self.transport, self.effort and f"effort {self.effort}") if part)
        return f"{self.name} {self.subject}{how and f' ({how})'}: {self.message}"


class Findings(NamedTuple):
    checks: Sequence[Check]

    def of(self, verdict: Verdict) -> list[Check]:
        return [check for check in self.checks if check.status is verdict]

    @property
    def passed(self) -> bool:
        return not self.of(Verdict.FAIL)

    @property
    def usage(self) -> Usage:
        return sum((check.usage for check in self.checks), start=NO_USAGE)

    @property
    def reason(self) -> str:
        """Say why the run cannot begin; "" when it can."""
        failed = self.of(Verdict.FAIL)
        told = "; ".join(check.line for check in failed)
        return f"preflight failed, {len(failed)} of {len(self.checks)} checks: {told}" if failed else ""


def report(findings: Findings, run_id: str, name: str, digest: str, started: str, finished: str) -> dict[str, Json]:
    """Return the document of `preflight_report.json`."""
    return {
        "version": 1,
        "run_id": run_id,
        "name": name,
        "digest": digest,
        "started_at": started,
        "finished_at": finished,
        "checks": [_check(check) for check in findings.checks],
        "summary": {verdict: len(findings.of(verdict)) for verdict in Verdict},
        "usage": _usage(findings.usage),
    }


def _check(check: Check) -> dict[str, Json]:
    written: dict[str, Json] = dict(check._asdict())
    return {**written, "status": str(check.status), "usage": _usage(check.usage)}


def _usage(usage: Usage) -> dict[str, Json]:
    return {**usage_to_json(usage), "cost_usd": usage.cost_usd}


def table(findings: Findings, shown: Sequence[Verdict] = tuple(Verdict)) -> str:
    """Return the checks as lines for people, failures last: there they are read."""
    order = (Verdict.PASS, Verdict.SKIP, Verdict.WARN, Verdict.FAIL)
    lines = [f"{verdict:<4}  {check.line}" for verdict in order if verdict in shown for check in findings.of(verdict)]
    counts = ", ".join(f"{len(findings.of(verdict))} {verdict}" for verdict in Verdict if findings.of(verdict))
    return "\n".join([*lines, f"preflight {'passed' if findings.passed else 'failed'}: {counts or 'nothing to check'}"])
