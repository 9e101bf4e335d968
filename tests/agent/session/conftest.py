"""Agent stages through the front door: compiled from run.yaml, executed against the provider simulator."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main

from ...llm.conftest import no_thread_of_the_client_is_left, simulator
from ...llm.talking import KEYS

__all__ = ["no_thread_of_the_client_is_left", "simulator"]

YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: anthropic}
  providers:
    anthropic: {failover: [TARGET]}
    zai: {failover: []}
    openai: {failover: []}
    google: {failover: []}
runtime_policy: {POLICY, max_llm_retries: 1, llm_backoff: {base_ms: 1, jitter: false}}
"""
AGENT = 'a [prompt="Say hello."]\nstart -> a -> exit'


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str
    folder: Path
    home: Path

    @property
    def stage(self) -> Path:
        return self.folder / "stages/a/1-1"

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def told(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / "progress.ndjson").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def session(self, *kinds: str, stage: str = "a/1-1") -> list[Any]:
        """Return the facts of a session's events of these kinds; of all, as (kind, facts), without any."""
        lines = (self.folder / "stages" / stage / "events.ndjson").read_text().splitlines()
        events = list(map(json.loads, lines))
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["data"] for event in events if event["kind"] in kinds] if kinds else events

    @property
    def outcome(self) -> tuple[str, str, str]:
        """Status, class and reason of the last attempt that finished."""
        event = self.told("stage_attempt_finished")[-1]
        return event["status"], event["failure_class"], event["reason"]


class Stage:
    """A pipeline in a folder, its providers at the simulator."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()

    def compile(
        self,
        body: str = AGENT,
        *,
        yaml: str = "",
        graph: str = "",
        policy: str = "stage_timeout_ms: 0",
        failover: str = "zai",
    ) -> str:
        """Return the plan; `graph` are statements before the body, `policy` and `failover` parts of run.yaml."""
        head = f'digraph p {{ graph [goal="the world"]\n{graph}\nstart [shape=Mdiamond]\nexit [shape=Msquare]\n'
        (self.home / "p.dot").write_text(f"{head}{body}\n}}\n")
        written = YAML.replace("POLICY", policy).replace("TARGET", failover)
        (self.home / "run.yaml").write_text(written + yaml)
        places = [
            word
            for key in ("anthropic", "zai", "openai", "google")
            for word in ("--set", f"llm.providers.{key}.api.base_url={self.url}/{key}")
        ]
        stderr = io.StringIO()
        code = main(["compile", "-q", str(self.home / "run.yaml"), *places], io.StringIO(), stderr)
        assert 0 == code, stderr.getvalue()
        return str(self.home / "p.plan.json")

    def exec(self, plan: str) -> Done:
        stdout, stderr = io.StringIO(), io.StringIO()
        code = main(["exec", "--skip-preflight", plan, "--run-dir", str(self.folder / "run")], stdout, stderr)
        return Done(code, stdout.getvalue(), stderr.getvalue(), self.folder / "run", self.home)

    def run(self, body: str = AGENT, **settings: str) -> Done:
        return self.exec(self.compile(body, **settings))


@pytest.fixture
def stage(simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    yield Stage(tmp_path, simulator.url)
    for request in simulator.requests:
        assert [] == unpaired(request.body)


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def turn(*calls: Mapping[str, Any], text: str = "", **more: Any) -> dict[str, Any]:
    return ({"text": text} if text else {}) | ({"tool_calls": list(calls)} if calls else {}) | more


def report(status: str = "success", **more: Any) -> dict[str, Any]:
    return call("report_outcome", status=status, **more)


def results_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results that the last message of an Anthropic request holds."""
    return [block for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]


def unpaired(body: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the pairing in a request's body, of whatever protocol."""
    asked, answered = list(_calls(body)), list(_results(body))
    wrong = [f"asked {asked}, answered {answered}"] if asked != answered else []
    return wrong + ([f"ids used twice: {asked}"] if len(set(asked)) != len(asked) and "contents" not in body else [])


def _calls(body: Mapping[str, Any]) -> Iterator[str]:
    for message in body.get("messages", ()):
        yield from (call["id"] for call in message.get("tool_calls") or ())
        yield from (block["id"] for block in _blocks(message) if block.get("type") == "tool_use")
    yield from (item["call_id"] for item in body.get("input", ()) if item.get("type") == "function_call")
    for content in body.get("contents", ()):
        yield from (part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part)


def _results(body: Mapping[str, Any]) -> Iterator[str]:
    for message in body.get("messages", ()):
        if message["role"] == "tool":
            yield message["tool_call_id"]
        yield from (block["tool_use_id"] for block in _blocks(message) if block.get("type") == "tool_result")
    yield from (item["call_id"] for item in body.get("input", ()) if item.get("type") == "function_call_output")
    for content in body.get("contents", ()):
        yield from (part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part)


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []
