"""What a session does: it works until it reports, and always ends in one definite way."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from .conftest import AGENT, Stage, call, report, results_of, turn


def written(text: str, path: str = "$ATTRACTOR_STATUS_PATH") -> dict[str, Any]:
    """A call that writes a status file."""
    return call("shell", command=f"echo '{text}' >{path}")


LOOP = 'a [prompt="do", max_agent_turns={turns}]\nstart -> a -> exit'


def test_an_agent_looks_writes_runs_and_reports(simulator: Any, stage: Stage) -> None:
    simulator.script(
        turn(call("write_file", file_path="hello.txt", content="hello\n"), text="I write it."),
        turn(call("shell", command="cat hello.txt; exit 3"), call("read_file", file_path="hello.txt")),
        turn(report(notes="written", context_updates={"greeted": True}), text="Done."),
    )

    done = stage.run()

    assert (0, "") == (done.code, done.stderr)
    assert "hello\n" == (stage.home / "hello.txt").read_text()
    written, ran = simulator.requests[1].body, simulator.requests[2].body
    assert [False] == [result.get("is_error", False) for result in results_of(written)]
    shell, read = results_of(ran)
    assert "hello\nexit_code=3 timed_out=false" == shell["content"]
    assert "is_error" not in shell
    assert "hello" in read["content"]
    assert ("success", "written", {"greeted": True}) == tuple(
        done.read("stages/a/1-1/status.json")[key] for key in ("status", "notes", "context_updates")
    )
    assert "Done.\n" == (done.stage / "response.md").read_text()
    assert done.read("checkpoint.json")["context"]["greeted"] is True
    assert 3 == done.read("final.json")["usage"]["llm_calls"]
    assert [f"{name}-{number}.json" for name in ("request", "response") for number in (1, 2, 3)] == sorted(
        path.name for path in done.stage.glob("re*-*.json")
    )


def test_its_events_tell_all_of_it_in_order(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(call("shell", command="echo hi"), text="Let me see."), turn(report()))

    done = stage.run()

    kinds = [event["kind"] for event in done.session()]
    assert [
        "SESSION_START", "USER_INPUT",
        "LLM_REQUEST", "LLM_RESPONSE", "ASSISTANT_TEXT_END", "TOOL_CALL_START", "TOOL_CALL_END",
        "LLM_REQUEST", "LLM_RESPONSE", "ASSISTANT_TEXT_END", "TOOL_CALL_START", "TOOL_CALL_END",
        "PROCESSING_END", "SESSION_END",
    ] == kinds  # fmt: skip
    start, end = done.session("TOOL_CALL_START", "TOOL_CALL_END")[:2]
    assert ("shell", {"command": "echo hi"}) == (start["tool_name"], start["arguments"])
    assert (start["call_id"], False, "ran") == (end["call_id"], end["is_error"], end["ending"])
    assert "hi\nexit_code=0 timed_out=false" == end["full_output"]


def test_the_prompt_and_the_tools_are_the_same_in_every_request(simulator: Any, stage: Stage) -> None:
    simulator.script(
        turn(call("shell", command="echo more >>AGENTS.md; git init -q .")), turn(call("list_dir")), turn(report())
    )
    (stage.home / "AGENTS.md").write_text("Be kind.\n")

    stage.run()

    first, *others = (json.dumps([each.body["system"], each.body["tools"]]) for each in simulator.requests)
    assert [first, first] == others
    system = simulator.requests[0].body["system"][0]["text"]
    assert "## AGENTS.md\n\nBe kind." in system
    assert f"- workspace: {stage.home}" in system
    names = [tool["name"] for tool in simulator.requests[0].body["tools"]]
    assert [
        "edit_file", "glob", "grep", "list_dir", "read_file", "shell", "write_file", "report_outcome"
    ] == names  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "outcome", "requests"),
    [
        pytest.param([turn(text="Done."), turn(report())], ("success", "", ""), 2, id="asked once, it reports"),
        pytest.param(
            [turn(text="Done."), turn(text="Really.")],
            ("fail", "deterministic", "missing outcome: the stage ended without report_outcome"), 2,
            id="it never reports",
        ),
        pytest.param(
            [turn(text="Done."), turn(call("list_dir")), turn(text="Well."), turn(report())],
            ("fail", "deterministic", "missing outcome: "), 3, id="it is asked only once",
        ),
        pytest.param([turn(), turn(report())], ("success", "", ""), 2, id="one empty answer"),
        pytest.param(
            [turn(), turn()], ("fail", "transient_infra", "the model said nothing at all, twice running"), 2,
            id="two empty answers",
        ),
        pytest.param(
            [turn(), turn(call("list_dir")), turn(), turn(report())], ("success", "", ""), 4, id="empty, not running"
        ),
        pytest.param(
            [turn(text="I ca", finish="length"), turn(report())], ("success", "", ""), 2, id="cut off once"
        ),
        pytest.param(
            [turn(text="I ca", finish="length")] * 2,
            ("fail", "budget_exhausted", "the model was cut off at its output limit twice running; raise"), 2,
            id="cut off twice",
        ),
        pytest.param(
            [turn(text="I can", finish="content_filter")],
            ("fail", "deterministic", "the model refused to answer"), 1, id="a refusal",
        ),
        pytest.param(
            [turn(text="Wait", finish="pause"), turn(report())], ("success", "", ""), 2, id="a pause goes on"
        ),
        pytest.param(
            [turn(report("fail", failure_reason="no oil", failure_class="structural"))],
            ("fail", "structural", "no oil"), 1, id="a failure with its class",
        ),
        pytest.param(
            [turn(report("fail")), turn(report("fail", failure_reason="no oil"))],
            ("fail", "deterministic", "no oil"), 2, id="a failure needs a reason",
        ),
        pytest.param(
            [turn(report("splendid")), turn(report())], ("success", "", ""), 2, id="an unknown word is asked for again"
        ),
        pytest.param(
            [turn(report("fail", failure_reason="x"), report())], ("success", "", ""), 1, id="the last report counts"
        ),
        pytest.param(
            [turn(written('{"status": "fail", "failure_reason": "by file"}', "$KILROY_STAGE_STATUS_PATH")),
             turn(text="x")],
            ("fail", "deterministic", "by file"), 2, id="a status file",
        ),
        pytest.param(
            [turn(call("shell", command="mkdir .ai")), turn(written('{"outcome": "ok"}', ".ai/status.json")),
             turn(text="x")],
            ("success", "", ""), 3, id="a fallback file in the old words",
        ),
        pytest.param(
            [turn(written("{")), turn(text="Done.")],
            ("fail", "deterministic", "invalid status file a-1-1.json: is not JSON: Expecting property name"), 2,
            id="an invalid file is quoted",
        ),
        pytest.param(
            [turn(written('{"status": "fail"}')), turn(report())],
            ("success", "", ""), 2, id="the tool goes before the file",
        ),
    ],
)  # fmt: skip
def test_how_it_ends(
    simulator: Any, stage: Stage, answers: list[Mapping[str, Any]], outcome: tuple[str, str, str], requests: int
) -> None:
    simulator.script(*answers)

    done = stage.run()

    status, failure_class, reason = done.outcome
    assert outcome[:2] == (status, failure_class)
    assert reason.startswith(outcome[2])
    assert requests == len(simulator.requests)


def test_with_auto_status_ending_is_a_success_after_it_was_asked(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(text="Done."), turn(text="As I said."))

    done = stage.run('a [prompt="do", auto_status=true]\nstart -> a -> exit')

    assert ("success", "", "") == done.outcome
    assert ["auto_status"] == [event["source"] for event in done.told("stage_attempt_finished")]
    assert 2 == len(simulator.requests)


def test_the_turn_limit_ends_the_stage_and_nobody_else_is_asked(simulator: Any, stage: Stage) -> None:
    simulator.script(*(turn(call("shell", command=f"echo {number}")) for number in range(9)))

    done = stage.run(LOOP.format(turns=3))

    reason = "turn limit reached: max_agent_turns is 3; raise it on the node or under runtime_policy"
    assert ("fail", "budget_exhausted", reason) == done.outcome
    assert ["/anthropic/v1/messages"] * 3 == [request.path for request in simulator.requests]
    assert [{"limit": "max_agent_turns", "value": 3}] == done.session("TURN_LIMIT")
    assert [] == done.told("llm_failover")


def test_a_report_in_the_last_turn_stands(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(call("list_dir")), turn(report(notes="just so")))

    assert ("success", "", "") == stage.run(LOOP.format(turns=2)).outcome


def test_a_status_file_of_the_last_turn_stands_too(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(written('{"status": "success"}')))

    assert ("success", "", "") == stage.run(LOOP.format(turns=1)).outcome


def test_a_failover_keeps_the_conversation_and_changes_the_tools(simulator: Any, stage: Stage) -> None:
    simulator.script(
        {**turn(call("list_dir"), thinking="hm", signature="SIG"), "match": {"path": "/anthropic"}},
        {"error": {"kind": "overloaded"}, "repeat": 2, "match": {"path": "/anthropic"}},
        {**turn(call("shell", command="echo on")), "match": {"path": "/openai"}},
        {**turn(report()), "match": {"path": "/openai"}},
    )

    done = stage.run(failover="openai")

    assert ("success", "", "") == done.outcome
    *_, first, second = simulator.requests
    assert ["/openai/v1/responses"] * 2 == [first.path, second.path]
    assert "apply_patch" in [tool["name"] for tool in first.body["tools"]]
    assert "SIG" not in json.dumps(first.body)
    kinds = [item.get("type", item.get("role")) for item in first.body["input"]]
    assert ["function_call", "function_call_output"] == kinds[-2:]
    assert [("anthropic", "openai")] == [
        (event["from_provider"], event["to_provider"]) for event in done.told("llm_failover")
    ]
    used = done.read("stages/a/1-1/provider_used.json")
    assert ("openai", 1, 5) == (used["provider"], used["failovers"], len(used["attempts"]))


def test_ids_that_come_again_are_told_apart(simulator: Any, stage: Stage) -> None:
    again = {"name": "list_dir", "arguments": {}, "id": "toolu_same"}
    simulator.script(turn(again), turn({**again, "arguments": {"path": "."}}), turn(report()))

    done = stage.run()

    assert ("success", "", "") == done.outcome
    body = simulator.requests[2].body
    asked = [block["id"] for message in body["messages"] for block in message["content"] if block["type"] == "tool_use"]
    assert ["toolu_same", "toolu_same_2"] == asked


def test_no_key_gets_into_the_conversation_or_into_any_file(simulator: Any, stage: Stage) -> None:
    from ...llm.talking import CANARY, KEYS

    (stage.home / "secrets.txt").write_text(f"{KEYS['ANTHROPIC_API_KEY']}\n" * 2_000)
    simulator.script(
        turn(call("shell", command="env; cat /proc/self/environ; cat secrets.txt")),
        turn(call("read_file", file_path="secrets.txt")),
        turn(report()),
    )

    done = stage.run()

    assert ("success", "", "") == done.outcome
    assert not any(CANARY in json.dumps(request.body) for request in simulator.requests)
    holders = [
        path for path in done.folder.rglob("*") if path.is_file() and CANARY in path.read_text("utf-8", "replace")
    ]
    assert [] == holders


def test_output_that_is_too_long_is_cut_for_the_model_and_kept_whole(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(call("shell", command="printf 'x%.0s' $(seq 100000)")), turn(report()))

    done = stage.run()

    (result,) = results_of(simulator.requests[1].body)
    assert "[WARNING: Tool output was truncated" in result["content"]
    assert len(result["content"]) < 31_000
    (end, _) = done.session("TOOL_CALL_END")
    assert "x" * 100_000 in end["full_output"]
    assert "x" * 100_000 in (done.folder / end["file"]).read_text()


def test_steering_and_follow_ups_come_in_by_a_file(simulator: Any, stage: Stage) -> None:
    lines = '{"steer": "Be brief."}\n{"follow_up": "Also count."}\nnonsense\n'
    write = f"cat >$ATTRACTOR_STAGE_DIR/inbox.ndjson <<'X'\n{lines}X"
    simulator.script(turn(call("shell", command=write)), turn(text="Hello."), turn(report()))

    done = stage.run()

    assert ("success", "", "") == done.outcome
    second, third = (request.body["messages"][-1]["content"] for request in simulator.requests[1:])
    assert ["tool_result", "text"] == [block["type"] for block in second]
    assert "Be brief." == second[-1]["text"]
    assert "Also count." == third[-1]["text"]
    assert [{"content": "Be brief."}] == done.session("STEERING_INJECTED")


def test_agents_of_all_protocols_work(simulator: Any, stage: Stage) -> None:
    simulator.script(*(turn(call("list_dir")), turn(report())) * 4)
    body = "\n".join(f'{name} [prompt="do", llm_provider={name}]' for name in ("anthropic", "zai", "openai", "google"))

    done = stage.run(f"{body}\nstart -> anthropic -> zai -> openai -> google -> exit")

    assert 0 == done.code, done.stdout
    assert 8 == len(simulator.requests)


def test_the_default_prompt_is_the_nodes_own(simulator: Any, stage: Stage) -> None:
    simulator.script(turn(report()))

    done = stage.run(AGENT)

    assert done.read("stages/a/1-1/request-1.json")["body"] == simulator.requests[0].body
    assert (done.stage / "prompt.md").read_text().endswith("\n\nSay hello.\n")
