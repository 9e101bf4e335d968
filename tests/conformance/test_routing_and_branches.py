"""Behaviours 18 to 21 and 24: toolchain gates, restarts, breakers, parallel branches, goal gates."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

YAML = """version: 1
graph: p.dot
workspace: {mode: MODE}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""


def play(made: Any, nodes: dict[str, Any]) -> Any:
    """Run a pipeline whose LLM stages are answered by `nodes`, node by node."""
    path = made.folder / "scenario.yaml"
    path.write_text(json.dumps({"version": 1, "nodes": nodes}))
    return made.exec("--quiet", "--run-id", "r1", f"--simulate={path}")


def context_of(done: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "checkpoint.json").read_text())["context"]
    return found


def failed(reason: str, failure_class: str = "deterministic") -> dict[str, str]:
    return {"status": "fail", "failure_reason": reason, "failure_class": failure_class}


# 18


GATE = """graph [default_max_retries=3]
  gate [shape=parallelogram, max_retries=0, tool_command="wasm-pack-that-nobody-has --version"]
  impl [prompt="spend money"]
"""


def test_18_a_toolchain_gate_fails_the_run_at_its_only_attempt_and_before_any_llm_call(pipeline: Any) -> None:
    done = play(pipeline(f"{GATE} start -> gate -> impl -> exit"), {})

    assert 1 == done.code
    assert 1 == done.names().count("stage_attempt_finished")
    assert [] == [name for name in done.names() if name.startswith(("llm_", "stage_retry"))]
    assert 0 == done.final["usage"]["llm_calls"]
    assert "wasm-pack-that-nobody-has" in done.final["reason"]
    assert "wasm-pack-that-nobody-has" in context_of(done)["tool.output"]
    assert "wasm-pack-that-nobody-has" in (done.folder / "stages/gate/1-1/stderr.log").read_text()


def test_18_a_toolchain_gate_follows_its_fail_edge(pipeline: Any) -> None:
    body = f"""{GATE} ask [shape=parallelogram, tool_command="true"]
      gate -> impl [condition="outcome=success"]; gate -> ask [condition="outcome=fail"]
      start -> gate; impl -> exit; ask -> exit"""
    done = play(pipeline(body), {})

    assert ["start=success", "gate=fail", "ask=success", "exit=success"] == done.walked()


# 19

VERIFY = """
  impl [prompt="write"]; verify [prompt="check", max_retries=2]; check [shape=diamond]
  start -> impl -> verify -> check; check -> exit [condition="outcome=success"]
  check -> impl [condition="outcome=fail && context.failure_class=transient_infra", loop_restart=true]
  check -> impl [condition="outcome=fail && context.failure_class!=transient_infra"]
"""


def test_19_a_deterministic_failure_takes_the_second_edge_and_keeps_reason_and_class(pipeline: Any) -> None:
    done = play(pipeline(VERIFY), {"verify": [failed("tests are red"), {}]})

    assert 0 == done.code
    assert (0, []) == (done.final["restarts"], [e for e in done.events if e["event"] == "loop_restart"])
    (checked,) = [e for e in done.events if e["event"] == "stage_finished" and e["status"] == "fail"][1:]
    assert ("check", "tests are red", "deterministic") == tuple(
        checked[key] for key in ("node_id", "reason", "failure_class")
    )
    assert 2 == done.walked().count("impl=success")


def test_19_a_deterministic_failure_of_an_llm_stage_is_not_tried_again(pipeline: Any) -> None:
    done = play(pipeline(VERIFY), {"verify": [failed("tests are red"), {}]})

    blocked = done.one("stage_retry_blocked")
    assert ("verify", 1, 3, "deterministic") == tuple(
        blocked[key] for key in ("node_id", "attempt", "attempts", "failure_class")
    )
    assert [] == [event for event in done.events if event["event"] == "stage_retry_scheduled"]


# 20


def test_20_a_transient_failure_restarts_in_a_new_folder_with_fresh_counts_and_persisted_keys(pipeline: Any) -> None:
    body = f'graph [loop_restart_persist_keys="kept", retry.backoff.initial_delay_ms=1] {VERIFY}'
    down = failed("http 503", "transient_infra")
    nodes = {
        "impl": [{"context_updates": {"kept": "yes", "lost": "yes"}}, {}],
        "verify": [down, {"attempts": [down, {}]}],
    }
    done = play(pipeline(body), nodes)

    assert (0, 1) == (done.code, done.final["restarts"])
    restart = done.one("loop_restart")
    assert ("impl", "restart-1", ["kept"]) == (restart["to"], restart["folder"], restart["persist_keys"])
    assert ["impl", "verify"] == sorted(path.name for path in (done.folder / "restart-1/stages").iterdir())
    snapshot = json.loads((done.folder / "checkpoint.json").read_text())
    assert ({"verify": 1}, 1) == (snapshot["retries"], snapshot["visits"]["verify"])
    assert ("yes", None, 1, "check") == tuple(
        snapshot["context"].get(key) for key in ("kept", "lost", "loop_restart.iteration", "loop_restart.from_node")
    )


def test_20_the_same_signature_three_times_trips_the_breaker(pipeline: Any) -> None:
    done = play(pipeline(VERIFY.replace(", max_retries=2", "")), {"verify": failed("http 503", "transient_infra")})

    trip = done.one("breaker_tripped")
    assert ("loop_restart_signature_limit", 3, 3, "verify") == tuple(
        trip[key] for key in ("breaker", "limit", "value", "node_id")
    )
    assert (1, 2) == (done.code, done.final["restarts"])
    assert "raise the graph attribute loop_restart_signature_limit to allow more" in done.final["reason"]


