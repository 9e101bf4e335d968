"""The walk, end to end: compiled pipelines, fake stages, the real interpreter and a real run directory."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.git import GitError
from attractor.runtime.outcome import FailureClass, Outcome, Status, Usage
from attractor.runtime.steps.contract import Report
from attractor.runtime.workspace import FolderWorkspace

T = 'shape=parallelogram, tool_command="true"'
TO_THE_EXIT = f"""mend [{T}]; mend -> done
    gate -> done [condition="outcome=success"]; gate -> mend [condition="outcome=fail"]"""
LOOP = f"""
    impl [{T}]; verify [{T}]; check [shape=diamond]
    start -> impl -> verify -> check
    check -> done [condition="outcome=success"]
    check -> impl [condition="outcome=fail"]
"""


def test_a_chain_is_walked_to_its_exit(play: Any) -> None:
    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done")

    assert ["start", "a", "b", "done"] == played.trail
    assert ("success", "arrived at exit 'done'", "", "done") == played.ending


def test_the_last_line_and_the_final_file_say_how_it_ended(play: Any) -> None:
    played = play(f"a [{T}]; start -> a -> done", {"a": "fail::no compiler"})

    final = played.json("final.json")
    assert ("fail", "'a' failed: no compiler", "deterministic", "a") == (
        final["status"],
        final["reason"],
        final["failure_class"],
        final["node"],
    )
    assert "run_failed" == played.events()[-1]["event"]


def test_a_failure_that_nothing_routes_ends_the_run(play: Any) -> None:
    played = play(f"build [{T}]; deploy [{T}]; start -> build -> deploy -> done", {"build": "fail::broken"})

    assert ["start", "build"] == played.trail
    assert ("fail", "'build' failed: broken") == played.ending[:2]


def test_a_failure_falls_through_to_the_conditional_that_routes_it(play: Any) -> None:
    played = play(LOOP, {"impl": ["fail::no model", "success"]})

    assert ["start", "impl", "check", "impl", "verify", "check", "done"] == played.trail
    caught = played.events("edge_selected")[1]
    assert ("impl", "check", ["verify"]) == (caught["from"], caught["to"], caught["skipped"])


def test_a_conditional_passes_the_outcome_on_with_reason_and_class(play: Any) -> None:
    played = play(
        f"""a [{T}]; check [shape=diamond]; fix [{T}]; wait [{T}]; start -> a -> check; fix -> done; wait -> done
        check -> done [condition="outcome=success"]
        check -> fix [condition="context.failure_class=deterministic"]
        check -> wait [condition="context.failure_class=transient_infra"]""",
        {"a": "fail:transient_infra:http 503"},
    )

    assert ["start", "a", "check", "wait", "done"] == played.trail
    assert "http 503" == played.stages.visits[-1].context["failure_reason"]


def test_no_matching_edge_is_a_failure_and_never_any_edge(play: Any) -> None:
    played = play(
        f"""a [{T}]; b [{T}]; start -> a; b -> done
        a -> done [condition="context.color=red"]; a -> b [condition="context.color=blue"]"""
    )

    assert ("fail", "no edge of 'a' matches outcome=success", "structural", "a") == played.ending


def test_a_success_past_a_failure_clears_it_from_the_context(play: Any) -> None:
    played = play(LOOP, {"impl": ["fail::broken", "success"]})

    at_repair = played.stages.visits[1].context
    assert ("fail", "broken", "deterministic") == (
        at_repair["outcome"],
        at_repair["failure_reason"],
        at_repair["failure_class"],
    )
    assert [] == [key for key in played.walk.state.context if key.startswith("failure_")]


def test_a_stage_after_a_failure_gets_a_dossier_until_one_succeeds(play: Any) -> None:
    broken = Report(Outcome.failed("2 tests fail", FailureClass.DETERMINISTIC), output_tail="E assert 1 == 2")
    played = play(LOOP, {"verify": [broken, "success"]})

    impl, verify, repair, again = (visit.dossier for visit in played.stages.visits)
    assert [None, None, None] == [impl, verify, again]
    assert ("verify", 1, 1, "deterministic", "2 tests fail", "E assert 1 == 2") == repair


def test_the_engine_tells_where_the_walk_is(play: Any) -> None:
    played = play(LOOP, {"verify": ["fail", "success"]})

    repair = played.stages.visits[2]
    keys = ("current_node", "previous_node", "previous_outcome", "last_stage")
    assert ["impl", "check", "fail", "verify"] == [repair.context[key] for key in keys]
    assert ("check", "fail", 2, 2, 0) == (
        repair.previous_node,
        repair.previous.word,
        repair.number,
        repair.overall,
        repair.restarts,
    )


def test_facts_of_a_step_reach_the_context_cut_to_their_length(play: Any) -> None:
    facts = {"tool.output": "x" * 9_000, "tool.exit_status": 0, "last_response": "y" * 300}
    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done", {"a": Report(Outcome.success(), facts)})

    context = played.stages.visits[1].context
    assert (8_000, 0, 200) == (len(context["tool.output"]), context["tool.exit_status"], len(context["last_response"]))


@pytest.mark.parametrize(
    "key", ["outcome", "failure_class", "tool.output", "graph.goal", "inputs.x", "parallel.results"]
)
def test_a_stage_cannot_write_a_key_of_the_engine(play: Any, key: str) -> None:
    forged = Outcome.success(context_updates={key: "forged", "mine": "kept"})
    played = play(f"a [{T}]; start -> a -> done", {"a": forged})

    assert "forged" != played.walk.state.context.get(key)
    assert "kept" == played.walk.state.context["mine"]
    assert [key] == [event["key"] for event in played.events("context_key_refused")]


def test_a_context_update_that_json_cannot_hold_is_a_failure(play: Any) -> None:
    played = play(f"a [{T}]; start -> a -> done", {"a": Outcome.success(context_updates={"x": float("nan")})})

    assert "'a' failed: context_updates hold what JSON cannot" in played.ending.reason


def test_the_context_starts_with_graph_attributes_and_inputs(play: Any) -> None:
    played = play(f'goal="go"; a [{T}]; start -> a -> done', run_yaml="inputs: {seed: 42}\n")

    context = played.stages.visits[0].context
    assert ("go", 42) == (context["graph.goal"], context["inputs.seed"])
    assert "42" == played.stages.visits[0].environment["ATTRACTOR_INPUT_SEED"]


# Retries


def test_a_tool_is_tried_again_until_it_succeeds(play: Any) -> None:
    played = play(f"a [{T}, max_retries=3]; start -> a -> done", {"a": ["fail", "fail", "success"]})

    assert ["a#1.1", "a#1.2", "a#1.3"] == played.attempts
    assert "success" == played.ending.status
    assert 2 == len(played.cancellation.waits)
    assert {"a": 2} == played.walk.state.retries


def test_an_explicit_zero_wins_over_the_graphs_retries(play: Any) -> None:
    played = play(f"default_max_retries=3; gate [{T}, max_retries=0]; start -> gate -> done", {"gate": "fail"})

    assert ["gate#1.1"] == played.attempts


def test_a_deterministic_failure_of_a_model_is_not_tried_again(play: Any) -> None:
    played = play('a [prompt="x", max_retries=3]; start -> a -> done', {"a": "fail"})

    assert ["a#1.1"] == played.attempts
    assert ["stage_retry_blocked"] == [event["event"] for event in played.events("stage_retry_blocked")]


def test_a_transient_failure_of_a_model_is_tried_again(play: Any) -> None:
    played = play('a [prompt="x", max_retries=3]; start -> a -> done', {"a": ["fail:transient_infra:503", "success"]})

    assert ["a#1.1", "a#1.2"] == played.attempts


def test_back_off_delays_are_those_of_the_plan(play: Any) -> None:
    backoff = '"retry.backoff.initial_delay_ms"=1000, "retry.backoff.jitter"=false'.replace('"', "")
    played = play(f"a [{T}, max_retries=2, {backoff}]; start -> a -> done", {"a": "fail"})

    assert [1.0, 2.0] == played.cancellation.waits
    assert [1000, 2000] == [event["delay_ms"] for event in played.events("stage_retry_scheduled")]


def test_retry_is_asked_again_then_fails(play: Any) -> None:
    played = play('a [prompt="x", max_retries=1]; start -> a -> done', {"a": "retry"})

    assert ["a#1.1", "a#1.2"] == played.attempts
    assert ("fail", "'a' failed: asked for another attempt 2 times and gave no reason") == played.ending[:2]


def test_retry_is_routed_at_once_by_an_edge_that_names_it(play: Any) -> None:
    played = play(
        """a [prompt="x", max_retries=5]; b [prompt="y"]; start -> a; b -> done
        a -> b [condition="outcome=retry"]; a -> done [condition="outcome=success"]""",
        {"a": "retry"},
    )

    assert ["a#1.1", "b#1.1"] == played.attempts
    assert "success" == played.ending.status


def test_an_edge_that_names_retry_sees_what_the_attempt_wrote(play: Any) -> None:
    asks = Outcome(status=Status.RETRY, word="retry", context_updates={"color": "red"})
    played = play(
        """a [prompt="x", max_retries=1]; b [prompt="y"]; start -> a; b -> done
        a -> b [condition="outcome=retry && context.color=red"]; a -> done [condition="outcome=success"]""",
        {"a": ["retry", asks]},
    )

    assert ["a#1.1", "a#1.2", "b#1.1"] == played.attempts


def test_allow_partial_turns_spent_retries_into_partial_success(play: Any) -> None:
    played = play(
        'a [prompt="x", max_retries=1, allow_partial=true, goal_gate=true]; start -> a -> done', {"a": "retry"}
    )

    assert "success" == played.ending.status
    assert {"start": "success", "a": "partial_success", "done": "partial_success"} == played.walk.state.words


# Custom words


def test_a_custom_word_that_a_condition_knows_routes(play: Any) -> None:
    played = play(
        """a [prompt="x"]; b [prompt="y"]; start -> a; b -> done
        a -> b [condition="outcome=needs_work"]; a -> done""",
        {"a": "needs_work"},
    )

    assert ["start", "a", "b", "done"] == played.trail


def test_a_custom_word_counts_when_the_next_conditional_knows_it(play: Any) -> None:
    played = play(
        """a [prompt="x"]; check [shape=diamond]; b [prompt="y"]; start -> a -> check; b -> done
        check -> b [condition="outcome=needs_work"]; check -> done""",
        {"a": "needs_work"},
    )

    assert ["start", "a", "check", "b", "done"] == played.trail


def test_a_word_that_nobody_knows_is_a_failure(play: Any) -> None:
    played = play('a [prompt="x"]; start -> a -> done', {"a": "needs_dev"})

    assert "fail" == played.ending.status
    assert "unexpected outcome word 'needs_dev'" in played.ending.reason


def test_a_custom_word_does_not_satisfy_a_goal_gate(play: Any) -> None:
    played = play(
        """a [prompt="x", goal_gate=true]; b [prompt="y"]; start -> a; b -> done
        a -> b [condition="outcome=yes"]; a -> done""",
        {"a": "yes"},
    )

    assert ("fail", "goal gate 'a' ended in yes and has no retry target; give it retry_target=NODE") == (
        played.ending[:2]
    )


# Retry targets and goal gates


def test_a_failure_jumps_to_the_retry_target(play: Any) -> None:
    played = play(
        f"a [{T}]; b [{T}, retry_target=a]; start -> a -> b -> done", {"b": ["fail::one", "fail::two", "success"]}
    )

    assert ["start", "a", "b", "a", "b", "a", "b", "done"] == played.trail
    assert "retry target" == played.events("edge_selected")[2]["why"]


def test_a_failure_never_jumps_to_a_target_of_the_graph(play: Any) -> None:
    played = play(f"retry_target=a; a [{T}]; b [{T}]; start -> a -> b -> done", {"b": "fail"})

    assert ["start", "a", "b"] == played.trail


def test_an_unsatisfied_goal_gate_jumps_back_from_the_exit(play: Any) -> None:
    played = play(
        f"""a [{T}]; gate [{T}, goal_gate=true, retry_target=a]; start -> a -> gate
        {TO_THE_EXIT}""",
        {"gate": ["fail", "success"]},
    )

    assert ["start", "a", "gate", "mend", "done", "a", "gate", "done"] == played.trail
    assert [("done", "gate", "fail", "a")] == [
        (event["node_id"], event["gate"], event["status"], event["to"])
        for event in played.events("goal_gate_unsatisfied")
    ]


def test_a_goal_gate_uses_the_graphs_target(play: Any) -> None:
    played = play(
        f"""retry_target=a; a [{T}]; gate [{T}, goal_gate=true]; start -> a -> gate
        {TO_THE_EXIT}""",
        {"gate": ["fail", "success"]},
    )

    assert ["start", "a", "gate", "mend", "done", "a", "gate", "done"] == played.trail


def test_a_goal_gate_that_was_not_visited_does_not_count(play: Any) -> None:
    played = play(
        f"""a [{T}]; gate [{T}, goal_gate=true]; start -> a; gate -> done
        a -> done [condition="outcome=success"]; a -> gate [condition="outcome=fail"]"""
    )

    assert "success" == played.ending.status


def test_an_exit_that_reports_failure_fails_the_run_and_asks_no_gate(play: Any) -> None:
    played = play(
        f"""a [{T}, goal_gate=true, retry_target=a]; lost [shape=Msquare, exit_status=fail]; start -> a
        a -> done [condition="outcome=success"]; a -> lost [condition="outcome=fail"]""",
        {"a": "fail::no luck"},
    )

    assert ("fail", "ended at 'lost', an exit that reports failure; 'a' failed: no luck", "deterministic", "lost") == (
        played.ending
    )


# Bounds


def test_a_loop_ends_at_the_visit_limit(play: Any) -> None:
    played = play(
        f"""max_node_visits=4; a [{T}]; b [{T}]; start -> a -> b
        b -> a [condition="context.more=yes"]; b -> done""",
        {"b": Outcome.success(context_updates={"more": "yes"})},
    )

    assert 4 == played.trail.count("a")
    assert ("structural", "a") == (played.ending.failure_class, played.ending.node)
    assert "has been visited 4 times, which is its limit" in played.ending.reason
    assert [("max_node_visits", 4, 5)] == [
        (event["breaker"], event["limit"], event["value"]) for event in played.events("breaker_tripped")
    ]


def test_a_nodes_own_visit_limit_wins(play: Any) -> None:
    played = play(LOOP.replace("verify [", "verify [max_visits=2, "), {"verify": ["fail::a", "fail::b", "fail::c"]})

    assert 2 == played.trail.count("verify")


def test_jumps_from_a_goal_gate_count_as_visits(play: Any) -> None:
    played = play(
        f"""max_node_visits=3; loop_restart_signature_limit=99; a [{T}]; gate [{T}, goal_gate=true, retry_target=a]
        start -> a -> gate; {TO_THE_EXIT}""",
        {"gate": "fail"},
    )

    assert "visited 3 times" in played.ending.reason


def test_the_same_failure_three_times_trips_though_others_succeed_in_between(play: Any) -> None:
    played = play(LOOP, {"verify": [f"fail::exit code {n}" for n in (1, 2, 3, 4)]})

    assert ["impl", "verify"] * 3 == [node for node in played.trail if node in ("impl", "verify")]
    assert "failed in the same way 3 times, which is the limit" in played.ending.reason
    trip = played.events("breaker_tripped")[0]
    assert ("loop_restart_signature_limit", "verify|deterministic|exit code <n>") == (
        trip["breaker"],
        trip["signature"],
    )


def test_different_failures_do_not_trip(play: Any) -> None:
    reasons = ["fail::no bread", "fail::no wine", "fail::no bread", "fail::no wine", "success"]

    assert "success" == play(LOOP, {"verify": reasons}).ending.status


def test_attempts_of_one_visit_count_once(play: Any) -> None:
    played = play(LOOP.replace("verify [", "verify [max_retries=5, "), {"verify": ["fail"] * 5 + ["success"]})

    assert "success" == played.ending.status
    assert {} == played.walk.state.signatures


def test_a_stages_own_signature_decides_what_is_the_same(play: Any) -> None:
    failures = [
        Outcome.failed(text, FailureClass.DETERMINISTIC, failure_signature="no gcc") for text in ("one", "two", "three")
    ]

    assert "failed in the same way 3 times" in play(LOOP, {"verify": failures}).ending.reason


# Limits


def test_the_run_stops_before_a_call_too_many(play: Any) -> None:
    spent = Report(Outcome.success(), usage=Usage(llm_calls=2, cost_usd=0.5))
    played = play(
        'a [prompt="x"]; b [prompt="y"]; start -> a -> b -> done',
        {"a": spent},
        run_yaml="limits: {max_llm_calls: 2}\n",
    )

    assert ["a#1.1"] == played.attempts
    assert (
        "fail",
        "limit reached: max_llm_calls is 2, used 2; raise limits.max_llm_calls in run.yaml to allow more",
        "budget_exhausted",
        "b",
    ) == played.ending
    assert 2 == played.json("final.json")["usage"]["llm_calls"]


def test_a_limit_lets_tools_go_on(play: Any) -> None:
    spent = Report(Outcome.success(), usage=Usage(llm_calls=2))
    played = play(
        f'a [prompt="x"]; b [{T}]; start -> a -> b -> done', {"a": spent}, run_yaml="limits: {max_llm_calls: 2}\n"
    )

    assert "success" == played.ending.status


def test_usage_of_all_attempts_is_summed_up(play: Any) -> None:
    asks = Report(Outcome(status=Status.RETRY, word="retry"), usage=Usage(llm_calls=1, input_tokens=7, cost_usd=0.25))
    answers = Report(Outcome.success(), usage=Usage(llm_calls=2, output_tokens=3, cost_usd=0.5))
    played = play('a [prompt="x", max_retries=1]; start -> a -> done', {"a": [asks, answers]})

    usage = played.json("final.json")["usage"]
    assert (3, 7, 3, 0.75) == (usage["llm_calls"], usage["input_tokens"], usage["output_tokens"], usage["cost_usd"])
    assert played.walk.state.usage == Usage(llm_calls=3, input_tokens=7, output_tokens=3, cost_usd=0.75)


def test_the_run_stops_when_its_time_is_up(play: Any) -> None:
    def slow(visit: Any, world: Any) -> Report:
        world.cancellation.wait(10)
        return Report(Outcome.failed("stopped", FailureClass.CANCELED))

    played = play(f"a [{T}]; start -> a -> done", {"a": slow}, run_yaml="limits: {max_wall_ms: 2000}\n")

    assert [2.0] == played.cancellation.waits
    assert (
        "fail",
        "limit reached: max_wall_ms is 2000, used 2000; raise limits.max_wall_ms in run.yaml to allow more",
        "budget_exhausted",
        "a",
    ) == played.ending


def test_back_off_does_not_outlast_the_runs_time(play: Any) -> None:
    played = play(
        f"a [{T}, max_retries=9, retry.backoff.initial_delay_ms=60000]; start -> a -> done",
        {"a": "fail"},
        run_yaml="limits: {max_wall_ms: 5000}\n",
    )

    assert [5.0] == played.cancellation.waits
    assert "max_wall_ms" in played.ending.reason


def test_waiting_for_a_person_is_not_counted(play: Any) -> None:
    def person(visit: Any, world: Any) -> Report:
        world.cancellation.wait(3600)
        world.meter.pause(3600)
        return Report(Outcome.success())

    played = play(
        f"ask [shape=hexagon]; a [{T}]; start -> ask -> a -> done",
        {"ask": person},
        run_yaml="limits: {max_wall_ms: 2000}\n",
    )

    assert "success" == played.ending.status


def test_an_attempt_that_outlasts_its_timeout_is_a_transient_failure(play: Any) -> None:
    def slow(visit: Any, world: Any) -> Report:
        assert world.cancellation.wait(3600)
        return Report(Outcome.failed(world.cancellation.reason, FailureClass.CANCELED))

    played = play('a [prompt="x", timeout="90s", max_retries=1]; start -> a -> done', {"a": [slow, "success"]})

    assert "success" == played.ending.status
    first = played.events("stage_attempt_finished")[0]
    assert ("transient_infra", "timed out after 90 s (timeout of 'a')") == (first["failure_class"], first["reason"])


# Cancellation


def test_a_run_that_is_stopped_before_it_begins_runs_nothing(play: Any) -> None:
    def stop(stage: Any) -> None:
        stage.cancellation.reason = "stopped by signal SIGINT"

    played = play(f"a [{T}]; start -> a -> done", prepare=stop)

    assert [] == played.trail
    assert ("canceled", "stopped by signal SIGINT", "", "start") == played.ending


def test_a_stage_that_fails_because_the_run_stops_is_canceled_and_not_counted(play: Any) -> None:
    def interrupted(visit: Any, world: Any) -> Report:
        world.cancellation.reason = "stopped by signal SIGTERM"
        return Report(Outcome.failed("exit code 143", FailureClass.DETERMINISTIC))

    played = play(f"a [{T}, max_retries=3]; start -> a -> done", {"a": interrupted})

    assert ["a#1.1"] == played.attempts
    assert ("canceled", "stopped by signal SIGTERM", "", "a") == played.ending
    assert {} == played.walk.state.signatures
    assert "run_canceled" == played.events()[-1]["event"]
    assert "canceled" == played.json("final.json")["status"]


def test_a_stage_that_succeeded_while_the_run_stops_counts_as_done(play: Any) -> None:
    def last(visit: Any, world: Any) -> Report:
        world.cancellation.reason = "stopped"
        return Report(Outcome.success())

    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done", {"a": last})

    assert ["start", "a"] == played.trail
    assert ("canceled", "b") == (played.ending.status, played.ending.node)


def test_a_back_off_ends_when_the_run_stops(play: Any) -> None:
    def stop_later(visit: Any, world: Any) -> Report:
        world.cancellation.reason = ""
        return Report(Outcome.failed("x", FailureClass.TRANSIENT_INFRA))

    class Impatient:
        """Stops the run at the first event that announces a back-off."""

        cancellation: Any = None

        def __call__(self, record: Any) -> None:
            if record.name == "stage_retry_scheduled":
                self.cancellation.reason = "stopped"

    impatient = Impatient()
    played = play(
        f"a [{T}, max_retries=3]; start -> a -> done",
        {"a": stop_later},
        prepare=lambda stage: setattr(impatient, "cancellation", stage.cancellation),
        listeners=[impatient],
    )

    assert ("canceled", ["a#1.1"], []) == (played.ending.status, played.attempts, played.cancellation.waits)


# Workspace and files


class CountingWorkspace(FolderWorkspace):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.messages: list[str] = []

    def commit(self, message: str) -> str:
        self.messages.append(message)
        if "broken" in message:
            raise GitError("disk full")
        return f"{len(self.messages):040x}"


def test_every_node_is_committed_with_its_outcome(play: Any, tmp_path: Path) -> None:
    workspace = CountingWorkspace(tmp_path)
    played = play(LOOP, {"verify": ["fail", "success"]}, workspace=workspace)

    assert [
        "attractor(run-0): start (success)",
        "attractor(run-0): impl (success)",
        "attractor(run-0): verify (fail)",
        "attractor(run-0): check (fail)",
        "attractor(run-0): impl (success)",
        "attractor(run-0): verify (success)",
        "attractor(run-0): check (success)",
        "attractor(run-0): done (success)",
    ] == workspace.messages
    assert f"{8:040x}" == played.json("final.json")["commit"]


def test_work_that_cannot_be_committed_ends_the_run(play: Any, tmp_path: Path) -> None:
    played = play(f"broken [{T}]; start -> broken -> done", workspace=CountingWorkspace(tmp_path))

    assert ("fail", "the work of 'broken' could not be committed: disk full") == played.ending[:2]


def test_each_attempt_has_a_folder_of_its_own(play: Any) -> None:
    played = play(LOOP.replace("verify [", "verify [max_retries=1, "), {"verify": ["fail", "fail", "success"]})

    folders = sorted(str(path.relative_to(played.folder)) for path in played.folder.glob("stages/verify/*"))
    assert ["stages/verify/1-1", "stages/verify/1-2", "stages/verify/2-1"] == folders
    assert "fail" == played.json("stages/verify/1-2/status.json")["status"]


def test_the_workspace_is_left_as_it_was_found(play: Any, tmp_path: Path) -> None:
    play(LOOP, {"verify": ["fail", "success"]})

    assert [] == list((tmp_path / "workspace").rglob("*"))


def test_a_workspace_that_went_away_is_not_made_anew(play: Any, tmp_path: Path) -> None:
    def remove(visit: Any, world: Any) -> Report:
        shutil.rmtree(visit.workspace)
        return Report(Outcome.success())

    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done", {"a": remove})

    assert f"'b' failed: the workspace is gone: {tmp_path / 'workspace'}" == played.ending.reason
    assert not (tmp_path / "workspace").exists()


@pytest.mark.broken_run_dir
def test_a_run_directory_that_cannot_be_written_ends_the_run(play: Any) -> None:
    def fill(visit: Any, world: Any) -> Report:
        shutil.rmtree(visit.run.folder / "stages")
        (visit.run.folder / "stages").write_text("in the way")
        return Report(Outcome.success())

    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done", {"a": fill})

    assert "the run's files cannot be written: Not a directory" in played.ending.reason
    assert "fail" == played.json("final.json")["status"]
    assert "run_failed" == played.events()[-1]["event"]


def test_edges_tell_the_stage_how_much_of_the_past_it_gets(play: Any) -> None:
    played = play('a [prompt="x"]; b [prompt="y"]; start -> a; a -> b [fidelity=full, thread_id=shared]; b -> done')

    assert [("compact", "a"), ("full", "shared")] == [
        (visit.fidelity, visit.thread or visit.node.id) for visit in played.stages.visits
    ]


def test_a_kind_without_a_step_is_refused_clearly(play: Any) -> None:
    played = play("m [shape=parallelogram, tool_command=x]; start -> m -> done", kinds=())

    assert ("fail", "'m' failed: this attractor cannot run nodes of kind tool", "structural", "m") == played.ending
