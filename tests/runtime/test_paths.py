"""All paths of a plan: each witness, played as a scenario by the real interpreter, takes that very path."""

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.runtime.paths import report
from attractor.runtime.paths.place import Ended, Trail, steps
from attractor.runtime.paths.search import Searched, search
from attractor.runtime.paths.witness import path_text, scenario_of
from attractor.runtime.plan import ParallelWork, Plan
from attractor.runtime.read_plan import plan_of
from attractor.runtime.schema import complaint
from attractor.runtime.scripted import Scenario
from attractor.runtime.steps import simulated

from .random_plans import MAX_RESTARTS, MEMORY, pipelines, written

ONWARD = ("stage_finished", "edge_selected", "goal_gate_unsatisfied", "loop_restart_blocked", "breaker_tripped")
MOST = 150  # states, for random plans


def replay(build: Any, plan: Plan, trail: Trail | None) -> Any:
    """Play a path as a scenario, and return the run."""
    document = json.loads(json.dumps(scenario_of(plan, trail, "a path")))
    assert "" == complaint("scenario", document)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        played = build.play(plan, {}, Path(folder), "run", steps=simulated(Scenario(document)))
        return played.ending, taken(played)


def taken(played: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Return what each walk of a run visited, and where it went from there."""
    visits: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for event in played.events(*ONWARD):
        walk = event.get("in_branch", "")
        if event["event"] == "stage_finished":
            visits[walk].append((event["node_id"], event["visit"], event["status"], ""))
        elif event["event"] == "loop_restart_blocked" or event.get("breaker") == "max_restarts":
            visits[walk][-1] = (*visits[walk][-1][:3], "")  # the edge was selected, but not followed
        elif event.get("to"):
            visits[walk][-1] = (*visits[walk][-1][:3], event["to"])
    return visits


def told(trail: Trail | None) -> dict[str, list[tuple[Any, ...]]]:
    visits: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for step in steps(trail):
        to = "" if step.why == "join" else step.to
        visits[step.branch].append((step.node, step.visit, step.word, to))
    return visits


def assert_taken(build: Any, plan: Plan, trail: Trail | None, ended: Ended | None = None) -> None:
    ending, visits = replay(build, plan, trail)
    for walk, expected in told(trail).items():
        if walk and any(_is_decided_early(node.work) for node in plan.nodes.values()):
            continue  # how far a branch came that is not needed any more, nobody knows
        assert expected == visits[walk][: len(expected)], path_text(trail)
        if ended is not None and not walk:
            assert len(expected) == len(visits[walk]), path_text(trail)
    if ended is not None:
        assert (ended.ending.status, ended.ending.node) == (ending.status, ending.node)
        if not any(_is_decided_early(node.work) for node in plan.nodes.values()):
            assert ended.ending.reason == ending.reason


def _is_decided_early(work: object) -> bool:
    return isinstance(work, ParallelWork) and (work.join_policy != "wait_all" or work.error_policy == "fail_fast")


def _regions(found: Trail | Ended | None) -> set[str]:
    """Return the nodes of a path, and the regions around its branches."""
    trail = found.trail if isinstance(found, Ended) else found
    return {part for step in steps(trail) for part in (step.node, *step.branch.split("/"))}


def assert_all_taken(build: Any, plan: Plan, searched: Searched) -> None:
    found = searched.found
    races = set(searched.races)
    found = found._replace(
        **{
            field: {k: v for k, v in getattr(found, field).items() if not races & _regions(v)}
            for field in found._fields
        }
    )
    for trail in [*found.nodes.values(), *found.ways.values()]:
        assert_taken(build, plan, trail)
    for ended in [*found.ends.values(), *found.past.values()]:
        assert_taken(build, plan, ended.trail, ended)


policies = st.fixed_dictionaries(
    {
        "join_policy": st.sampled_from(["wait_all", "wait_all", "first_success", "k_of_n", "quorum"]),
        "error_policy": st.sampled_from(["continue", "continue", "fail_fast", "ignore"]),
        "k": st.integers(1, 2),
        "quorum_fraction": st.sampled_from([0.5, 1.0]),
        "max_parallel": st.integers(1, 3),
    }
)


@settings(max_examples=25, deadline=None)
@given(pipelines(), st.sampled_from([2, 3]), policies)
def test_each_witness_takes_the_path_that_it_shows(
    build: Any, drawn: list[dict[str, Any]], signatures: int, policy: dict[str, Any]
) -> None:
    drawn = [{**node, **policy} if node["kind"] == "parallel" else node for node in drawn]
    nodes = [written(build, node) for node in drawn]
    plan = plan_of(build.document(nodes, max_restarts=MAX_RESTARTS, signature_limit=signatures))

    assert_all_taken(build, plan, search(plan, MOST))


# by hand

REPAIR = """
 build [prompt="b"]
 test [shape=parallelogram, tool_command="false"]
 green [shape=diamond]
 mend [prompt="m"]
 start -> build -> test -> green
 green -> done [condition="outcome=success"]
 green -> mend [condition="outcome=fail"]
 mend -> done
"""
WITHOUT_COMPLAINT = {
    "a success past a failed stage": REPAIR,
    "a context key that a gate stands before": """
        ask [shape=hexagon]
        plan [prompt="p"]
        route [shape=diamond]
        start -> plan -> ask
        ask -> route [label="[G] Go on"]
        ask -> done [label="Stop"]
        route -> red [condition="context.color=red"]
        route -> blue [condition="context.color!=red && context.size"]
        route -> done
        red -> done
        blue -> done
        red [prompt="r"]
        blue [prompt="b"]
        """,
    "labels, words of its own and retries": """
        work [prompt="yellow or not", max_retries=1]
        again [prompt="a"]
        start -> work
        work -> again [condition="outcome=retry"]
        work -> other [condition="outcome=yellow"]
        work -> third [label="third"]
        work -> done [label="done"]
        other -> done
        third -> done
        again -> done
        other [prompt="o"]
        third [prompt="t"]
        """,
    "a restart, a goal gate and its retry target": """
        max_restarts=1
        build [prompt="b"]
        check [prompt="c", goal_gate=true, retry_target=build]
        verdict [shape=diamond]
        start -> build -> check -> verdict
        verdict -> done
        verdict -> build [condition="context.failure_class=transient_infra", loop_restart=true]
        """,
    "regions with a prompt that chooses": """
        fan [shape=component]
        join [shape=tripleoctagon, prompt="Which?", llm_model=fake-1, llm_provider=fake]
        left [prompt="l"]
        right [prompt="r"]
        after [shape=diamond]
        start -> fan
        fan -> left -> join
        fan -> right -> join
        join -> after
        after -> won_left [condition="context.parallel.fan_in.best_id=left"]
        after -> won_right [condition="context.parallel.fan_in.best_id=right"]
        after -> lost
        lost [shape=Msquare, exit_status=fail]
        won_left [prompt="x"]
        won_right [prompt="x"]
        won_left -> done
        won_right -> done
        """,
}


@pytest.mark.parametrize("pipeline", WITHOUT_COMPLAINT.values(), ids=WITHOUT_COMPLAINT)
def test_every_edge_of_a_pipeline_that_works_has_a_witness(build: Any, compiled: Any, pipeline: str) -> None:
    plan = compiled(pipeline)

    searched = search(plan)

    assert ([], [], False) == (report.unreached(plan, searched), report.untaken(plan, searched), searched.capped)
    assert_all_taken(build, plan, searched)


def test_a_success_past_a_failed_stage_is_found(compiled: Any) -> None:
    searched = search(compiled(REPAIR))

    past = {node: path_text(ended.trail) for node, ended in searched.found.past.items()}
    assert {
        "build": "start > build=fail > green=fail > mend > done",
        "test": "start > build > test=fail > green=fail > mend > done",
    } == past


def test_a_failure_that_was_made_up_for_is_not_past(compiled: Any) -> None:
    loop = REPAIR.replace("mend -> done", "mend -> test")

    assert ["build"] == list(search(compiled(loop)).found.past)


def test_what_no_path_reaches_is_named(build: Any) -> None:
    nodes = [
        build.node("start", "start", edges=[build.edge("work")]),
        build.node(
            "work",
            "tool",
            edges=[
                build.edge("done", "if", when=[["outcome", "=", "success"]]),
                build.edge("never", "if", when=[["outcome", "=", "success"]]),
            ],
        ),
        build.node("never", "codergen", edges=[build.edge("done")]),
        build.node("done", "exit"),
    ]
    plan = plan_of(build.document(nodes))

    searched = search(plan)

    assert ["never"] == report.unreached(plan, searched)
    assert ["work -> never"] == report.untaken(plan, searched)


def test_the_bound_on_states_is_kept_and_told(compiled: Any) -> None:
    plan = compiled(REPAIR)

    searched = search(plan, 3)

    assert (3, True) == (searched.states, searched.capped)
    assert "stopped at 3 states" in "\n".join(report.as_text(plan, searched))


def test_the_ends_of_a_run_name_the_breaker(compiled: Any) -> None:
    loop = REPAIR.replace("mend -> done", "mend -> test")

    ends = search(compiled(loop)).found.ends

    assert {("exit", "done"), ("loop_restart_signature_limit", "test")} <= set(ends)


def test_a_manager_is_played(build: Any, compiled: Any, tmp_path: Path) -> None:
    (tmp_path / "child.dot").write_text("digraph c { s [shape=Mdiamond] w [prompt=x] e [shape=Msquare] s -> w -> e }")
    plan = compiled(
        'stack.child_dotfile="../child.dot"\n boss [shape=house]\n start -> boss -> green\n green [shape=diamond]\n'
        ' green -> done [condition="outcome=success"]\n green -> lost [condition="outcome=fail"]\n'
        " lost [shape=Msquare, exit_status=fail]\n"
    )

    searched = search(plan)

    assert [] == report.unreached(plan, searched)
    assert_all_taken(build, plan, searched)
