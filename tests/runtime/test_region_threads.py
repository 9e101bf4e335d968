"""Branches at the same time: who waits for whom, who is recalled, and what an error in one of them does."""

import json
import threading
import time
from typing import Any

import pytest

from attractor.runtime.outcome import FailureClass, Outcome, Usage
from attractor.runtime.steps.contract import Report

T = 'shape=parallelogram, tool_command="true"'
REGION = f"""
    fan [shape=component, {{how}}]; join [shape=tripleoctagon]; after [{T}]
    a [{T}]; b [{T}]; c [{T}]
    start -> fan; fan -> a; fan -> b; fan -> c; a -> join; b -> join; c -> join
    join -> after -> done
"""
PATIENCE_S = 20.0


def region(how: str = "max_parallel=4") -> str:
    return REGION.format(how=how)


def meets(barrier: threading.Barrier) -> Any:
    def meet(visit: Any, world: Any) -> Report:
        barrier.wait(PATIENCE_S)
        return Report(Outcome.success())

    return meet


def until_recalled(visit: Any, world: Any) -> Report:
    """A stage that only ends when it is told to."""
    end = time.monotonic() + PATIENCE_S
    while not world.cancellation.reason and time.monotonic() < end:
        time.sleep(0.01)
    return Report(Outcome.failed("was stopped", FailureClass.CANCELED))


def after(event: threading.Event, word: str = "success") -> Any:
    def wait(visit: Any, world: Any) -> Report:
        assert event.wait(PATIENCE_S)
        return Report(Outcome.success() if word == "success" else Outcome.failed("no", FailureClass.DETERMINISTIC))

    return wait


def statuses(played: Any) -> dict[str, str]:
    return {event["branch_id"]: event["status"] for event in played.events("branch_finished")}


def test_branches_run_at_the_same_time(play: Any) -> None:
    together = meets(threading.Barrier(3))

    assert "success" == play(region(), {"a": together, "b": together, "c": together}).ending.status


def test_no_more_than_max_parallel_run_at_once(play: Any) -> None:
    running: list[str] = []
    most: list[int] = []

    def work(visit: Any, world: Any) -> Report:
        running.append(visit.node.id)
        most.append(len(running))
        time.sleep(0.05)
        running.remove(visit.node.id)
        return Report(Outcome.success())

    played = play(region("max_parallel=2"), {"a": work, "b": work, "c": work})

    assert ("success", 2) == (played.ending.status, max(most))


def test_the_first_success_recalls_the_others_and_does_not_start_the_rest(play: Any) -> None:
    played = play(
        region("max_parallel=2, join_policy=first_success"), {"a": until_recalled, "b": "success", "c": "success"}
    )

    assert {"a": "canceled", "b": "success", "c": "canceled"} == statuses(played)
    assert {"b", "after"} == {visit.node.id for visit in played.stages.visits} - {"a"}
    assert "success" == played.walk.state.words["fan"]
    result = played.walk.state.context["parallel.results"][0]
    assert ("canceled", "canceled") == (result["outcome"], result["failure_class"])
    assert (
        "not needed any more: 1 branch succeeded, which is enough for join_policy=first_success"
        == result["failure_reason"]
    )


def test_a_recalled_branch_is_in_the_journal_and_counts_for_no_breaker(play: Any) -> None:
    played = play(region("join_policy=first_success"), {"a": until_recalled, "c": until_recalled})

    joined = {
        line["id"]: line["result"]["outcome"]
        for line in map(json.loads, (played.folder / "journal.ndjson").read_text().splitlines())
        if line["entry"] == "joined"
    }
    assert {"a": "canceled", "b": "success", "c": "canceled"} == joined
    assert {} == played.walk.state.signatures


def test_k_of_n_ends_when_k_succeeded(play: Any) -> None:
    played = play(region("join_policy=k_of_n, k=2"), {"c": until_recalled})

    assert {"a": "success", "b": "success", "c": "canceled"} == statuses(played)
    assert "success" == played.ending.status


