"""Parallel regions: branches with their own context and counts, and the join that ranks them."""

from typing import Any

import pytest

from attractor.runtime.outcome import FailureClass, Outcome, Usage
from attractor.runtime.steps.contract import Report

T = 'shape=parallelogram, tool_command="true"'
REGION = """
    fan [shape=component, max_parallel=1]; join [shape=tripleoctagon{join}]; after [{T}]
    left [{T}]; left2 [{T}]; right [{T}]
    start -> fan; fan -> left; fan -> right; left -> left2 -> join; right -> join
    join -> after -> done
"""


def region(join: str = "") -> str:
    return REGION.format(T=T, join=join)


def test_branches_run_up_to_the_join_and_the_walk_goes_on(play: Any) -> None:
    played = play(region())

    assert ["start", "left", "left2", "right", "fan", "join", "after", "done"] == played.trail
    assert "success" == played.ending.status


def test_each_branch_walks_with_its_own_copy_of_the_context(play: Any) -> None:
    write = Outcome.success(context_updates={"color": "red"})
    played = play(region(), {"left": write})

    seen = {visit.node.id: visit.context.get("color") for visit in played.stages.visits}
    assert {"left": None, "left2": "red", "right": None} == {node: seen[node] for node in ("left", "left2", "right")}


def test_the_results_reach_the_context_whole(play: Any) -> None:
    played = play(
        region(),
        {"left": Outcome.success(context_updates={"color": "red"}), "right": "fail:transient_infra:http 503"},
    )

    assert [
        {
            "id": "left",
            "outcome": "success",
            "last_node": "left2",
            "failure_class": "",
            "failure_reason": "",
            "notes": "",
            "response": "",
            "context": {"color": "red"},
            "artifacts": {
                "left": "parallel/fan/1/left/stages/left",
                "left2": "parallel/fan/1/left/stages/left2",
            },
            "git_branch": "",
            "head_sha": "",
            "files": [],
        },
        {
            "id": "right",
            "outcome": "fail",
            "last_node": "right",
            "failure_class": "transient_infra",
            "failure_reason": "'right' failed: http 503",
            "notes": "",
            "response": "",
            "context": {},
            "artifacts": {"right": "parallel/fan/1/right/stages/right"},
            "git_branch": "",
            "head_sha": "",
            "files": [],
        },
    ] == played.walk.state.context["parallel.results"]


def test_some_failed_branches_make_a_partial_success(play: Any) -> None:
    played = play(region(), {"left2": "fail::broken"})

    words = played.walk.state.words
    assert ("partial_success", "partial_success", "success") == (words["fan"], words["join"], words["after"])
    context = played.walk.state.context
    assert ("right", "success") == (context["parallel.fan_in.best_id"], context["parallel.fan_in.best_outcome"])


def test_all_failed_is_a_failure_that_does_not_take_the_plain_edge(play: Any) -> None:
    played = play(region(), {"left": "fail::a", "right": "fail:transient_infra:http 503"})

    assert ["start", "left", "right", "fan", "join"] == played.trail
    assert ("fail", "deterministic", "join") == (
        played.ending.status,
        played.ending.failure_class,
        played.ending.node,
    )
    assert (
        "'join' failed: all parallel branches failed: left: 'left' failed: a; right: 'right' failed: http 503"
        == played.ending.reason
    )


def test_all_failed_is_transient_only_if_every_branch_is(play: Any) -> None:
    played = play(region(), {"left": "fail:transient_infra:http 503", "right": "fail:transient_infra:reset"})

    assert "transient_infra" == played.ending.failure_class


def test_all_failed_follows_the_joins_own_routes(play: Any) -> None:
    played = play(
        region().replace("join -> after", 'join -> fan [condition="outcome=fail"]; join -> after'),
        {"left": ["fail::a", "success"], "right": ["fail::b", "success"]},
    )

    assert "success" == played.ending.status
    assert 2 == played.walk.state.visits["fan"]


