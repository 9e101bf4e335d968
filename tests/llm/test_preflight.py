"""Preflight through the front door: compiled from run.yaml, asked of the simulator, reported whatever is found."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main
from attractor.runtime.agent.profiles import tools_of
from attractor.runtime.preflight.local import looked_for
from attractor.runtime.schema import complaint

from .talking import CANARY, KEYS, MODELS

AGENT = 'a [prompt="do it"]\nstart -> a -> exit'
ONE_SHOT = 'a [prompt="do it", agent_mode=one_shot]\nstart -> a -> exit'
QUICK = "preflight: {prompt_probes: {timeout_ms: 5000, retries: 1, base_delay_ms: 10, max_delay_ms: 20%s}}\n"
NAMED = QUICK % ", transports: [complete, stream]"


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def report(self) -> Any:
        document = json.loads((self.folder / "preflight_report.json").read_text())
        assert "" == complaint("preflight_report", document)
        return document

    @property
    def statuses(self) -> dict[str, list[str]]:
        """What was found: the names of checks by status, of probes with mode and transport."""
        found: dict[str, list[str]] = {}
        for check in self.report["checks"]:
            how = " ".join(part for part in (check["subject"], check["mode"], check["transport"]) if part)
            found.setdefault(check["status"], []).append(f"{check['name']} {how}")
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "progress.ndjson").read_text().splitlines()]


class Machine:
    """A pipeline whose providers are at the simulator, each at a path of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def compile(self, body: str = ONE_SHOT, more: str = QUICK % "", **failover: str) -> str:
        failover = failover or {"anthropic": "[]"}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        head = "digraph p { start [shape=Mdiamond]\nexit [shape=Msquare]\n"
        (home / "p.dot").write_text(f"{head}{body}\n}}\n")
        providers = "".join(
            f'    {key}: {{failover: {targets}, api: {{base_url: "{self.url}/{key}"}}}}\n'
            for key, targets in failover.items()
        )
        (home / "run.yaml").write_text(
            f"version: 1\ngraph: p.dot\nworkspace: {{mode: directory}}\n{more}"
            f"llm:\n  defaults: {{provider: {next(iter(failover))}}}\n  providers:\n{providers}"
        )
        stderr = io.StringIO()
        assert 0 == main(["compile", "-q", str(home / "run.yaml")], io.StringIO(), stderr), stderr.getvalue()
        return str(home / "p.plan.json")

    def exec(self, plan: str, *arguments: str) -> Done:
        stdout, stderr, folder = io.StringIO(), io.StringIO(), self.folder / "run"
        code = main(["exec", plan, "--run-dir", str(folder), *arguments], stdout, stderr)
        return Done(code, stdout.getvalue(), stderr.getvalue(), folder)

    def look(self, body: str = ONE_SHOT, more: str = QUICK % "", **failover: str) -> Done:
        return self.exec(self.compile(body, more, **failover), "--preflight-only")


@pytest.fixture
def machine(simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    return Machine(tmp_path, simulator.url)


def test_every_model_is_asked_in_both_ways_and_nothing_is_run(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})

    done = machine.look(anthropic="[zai]", zai="[]")

    assert 0 == done.code, done.stdout
    assert {
        "pass": [
            "key ANTHROPIC_API_KEY",
            "key ZAI_API_KEY",
            *(
                f"probe {key} {model} one_shot {transport}"
                for key, model in (("anthropic", MODELS["anthropic"]), ("zai", MODELS["zai"]))
                for transport in ("complete", "stream")
            ),
        ]
    } == done.statuses
    assert [False, False, True, True] == sorted(request.stream for request in simulator.requests)
    assert ["preflight_report.json"] == [path.name for path in done.folder.iterdir()]


def test_an_agents_probe_carries_the_tools_of_its_profile(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})

    machine.look(AGENT, anthropic="[openai]", openai="[]")

    sent = {
        (request.protocol, request.stream): sorted(tool["name"] for tool in request.body["tools"])
        for request in simulator.requests
    }
    assert {
        (protocol, stream): sorted([*(tool.name for tool in tools_of(family)), "report_outcome"])
        for protocol, family in (("anthropic_messages", "anthropic"), ("openai_responses", "openai"))
        for stream in (False, True)
    } == sent