def test_k_of_n_ends_when_k_cannot_succeed_any_more(play: Any) -> None:
    played = play(region("join_policy=k_of_n, k=3"), {"a": "fail::no", "b": until_recalled, "c": until_recalled})

    assert {"a": "fail", "b": "canceled", "c": "canceled"} == statuses(played)
    assert "0 of 3 branches succeeded, join_policy=k_of_n, k=3 needs 3: a: 'a' failed: no" in played.ending.reason


def test_fail_fast_recalls_the_others_and_fails(play: Any) -> None:
    played = play(region("error_policy=fail_fast"), {"a": "fail::no", "b": until_recalled, "c": until_recalled})

    assert {"a": "fail", "b": "canceled", "c": "canceled"} == statuses(played)
    assert "a branch failed, and error_policy=fail_fast: a: 'a' failed: no" in played.ending.reason


def test_the_order_in_which_branches_end_does_not_decide_who_wins(play: Any) -> None:
    ended = threading.Event()

    def last(visit: Any, world: Any) -> Report:
        ended.set()
        return Report(Outcome.success())

    played = play(region(), {"a": after(ended), "b": after(ended), "c": last})

    assert "a" == played.walk.state.context["parallel.fan_in.best_id"]
    assert ["a", "b", "c"] == [each["id"] for each in played.walk.state.context["parallel.results"]]


@pytest.mark.broken_run_dir  # our own bug ends the run without a last line, here; `launch` writes it
def test_an_error_of_ours_in_a_branch_is_raised_and_stops_the_others(play: Any) -> None:
    seen: list[str] = []

    def breaks(visit: Any, world: Any) -> Report:
        raise ZeroDivisionError("a bug")

    def watches(visit: Any, world: Any) -> Report:
        report = until_recalled(visit, world)
        seen.append(world.cancellation.reason)
        return report

    with pytest.raises(ZeroDivisionError, match="a bug"):
        play(region(), {"a": breaks, "b": watches, "c": watches})
    assert ["stopped by ZeroDivisionError"] * 2 == seen


def test_a_full_disk_in_a_branch_ends_the_run_clearly(play: Any) -> None:
    def breaks(visit: Any, world: Any) -> Report:
        raise OSError(28, "No space left on device", "journal.ndjson")

    played = play(region(), {"a": breaks, "b": until_recalled, "c": until_recalled})

    assert (
        "the run's files cannot be written: No space left on device: journal.ndjson; make room, then resume the run"
        == played.ending.reason
    )


def test_a_limit_of_the_run_that_a_branch_comes_upon_ends_the_run(play: Any) -> None:
    spent = Report(Outcome.success(), usage=Usage(llm_calls=2))
    played = play(
        """fan [shape=component, max_parallel=1]; join [shape=tripleoctagon]
        a [prompt="x"]; b [prompt="x"]; start -> fan; fan -> a; fan -> b; a -> join; b -> join; join -> done""",
        {"a": spent},
        run_yaml="limits: {max_llm_calls: 2}\n",
    )

    assert ("fail", "budget_exhausted", "b") == (
        played.ending.status,
        played.ending.failure_class,
        played.ending.node,
    )
    assert "limit reached: max_llm_calls is 2, used 2; raise limits.max_llm_calls" in played.ending.reason
    assert ["start", "a"] == played.trail


def test_a_stop_recalls_every_branch_and_leaves_them_to_a_resumed_run(play: Any) -> None:
    worlds: list[Any] = []
    barrier = threading.Barrier(3)

    def stops(visit: Any, world: Any) -> Report:
        barrier.wait(PATIENCE_S)
        worlds[0].cancellation.reason = "stopped by signal SIGTERM"
        return Report(Outcome.failed("was stopped", FailureClass.CANCELED))

    def waits(visit: Any, world: Any) -> Report:
        barrier.wait(PATIENCE_S)
        return until_recalled(visit, world)

    played = play(region(), {"a": stops, "b": waits, "c": waits}, prepare=worlds.append)

    assert ("canceled", "stopped by signal SIGTERM") == played.ending[:2]
    assert {} == statuses(played)
    region_ = played.walk.state.region
    assert region_ is not None
    assert {} == region_.results