def test_20_an_edge_for_transient_failures_blocks_a_restart_after_any_other(pipeline: Any) -> None:
    body = """
      work [prompt="write"]; start -> work; work -> exit [condition="outcome=success"]
      work -> work [condition="outcome=fail", loop_restart=true, loop_restart_on=transient_infra]"""
    done = play(pipeline(body), {"work": failed("tests are red")})

    blocked = done.one("loop_restart_blocked")
    assert ("work", "deterministic", "tests are red") == tuple(
        blocked[key] for key in ("node_id", "failure_class", "reason")
    )
    assert (1, 0) == (done.code, done.final["restarts"])
    assert done.final["reason"].startswith("loop_restart blocked: the edge work -> work")
    assert "tests are red" in done.final["reason"]


# 21


def test_21_the_same_failure_three_times_ends_the_run_though_another_stage_succeeds_in_between(pipeline: Any) -> None:
    texts = ("line 12 of 0xdeadbeef01 is wrong", "line 7 of 0xfeed12345a is wrong", "line 99 of 0x1 is wrong")
    done = play(pipeline(VERIFY), {"verify": [failed(text) for text in texts]})

    assert 1 == done.code
    assert 3 == done.walked().count("impl=success") == done.walked().count("verify=fail")
    trip = done.one("breaker_tripped")
    assert (3, 3, "verify|deterministic|line <n> of <hex> is wrong") == tuple(
        trip[key] for key in ("limit", "value", "signature")
    )
    assert "'verify' failed in the same way 3 times, which is the limit" in done.final["reason"]


def test_21_different_failures_do_not_count_together(pipeline: Any) -> None:
    nodes = {"verify": [failed("red"), failed("green"), failed("red"), failed("green"), {}]}

    assert 0 == play(pipeline(VERIFY), nodes).code


# 24

REGION = """
  fan [shape=component]; join [shape=tripleoctagon{join}]; after [shape=parallelogram, tool_command="true"]
  left [shape=parallelogram, tool_command="{left}"]; right [shape=parallelogram, tool_command="{right}"]
  start -> fan; fan -> left; fan -> right; left -> join; right -> join; join -> after -> exit
"""
MEND = '  mend [shape=parallelogram, tool_command="true"]; mend -> exit\n'


@pytest.fixture
def repository(pipeline: Any) -> Any:
    """Write and compile a pipeline in a git repository."""

    def repository(body: str) -> Any:
        made = pipeline(body, YAML.replace("MODE", "worktree"))
        git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
            subprocess.run([*git, *arguments], cwd=made.folder, check=True)
        return made

    return repository


def sha(folder: Path, ref: str) -> str:
    done = subprocess.run(["git", "rev-parse", ref], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_24_all_branches_failed_does_not_take_the_plain_edge(repository: Any) -> None:
    body = REGION.format(join="", left="echo l; exit 1", right="echo connection refused; exit 1")
    done = play(repository(body), {})

    assert 1 == done.code
    assert "all parallel branches failed: left: 'left' failed" in done.final["reason"]
    assert "after=success" not in done.walked()
    assert "deterministic" == done.final["failure_class"]


@pytest.mark.parametrize("right", ["exit 1", "echo connection refused; exit 1"])
def test_24_all_branches_failed_takes_the_joins_retry_target_whatever_their_class(repository: Any, right: str) -> None:
    body = REGION.format(join=', retry_target="mend"', left="echo connection refused; exit 1", right=right)
    done = play(repository(body + MEND), {})

    assert ["fan=fail", "join=fail", "mend=success", "exit=success"] == done.walked()[-4:]


def test_24_one_success_is_merged_fast_forward_and_named(repository: Any) -> None:
    made = repository(REGION.format(join="", left="echo half > half; exit 1", right="echo whole > whole"))
    done = play(made, {})

    context = context_of(done)
    assert ("right", "success") == tuple(context[f"parallel.fan_in.best_{key}"] for key in ("id", "outcome"))
    head = sha(made.folder, "attractor/run/parallel/r1/fan/1/right")
    assert head == context["parallel.fan_in.best_head_sha"]
    assert head == sha(made.folder, "attractor/run/r1~3")  # before the commits of join, after and exit


GOAL = """
  test [prompt="prove it", goal_gate=true{retry}]; rest [prompt="go on"]
  start -> test; test -> rest [condition="outcome=success"]; test -> rest [condition="outcome=fail"]; rest -> exit
"""


def test_24_an_unsatisfied_goal_gate_jumps_to_its_retry_target(pipeline: Any) -> None:
    done = play(pipeline(GOAL.format(retry=", retry_target=test")), {"test": [failed("not yet"), {}]})

    assert 0 == done.code
    unsatisfied = done.one("goal_gate_unsatisfied")
    assert ("test", "fail", "test") == tuple(unsatisfied[key] for key in ("gate", "status", "to"))
    assert ["test=fail", "test=success"] == [each for each in done.walked() if each.startswith("test")]


def test_24_an_unsatisfied_goal_gate_without_a_retry_target_fails_the_run(pipeline: Any) -> None:
    made = pipeline(GOAL.format(retry=""))
    done = play(made, {"test": failed("not yet")})

    assert 1 == done.code
    assert "goal gate 'test' ended in fail and has no retry target" in done.final["reason"]