def test_three_dead_providers_are_named_at_once_with_status_host_and_what_to_do(
    simulator: Any, machine: Machine
) -> None:
    simulator.script(
        {"match": {"path": "/anthropic"}, "error": {"kind": "authentication"}, "repeat": "always"},
        {"match": {"path": "/openai"}, "error": {"kind": "quota"}, "repeat": "always"},
        {"match": {"path": "/zai"}, "error": {"kind": "overloaded"}, "repeat": "always"},
    )
    plan = machine.compile(ONE_SHOT, NAMED, anthropic="[openai, zai]", openai="[]", zai="[]")

    done = machine.exec(plan)

    host = machine.url.removeprefix("http://")
    assert 3 == done.code
    for provider, status, advice in (
        ("anthropic", 401, "check the key in ANTHROPIC_API_KEY"),
        ("openai", 429, "top the account up"),
        ("zai", 503, "begin the run later"),
    ):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"fail  probe {provider} ")]
        assert 2 == len(lines)
        assert all(f"HTTP {status} from {host}: " in line and advice in line for line in lines), lines
    assert "preflight failed: 3 pass, 6 fail" in done.stdout
    assert ["preflight_finished", "run_failed"] == [event["event"] for event in done.events]
    assert (False, 6) == (done.events[0]["passed"], len(done.events[0]["failures"]))
    assert 0 == json.loads((done.folder / "final.json").read_text())["usage"]["llm_calls"]


def test_a_stream_that_fails_is_a_warning_unless_run_yaml_names_its_transports(
    simulator: Any, machine: Machine
) -> None:
    simulator.script({"match": {"stream": True}, "error": {"kind": "invalid_request"}, "repeat": "always"},
                     otherwise={"text": "OK"})  # fmt: skip

    done = machine.look()

    assert 0 == done.code
    assert [f"probe anthropic {MODELS['anthropic']} one_shot stream"] == done.statuses["warn"]
    assert "name them to make it a failure" in done.stdout


def test_a_stream_that_fails_is_a_failure_when_transports_were_named(simulator: Any, machine: Machine) -> None:
    simulator.script({"match": {"stream": True}, "error": {"kind": "invalid_request"}, "repeat": "always"},
                     otherwise={"text": "OK"})  # fmt: skip

    done = machine.look(ONE_SHOT, NAMED)

    assert 3 == done.code
    assert [f"probe anthropic {MODELS['anthropic']} one_shot stream"] == done.statuses["fail"]


def test_what_passes_is_tried_again_and_what_stays_is_not(simulator: Any, machine: Machine) -> None:
    simulator.script(
        {"match": {"stream": False}, "error": {"kind": "overloaded"}},
        {"match": {"stream": True}, "error": {"kind": "authentication"}, "repeat": "always"},
        otherwise={"text": "OK"},
    )

    done = machine.look()

    attempts = {check["transport"]: (check["attempts"], check["status"]) for check in done.report["checks"][1:]}
    assert {"complete": (2, "pass"), "stream": (1, "warn")} == attempts


