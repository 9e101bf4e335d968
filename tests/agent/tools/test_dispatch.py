"""Every call of a turn gets exactly one result, whatever is wrong with it."""

import json
import threading
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.runtime.agent.tools.contract import Bench, Cut, Refusal, Result, Tool
from attractor.runtime.agent.tools.dispatch import Answered, Ending, Toolbox
from attractor.runtime.llm.messages import ArgumentState, ToolCall
from attractor.runtime.outcome import Json
from attractor.runtime.plan import Hooks

NO_HOOKS = Hooks("", "")
PARAMETERS: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "count": {"type": "integer"},
        "deep": {"type": "boolean"},
        "ratio": {"type": "number"},
    },
    "required": ["path"],
    "additionalProperties": False,
}


def tool(run=None, name: str = "probe", reads_only: bool = False) -> Tool:
    def say(arguments: Mapping[str, Json], call_id: str, bench: Bench) -> Result:
        return Result(json.dumps(arguments))

    return Tool(name, "A probe.", PARAMETERS, Cut(1000, "head_tail"), reads_only, run or say)


def call(id: str = "c1", name: str = "probe", **arguments: Json) -> ToolCall:
    return ToolCall(id, name, json.dumps(arguments), arguments)


def answers(bench: Bench, calls: Sequence[ToolCall], *tools: Tool, hooks: Hooks = NO_HOOKS) -> tuple[Answered, ...]:
    return Toolbox(tools or [tool()], bench, hooks).run_batch(calls, lambda _: None, lambda _, __: None)


def answer(bench: Bench, one: ToolCall, *tools: Tool, hooks: Hooks = NO_HOOKS) -> Answered:
    (only,) = answers(bench, [one], *tools, hooks=hooks)
    return only


@pytest.mark.parametrize(
    ("sent", "taken", "noted"),
    [
        pytest.param({"path": "p"}, {"path": "p"}, (), id="as they are"),
        pytest.param({"path": "p", "count": "5"}, {"path": "p", "count": 5}, ("count: '5' was taken as 5",), id="5"),
        pytest.param({"path": "p", "count": 5.0}, {"path": "p", "count": 5}, ("count: 5.0 was taken as 5",), id="5.0"),
        pytest.param({"path": "5", "deep": "true"}, {"path": "5", "deep": True}, ("deep: 'true' was taken as True",),
                     id="true, and a text that stays a text"),
        pytest.param({"path": "p", "ratio": "0.5"}, {"path": "p", "ratio": 0.5}, ("ratio: '0.5' was taken as 0.5",),
                     id="a number"),
        pytest.param({"path": "p", "deep": None}, {"path": "p"}, ("deep: null was left out",), id="null"),
    ],
)  # fmt: skip
def test_slips_with_one_meaning_are_mended_and_noted(bench: Bench, sent, taken, noted) -> None:
    answered = answer(bench, call(**sent))

    assert (taken, noted) == (json.loads(answered.result.content), answered.notes)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param({}, "'path' is a required property", id="missing"),
        pytest.param({"path": None}, "path: None is not of type 'string'", id="null for what is required"),
        pytest.param({"path": 5}, "path: 5 is not of type 'string'", id="a number is no text"),
        pytest.param({"path": "p", "count": "five"}, "count: 'five' is not of type 'integer'", id="no number"),
        pytest.param({"path": "p", "count": True}, "count: True is not of type 'integer'", id="a boolean is no number"),
        pytest.param({"path": "p", "file": 1}, "('file' was unexpected)", id="an argument too many"),
        pytest.param(
            {"file": 1}, "'path' is a required property; Additional properties are not", id="two things at once"
        ),
    ],
)
def test_arguments_that_do_not_fit_are_told_with_their_path(bench: Bench, sent, said: str) -> None:
    answered = answer(bench, call(**sent))

    assert (Ending.INVALID, True) == (answered.ending, answered.result.is_error)
    assert answered.result.content.startswith("invalid tool arguments for probe: ")
    assert said in answered.result.content


def test_a_long_value_does_not_make_a_long_complaint(bench: Bench) -> None:
    assert len(answer(bench, call(path="p", count="x" * 100_000)).result.content) < 500