@pytest.mark.parametrize(
    ("left", "right", "best"),
    [
        ("success", "success", "left"),
        ("partial_success", "success", "right"),
        ("fail", "partial_success", "right"),
        ("skipped", "partial_success", "right"),
        ("skipped", "fail", "left"),
    ],
)
def test_the_join_ranks_by_outcome_then_by_order(play: Any, left: str, right: str, best: str) -> None:
    played = play(region(), {"left2": left, "right": right})

    assert best == played.walk.state.context["parallel.fan_in.best_id"]
    assert [best] == [event["best_id"] for event in played.events("fan_in_finished")]


@pytest.mark.parametrize(("merge", "expected"), [("best", {"l": 1}), ("all", {"l": 1, "r": 2})])
def test_the_join_hands_on_what_the_merged_branches_wrote(play: Any, merge: str, expected: Any) -> None:
    played = play(
        region(f", merge={merge}"),
        {"left": Outcome.success(context_updates={"l": 1}), "right": Outcome.success(context_updates={"r": 2})},
    )

    context = played.stages.visits[-1].context
    assert expected == {key: context[key] for key in ("l", "r") if key in context}


def test_branches_have_breakers_of_their_own(play: Any) -> None:
    played = play(
        f"""fan [shape=component, max_parallel=1]; join [shape=tripleoctagon]; left [{T}]; mend [{T}]; right [{T}]
        start -> fan; fan -> left; fan -> right; right -> join; mend -> left; join -> done
        left -> join [condition="outcome=success"]; left -> mend [condition="outcome=fail"]""",
        {"left": "fail::broken"},
    )

    assert 3 == played.trail.count("left")
    assert ["fan/1/left"] == [event["in_branch"] for event in played.events("breaker_tripped")]
    assert "partial_success" == played.walk.state.words["fan"]


def test_a_branchs_failure_is_caught_inside_it(play: Any) -> None:
    played = play(
        f"""fan [shape=component, max_parallel=1]; join [shape=tripleoctagon]
        a [{T}]; b [{T}]; check [shape=diamond]; fix [{T}]; right [{T}]
        start -> fan; fan -> a; fan -> right; right -> join
        a -> b -> check; check -> join [condition="outcome=success"]; check -> fix [condition="outcome=fail"]
        fix -> join; join -> done""",
        {"a": "fail"},
    )

    assert ["start", "a", "check", "fix", "right", "fan", "join", "done"] == played.trail
    assert "success" == played.walk.state.words["fan"]


def test_goal_gates_inside_do_not_reach_the_exit(play: Any) -> None:
    played = play(region().replace("right [", "right [goal_gate=true, "), {"right": "fail"})

    assert "success" == played.ending.status


def test_the_parents_stream_shows_the_branches(play: Any) -> None:
    played = play(region(), {"right": "fail::no"})

    told = [
        (event["event"], event["branch_id"], event.get("stage") or event.get("status", ""))
        for event in played.events("branch_started", "branch_progress", "branch_finished")
    ]
    assert [
        ("branch_started", "left", ""),
        ("branch_progress", "left", "left"),
        ("branch_progress", "left", "left2"),
        ("branch_finished", "left", "success"),
        ("branch_started", "right", ""),
        ("branch_progress", "right", "right"),
        ("branch_finished", "right", "fail"),
    ] == told
    assert {"fan/1/left", "fan/1/right"} == {event["in_branch"] for event in played.events() if "in_branch" in event}


def test_a_second_visit_has_folders_of_its_own(play: Any) -> None:
    played = play(
        region().replace("join -> after", 'join -> fan [condition="outcome=fail"]; join -> after'),
        {"left": ["fail::a", "success"], "right": ["fail::b", "success"]},
    )

    assert ["parallel/fan/1/left/stages/left/1-1", "parallel/fan/2/left/stages/left/1-1"] == sorted(
        str(path.relative_to(played.folder)) for path in played.folder.glob("parallel/fan/*/left/stages/left/1-1")
    )


def test_usage_of_branches_counts_once(play: Any) -> None:
    spent = Report(Outcome.success(), usage=Usage(llm_calls=1, cost_usd=0.25))
    played = play(region(), {"left": spent, "right": spent, "after": spent})

    assert Usage(llm_calls=3, cost_usd=0.75) == played.walk.state.usage == played.walk.meter.usage
    assert 3 == sum(event["llm_calls"] for event in played.events("stage_finished"))


