"""Stages of `backend: cli` through the front door. Scripts named like the programs print what those printed."""

import io
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main
from attractor.runtime.cli_agents.contract import Order
from attractor.runtime.cli_agents.programs import PROGRAMS
from attractor.runtime.cli_agents.turn import Place, take_turn
from attractor.runtime.llm.errors import LlmError
from attractor.runtime.real_world import RealClock
from attractor.runtime.shell import RealShell
from attractor.runtime.world import Unwatched

RECORDINGS = Path(__file__).parent / "recordings"
YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: anthropic}
  providers:
    anthropic: {backend: cli, failover: [openai]}
    openai: {backend: cli, failover: []}
"""
REPORT = """echo '{"status": "success", "notes": "made it"}' >"$ATTRACTOR_STATUS_PATH"\n"""
AGENT = 'a [prompt="Make the file."]\nstart -> a -> exit'


class Done(NamedTuple):
    code: int
    folder: Path
    text: str

    @property
    def stage(self) -> Path:
        return self.folder / "stages/a/1-1"

    @property
    def final(self) -> Any:
        return json.loads((self.folder / "final.json").read_text())

    def told(self, *names: str) -> list[dict[str, Any]]:
        lines = (self.folder / "progress.ndjson").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] in names]

    def session(self, *kinds: str) -> list[Any]:
        lines = (self.stage / "events.ndjson").read_text().splitlines()
        return [event["data"] for event in map(json.loads, lines) if event["kind"] in kinds]


class Desk:
    """A pipeline, and a folder of programs that stands alone on PATH but for the system's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.started = folder / "started"

    def program(self, name: str, script: str, recording: str = "") -> None:
        shown = f"cat {RECORDINGS / recording}.ndjson\n" if recording else ""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "$0 $*" >>{self.started}\ncat >/dev/null\n{shown}{script}')
        path.chmod(0o755)

    def run(self, body: str = AGENT) -> Done:
        home = self.folder / "home"
        home.mkdir()
        (home / "p.dot").write_text(
            f'digraph p {{ graph [goal="g"]\nstart [shape=Mdiamond]\nexit [shape=Msquare]\n{body}\n}}\n'
        )
        (home / "run.yaml").write_text(YAML)
        said = io.StringIO()
        code = main(
            ["run", str(home / "run.yaml"), "--skip-preflight", "--run-dir", str(self.folder / "run")], said, said
        )
        return Done(code, self.folder / "run", said.getvalue())

    @property
    def starts(self) -> list[str]:
        lines = self.started.read_text().splitlines() if self.started.exists() else []
        return [line.removeprefix(f"{self.bin}/") for line in lines]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    return Desk(tmp_path)


def test_what_a_program_does_becomes_events_usage_and_an_outcome(desk: Desk) -> None:
    desk.program("claude", f"{REPORT}env >seen", "claude-tool_call")

    done = desk.run()

    assert (0, ["claude -p --output-format"]) == (done.code, [" ".join(line.split()[:3]) for line in desk.starts])
    assert ["I make it.", "It is there."] == [each["text"] for each in done.session("ASSISTANT_TEXT_END")]
    assert [("Bash", "made", False)] == [
        (call["tool_name"], result["full_output"], result["is_error"])
        for call, result in zip(done.session("TOOL_CALL_START"), done.session("TOOL_CALL_END"), strict=True)
    ]
    assert "It is there.\n" == (done.stage / "response.md").read_text()
    usage = done.final["usage"]
    assert (2, 50, 20) == (usage["llm_calls"], usage["input_tokens"], usage["output_tokens"])
    assert pytest.approx(0.00045) == usage["cost_usd"]
    used = json.loads((done.stage / "provider_used.json").read_text())
    assert ("anthropic", "cli", 0) == (used["provider"], used["backend"], used["failovers"])
    assert "canary" not in (desk.folder / "home/seen").read_text()


def test_a_program_that_forgets_its_report_is_asked_once_in_the_same_session(desk: Desk) -> None:
    again = f'case "$*" in *--resume*) {REPORT.strip()};; esac\n'
    desk.program("claude", again, "claude-tool_call")

    done = desk.run()

    first, second = desk.starts
    session = json.loads((RECORDINGS / "claude-tool_call.ndjson").read_text().splitlines()[0])["session_id"]
    assert (0, False, True) == (done.code, "--resume" in first, second.endswith(f"--resume {session}"))
    assert "ATTRACTOR_STATUS_PATH" in (done.stage / "prompt-2.md").read_text()
    assert 4 == done.final["usage"]["llm_calls"]


