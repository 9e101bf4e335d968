"""Scenarios: what `--simulate=FILE` and `backend: scripted` make stages do."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

SCHEMAS = Path(__file__).parents[2] / "schemas"
LOOP = """
  impl   [prompt="Build it."]
  verify [shape=parallelogram, tool_command="echo real > real"]
  check  [shape=diamond]
  start -> impl -> verify -> check
  check -> exit [condition="outcome=success"]
  check -> impl [condition="outcome=fail"]
"""


@pytest.fixture
def simulate(pipeline, tmp_path: Path):
    """Play a scenario on a pipeline."""

    def simulate(body: str, scenario: str, *arguments: str, yaml: str = ""):
        path = tmp_path / "scenario.yaml"
        path.write_text(f"version: 1\n{scenario}")
        return pipeline(body, yaml).exec("--quiet", f"--simulate={path}", *arguments)

    return simulate


def test_nodes_that_are_not_named_succeed_and_tools_run_for_real(pipeline) -> None:
    made = pipeline(LOOP)
    done = made.exec("--quiet", "--simulate")

    assert ["start", "impl", "verify", "check", "exit"] == [each.split("=")[0] for each in done.walked()]
    assert (made.folder / "real").exists()


def test_one_turn_per_visit_the_last_repeats(simulate) -> None:
    done = simulate(LOOP, "nodes:\n  verify:\n    - {status: fail, failure_reason: red}\n    - {status: success}\n")

    assert ["verify=fail", "check=fail", "verify=success"] == [
        each for each in done.walked() if each.startswith(("verify", "check=fail"))
    ]
    assert 0 == done.code


def test_a_named_tool_does_not_run(pipeline, tmp_path: Path) -> None:
    made = pipeline(LOOP)
    (tmp_path / "s.json").write_text('{"version": 1, "nodes": {"verify": {"text": "fine\\n"}}}')

    done = made.exec("--quiet", f"--simulate={tmp_path / 's.json'}")

    assert not (made.folder / "real").exists()
    assert "fine\n" == (done.folder / "stages/verify/1-1/stdout.log").read_text()


def test_attempts_of_a_visit_are_scripted_one_by_one(simulate) -> None:
    body = '  a [prompt="p", max_retries=2, retry.backoff.initial_delay_ms=1]\n  start -> a -> exit'
    done = simulate(body, "nodes:\n  a: {attempts: [{status: retry, failure_reason: later}, {status: success}]}\n")

    assert ["retry", "success"] == [
        event["status"] for event in done.events if event["event"] == "stage_attempt_finished"
    ]


@pytest.mark.parametrize(
    ("turn", "word", "reason"),
    [
        pytest.param("{status: ok}", "success", "", id="an alias"),
        pytest.param("{status: failed}", "fail", "scripted failure of a", id="no reason"),
        pytest.param("{status: purple}", "fail", "unexpected outcome word 'purple'", id="an unknown word"),
        pytest.param("{status: null}", "fail", "missing outcome", id="nothing said"),
        pytest.param("{commands: ['echo broken >&2; exit 9']}", "fail", "exit code 9: broken", id="a command fails"),
        pytest.param("{files: {../out.txt: x}}", "fail", "writes outside the workspace", id="a file outside"),
        pytest.param(
            "{status: fail, failure_reason: r, failure_class: budget_exhausted}", "fail", "r", id="a class"
        ),
    ],
)  # fmt: skip
def test_a_turn_ends_as_it_says(simulate, turn: str, word: str, reason: str) -> None:
    done = simulate('  a [prompt="p"]\n  start -> a -> exit', f"nodes:\n  a: {turn}\n")

    finished = next(e for e in done.events if e["event"] == "stage_finished" and e["node_id"] == "a")
    assert word == finished["status"]
    assert reason in finished["reason"]


@pytest.mark.parametrize(
    ("attributes", "turn", "word", "reason"),
    [
        pytest.param("agent_mode=one_shot", "{status: null, text: hello}", "success", "", id="one call, with text"),
        pytest.param('outputs="out.txt"', "{files: {out.txt: x}}", "success", "", id="what was promised"),
        pytest.param('outputs="out.txt"', "{status: ok}", "fail", "outputs are missing: out.txt", id="not so"),
        pytest.param(
            'outputs="out.txt"',
            """{status: null, commands: ['echo "{\\"status\\": \\"ok\\"}" > "$ATTRACTOR_STATUS_PATH"']}""",
            "fail",
            "outputs are missing: out.txt",
            id="not so, though a status file says it",
        ),
        pytest.param(
            'outputs="out.txt", auto_status=true', "{status: null}", "fail", "outputs are missing: out.txt",
            id="not so, though nothing was to be said",
        ),
        pytest.param('outputs="out.txt"', "{status: fail, failure_reason: r}", "fail", "r", id="a failure has its own"),
    ],
)  # fmt: skip
def test_how_a_stage_ends_that_is_asked_once_or_promises_outputs(
    simulate, attributes: str, turn: str, word: str, reason: str
) -> None:
    done = simulate(f'  a [prompt="p", {attributes}]\n  start -> a -> exit', f"nodes:\n  a: {turn}\n")

    finished = next(e for e in done.events if e["event"] == "stage_finished" and e["node_id"] == "a")
    assert word == finished["status"]
    assert reason in finished["reason"]


def test_files_are_written_before_commands_run(pipeline, tmp_path: Path) -> None:
    made = pipeline('  a [prompt="p"]\n  start -> a -> exit')
    scenario = {"version": 1, "nodes": {"a": {"files": {"sub/in.txt": "7"}, "commands": ["cp sub/in.txt out.txt"]}}}
    (tmp_path / "s.json").write_text(json.dumps(scenario))

    made.exec("--quiet", f"--simulate={tmp_path / 's.json'}")

    assert "7" == (made.folder / "out.txt").read_text()


def test_context_updates_reach_conditions_and_labels_choose(simulate) -> None:
    body = """
      a [prompt="p"]
      b [shape=parallelogram, tool_command="true"]
      c [shape=parallelogram, tool_command="true"]
      start -> a
      a -> b [condition="context.colour=blue"]
      a -> c [condition="context.colour=red"]
      b -> exit
      c -> exit"""
    done = simulate(body, "nodes:\n  a: {context_updates: {colour: red}}\n")

    assert "c=success" in done.walked()
    assert "b=success" not in done.walked()


def test_usage_is_counted_and_a_scripted_call_is_told_as_one(simulate) -> None:
    done = simulate(
        '  a [prompt="p"]\n  start -> a -> exit',
        "nodes:\n  a: {usage: {llm_calls: 2, input_tokens: 100, output_tokens: 20, cost_usd: 0.5}}\n",
    )

    assert (2, 100, 20, 0.5) == tuple(
        done.final["usage"][key] for key in ("llm_calls", "input_tokens", "output_tokens", "cost_usd")
    )
    assert 2 == done.names().count("llm_request")


def test_an_agent_stage_leaves_its_artifacts(simulate) -> None:
    done = simulate(
        '  a [prompt="Build $goal."]\n  goal="a boat"\n  start -> a -> exit',
        "nodes:\n  a: {text: Done., tool_calls: [{name: shell, arguments: {command: ls}, result: x}]}\n",
    )

    stage = done.folder / "stages/a/1-1"
    assert "Build a boat." in (stage / "prompt.md").read_text()
    assert "Done.\n" == (stage / "response.md").read_text()
    assert "success" == json.loads((stage / "status.json").read_text())["status"]
    used = json.loads((stage / "provider_used.json").read_text())
    assert ("local", "any", "simulated") == (used["provider"], used["model"], used["backend"])
    schema = jsonschema_rs.validator_for(json.loads((SCHEMAS / "session_event.schema.json").read_text()))
    lines = [json.loads(line) for line in (stage / "events.ndjson").read_text().splitlines()]
    assert all(schema.is_valid(line) for line in lines)
    assert ["SESSION_START", "USER_INPUT", "TOOL_CALL_START", "TOOL_CALL_END", "ASSISTANT_TEXT_END", "SESSION_END"] == [
        line["kind"] for line in lines
    ]


def test_a_stage_after_a_failure_is_told_about_it(pipeline, tmp_path: Path) -> None:
    made = pipeline(LOOP.replace("echo real > real", "test -f fixed || { echo 'slug.py line 3' >&2; exit 1; }"))
    scenario = {"version": 1, "nodes": {"impl": [{}, {"files": {"fixed": ""}}]}}
    (tmp_path / "s.json").write_text(json.dumps(scenario))

    done = made.exec("--quiet", f"--simulate={tmp_path / 's.json'}")

    first, second = ((done.folder / f"stages/impl/{visit}-1/prompt.md").read_text() for visit in (1, 2))
    assert "failed" not in first
    assert "- stage: verify, visit 1" in second
    assert "slug.py line 3" in second


def test_a_delay_ends_at_once_when_the_stage_is_out_of_time(simulate) -> None:
    done = simulate('  a [prompt="p", timeout="200ms"]\n  start -> a -> exit', "nodes:\n  a: {delay_ms: 60000}\n")

    assert "timed out after 0.2 s" in done.final["reason"]
    assert "transient_infra" == done.final["failure_class"]


def test_a_scripted_provider_answers_from_its_script(pipeline, tmp_path: Path) -> None:
    (tmp_path / "my pipeline ü").mkdir()
    (tmp_path / "my pipeline ü/s.yaml").write_text("version: 1\nnodes:\n  a: {text: from the script}\n")
    yaml = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, script: s.yaml, failover: []}}
"""
    done = pipeline('  a [prompt="p"]\n  start -> a -> exit', yaml).exec("--quiet")

    assert "from the script\n" == (done.folder / "stages/a/1-1/response.md").read_text()


