"""What gets nowhere ends: exactly when, and with what reason; the tripping round is still in the conversation."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from .conftest import Stage, call, report, results_of, turn


def broken(raw: str = '{"command": "ls"', name: str = "shell") -> dict[str, Any]:
    """A call whose argument text is no JSON."""
    return {"name": name, "raw": raw}


def recorded(stage: Any) -> list[Mapping[str, Any]]:
    lines = (stage / "session.ndjson").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["entry"] == "message"]


def test_the_same_malformed_call_three_times_running_fails_after_exactly_three_requests(
    simulator: Any, stage: Stage
) -> None:
    simulator.script(*(turn(broken()) for _ in range(5)))

    done = stage.run()

    status, failure_class, reason = done.outcome
    assert ("fail", "deterministic") == (status, failure_class)
    assert reason.startswith(
        "the model called shell with the same malformed arguments 3 times running (malformed_tool_call_limit is 3): "
    )
    assert ["/anthropic/v1/messages"] * 3 == [request.path for request in simulator.requests]
    assert [] == done.told("llm_failover") + done.told("stage_retry_scheduled") + done.told("llm_retry")
    assert "tool" == recorded(done.stage)[-1]["role"]
    assert "repeated malformed tool calls" == done.session("ERROR")[0]["kind"]


@pytest.mark.parametrize(
    ("limit", "answers", "requests"),
    [
        pytest.param(2, [turn(broken())] * 3, 2, id="the plan sets the limit"),
        pytest.param(3, [turn(broken(), call("list_dir"))] * 5, 3, id="a good call beside it does not help"),
        pytest.param(
            3, [*[turn(broken())] * 2, turn(call("list_dir")), *[turn(broken())] * 2, turn(report())], 6,
            id="a round without one begins anew",
        ),
        pytest.param(
            3, [*(turn(broken(f'{{"command": "ls {number}"')) for number in range(12))], 10, id="ten different ones",
        ),
    ],
)  # fmt: skip
def test_malformed_calls_are_counted(
    simulator: Any, stage: Stage, limit: int, answers: list[Any], requests: int
) -> None:
    simulator.script(*answers)

    done = stage.run(policy=f"malformed_tool_call_limit: {limit}")

    assert requests == len(simulator.requests)
    assert (done.code == 0) == ("report_outcome" in json.dumps(answers))


def test_the_same_error_three_times_running_fails(simulator: Any, stage: Stage) -> None:
    simulator.script(*(turn(call("read_file", file_path="nowhere.txt")) for _ in range(5)))

    done = stage.run()

    status, failure_class, reason = done.outcome
    assert ("fail", "deterministic") == (status, failure_class)
    assert reason.startswith("every call of the model failed in the same way 3 times running; read_file said: ")
    assert "nowhere.txt" in reason
    assert 3 == len(simulator.requests)


def test_arguments_that_do_not_fit_end_the_same_way(simulator: Any, stage: Stage) -> None:
    simulator.script(*(turn(call("shell")) for _ in range(5)))

    done = stage.run()

    assert "invalid tool arguments for shell" in done.outcome[2]
    assert "'command' is a required property" in results_of(simulator.requests[1].body)[0]["content"]
    assert 3 == len(simulator.requests)


def test_the_same_call_with_the_same_result_is_told_once_and_then_fails(simulator: Any, stage: Stage) -> None:
    simulator.script(*(turn(call("shell", command="echo stuck")) for _ in range(30)))

    done = stage.run()

    assert ("fail", "deterministic") == done.outcome[:2]
    assert (
        "the model kept repeating the same calls (shell) with the same results, after it was told so" == done.outcome[2]
    )
    assert 20 == len(simulator.requests)
    told = [
        number
        for number, request in enumerate(simulator.requests, start=1)
        if any("round in circles" in block.get("text", "") for block in request.body["messages"][-1]["content"])
    ]
    assert [11] == told
    assert 1 == len(done.session("LOOP_DETECTION"))
    content = simulator.requests[10].body["messages"][-1]["content"]
    assert ["tool_result", "text"] == [block["type"] for block in content]


@pytest.mark.parametrize("period", [2, 3])
def test_circles_of_two_and_three_calls_are_seen_too(simulator: Any, stage: Stage, period: int) -> None:
    simulator.script(*(turn(call("shell", command=f"echo {number % period}")) for number in range(10)), turn(report()))

    done = stage.run()

    assert 1 == len(done.session("LOOP_DETECTION"))
    assert ("success", "", "") == done.outcome


def test_a_poll_whose_results_change_is_no_circle(simulator: Any, stage: Stage) -> None:
    tick = "echo x >>n; wc -l <n"
    simulator.script(*(turn(call("shell", command=tick)) for _ in range(15)), turn(report()))

    done = stage.run()

    assert ("success", "", "") == done.outcome
    assert [] == done.session("LOOP_DETECTION")
