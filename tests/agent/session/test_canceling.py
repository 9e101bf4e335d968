"""Stopping a session, wherever it is: at once, with a paired conversation, and with nothing left running."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.agent.history import check_pairs
from attractor.runtime.agent.record import find

from ...llm.talking import KEYS
from .conftest import Stage, call, report, turn

SLEEP = call("shell", command="echo $$ >pid; exec sleep 60")
WRITE = call("write_file", file_path="never.txt", content="x")


def started(stage: Stage, simulator: Any) -> Callable[[], bool]:
    return lambda: (stage.home / "pid").exists() and (stage.home / "pid").read_text().endswith("\n")


def asked(stage: Stage, simulator: Any) -> Callable[[], bool]:
    return lambda: bool(simulator.requests)


def waiting(stage: Stage, simulator: Any) -> Callable[[], bool]:
    progress = stage.folder / "run/progress.ndjson"
    return lambda: progress.exists() and '"llm_retry"' in progress.read_text()


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize(
    ("answers", "ready", "endings"),
    [
        pytest.param([{"delivery": {"silence": {"after_events": 1, "s": 20}}}], asked, [], id="a read"),
        pytest.param([turn(SLEEP)], started, ["failed"], id="a command"),
        pytest.param([turn(WRITE, SLEEP, WRITE)], started, ["ran", "failed", "canceled"], id="the second of three"),
        pytest.param(
            [{"error": {"kind": "overloaded", "retry_after": {"s": 60}}}], waiting, [], id="a back-off",
        ),
    ],
)  # fmt: skip
def test_a_signal_ends_the_session_at_once(
    simulator: Any, stage: Stage, answers: list[Mapping[str, Any]], ready: Any, endings: list[str]
) -> None:
    simulator.script(*answers, turn(report()))
    plan, run = stage.compile(), stage.folder / "run"
    is_ready = ready(stage, simulator)
    with subprocess.Popen(
        [sys.executable, "-m", "attractor.cli.main", "exec", plan, "--skip-preflight", "--run-dir", str(run)],
        env={**os.environ, **KEYS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline_s = time.monotonic() + 30
        while not is_ready() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        time.sleep(0.1)
        sent_s = time.time()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert 143 == process.returncode
    events = list(map(json.loads, (run / "stages/a/1-1/events.ndjson").read_text().splitlines()))
    assert "SESSION_END" == events[-1]["kind"]
    assert datetime.fromisoformat(events[-1]["timestamp"]).timestamp() - sent_s < 0.5
    assert endings == [event["data"]["ending"] for event in events if event["kind"] == "TOOL_CALL_END"]
    messages = find(run / "stages/a/1-1/session.ndjson").messages
    check_pairs(messages)
    assert "canceled" == json.loads((run / "final.json").read_text())["status"]
    assert [] == _left(stage.home / "pid")


def _left(pid: Path) -> list[str]:
    return [pid.read_text()] if pid.exists() and Path(f"/proc/{pid.read_text().strip()}").exists() else []
