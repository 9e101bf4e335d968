"""Behaviours 1 to 4 and 8 to 12: streamed tool arguments, retries, failover, provider names."""

import io
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.main import main
from attractor.runtime.llm import errors
from attractor.runtime.llm.messages import (
    Finish,
    Request,
    ToolCallEnd,
    ToolCallStart,
    ToolDefinition,
    user,
)

from ..llm.talking import asked, at, plan_of, talking

TOOLS = (
    ToolDefinition(name="shell", description="run", parameters={"type": "object", "properties": {}}),
    ToolDefinition(name="glob", description="find", parameters={"type": "object", "properties": {}}),
)
CALL = Request(messages=(user("go"),), tools=TOOLS, max_tokens=200)
POLICY = "{max_llm_retries: 1, llm_backoff: {base_ms: 100, max_ms: 60000, factor: 2.0, jitter: false}}"


def call(shape: str, arguments: dict[str, Any], name: str = "shell") -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "arguments": arguments, "shape": shape}]}


def ask(simulator: Any, tmp_path: Path, *answers: Any) -> Any:
    simulator.script(*answers)
    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[]"}, policy=POLICY)) as talk:
        response = talk.ask(CALL)
    return response, talk


def test_01_an_object_at_the_start_and_again_in_a_delta_is_one_call_with_one_id(simulator: Any, tmp_path: Path) -> None:
    response, talk = ask(simulator, tmp_path, call("start_full_same_delta", {"command": "ls"}))

    (made,) = response.calls
    assert ({"command": "ls"}, Finish.TOOL_CALLS) == (made.arguments, response.finish)
    ends = [each for each in talk.seen.events if isinstance(each, ToolCallStart | ToolCallEnd)]
    assert [made.id, made.id] == [each.id if isinstance(each, ToolCallStart) else each.call.id for each in ends]


@pytest.mark.parametrize("shape", ["deltas_only", "start_null_deltas", "start_empty_deltas"])
def test_02_fragments_are_joined_whatever_the_start_held(simulator: Any, tmp_path: Path, shape: str) -> None:
    response, _ = ask(simulator, tmp_path, call(shape, {"pattern": "*.c"}, "glob"))

    assert [{"pattern": "*.c"}] == [made.arguments for made in response.calls]


@pytest.mark.parametrize(("shape", "arguments"), [("start_only", {"command": "ls"}), ("no_arguments", {})])
def test_03_a_start_alone_is_the_arguments_and_nothing_is_an_empty_object(
    simulator: Any, tmp_path: Path, shape: str, arguments: dict[str, Any]
) -> None:
    response, _ = ask(simulator, tmp_path, call(shape, arguments))

    assert [arguments] == [made.arguments for made in response.calls]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param({"text": "half of it", "delivery": {"terminal": False}}, errors.StreamTruncated, id="truncated"),
        pytest.param(
            {"text": "half of it", "error": {"kind": "overloaded", "in_stream": "event", "after_events": 2}},
            errors.Overloaded, id="an error event",
        ),
    ],
)  # fmt: skip
def test_04_a_stream_that_breaks_off_is_an_error_and_never_a_silent_success(
    simulator: Any, tmp_path: Path, answer: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask(simulator, tmp_path, {**answer, "repeat": "always"})


def test_08_a_provider_that_is_down_is_left_for_the_next_of_its_chain(simulator: Any, tmp_path: Path) -> None:
    simulator.script(
        at("kimi", {"error": {"kind": "server_error"}}, "always"), at("zai", {"text": "found"}, "always")
    )  # fmt: skip
    with talking(plan_of(tmp_path, simulator.url, {"kimi": "[zai]", "zai": "[]"}, policy=POLICY)) as talk:
        assert "found" == talk.ask(CALL).text

    (over,) = talk.told("llm_failover")
    assert ("kimi", "zai", "glm-4.7") == (over["from_provider"], over["to_provider"], over["to_model"])
    assert ["kimi", "kimi", "zai"] == [provider for provider, _ in asked(simulator)]


def test_09_with_an_empty_failover_list_nobody_else_is_asked_and_the_error_says_so(
    simulator: Any, tmp_path: Path
) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"kimi": "[]", "zai": "[]"}, policy=POLICY)
    with talking(plan) as talk, pytest.raises(errors.ServerError, match=r"no failover: run.yaml sets failover: \[\]"):
        talk.ask(CALL)

    assert {"kimi"} == {provider for provider, _ in asked(simulator)}


@pytest.mark.parametrize(
    ("written", "says"), [("null", "implicit"), ("[]", "none"), ("[zai]", "listed")], ids=["null", "empty", "a list"]
)
def test_10_null_is_as_if_omitted_and_an_empty_list_is_an_answer(tmp_path: Path, written: str, says: str) -> None:
    plan = plan_of(tmp_path, "http://127.0.0.1:9", {"kimi": written, "zai": "[]"})

    assert says == plan.providers["kimi"].failover


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("authentication", errors.Authentication),  # 401
        ("invalid_request", errors.InvalidRequest),  # 400
        ("request_too_large", errors.ContextLength),  # 413
        ("context_length", errors.ContextLength),
    ],
)
def test_11_what_asking_again_cannot_cure_is_returned_at_once(
    simulator: Any, tmp_path: Path, kind: str, error: type[Exception]
) -> None:
    simulator.script({"error": {"kind": kind}, "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"}, policy=POLICY)
    with talking(plan) as talk, pytest.raises(error):
        talk.ask(CALL)

    assert (1, [], []) == (len(simulator.requests), talk.told("llm_retry"), talk.told("llm_failover"))


def test_11_a_rate_limit_is_tried_again_after_the_wait_that_was_asked_for(simulator: Any, tmp_path: Path) -> None:
    limited = {"error": {"kind": "rate_limit", "retry_after": {"dialect": "seconds", "s": 1}}}
    response, talk = ask(simulator, tmp_path, limited, {"text": "found"})

    assert ("found", [1000], 1) == (response.text, talk.waits_ms, len(talk.told("llm_retry")))


def test_11_a_wait_that_is_longer_than_allowed_is_not_made(simulator: Any, tmp_path: Path) -> None:
    limited = {"error": {"kind": "rate_limit", "retry_after": {"dialect": "seconds", "s": 7200}}}
    with pytest.raises(errors.RateLimit, match="it asks to wait 7200 s"):
        ask(simulator, tmp_path, limited, {"text": "never"})

    assert 1 == len(simulator.requests)


def test_12_one_provider_under_two_of_its_names_is_an_error_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "p.dot").write_text(
        'digraph p { start [shape=Mdiamond]; exit [shape=Msquare]; a [prompt="x"]; start -> a -> exit }\n'
    )
    (tmp_path / "run.yaml").write_text(
        "version: 1\ngraph: p.dot\nllm:\n  defaults: {provider: zai}\n  providers: {z-ai: {}, zai: {}}\n"
    )
    stderr = io.StringIO()

    assert 1 == main(["compile", "--check", str(tmp_path / "run.yaml")], io.StringIO(), stderr)
    (error,) = [line for line in stderr.getvalue().splitlines() if "error[" in line]
    assert "z-ai" in error
    assert "zai" in error
