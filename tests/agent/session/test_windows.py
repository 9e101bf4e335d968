"""What happens when a conversation fills the model's context: a warning, then room, then a definite end."""

from typing import Any

import pytest

from attractor.runtime.agent.window import Gauge, stub_outputs
from attractor.runtime.llm.messages import (
    Finish,
    Message,
    Response,
    Role,
    TokenUsage,
    ToolCall,
    ToolResult,
    tool_results,
    user,
)

from .conftest import Stage, call, report, turn


def long(number: int, used: int = 1000) -> dict[str, Any]:
    return turn(call("shell", command=f"seq {number}000 {number}999"), usage={"input": used, "output": 10})


def sizes(body: Any) -> list[int]:
    """Return how long each result of a request is."""
    blocks = [block for message in body["messages"] for block in message["content"] if block["type"] == "tool_result"]
    return [len(block["content"]) for block in blocks]


def test_old_outputs_make_room_before_the_context_is_full(simulator: Any, stage: Stage) -> None:
    simulator.script(long(1), long(2), long(3), long(4, used=165_000), long(5, used=195_000), turn(report()))

    done = stage.run()

    assert ("success", "", "") == done.outcome
    before, after = sizes(simulator.requests[4].body), sizes(simulator.requests[5].body)
    assert all(size > 1_500 for size in before)
    assert [True, True, True, False, False] == [size < 200 for size in after]
    result = simulator.requests[5].body["messages"][2]["content"][0]["content"]
    assert result.startswith("[")
    assert result.endswith("characters of shell's output were taken out to make room; call it again if you need them]")
    messages = [warning["message"] for warning in done.session("WARNING")]
    assert 2 == len(messages)
    assert messages[0].endswith("of claude-opus-4-6's 200000 tokens are used (83 %)")
    assert messages[1].startswith("3 old outputs were taken out of the conversation: about 1")


def test_a_refusal_for_its_length_is_tried_again_once_with_less(simulator: Any, stage: Stage) -> None:
    simulator.script(*map(long, range(1, 6)), {"error": {"kind": "context_length"}}, turn(report()))

    done = stage.run()

    assert ("success", "", "") == done.outcome
    refused, again = sizes(simulator.requests[5].body), sizes(simulator.requests[6].body)
    assert sum(again) <= 0.7 * sum(refused)


@pytest.mark.parametrize("first", [0, 5])
def test_without_anything_to_take_out_it_fails_for_good(simulator: Any, stage: Stage, first: int) -> None:
    simulator.script(*map(long, range(1, 1 + first)), {"error": {"kind": "context_length"}, "repeat": "always"})

    done = stage.run()

    assert ("fail", "budget_exhausted") == done.outcome[:2]
    assert (1 if first == 0 else first + 2) == len(simulator.requests)
    assert [] == done.told("llm_failover")


def test_the_last_rounds_keep_their_outputs() -> None:
    messages = [user("go")]
    for number in range(4):
        messages += [
            Message(Role.ASSISTANT, (ToolCall(str(number), "shell", "{}", {}),)),
            tool_results([ToolResult(str(number), "shell", "x" * 1000)]),
        ]

    stubbed = stub_outputs(messages, 10_000)

    assert (2, len(messages)) == (stubbed.outputs, len(stubbed.messages))
    assert [False, False, True, True] == [
        message.parts[0].content == "x" * 1000  # type: ignore[union-attr]
        for message in stubbed.messages
        if message.role is Role.TOOL
    ]
    assert 0 == stub_outputs(stubbed.messages, 10_000).outputs


def test_what_the_provider_counted_goes_before_what_we_estimate() -> None:
    gauge = Gauge(overhead_chars=350)
    messages = [user("x" * 3500)]
    assert 1100 == gauge.tokens(messages)
    response = Response(
        id="r", provider="p", model="m", asked="m", parts=(), finish=Finish.STOP, usage=TokenUsage(900, 50)
    )
    messages.append(response.message)

    gauge.counted(response, 2)

    assert 950 == gauge.tokens(messages)
    assert 1050 == gauge.tokens([*messages, user("y" * 350)])