def test_regions_nest(play: Any) -> None:
    played = play(
        f"""outer [shape=component, max_parallel=1]; inner [shape=component]
        j1 [shape=tripleoctagon]; j2 [shape=tripleoctagon]
        a [{T}]; b [{T}]; c [{T}]
        start -> outer; outer -> inner; outer -> c; inner -> a; inner -> b; a -> j1; b -> j1; j1 -> j2; c -> j2
        j2 -> done""",
        {"b": "fail::x"},
    )

    assert ["start", {"a", "b"}, "inner", "j1", "c", "outer", "j2", "done"] == [
        played.trail[0], set(played.trail[1:3]), *played.trail[3:]
    ]  # fmt: skip
    inner = next(event for event in played.events() if event.get("node_id") == "a")
    assert "outer/1/inner/inner/1/a" == inner["in_branch"]


def test_a_stop_inside_a_branch_stops_the_run(play: Any) -> None:
    worlds: list[Any] = []

    def interrupted(visit: Any, world: Any) -> Report:
        worlds[0].cancellation.reason = "stopped by signal SIGINT"
        return Report(Outcome.failed("exit code 130", FailureClass.DETERMINISTIC))

    played = play(region(), {"left": interrupted}, prepare=worlds.append)

    assert ["start"] == played.trail
    assert ("canceled", "stopped by signal SIGINT") == played.ending[:2]


def test_two_branches_may_begin_at_the_same_node(play: Any) -> None:
    from attractor.runtime.branches import branch_ids

    assert ["a", "b", "a.2", "a.3"] == branch_ids(["a", "b", "a", "a"])


def test_a_join_without_branches_fails_clearly(play: Any, build: Any) -> None:
    nodes = [
        build.node("start", "start", edges=[build.edge("join")]),
        build.node("join", "parallel.fan_in", edges=[build.edge("done")]),
        build.node("done", "exit"),
    ]
    played = play(build.plan(build.document(nodes)))

    assert "none have run" in played.ending.reason


def test_a_branch_that_leaves_its_region_does_not_end_the_run_in_success(play: Any, build: Any) -> None:
    nodes = [
        build.node("start", "start", edges=[build.edge("fan")]),
        build.node("fan", "parallel", join="join", edges=[build.edge("a", "branch")]),
        build.node("a", "tool", edges=[build.edge("done")]),
        build.node("join", "parallel.fan_in", edges=[build.edge("done")]),
        build.node("done", "exit"),
    ]
    played = play(build.plan(build.document(nodes)))

    assert "fail" == played.ending.status
    assert "a branch left its parallel region" in played.ending.reason


def test_a_branch_that_leads_back_to_its_component_fails_instead_of_multiplying(play: Any, build: Any) -> None:
    nodes = [
        build.node("start", "start", edges=[build.edge("fan")]),
        build.node("fan", "parallel", join="join", edges=[build.edge("a", "branch"), build.edge("fan", "branch")]),
        build.node("a", "tool", edges=[build.edge("fan")]),
        build.node("join", "parallel.fan_in", edges=[build.edge("done")]),
        build.node("done", "exit"),
    ]
    played = play(build.plan(build.document(nodes)))

    assert "a branch of 'fan' leads back to 'fan'; lead it to 'join'" in played.ending.reason


def test_regions_nested_too_deeply_fail_instead_of_overflowing(play: Any, build: Any) -> None:
    depth = 70
    nodes = [build.node("start", "start", edges=[build.edge("f0")])]
    for n in range(depth):
        nodes.append(build.node(f"f{n}", "parallel", join=f"j{n}", edges=[build.edge(f"f{n + 1}", "branch")]))
        nodes.append(build.node(f"j{n}", "parallel.fan_in", edges=[build.edge(f"j{n - 1}" if n else "done")]))
    nodes += [build.node(f"f{depth}", "tool", edges=[build.edge(f"j{depth - 1}")]), build.node("done", "exit")]
    played = play(build.plan(build.document(nodes)))

    assert "fail" == played.ending.status
    assert ["parallel regions are nested deeper than 64"] == [
        event["reason"] for event in played.events("stage_finished") if event["node_id"] == "f64"
    ]
