"""loop_restart: a fresh pass in the same workspace, bounded, and only after what the edge allows."""

from typing import Any

import pytest

from attractor.runtime.outcome import FailureClass, Outcome

T = 'shape=parallelogram, tool_command="true"'
PIPELINE = """
    loop_restart_persist_keys="kept"
    impl [{T}]; verify [{T}, max_retries=0]; check [shape=diamond]
    start -> impl -> verify -> check
    check -> done [condition="outcome=success"]
    check -> impl [condition="context.failure_class=transient_infra", loop_restart=true{on}]
    check -> impl [condition="context.failure_class!=transient_infra"{other}]
"""


def pipeline(on: str = "", other: str = "", before: str = "") -> str:
    return before + PIPELINE.format(T=T, on=on, other=other)


def test_a_restart_begins_again_with_a_fresh_context(play: Any) -> None:
    noted = Outcome.success(context_updates={"kept": "yes", "lost": "yes"})
    played = play(pipeline(), {"impl": noted, "verify": ["fail:transient_infra:http 503", "success"]})

    again = played.stages.visits[2]
    assert ("impl", 1, 2, 1) == (again.node.id, again.number, again.overall, again.restarts)
    assert {"kept": "yes", "loop_restart.iteration": 1, "loop_restart.from_node": "check"} == {
        key: value
        for key, value in again.context.items()
        if key in ("kept", "lost", "outcome", "failure_reason", "loop_restart.iteration", "loop_restart.from_node")
    }
    assert (None, None) == (again.previous, again.dossier)


def test_a_restart_writes_to_a_new_folder(play: Any) -> None:
    failures = ["fail:transient_infra:http 503", "fail:transient_infra:connection reset", "success"]
    played = play(pipeline(), {"verify": failures})

    assert ["restart-1/stages/impl/1-1", "restart-2/stages/impl/1-1", "stages/impl/1-1"] == sorted(
        str(path.relative_to(played.folder)) for path in played.folder.glob("**/stages/impl/1-1")
    )
    assert ["restart-1", "restart-2"] == [event["folder"] for event in played.events("loop_restart")]
    assert 2 == played.json("final.json")["restarts"]


def test_a_restart_resets_visits_and_words_but_not_signatures(play: Any) -> None:
    failures = ["fail:transient_infra:503 http 503"] * 2 + ["success"]
    played = play(pipeline(before="max_node_visits=2\n"), {"verify": failures})

    assert "success" == played.ending.status
    assert 1 == played.walk.state.visits["impl"]
    assert {"verify|transient_infra|<n> http <n>": 2} == played.walk.state.signatures


def test_the_same_transient_failure_ends_the_run_at_its_limit(play: Any) -> None:
    played = play(pipeline(), {"verify": "fail:transient_infra:http 503"})

    assert 2 == played.walk.state.restarts
    assert ("transient_infra", "verify") == (played.ending.failure_class, played.ending.node)
    assert "failed in the same way 3 times" in played.ending.reason


def test_max_restarts_bounds_all_restarts(play: Any) -> None:
    def unlike(visit: Any, world: Any) -> Any:
        from attractor.runtime.steps.contract import Report

        words = ("one", "two", "three", "four")
        return Report(Outcome.failed(f"timeout of {words[visit.restarts]}", FailureClass.TRANSIENT_INFRA))

    played = play(pipeline(before="max_restarts=2\n"), {"verify": unlike})

    assert 2 == played.walk.state.restarts
    assert (
        "an edge asks for restart number 3, the limit is 2 (raise the graph attribute max_restarts to allow more); "
        "'verify' failed: timeout of three"
    ) == played.ending.reason


def test_a_restart_after_success_counts_too(play: Any) -> None:
    played = play(
        f"""max_restarts=1; a [{T}]; b [{T}]; start -> a -> b
        b -> done [condition="context.enough=yes"]; b -> a [loop_restart=true]"""
    )

    assert ["start", "a", "b", "a", "b"] == played.trail
    assert "restart number 2, the limit is 1" in played.ending.reason


def test_a_stricter_edge_blocks_the_restart_and_fails_the_run(play: Any) -> None:
    played = play(
        f"""a [{T}]; start -> a; a -> done [condition="outcome=success"]
        a -> a [condition="outcome=fail", loop_restart=true, loop_restart_on=transient_infra]""",
        {"a": "fail::wrong"},
    )

    assert 0 == played.walk.state.restarts
    assert (
        "fail",
        "loop_restart blocked: the edge a -> a restarts after transient_infra failures, "
        "this one is deterministic: wrong",
        "deterministic",
        "a",
    ) == played.ending
    assert ["deterministic"] == [event["failure_class"] for event in played.events("loop_restart_blocked")]


@pytest.mark.parametrize(
    ("failure_class", "restarts"),
    [("transient_infra", 1), ("deterministic", 1), ("structural", 1), ("budget_exhausted", 1), ("canceled", 0)],
)
def test_any_failure_but_cancellation_restarts_by_default(play: Any, failure_class: str, restarts: int) -> None:
    played = play(
        f"""a [{T}]; start -> a; a -> done [condition="outcome=success"]
        a -> a [condition="outcome=fail", loop_restart=true]""",
        {"a": [f"fail:{failure_class}:broke", "success"]},
    )

    assert restarts == played.walk.state.restarts


def test_goal_gates_of_an_earlier_pass_do_not_count(play: Any) -> None:
    played = play(
        f"""gate [{T}, goal_gate=true]; b [{T}]; start -> gate
        gate -> b [condition="outcome=fail"]; gate -> done [condition="outcome=success"]
        b -> late [loop_restart=true]; late [{T}]; late -> done""",
        {"gate": "fail"},
    )

    assert "success" == played.ending.status


def test_a_snapshot_is_taken_at_each_restart(play: Any) -> None:
    played = play(pipeline(), {"verify": ["fail:transient_infra:http 503", "success"]})

    assert 3 == len(played.events("checkpoint_saved"))