def test_events_and_journal_lines_of_threads_are_whole_and_in_order(play: Any) -> None:
    branches = [f"b{number}" for number in range(12)]
    body = "".join(
        f"{name} [{T}]; {name}x [{T}]; fan -> {name}; {name} -> {name}x; {name}x -> join;" for name in branches
    )
    played = play(
        f"fan [shape=component, max_parallel=12]; join [shape=tripleoctagon]; start -> fan; {body} join -> done"
    )

    assert "success" == played.ending.status  # and the files fit their schemas, without a gap: see tests/conftest.py
    assert sorted([*branches, *(f"{name}x" for name in branches)]) == sorted(
        event["node_id"] for event in played.events("stage_finished") if "in_branch" in event
    )


def test_a_restart_inside_a_branch_stays_inside_it(play: Any) -> None:
    played = play(
        f"""fan [shape=component]; join [shape=tripleoctagon]; a [{T}]; check [{T}]; b [{T}]
        start -> fan; fan -> a; fan -> b; b -> join; join -> done; a -> check
        check -> join [condition="outcome=success"]
        check -> a [condition="outcome=fail", loop_restart=true]""",
        {"check": ["fail:transient_infra:http 503", "success"]},
    )

    assert ("success", 0) == (played.ending.status, played.walk.state.restarts)
    (restart,) = played.events("loop_restart")
    assert ("fan/1/a", "parallel/fan/1/a/restart-1") == (restart["in_branch"], restart["folder"])
    assert (played.folder / "parallel/fan/1/a/restart-1/stages/a/1-1").is_dir()
    assert 2 == len([visit for visit in played.stages.visits if visit.node.id == "a"])


@pytest.mark.parametrize(
    ("graph", "node", "breaker", "advice"),
    [
        ("loop_restart_signature_limit=2", "", "loop_restart_signature_limit", "loop_restart_signature_limit"),
        ("max_node_visits=2", "", "max_node_visits", "max_node_visits on the graph"),
        ("", ", max_visits=2", "max_node_visits", "max_visits on the node"),
    ],
)
def test_breakers_trip_in_a_branch_as_in_the_main_walk(
    play: Any, graph: str, node: str, breaker: str, advice: str
) -> None:
    played = play(
        f"""graph [{graph}]; fan [shape=component]; join [shape=tripleoctagon]; a [{T}{node}]; b [{T}]
        start -> fan; fan -> a; fan -> b; b -> join; join -> done
        a -> join [condition="outcome=success"]; a -> a [condition="outcome=fail"]""",
        {"a": [f"fail::{word}" for word in ("one", "one", "three", "four", "five")]},
    )

    (trip,) = played.events("breaker_tripped")
    assert (breaker, 2, "fan/1/a") == (trip["breaker"], trip["limit"], trip["in_branch"])
    assert advice in trip["reason"]
    assert "partial_success" == played.walk.state.words["fan"]
    assert trip["reason"] == played.walk.state.context["parallel.results"][0]["failure_reason"]


def test_max_restarts_trips_in_a_branch(play: Any) -> None:
    played = play(
        f"""graph [max_restarts=1]; fan [shape=component]; join [shape=tripleoctagon]; a [{T}]; b [{T}]
        start -> fan; fan -> a; fan -> b; b -> join; join -> done
        a -> join [condition="outcome=success"]; a -> a [condition="outcome=fail", loop_restart=true]""",
        {"a": [f"fail:transient_infra:{word}" for word in ("one", "two", "three")]},
    )

    (trip,) = played.events("breaker_tripped")
    assert ("max_restarts", 1, 2, "fan/1/a") == tuple(trip[key] for key in ("breaker", "limit", "value", "in_branch"))
    assert "raise the graph attribute max_restarts to allow more" in trip["reason"]


def test_waiting_for_two_people_at_once_counts_once() -> None:
    from attractor.runtime.meter import RunMeter

    class Clock:
        seconds = 0.0

        def now_s(self) -> float:
            return self.seconds

    clock = Clock()
    meter = RunMeter(clock, None)  # type: ignore[arg-type]
    for now, waited in ((5, 3), (10, 10), (12, 1), (20, 2)):  # 2-5, 0-10, 11-12, 18-20
        clock.seconds = now
        meter.pause(waited)

    assert 13_000 == meter.paused_ms
