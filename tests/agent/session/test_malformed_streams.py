"""Every shape in which calls arrive, inside a session: one result per id in the next request, and it goes on."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from attractor.runtime.simulator import anthropic_messages, openai_chat_completions, openai_responses
from attractor.runtime.simulator.shapes import SHAPES

from .conftest import Stage, call, report, turn, unpaired

REFUSED = {
    "anthropic": anthropic_messages.REFUSED_SHAPES,
    "openai": openai_responses.REFUSED_SHAPES,
    "zai": openai_chat_completions.REFUSED_SHAPES,
}
BROKEN_OFF = ("missing_terminal", "cut_in_fragment")  # nothing of these counts: the same is asked again
TWOFOLD = ("interleaved", "index_reused_new_ids", "index_reused_no_ids", "duplicate_ids")


def pipeline(provider: str) -> str:
    return f'a [prompt="do", llm_provider={provider}]\nstart -> a -> exit'


@pytest.mark.parametrize("provider", REFUSED)
def test_all_rows_of_the_table_in_one_session(simulator: Any, stage: Stage, provider: str) -> None:
    """Each is also part of the history of those after it."""
    shapes = [shape for shape in SHAPES.values() if shape not in (*REFUSED[provider], "cut_in_fragment")]
    shapes.append("cut_in_fragment")  # not right after the other one that breaks off: the plan allows one retry
    simulator.script(*(turn(*_calls(shape)) for shape in shapes), turn(report()))

    done = stage.run(pipeline(provider))

    assert ("success", "", "") == done.outcome
    bodies = [request.body for request in simulator.requests]
    assert len(shapes) + 1 == len(bodies)
    assert [] == [wrong for body in bodies for wrong in unpaired(body)]
    wanted = [0 if shape in BROKEN_OFF else 2 if shape in TWOFOLD else 1 for shape in shapes]
    counts = list(map(_results, bodies))
    assert dict(zip(shapes, wanted, strict=True)) == {
        shape: after - before for shape, (before, after) in zip(shapes, pairwise(counts), strict=True)
    }
    starts, ends = done.session("TOOL_CALL_START"), done.session("TOOL_CALL_END")
    assert [start["call_id"] for start in starts] == [end["call_id"] for end in ends]
    assert sum(wanted) + 1 == len(ends)


def _calls(shape: str) -> list[dict[str, Any]]:
    calls = [{**call("grep", pattern=f"{which} {shape}", path="."), "shape": shape} for which in ("never", "ever")]
    return calls if shape in TWOFOLD else calls[:1]


def _results(body: Mapping[str, Any]) -> int:
    text = json.dumps(body)
    return text.count('"tool_use_id"') + text.count('"tool_call_id"') + text.count('"function_call_output"')


@pytest.mark.parametrize("provider", REFUSED)
def test_unknown_malformed_and_valid_calls_of_one_turn_get_their_results_in_order(
    simulator: Any, stage: Stage, provider: str
) -> None:
    simulator.script(
        turn(call("no_such_tool"), {"name": "shell", "raw": '{"command": '}, call("shell", command="echo fine")),
        turn(report()),
    )

    done = stage.run(pipeline(provider))

    ends = done.session("TOOL_CALL_END")[:3]
    assert [("unknown", True), ("malformed", True), ("ran", False)] == [
        (end["ending"], end["is_error"]) for end in ends
    ]
    assert ["no_such_tool", "shell", "shell"] == [end["tool_name"] for end in ends]
    assert "unknown tool" in ends[0]["full_output"]
    assert "invalid tool arguments JSON" in ends[1]["full_output"]
    assert ("success", "", "") == done.outcome
