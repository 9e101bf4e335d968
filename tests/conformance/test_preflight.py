"""Behaviours 13 to 16: preflight asks what the run will ask, reports all of it, and comes before everything else."""

import json
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.agent.profiles import tools_of

from ..llm.talking import KEYS
from ..llm.test_preflight import AGENT, NAMED, QUICK, Machine

NO_STREAMS = {"match": {"stream": True}, "error": {"kind": "server_error"}, "repeat": "always"}


@pytest.fixture
def machine(simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    return Machine(tmp_path, simulator.url)


def test_13_failover_targets_are_probed_in_both_ways_with_the_tools_of_the_run(
    simulator: Any, machine: Machine
) -> None:
    simulator.script(otherwise={"text": "OK"})

    done = machine.look(AGENT, kimi="[zai]", zai="[]")

    plan = json.loads((machine.folder / "home/p.plan.json").read_text())
    chain = [
        (each["provider"], each["model"]) for node in plan["nodes"] if "llm" in node for each in node["llm"]["chain"]
    ]
    probes = {
        (*each["subject"].split(" "), each["transport"]) for each in done.report["checks"] if each["name"] == "probe"
    }
    names = {tool.name for tool in tools_of("openai")}
    asked = [
        {tool.get("name") or tool["function"]["name"] for tool in each.body["tools"]} for each in simulator.requests
    ]
    assert 0 == done.code, done.stdout
    both = {(*model, transport) for model in chain for transport in ("complete", "stream")}
    assert both - {("kimi", "kimi-k2.5", "complete")} == probes  # which kimi answers as a stream
    assert {request.protocol for request in simulator.requests} == {"anthropic_messages", "openai_chat_completions"}
    assert all(names <= tools for tools in asked)


@pytest.mark.parametrize(("settings", "code", "status"), [(QUICK % "", 0, "warn"), (NAMED, 3, "fail")])
def test_14_a_failing_stream_warns_unless_transports_were_named(
    simulator: Any, machine: Machine, settings: str, code: int, status: str
) -> None:
    simulator.script(NO_STREAMS, otherwise={"text": "OK"})

    done = machine.look(more=settings, anthropic="[]")

    assert (code, 1) == (done.code, len(done.statuses[status]))


def test_15_a_missing_key_fails_before_there_is_a_worktree(
    simulator: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")

    done = machine.exec(machine.compile())

    assert (3, 1) == (done.code, done.report["summary"]["fail"])
    assert ["key ANTHROPIC_API_KEY"] == done.statuses["fail"]
    assert not (done.folder / "worktree").exists()
    assert [] == simulator.requests


def test_16_kimi_is_streamed_and_given_its_floor_of_tokens_whatever_is_asked(simulator: Any, machine: Machine) -> None:
    simulator.script(otherwise={"text": "OK"})

    machine.look(kimi="[]")

    assert {True} == {each.body["stream"] for each in simulator.requests}
    assert all(each.body["max_tokens"] >= 16_000 for each in simulator.requests)