def test_a_program_that_never_reports_has_failed(desk: Desk) -> None:
    desk.program("claude", "", "claude-tool_call")

    done = desk.run()

    assert (1, 2) == (done.code, len(desk.starts))
    assert "missing outcome" in done.final["reason"]


def test_with_auto_status_nobody_is_asked_twice(desk: Desk) -> None:
    desk.program("claude", "", "claude-tool_call")

    done = desk.run('a [prompt="Make the file.", auto_status=true]\nstart -> a -> exit')

    assert (0, 1) == (done.code, len(desk.starts))


def test_a_stage_of_one_call_ends_with_its_text(desk: Desk) -> None:
    desk.program("claude", "", "claude-tool_call")

    done = desk.run('a [prompt="Say it.", agent_mode=one_shot]\nstart -> a -> exit')

    assert (0, 1) == (done.code, len(desk.starts))
    assert "--tools" in desk.starts[0]


def test_a_model_that_does_not_exist_goes_to_the_next_of_the_chain(desk: Desk) -> None:
    desk.program("claude", "exit 1", "claude-unknown_model")
    desk.program("codex", REPORT, "codex-tool_call")

    done = desk.run()

    assert (0, ["claude", "codex"]) == (done.code, [line.split()[0] for line in desk.starts])
    (told,) = done.told("llm_failover")
    assert ("anthropic", "openai") == (told["from_provider"], told["to_provider"])
    used = json.loads((done.stage / "provider_used.json").read_text())
    assert ("openai", 1) == (used["provider"], used["failovers"])


def test_a_wrong_key_goes_nowhere_and_says_how_to_log_in(desk: Desk) -> None:
    desk.program("claude", "exit 1", "claude-wrong_key")
    desk.program("codex", REPORT, "codex-tool_call")

    done = desk.run()

    assert (1, 1, []) == (done.code, len(desk.starts), done.told("llm_failover"))
    assert "log in" in done.final["reason"]
    assert "deterministic" == done.final["failure_class"]


def test_a_long_prompt_reaches_the_program(desk: Desk) -> None:
    """More than one argument may hold."""
    path = desk.bin / "claude"
    path.write_text(f"#!/bin/sh\nwc -c >length\ncat {RECORDINGS / 'claude-tool_call.ndjson'}\n{REPORT}")
    path.chmod(0o755)

    done = desk.run(f'a [prompt="{"x" * 300_000}"]\nstart -> a -> exit')

    assert 0 == done.code
    assert int((desk.folder / "home/length").read_text()) > 300_000


def test_the_timeout_of_a_stage_ends_the_program_and_what_it_started(desk: Desk) -> None:
    desk.program("claude", "sleep 600 & echo $! >child; wait")

    done = desk.run('a [prompt="Make the file.", timeout="300ms"]\nstart -> a -> exit')

    assert (1, "transient_infra") == (done.code, done.final["failure_class"])
    assert "timed out after 0.3 s" in done.final["reason"]
    assert _is_gone(int((desk.folder / "home/child").read_text()))


def _is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class _Never:
    reason = ""

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False


class _World(NamedTuple):
    clock: RealClock
    shell: RealShell
    cancellation: _Never
    pulse: Unwatched = Unwatched()


def _take(desk: Desk, idle_s: float, command_max_ms: int) -> LlmError | None:
    world: Any = _World(RealClock(), RealShell(os.environ, ()), _Never())
    place = Place(desk.folder, desk.folder, {}, command_max_ms, 1, idle_s)
    order = Order("claude", "anthropic", "m", None, str(desk.folder), tools=True)
    return take_turn(PROGRAMS["claude"], order, "do it", place, world, lambda heard: None).error


def test_a_program_that_falls_silent_is_stopped(desk: Desk) -> None:
    desk.program("claude", "sleep 600")

    error = _take(desk, 0.3, 60_000)

    assert error is not None
    assert ("timeout", "claude said nothing for 0.3 s", True) == (error.kind, error.message, error.retryable)


def test_while_a_tool_runs_a_program_may_be_silent_as_long_as_a_command_may(desk: Desk) -> None:
    call, result = ((RECORDINGS / "claude-tool_call.ndjson").read_text().splitlines()[at] for at in (2, -1))
    (desk.folder / "call").write_text(call + "\n")
    (desk.folder / "result").write_text(result + "\n")
    desk.program("claude", f"cat {desk.folder}/call; sleep 2; cat {desk.folder}/result")

    assert None is _take(desk, 1.2, 60_000)
