"""Stages of one call, through the front door: compiled from run.yaml, executed against the simulator."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main

from .talking import KEYS, MODELS, asked, at

YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: anthropic}
  providers:
    anthropic: {failover: [zai]}
    zai: {failover: []}
    local:
      failover: []
      default_model: tiny
      api: {protocol: openai_chat_completions, base_url: "http://127.0.0.1:1", api_key_env: ""}
runtime_policy: {max_llm_retries: 1, llm_backoff: {base_ms: 1, jitter: false}}
"""
ONE = 'a [prompt="Say hello to $goal", agent_mode=one_shot]\nstart -> a -> exit'


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def stage(self) -> Path:
        return self.folder / "stages/a/1-1"

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def told(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / "progress.ndjson").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]


class Stage:
    """A pipeline in a folder, its providers at the simulator."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def compile(self, body: str, yaml: str = "") -> str:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        head = 'digraph p { graph [goal="the world"]\nstart [shape=Mdiamond]\nexit [shape=Msquare]\n'
        (home / "p.dot").write_text(f"{head}{body}\n}}\n")
        (home / "run.yaml").write_text(YAML + yaml)
        places = [
            word
            for key in ("anthropic", "zai", "local")
            for word in ("--set", f"llm.providers.{key}.api.base_url={self.url}/{key}")
        ]
        stderr = io.StringIO()
        assert 0 == main(["compile", "-q", str(home / "run.yaml"), *places], io.StringIO(), stderr), stderr.getvalue()
        return str(home / "p.plan.json")

    def exec(self, plan: str) -> Done:
        stdout, stderr = io.StringIO(), io.StringIO()
        code = main(["exec", plan, "--skip-preflight", "--run-dir", str(self.folder / "run")], stdout, stderr)
        return Done(code, stdout.getvalue(), stderr.getvalue(), self.folder / "run")

    def run(self, body: str = ONE, yaml: str = "") -> Done:
        return self.exec(self.compile(body, yaml))


@pytest.fixture
def stage(simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    return Stage(tmp_path, simulator.url)


def report(**arguments: Any) -> dict[str, Any]:
    return {"name": "report_outcome", "arguments": arguments}


def test_a_text_is_a_success_and_everything_is_on_record(simulator: Any, stage: Stage) -> None:
    usage = {"input": 1000, "output": 10, "cache_read": 200}
    simulator.script({"text": ["Hello, ", "world"], "thinking": "hm", "signature": "S", "usage": usage})

    done = stage.run(ONE.replace("one_shot", 'one_shot, reasoning_effort="low", max_tokens=3000'))

    assert (0, "") == (done.code, done.stderr)
    cost = (800 * 5.0 + 200 * 0.5 + 10 * 25.0) / 1_000_000
    assert "Hello, world\n" == (done.stage / "response.md").read_text()
    prompt = (done.stage / "prompt.md").read_text()
    assert "Say hello to the world" in prompt
    assert "ATTRACTOR_STATUS_PATH" not in prompt
    (request,) = simulator.requests
    assert "/anthropic/v1/messages" == request.path
    assert (MODELS["anthropic"], True, 3000, ["report_outcome"]) == (
        request.body["model"], request.body["stream"], request.body["max_tokens"],
        [tool["name"] for tool in request.body["tools"]],
    )  # fmt: skip
    assert prompt == request.body["messages"][0]["content"][0]["text"]
    assert request.body == done.read("stages/a/1-1/request-1.json")["body"]
    assert "end_turn" == done.read("stages/a/1-1/response-1.json")["finish_raw"]
    used = done.read("stages/a/1-1/provider_used.json")
    (attempt,) = used.pop("attempts")
    assert {
        "provider": "anthropic", "model": MODELS["anthropic"], "mode": "one_shot", "backend": "api", "failovers": 0
    } == used  # fmt: skip
    assert ("", "stop", 1000, 10, 200, pytest.approx(cost)) == (
        attempt["error"], attempt["finish_reason"], attempt["input_tokens"], attempt["output_tokens"],
        attempt["cache_read_tokens"], attempt["cost_usd"],
    )  # fmt: skip
    final = done.read("final.json")
    assert ("success", 1, 1000, pytest.approx(cost)) == (
        final["status"], final["usage"]["llm_calls"], final["usage"]["input_tokens"], final["cost_usd"]
    )  # fmt: skip
    assert "Hello, world" == done.read("checkpoint.json")["context"]["last_response"]
    assert [1, 1] == [len(done.told(name)) for name in ("llm_request", "llm_response")]
    events = [json.loads(line) for line in (done.stage / "events.ndjson").read_text().splitlines()]
    assert [
        "SESSION_START", "USER_INPUT", "LLM_REQUEST", "LLM_RESPONSE", "ASSISTANT_TEXT_END", "SESSION_END"
    ] == [event["kind"] for event in events]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "status", "failure_class", "reason"),
    [
        pytest.param({"tool_calls": [report(status="success", notes="n")]}, "success", "", "", id="a report"),
        pytest.param(
            {"text": "fine", "tool_calls": [report(status="fail", failure_reason="no oil")]},
            "fail", "deterministic", "no oil", id="a report counts more than text",
        ),
        pytest.param(
            {"tool_calls": [report(status="fail", failure_reason="no net", failure_class="transient_infra")]},
            "fail", "transient_infra", "no net", id="its class counts",
        ),
        pytest.param(
            {"tool_calls": [report(status="fail"), report(status="success")]},
            "success", "", "", id="the last report counts",
        ),
        pytest.param(
            {"tool_calls": [{"name": "report_outcome", "raw": '{"status": "succ', "shape": "invalid_json"}]},
            "fail", "deterministic", "the model called report_outcome with malformed arguments", id="a broken report",
        ),
        pytest.param(
            {"tool_calls": [report(status=7)]}, "fail", "deterministic",
            "the model called report_outcome with invalid arguments: status: 7 is not", id="a wrong report",
        ),
        pytest.param(
            {"tool_calls": [report(status="splendid")]}, "fail", "deterministic",
            "unexpected outcome word 'splendid'", id="an unknown word",
        ),
        pytest.param(
            {"tool_calls": [{"name": "shell", "arguments": {}}]}, "fail", "deterministic",
            "the model called shell, a tool that it does not have", id="another tool",
        ),
        pytest.param(
            {"text": "I can", "finish": "content_filter"}, "fail", "deterministic",
            "the model refused to answer", id="a refusal",
        ),
        pytest.param(
            {"text": "I ca", "finish": "length"}, "fail", "budget_exhausted",
            "the model was cut off at its output limit; raise max_tokens", id="cut off",
        ),
        pytest.param({"text": ""}, "fail", "transient_infra", "the model said nothing at all", id="nothing"),
        pytest.param({"text": "I", "finish": "pause"}, "fail", "transient_infra", "the model ended early", id="pause"),
    ],
)  # fmt: skip
def test_what_comes_back_decides_how_the_stage_ends(
    simulator: Any, stage: Stage, answer: Mapping[str, Any], status: str, failure_class: str, reason: str
) -> None:
    simulator.script(answer)

    done = stage.run()

    (event,) = done.told("stage_attempt_finished")
    assert (status, failure_class) == (event["status"], event["failure_class"])
    assert event["reason"].startswith(reason)
    assert 1 == len(simulator.requests)


def test_a_failover_is_on_record_with_every_attempt(simulator: Any, stage: Stage) -> None:
    simulator.script(at("anthropic", {"error": {"kind": "overloaded"}}, "always"), at("zai", {"text": "here"}))

    done = stage.run()

    assert 0 == done.code
    used = done.read("stages/a/1-1/provider_used.json")
    assert ("zai", "glm-4.7", 1) == (used["provider"], used["model"], used["failovers"])
    assert [(1, "anthropic", "overloaded", 529), (2, "anthropic", "overloaded", 529), (3, "zai", "", 0)] == [
        (each["request"], each["provider"], each["error"], each["status"]) for each in used["attempts"]
    ]
    assert "error" in done.read("stages/a/1-1/response-2.json")
    assert [("anthropic", "zai", "glm-4.7")] == [
        (event["from_provider"], event["to_provider"], event["to_model"]) for event in done.told("llm_failover")
    ]
    assert [1] == [event["delay_ms"] for event in done.told("llm_retry")]


def test_a_failure_is_on_record_with_every_attempt_too(simulator: Any, stage: Stage) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})

    done = stage.run()

    assert 1 == done.code
    used = done.read("stages/a/1-1/provider_used.json")
    assert ["anthropic", "anthropic", "zai", "zai"] == [each["provider"] for each in used["attempts"]]
    assert "zai" == used["provider"]
    status = done.read("stages/a/1-1/status.json")
    assert ("fail", "transient_infra") == (status["status"], status["failure_class"])
    assert "no failover left after anthropic (claude-opus-4-6), zai (glm-4.7)" in status["failure_reason"]
    assert "a|transient_infra|server_error zai glm-<n> server_error" == status["failure_signature"]
    assert 4 == done.read("final.json")["usage"]["llm_calls"]


def test_further_attempts_of_a_stage_stay_with_whom_the_last_one_went_to(simulator: Any, stage: Stage) -> None:
    simulator.script(
        at("anthropic", {"error": {"kind": "quota"}}, "always"),
        at("zai", {"tool_calls": [report(status="retry", failure_reason="again")]}),
        at("zai", {"text": "done"}),
    )

    done = stage.run(ONE.replace("one_shot", "one_shot, max_retries=1"), "")

    assert 0 == done.code
    assert ["anthropic", "zai", "zai"] == [provider for provider, _ in asked(simulator)]
    assert 1 == done.read("stages/a/1-2/provider_used.json")["failovers"]


def test_an_attempt_after_nobody_answered_begins_again_with_the_nodes_own_model(simulator: Any, stage: Stage) -> None:
    simulator.script(
        at("anthropic", {"error": {"kind": "overloaded"}}, 2),
        at("zai", {"error": {"kind": "overloaded"}}, 2),
        at("anthropic", {"text": "back"}),
    )

    done = stage.run(ONE.replace("one_shot", "one_shot, max_retries=1"), "")

    assert 0 == done.code
    assert ["anthropic", "anthropic", "zai", "zai", "anthropic"] == [provider for provider, _ in asked(simulator)]


def test_a_server_without_a_key_is_asked_without_one(simulator: Any, stage: Stage) -> None:
    simulator.script({"text": "yes"})

    done = stage.run(ONE.replace("one_shot", "one_shot, llm_provider=local"))

    assert 0 == done.code
    assert "authorization" not in simulator.requests[0].headers
    assert "/local/v1/chat/completions" == simulator.requests[0].path
    assert done.read("final.json")["cost_usd"] is None


def test_a_missing_key_fails_the_stage_before_any_request(
    simulator: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZAI_API_KEY")

    done = stage.run()

    assert 1 == done.code
    (event,) = done.told("stage_attempt_finished")
    assert ("fail", "deterministic", "no key: the environment does not have ZAI_API_KEY (provider zai)") == (
        event["status"], event["failure_class"], event["reason"]
    )  # fmt: skip
    assert [] == simulator.requests
    assert [] == done.read("stages/a/1-1/provider_used.json")["attempts"]


def test_a_limit_reached_inside_a_stage_ends_the_run(simulator: Any, stage: Stage) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})
    body = 'a [prompt="do", agent_mode=one_shot]\nstart -> a; a -> exit [condition="outcome=success"]; a -> b\n'
    body += 'b [shape=parallelogram, tool_command="true"]; b -> exit'

    done = stage.run(body, "limits: {max_llm_calls: 3}\n")

    reason = "limit reached: max_llm_calls is 3, used 3; raise limits.max_llm_calls in run.yaml to allow more"
    assert (1, 3) == (done.code, len(simulator.requests))
    assert [("max_llm_calls", 3, reason)] == [
        (event["limit_name"], event["value"], event["reason"]) for event in done.told("limit_reached")
    ]
    final = done.read("final.json")
    assert ("fail", "budget_exhausted", reason) == (final["status"], final["failure_class"], final["reason"])
    assert not (done.folder / "stages/b").exists()


@pytest.mark.flaky(reruns=3)
def test_the_stages_timeout_bounds_its_calls(simulator: Any, stage: Stage) -> None:
    simulator.script(
        {"text": "x", "delivery": {"pings": {"form": "event", "after_events": 1, "times": 300, "every_ms": 20}}}
    )

    started_s = time.monotonic()
    done = stage.run(ONE.replace("one_shot", 'one_shot, timeout="300ms"'))

    assert time.monotonic() - started_s < 3
    (event,) = done.told("stage_attempt_finished")
    assert ("transient_infra", "timed out after 0.3 s (timeout of 'a')") == (event["failure_class"], event["reason"])
    assert 1 == len(simulator.requests)


def _process(plan: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "attractor.cli.main", "exec", plan, "--skip-preflight", "--run-dir", str(folder)],
        env={**os.environ, **KEYS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_process_of_its_own_does_the_same(simulator: Any, stage: Stage) -> None:
    simulator.script({"text": "hello"})
    with _process(stage.compile(ONE), stage.folder / "run") as process:
        stdout, stderr = process.communicate(timeout=30)

    assert (0, "") == (process.returncode, stderr)
    assert stdout.splitlines()[-1].startswith("success: ")


@pytest.mark.flaky(reruns=3)
def test_a_signal_ends_a_call_at_once(simulator: Any, stage: Stage) -> None:
    simulator.script({"delivery": {"silence": {"after_events": 1, "s": 20}}})
    with _process(stage.compile(ONE), stage.folder / "run") as process:
        deadline_s = time.monotonic() + 20
        while not simulator.requests and time.monotonic() < deadline_s:
            time.sleep(0.02)
        time.sleep(0.1)
        sent_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        took_s = time.monotonic() - sent_s

    assert 143 == process.returncode
    assert took_s < 1.5
    assert "canceled" == json.loads((stage.folder / "run/final.json").read_text())["status"]