@pytest.mark.parametrize(
    ("scenario", "place", "message"),
    [
        pytest.param("nodes:\n  a: {stauts: fail}\n", ":3:", "status", id="a misspelt key"),
        pytest.param("nodes:\n  a: {delay_ms: -1}\n", ":3:", "delay_ms", id="a negative delay"),
        pytest.param(
            "nodes:\n  a: [{status: fail, failure_class: transient}]\n",
            ":3:37:",
            '"failure_class" must be transient_infra',
            id="a word inside a list of turns",
        ),
        pytest.param("nodes:\n  a: {status: a b}\n", ":3:15:", '"status" must be a word', id="no word"),
        pytest.param("nodes:\n  a: 3\n", ":3:6:", '"a" must be a list or a mapping, not a whole', id="neither"),
        pytest.param("nodes:\n  a: [}\n", ":3:", "", id="no yaml"),
        pytest.param("nodes:\n  ab: {}\n", "", "names node 'ab', which the plan does not have", id="no such node"),
    ],
)  # fmt: skip
def test_a_wrong_scenario_is_refused_at_its_place(simulate, scenario: str, place: str, message: str) -> None:
    done = simulate('  a [prompt="p"]\n  start -> a -> exit', scenario)

    assert 2 == done.code
    assert f"scenario.yaml{place}" in done.stderr
    assert message in done.stderr
    assert not done.folder.exists()