def test_the_third_refusal_in_a_row_lists_what_the_tool_needs(bench: Bench) -> None:
    box = Toolbox([tool()], bench, NO_HOOKS)
    said = [box.answer(one).result.content for one in [call()] * 3 + [call(path="p")] + [call()]]

    assert [False, False, True, False, False] == ["probe requires path; optional: count" in text for text in said]


def test_an_unknown_tool_is_answered_with_those_there_are(bench: Bench) -> None:
    answered = answer(bench, call(name="prob"), tool(), tool(name="other"))

    assert Ending.UNKNOWN == answered.ending
    assert "unknown tool: 'prob'; did you mean 'probe'; the tools are other, probe" == answered.result.content


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ArgumentState.MALFORMED, ["invalid tool arguments JSON: no", "you sent '{\"pa'", "probe requires path"]),
        (ArgumentState.TRUNCATED, ["invalid tool arguments JSON: no", "began with '{\"pa'", "in several steps"]),
    ],
)
def test_arguments_that_are_no_object_are_quoted(bench: Bench, state: ArgumentState, words: list[str]) -> None:
    answered = answer(bench, ToolCall("c1", "probe", '{"pa', None, state, "no"))

    assert (Ending.MALFORMED, True) == (answered.ending, answered.result.is_error)
    assert [] == [word for word in words if word not in answered.result.content]


def test_a_tool_that_breaks_drops_no_other_result(bench: Bench) -> None:
    def burst(arguments, call_id, bench) -> Result:
        raise RecursionError("too deep") if arguments["path"] == "bad" else Refusal("no such thing")

    answered = answers(
        bench,
        [call("a", path="bad"), call("b", path="x"), call("c", "good", path="p")],
        tool(burst),
        tool(name="good"),
    )

    assert [
        ("a", "probe broke: RecursionError: too deep", True, Ending.CRASHED),
        ("b", "no such thing", True, Ending.FAILED),
        ("c", '{"path": "p"}', False, Ending.RAN),
    ] == [(one.result.call_id, one.result.content, one.result.is_error, one.ending) for one in answered]


@pytest.mark.parametrize(
    ("said", "told"),
    [("", "(no output)"), (" \n", "(no output)"), ("a\ud800b", "a\ufffdb"), ("\ud83d\ude00", "😀")],
)
def test_a_result_is_never_empty_and_can_be_written_everywhere(bench: Bench, said: str, told: str) -> None:
    assert told == answer(bench, call(path="p"), tool(lambda *_: Result(said))).result.content


def test_a_result_that_is_too_long_names_the_file_that_holds_it(bench: Bench) -> None:
    answered = answer(bench, call(path="p"), tool(lambda *_: Result("x" * 5000)))

    assert answered.full is not None
    assert ("x" * 5000, 5000) == (answered.full.read_text(), answered.chars)
    assert f"[WARNING: Tool output was truncated: 4000 characters were removed from the middle. read_file with offset "\
           f"and limit shows any part of {answered.full}]" in answered.result.content  # fmt: skip


def test_readers_run_side_by_side_and_writers_wait_their_turn(bench: Bench) -> None:
    meeting = threading.Barrier(2, timeout=10)
    order: list[str] = []

    def read(arguments, call_id, bench) -> Result:
        meeting.wait()  # passes only when the other reader is here at the same time
        return Result(call_id)

    def write(arguments, call_id, bench) -> Result:
        order.append(call_id)
        return Result(call_id)

    calls = [call(id, name, path="p") for id, name in [("1", "w"), ("2", "r"), ("3", "r"), ("4", "w"), ("5", "w")]]
    answered = answers(bench, calls, tool(read, "r", reads_only=True), tool(write, "w"))

    assert ["1", "2", "3", "4", "5"] == [one.result.call_id for one in answered]
    assert ["1", "4", "5"] == order


def test_starts_and_ends_are_told_in_call_order(bench: Bench) -> None:
    heard: list[str] = []
    calls = [call(id, name, path="p") for id, name in [("1", "w"), ("2", "r"), ("3", "r")]]
    Toolbox([tool(name="r", reads_only=True), tool(name="w")], bench, NO_HOOKS).run_batch(
        calls, lambda one: heard.append(f"+{one.id}"), lambda one, _: heard.append(f"-{one.id}")
    )

    assert ["+1", "-1", "+2", "+3", "-2", "-3"] == heard


