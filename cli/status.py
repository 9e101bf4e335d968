"""Say where a run stands: what runs, what failed and why, what it has used, what
it asks, and what to do next.

examples:
  attractor status latest
  attractor status RUN --json

exit codes: 0 it goes on, or ended in success; 1 it failed, was stopped or died;
2 there is no such run
"""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

from attractor.runtime.console import cost, counted, duration, one_line
from attractor.runtime.standing import GOING, Standing, since_ms, standing, to_json
from attractor.runtime.story import VisitTold

from .answer import question_text
from .main import ExitCode
from .run_place import add_run, open_run

LABEL_WIDTH = 10
REASON_CHARS = 300
MOST_FAILED = 5


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    found = open_run(arguments.run, "status", stderr)
    if found is None:
        return ExitCode.USAGE
    now = datetime.now(UTC)
    it = standing(found, now)
    if arguments.json:
        stdout.write(json.dumps(to_json(it, now), ensure_ascii=False, indent=2) + "\n")
    else:
        stdout.write("\n".join(_lines(it, now)) + "\n")
    return ExitCode.OK if it.state in (*GOING, "success") else ExitCode.FINDINGS


def _lines(it: Standing, now: datetime) -> Iterator[str]:
    yield f"{it.name}  {it.run_id}" + ("  (simulated)" if it.simulated else "")
    yield _row("state", _state(it, now))
    if it.reason and it.state != "success":
        yield _row("because", _short(it.reason))
    restarts = f", {it.restarts} restart{'s' * (it.restarts != 1)}" if it.restarts else ""
    yield _row("nodes", f"{it.done} of {it.nodes} done{restarts}")
    spent = it.spent
    calls = f"{spent.llm_calls} call{'s' * (spent.llm_calls != 1)}"
    tokens = f"{spent.input_tokens:,} tokens in, {spent.output_tokens:,} out"
    yield _row("used", f"{calls}, {tokens}, {cost(spent.cost_usd)}")
    for visit in it.running:
        yield _row("running", _running(visit, now))
    for visit in it.failed[-MOST_FAILED:]:
        yield _row("failed", f"{visit.place} ({visit.failure_class}): {_short(visit.reason)}")
    if len(it.failed) > MOST_FAILED:
        yield _row("", f"… and {len(it.failed) - MOST_FAILED} more")
    for visit in it.interrupted:
        yield _row("cut off", f"{visit.place} ({visit.kind})")
    yield _row("folder", it.folder)
    if it.branch:
        yield _row("branch", f"{it.branch}" + (f" at {it.commit[:12]}" if it.commit else ""))
    for asked in it.questions:
        yield ""
        yield question_text(asked, it.folder).rstrip("\n")
    yield ""
    yield from (_row(step.what, step.command, width=15) for step in it.next_steps if step.what != "answer")


def _state(it: Standing, now: datetime) -> str:
    if it.state in GOING:
        what = "waits for a person" if it.state == "waiting" else "running"
        quiet = duration(since_ms(it.last_event_at, now))
        return f"{what} for {duration(it.elapsed_ms)} (process {it.pid}, last event {quiet} ago)"
    at = f" at {it.node}" if it.node and it.state != "success" else ""
    return f"{it.state}{at} after {duration(it.elapsed_ms)}"


def _running(visit: VisitTold, now: datetime) -> str:
    attempt = visit.attempts[-1]
    counts = counted(visit.number, attempt.number, attempt.of)
    return f"{visit.place} ({visit.kind}{counts}) for {duration(since_ms(attempt.started, now))}"


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= REASON_CHARS else f"{text[:REASON_CHARS]}…"


def _row(label: str, text: str, width: int = LABEL_WIDTH) -> str:
    return f"{label:<{width}}{text}"
