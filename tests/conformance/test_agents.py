"""Behaviours 5 to 7 and 17: malformed tool calls, turn limits, command timeouts of agents."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ..agent.session.conftest import Stage, call, report, results_of, stage, turn

__all__ = ["stage"]

BROKEN = {"name": "shell", "raw": '{"command": "ls', "shape": "invalid_json"}


def test_05_a_malformed_call_and_a_valid_one_each_get_their_result_in_order(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(BROKEN, call("shell", command="echo fine")), turn(report()))

    assert 0 == stage.run().code

    first, second = results_of(simulator.requests[1].body)
    assert (True, True) == (first["is_error"], "invalid tool arguments JSON" in str(first["content"]))
    assert (False, True) == (second.get("is_error", False), "fine" in str(second["content"]))
    asked = [block["id"] for block in simulator.requests[1].body["messages"][-2]["content"] if "id" in block]
    assert asked == [first["tool_use_id"], second["tool_use_id"]]


def test_06_the_same_malformed_call_three_times_ends_the_session(simulator: Any, stage: Stage) -> None:
    simulator.script({**turn(BROKEN), "repeat": "always"})

    done = stage.run(yaml="")

    assert (1, 3) == (done.code, len(simulator.requests))
    status, failure_class, reason = done.outcome
    assert ("fail", "deterministic") == (status, failure_class)
    assert "3 times" in reason
    assert "malformed" in reason
    assert [] == done.told("llm_failover")


def test_06_a_good_round_in_between_begins_the_count_again(simulator: Any, stage: Stage) -> None:
    broken, good = turn(BROKEN), turn(call("shell", command="true"))
    simulator.script(broken, broken, good, broken, broken, turn(report()))

    assert 0 == stage.run().code


def test_07_a_turn_limit_ends_the_stage_and_asks_nobody_else(simulator: Any, stage: Stage) -> None:
    numbers = [turn(call("shell", command=f"echo {number}")) for number in range(6)]
    simulator.script(*numbers)

    done = stage.run('a [prompt="Say hello.", max_agent_turns=2]\nstart -> a -> exit')

    assert (1, 2) == (done.code, len(simulator.requests))
    assert "turn limit reached: max_agent_turns is 2" in done.outcome[2]
    assert ([], []) == (done.told("llm_failover"), done.told("llm_retry"))


@pytest.mark.flaky(reruns=3)
def test_17_a_commands_time_is_the_nodes_and_its_whole_process_group_ends(
    simulator: Any, stage: Stage, tmp_path: Path
) -> None:
    simulator.script(turn(call("shell", command=f"sleep 60 & echo $! > '{tmp_path}/pid'; wait")), turn(report()))
    started = time.monotonic()

    done = stage.run(
        'a [prompt="Say hello.", default_command_timeout_ms=1000]\nstart -> a -> exit',
        graph="default_command_timeout_ms=60000",
    )

    assert 0 == done.code
    assert time.monotonic() - started < 20
    (result,) = results_of(simulator.requests[1].body)
    assert result["is_error"]
    assert "timed out" in str(result["content"]).lower()
    assert not _alive(int((tmp_path / "pid").read_text()))


@pytest.mark.flaky(reruns=3)
def test_17_a_call_cannot_ask_for_more_time_than_the_node_allows(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(call("shell", command="sleep 60", timeout_ms=600_000)), turn(report()))
    started = time.monotonic()

    done = stage.run(
        'a [prompt="Say hello.", default_command_timeout_ms=500, max_command_timeout_ms=1000]\nstart -> a -> exit'
    )

    assert 0 == done.code
    assert time.monotonic() - started < 20
    (result,) = results_of(simulator.requests[1].body)
    assert result["is_error"]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