def test_after_a_cancellation_the_rest_is_answered_without_being_run(bench: Bench, stop) -> None:
    ran: list[str] = []

    def run(arguments, call_id, bench) -> Result:
        ran.append(call_id)
        stop.press("stopped by hand")
        return Result("done")

    answered = answers(bench, [call(id, path="p") for id in "abc"], tool(run))

    assert ["a"] == ran
    assert ["done", *["not executed: canceled (stopped by hand)"] * 2] == [one.result.content for one in answered]
    assert [Ending.RAN, Ending.CANCELED, Ending.CANCELED] == [one.ending for one in answered]


def test_a_later_tool_takes_the_place_of_an_earlier_one(bench: Bench) -> None:
    assert "second" == answer(bench, call(path="p"), tool(), tool(lambda *_: Result("second"))).result.content


def test_the_pre_hook_reads_the_call_and_may_skip_it(bench: Bench) -> None:
    hook = 'cat > seen.json; echo "$ATTRACTOR_TOOL_HOOK $ATTRACTOR_TOOL_NAME $ATTRACTOR_TOOL_CALL_ID" >&2; exit 3'
    answered = answer(bench, call(path="p", count="7"), tool(), hooks=Hooks(hook, "touch never"))

    assert (Ending.SKIPPED, True) == (answered.ending, answered.result.is_error)
    assert "not executed: tool_hooks.pre exited with code 3: pre probe c1" == answered.result.content
    assert {"hook": "pre", "call_id": "c1", "tool_name": "probe", "arguments": {"path": "p", "count": 7}} == json.loads(
        (bench.workspace / "seen.json").read_text()
    )
    assert not (bench.workspace / "never").exists()


def test_the_post_hook_reads_the_result_and_blocks_nothing(bench: Bench) -> None:
    hooks = Hooks("exit 0", 'cat > seen.json; echo "error=$ATTRACTOR_TOOL_IS_ERROR"; exit 1')
    answered = answer(bench, call(path="p"), tool(lambda *_: Result("é" * 2000)), hooks=hooks)

    assert (Ending.RAN, False) == (answered.ending, answered.result.is_error)
    assert ("tool_hooks.post exited with code 1: error=false",) == answered.notes
    assert "é" * 2000 == json.loads((bench.workspace / "seen.json").read_text())["result"]


def test_a_hook_that_hangs_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attractor.runtime.agent.tools.hooks.TIMEOUT_MS", 200)
    answered = answer(bench, call(path="p"), hooks=Hooks("echo waiting; sleep 60", ""))

    assert Ending.SKIPPED == answered.ending
    assert "tool_hooks.pre did not end within 200 ms: waiting" in answered.result.content


def test_a_hook_leaves_no_files_beside_the_outputs(bench: Bench) -> None:
    answer(bench, call(path="p"), hooks=Hooks("true", "true"))

    assert [] == list(bench.outputs.iterdir())


arguments = st.dictionaries(
    st.sampled_from(["path", "count", "deep", "ratio", "x"]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2),
    max_size=4,
)  # fmt: skip
calls = st.builds(
    lambda id, name, sent, state: ToolCall(id, name, "raw", sent if state is ArgumentState.VALID else None, state, "e"),
    st.text(max_size=4),
    st.sampled_from(["probe", "reader", "broken", "nowhere", ""]),
    arguments,
    st.sampled_from([ArgumentState.VALID, *ArgumentState]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls, max_size=6))
def test_any_batch_gets_one_result_per_call_in_order(bench: Bench, batch: list[ToolCall]) -> None:
    def broken(arguments, call_id, bench) -> Result:
        raise ValueError("\ud800")

    answered = answers(bench, batch, tool(), tool(name="reader", reads_only=True), tool(broken, "broken"))

    assert [(one.id, one.name) for one in batch] == [(one.result.call_id, one.result.name) for one in answered]
    for one in answered:
        assert one.result.content.strip()
        one.result.content.encode()
