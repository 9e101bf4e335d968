"""The real `claude`, `codex` and `gemini` as agents of stages, each pointed at the provider simulator."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.runtime.simulator.server import Simulator

AGENTS = os.environ.get("ATTRACTOR_AGENTS", "")
KEY = "sk-canary-0815"
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not AGENTS, reason="`make test-external` installs claude, codex and gemini"),
]
CODEX = """model_provider = "local"
[model_providers.local]
name = "local"
base_url = "{url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""


class Vendor(NamedTuple):
    """A program, its provider, how its shell tool is called, and the variables that lead it to the simulator."""

    provider: str
    model: str
    tool: str
    argument: str
    variables: Mapping[str, str]  # {url} is the simulator's address, {home} a folder of the test's


VENDORS = {
    "claude": Vendor(
        "anthropic",
        "claude-sonnet-4-5",
        "Bash",
        "command",
        {
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
    ),
    "codex": Vendor("openai", "gpt-5.2", "exec_command", "cmd", {"CODEX_HOME": "{home}/codex", "OPENAI_API_KEY": KEY}),
    "gemini": Vendor(
        "google",
        "gemini-2.5-pro",
        "run_shell_command",
        "command",
        {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": "{url}"},
    ),
}


class Done(NamedTuple):
    code: int
    folder: Path
    said: str
    simulator: Simulator

    @property
    def final(self) -> Any:
        return json.loads((self.folder / "final.json").read_text())

    def session(self, *kinds: str) -> list[Any]:
        lines = (self.folder / "stages/a/1-1/events.ndjson").read_text().splitlines()
        return [event["data"] for event in map(json.loads, lines) if event["kind"] in kinds]


def run(program: str, folder: Path, *answers: Mapping[str, Any], attributes: str = "") -> Done:
    """Compile and run a pipeline of one stage with the real program, which the simulator answers."""
    vendor = VENDORS[program]
    home, work = folder / "home", folder / "work"
    (home / "codex").mkdir(parents=True)
    (home / ".gemini").mkdir()
    (home / ".gemini/settings.json").write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    work.mkdir()
    (work / "p.dot").write_text(
        'digraph p { graph [goal="a file"]\nstart [shape=Mdiamond]\nexit [shape=Msquare]\n'
        f'a [prompt="Make the file."{attributes}]\nstart -> a -> exit\n}}\n'
    )
    with Simulator({"version": 1, "answers": answers}) as simulator:
        variables = {key: text.format(url=simulator.url, home=home) for key, text in vendor.variables.items()}
        (home / "codex/config.toml").write_text(CODEX.format(url=simulator.url))
        (work / "run.yaml").write_text(
            "version: 1\ngraph: p.dot\nworkspace: {mode: directory}\n"
            f"llm: {{defaults: {{provider: {vendor.provider}, model: {vendor.model}}}, "
            f"providers: {{{vendor.provider}: {{backend: cli, failover: []}}}}}}\n"
            f"env: {{pass: [{', '.join(variables)}]}}\n"
        )
        environment = {"PATH": f"{AGENTS}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), **variables}
        command = [sys.executable, "-m", "attractor.cli.main", "run", "run.yaml", "--run-dir", str(folder / "run")]
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
    print(done.stdout, done.stderr)
    return Done(done.returncode, folder / "run", done.stdout + done.stderr, simulator)


def call(program: str, command: str) -> dict[str, Any]:
    vendor = VENDORS[program]
    arguments = {vendor.argument: command}
    return {"name": vendor.tool, "arguments": arguments | ({} if program == "codex" else {"description": "Do it"})}


REPORT = """printf '{"status": "success", "notes": "made it"}' > "$ATTRACTOR_STATUS_PATH" """


@pytest.mark.parametrize("program", VENDORS)
def test_it_works_with_its_tools_and_reports(program: str, tmp_path: Path) -> None:
    done = run(
        program,
        tmp_path,
        {"text": "I make it.", "tool_calls": [call(program, f"echo hello > made.txt && {REPORT}&& echo made")]},
        {"text": "It is there."},
    )

    assert 0 == done.code, done.said
    assert "hello\n" == (tmp_path / "work/made.txt").read_text()
    assert "It is there.\n" == (done.folder / "stages/a/1-1/response.md").read_text()
    assert [False] == [result["is_error"] for result in done.session("TOOL_CALL_END")]
    assert (2, 50, 20) == tuple(done.final["usage"][key] for key in ("llm_calls", "input_tokens", "output_tokens"))
    assert not any(KEY in path.read_text(errors="replace") for path in done.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("program", VENDORS)
def test_it_goes_on_with_its_session_when_it_is_asked_for_its_outcome(program: str, tmp_path: Path) -> None:
    done = run(
        program,
        tmp_path,
        {"text": "It is there."},
        {"tool_calls": [call(program, REPORT)]},
        {"text": "Reported."},
    )

    assert 0 == done.code, done.said
    assert 3 == len([request for request in done.simulator.requests if request.protocol])
    assert 75 == done.final["usage"]["input_tokens"]
    assert "It is there.\n" == (done.folder / "stages/a/1-1/response.md").read_text()


@pytest.mark.parametrize("program", VENDORS)
def test_a_wrong_key_is_understood(program: str, tmp_path: Path) -> None:
    done = run(program, tmp_path, {"error": {"kind": "authentication"}, "repeat": "always"})

    assert (1, "deterministic") == (done.code, done.final["failure_class"])
    assert "env.pass" in done.final["reason"]


@pytest.mark.parametrize("program", VENDORS)
def test_an_unknown_model_is_understood(program: str, tmp_path: Path) -> None:
    done = run(program, tmp_path, {"error": {"kind": "model_not_found"}, "repeat": "always"})

    assert (1, "deterministic") == (done.code, done.final["failure_class"])
    (error,) = done.session("ERROR")
    assert "model" in error["message"].lower()


@pytest.mark.parametrize("program", VENDORS)
def test_a_stage_of_one_call_ends_with_its_text(program: str, tmp_path: Path) -> None:
    done = run(program, tmp_path, {"text": "Four."}, attributes=", agent_mode=one_shot")

    assert 0 == done.code, done.said
    assert "Four.\n" == (done.folder / "stages/a/1-1/response.md").read_text()