def test_what_the_probes_spend_is_told_and_does_not_count_as_the_runs(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK", "usage": {"input": 1000, "output": 10}})
    more = QUICK % "" + "limits: {max_llm_calls: 1}\n"

    done = machine.exec(machine.compile(ONE_SHOT, more))

    assert 0 == done.code, done.stdout
    usage = done.report["usage"]
    assert (2, 2000, 20) == (usage["llm_calls"], usage["input_tokens"], usage["output_tokens"])
    assert usage["cost_usd"] > 0
    assert 1 == json.loads((done.folder / "final.json").read_text())["usage"]["llm_calls"]


def test_a_missing_key_is_named_and_its_provider_is_not_asked(
    simulator: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.script(otherwise={"text": "OK"})
    monkeypatch.delenv("ZAI_API_KEY")

    done = machine.look(anthropic="[zai]", zai="[]")

    assert 3 == done.code
    assert ["key ZAI_API_KEY"] == done.statuses["fail"]
    assert {"probe zai glm-4.7 one_shot complete", "probe zai glm-4.7 one_shot stream"} == set(done.statuses["skip"])
    assert "does not have ZAI_API_KEY (provider zai); export it before the run" in done.stdout
    assert {"anthropic_messages"} == {request.protocol for request in simulator.requests}


def test_nobody_is_asked_when_probes_are_switched_off(simulator: Any, machine: Machine) -> None:
    done = machine.look(ONE_SHOT, "preflight: {prompt_probes: {enabled: false}}\n")

    assert 0 == done.code
    assert ["probe anthropic"] == done.statuses["skip"]
    assert [] == simulator.requests


@pytest.mark.parametrize("arguments", [["--skip-preflight"], ["--simulate"]])
def test_a_run_may_go_without(simulator: Any, machine: Machine, arguments: list[str]) -> None:
    simulator.script(otherwise={"text": "done"})

    done = machine.exec(machine.compile(), *arguments)

    assert 0 == done.code, done.stdout
    assert not (done.folder / "preflight_report.json").exists()
    assert "preflight_finished" not in [event["event"] for event in done.events]


def test_what_excludes_each_other_is_refused(machine: Machine) -> None:
    assert 2 == machine.exec(machine.compile(), "--preflight-only", "--simulate").code


def test_the_report_is_json_on_request(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})

    done = machine.exec(machine.compile(), "--preflight-only", "--json")

    assert done.report == json.loads(done.stdout)


def test_a_child_pipelines_models_are_asked_too(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})
    (machine.folder / "home").mkdir()
    (machine.folder / "home" / "child.dot").write_text(
        "digraph c { start [shape=Mdiamond] a [prompt=x, agent_mode=one_shot] exit [shape=Msquare] start -> a -> exit }"
    )

    done = machine.look('stack.child_dotfile="child.dot"\nboss [shape=house]\nstart -> boss -> exit')

    assert 0 == done.code, done.stdout
    assert 2 == sum(check["name"] == "probe" for check in done.report["checks"])


def test_what_a_child_shares_with_its_parent_is_asked_once(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})
    (machine.folder / "home").mkdir()
    (machine.folder / "home" / "child.dot").write_text(
        "digraph c { start [shape=Mdiamond] a [prompt=x, agent_mode=one_shot] exit [shape=Msquare] start -> a -> exit }"
    )
    both = 'stack.child_dotfile="child.dot"\nboss [shape=house]\na [prompt=x, agent_mode=one_shot]\n'

    done = machine.look(f"{both}start -> a -> boss -> exit")

    assert 0 == done.code, done.stdout
    assert 2 == len(simulator.requests)
    assert {"pass"} == set(done.statuses)


def test_no_key_is_in_what_preflight_leaves(simulator: Any, machine: Machine) -> None:
    simulator.script(
        otherwise={"error": {"kind": "authentication", "message": f"bad key {KEYS['ANTHROPIC_API_KEY']} in {CANARY}-a"}}
    )

    done = machine.exec(machine.compile())

    left = [path.read_text() for path in done.folder.rglob("*") if path.is_file()]
    assert 3 == done.code
    assert [] == [text for text in (done.stdout, done.stderr, *left) if CANARY in text]


def test_an_address_that_nobody_listens_on_is_named(machine: Machine) -> None:
    machine.url = "http://127.0.0.1:9"

    done = machine.look()

    assert 3 == done.code
    assert "no answer from 127.0.0.1:9: " in done.stdout
    assert "check base_url" in done.stdout


def test_a_program_that_a_provider_needs_is_looked_for(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "p.dot").write_text(f"digraph p {{ start [shape=Mdiamond]\nexit [shape=Msquare]\n{AGENT} }}\n")
    (home / "run.yaml").write_text(
        "version: 1\ngraph: p.dot\nworkspace: {mode: directory}\nllm:\n  defaults: {provider: anthropic}\n"
        "  providers: {anthropic: {backend: cli, failover: []}}\n"
    )
    main(["compile", "-q", str(home / "run.yaml")], io.StringIO(), io.StringIO())
    monkeypatch.setenv("PATH", str(tmp_path))

    done = machine.exec(str(home / "p.plan.json"), "--preflight-only")

    assert 3 == done.code
    assert ["executable claude"] == done.statuses["fail"]
    assert "provider anthropic is answered by it (backend: cli)" in done.stdout


SETUP = {
    "command -v cargo": [("cargo", True)],
    "command -v cargo >/dev/null && command -v wasm-pack > /dev/null 2>&1": [("cargo", True), ("wasm-pack", True)],
    "command -v wasm-pack >/dev/null 2>&1 || cargo install wasm-pack": [("wasm-pack", False)],
    "command -v node || { echo 'install node' >&2; exit 1; }": [("node", True)],
    "command -v node || exit 3": [("node", True)],
    "command -v podman || command -v docker": [("podman", False), ("docker", False)],
    "if command -v nvm; then nvm use; fi": [("nvm", False)],
    "! command -v python2": [("python2", False)],
    "set -e\ncommand -v go\necho ready": [("go", False)],
    "echo 'command' -v none": [],
}


@pytest.mark.parametrize("command", SETUP)
def test_the_toolchains_of_setup_are_known(command: str) -> None:
    assert SETUP[command] == list(looked_for(command))


def test_a_toolchain_that_setup_needs_is_missing_before_anything_is_spent(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})
    commands = ["command -v sh", "command -v no-such-cargo", "command -v no-such-node || true"]

    done = machine.look(ONE_SHOT, f"setup: {{commands: {json.dumps(commands)}}}\n" + QUICK % "")

    assert 3 == done.code
    assert ["toolchain no-such-cargo"] == done.statuses["fail"]
    assert ["toolchain no-such-node"] == done.statuses["warn"]
    assert "toolchain sh" in done.statuses["pass"]
    assert "there is no 'no-such-cargo' on the PATH, and setup command 2 needs it; install it" in done.stdout


@pytest.mark.flaky(reruns=3)
def test_probes_are_made_at_once(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK", "delivery": {"silence": {"after_events": 1, "s": 0.5}}})

    done = machine.look(anthropic="[openai, zai]", openai="[]", zai="[]")

    assert 0 == done.code, done.stdout
    took_s = sum(check["duration_ms"] for check in done.report["checks"]) / 1000
    started, finished = (
        time.strptime(done.report[f"{word}_at"][:19], "%Y-%m-%dT%H:%M:%S") for word in ("started", "finished")
    )
    assert time.mktime(finished) - time.mktime(started) < took_s


@pytest.mark.flaky(reruns=3)
def test_a_signal_ends_preflight_at_once(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"delivery": {"silence": {"after_events": 1, "s": 20}}})
    folder = machine.folder / "run"
    command = [sys.executable, "-m", "attractor.cli.main", "exec", machine.compile(), "--run-dir", str(folder)]
    with subprocess.Popen(
        command, env={**os.environ, **KEYS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline_s = time.monotonic() + 20
        while not simulator.requests and time.monotonic() < deadline_s:
            time.sleep(0.02)
        sent_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        took_s = time.monotonic() - sent_s

    assert 143 == process.returncode
    assert took_s < 3
    done = Done(143, "", "", folder)
    assert {"skip"} == {check["status"] for check in done.report["checks"] if check["name"] == "probe"}
    assert "run_canceled" == done.events[-1]["event"]


PAGE = (Path(__file__).parents[2] / "docs" / "preflight.md").read_text("utf-8")


def test_the_page_shows_what_preflight_says(simulator: Any, machine: Machine) -> None:
    simulator.script(
        {"match": {"path": "/anthropic"}, "error": {"kind": "authentication"}, "repeat": "always"},
        {"match": {"path": "/openai"}, "error": {"kind": "quota"}, "repeat": "always"},
        {"match": {"path": "/zai"}, "error": {"kind": "overloaded"}, "repeat": "always"},
    )

    done = machine.look(ONE_SHOT, QUICK % ", transports: [complete]", anthropic="[openai, zai]", openai="[]", zai="[]")

    said = done.stdout.replace(machine.url.removeprefix("http://"), "127.0.0.1:8080").rpartition("/run/")[0]
    assert f"```text\n{said.rpartition(chr(10))[0]}\n" in PAGE


def test_the_settings_on_the_page_are_the_built_in_ones(simulator: Any, machine: Machine) -> None:
    written = PAGE.partition("```yaml\n")[2].partition("```")[0]

    plan = json.loads(Path(machine.compile(ONE_SHOT, written)).read_text())

    settings = {key: plan["preflight"][key] for key in ("timeout_ms", "retries", "base_delay_ms", "max_delay_ms")}
    assert {"timeout_ms": 30000, "retries": 2, "base_delay_ms": 500, "max_delay_ms": 5000} == settings
