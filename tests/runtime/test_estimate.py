"""The most that a plan can ask: by hand, and as a bound that no run of a random plan exceeds."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.runtime.estimate import Tokens, estimate, most_visits
from attractor.runtime.plan import Price, Provider
from attractor.runtime.read_plan import plan_of

from .random_plans import MEMORY, WORDS, pipelines, written

TOKENS = Tokens(1_000_000, 1_000_000)


def stage(build: Any, node_id: str, *to: str, turns: int = 10, **fields: Any) -> dict[str, Any]:
    node = build.node(node_id, "codergen", edges=[build.edge(each) for each in to], **fields)
    node["llm"] = {**node["llm"], "max_agent_turns": turns}
    return dict(node)


def asked(build: Any, nodes: list[dict[str, Any]], **changes: Any) -> Any:
    """Return the plan's estimate; its one provider is asked over HTTP, unless `backend` says otherwise."""
    start = build.node("start", "start", edges=[build.edge(nodes[0]["id"])])
    limits = {key: value for key, value in changes.items() if key not in ("backend", "prices", "retries")}
    plan = plan_of(build.document([start, *nodes, build.node("done", "exit")], **limits))
    prices = changes.get("prices", {"fake-1": Price(1.0, 2.0, None, None)})
    provider = Provider(changes.get("backend", "api"), None, "", None, prices, {}, "none")
    policy = plan.policy._replace(max_llm_retries=changes.get("retries", 2))
    return estimate(plan._replace(providers={"fake": provider}, policy=policy), TOKENS)


def test_a_stage_asks_in_every_attempt_as_often_as_it_has_turns_and_each_call_may_be_retried(build: Any) -> None:
    found = asked(build, [stage(build, "work", "done", attempts=3)])

    assert (3 * 10 * (2 + 1), 3 * 10 * (1.0 + 2.0)) == (found.calls, found.cost_usd)


def test_a_failover_target_adds_the_calls_that_the_first_model_leaves_unanswered(build: Any) -> None:
    work = stage(build, "work", "done")
    work["llm"]["chain"] = [{"provider": "fake", "model": "fake-1"}] * 2

    assert (10 + 1) * 3 == asked(build, [work]).calls


def test_a_loop_is_walked_as_often_as_its_nodes_may_be_visited(build: Any) -> None:
    nodes = [stage(build, "work", "check", max_visits=7), stage(build, "check", "work", "done", max_visits=4)]

    assert {"work": 7, "check": 4} == {node.node: node.visits for node in asked(build, nodes).nodes}


def test_a_loop_without_a_bound_is_said_to_have_none(build: Any) -> None:
    found = asked(build, [stage(build, "work", "work", "done", max_visits=0)])

    assert (None, None) == (found.calls, found.most_calls)
    assert ("work is on a loop and has no bound on its visits: max_node_visits is 0",) == found.why


def test_a_limit_of_the_run_bounds_what_no_node_bounds(build: Any) -> None:
    found = asked(build, [stage(build, "work", "work", "done", max_visits=0)], max_llm_calls=5)

    assert (5, 5 * 3.0) == (found.most_calls, found.most_cost_usd)


def test_a_restart_adds_passes_to_what_follows_its_target_only(build: Any) -> None:
    restart = build.edge("work", "if", when=[["outcome", "=", "fail"]], restart={"on": "any", "log_dir": "restart"})
    last = stage(build, "last", "done")
    last["edges"] = [restart, *last["edges"]]
    nodes = [stage(build, "first", "work"), stage(build, "work", "last"), last]

    visits = {node.node: node.visits for node in asked(build, nodes, max_restarts=4).nodes}

    assert {"first": 1, "work": 5, "last": 5} == visits


def test_a_model_without_a_price_makes_the_cost_unknown_and_not_nothing(build: Any) -> None:
    found = asked(build, [stage(build, "work", "done")], prices={})

    assert (30, None, None) == (found.calls, found.cost_usd, found.most_cost_usd)
    assert ("fake/fake-1 has no price: give it one under llm.providers.*.prices",) == found.why


@pytest.mark.parametrize(("backend", "calls"), [("scripted", 0), ("cli", None)])
def test_only_a_provider_that_is_asked_over_http_is_counted(build: Any, backend: str, calls: int | None) -> None:
    assert calls == asked(build, [stage(build, "work", "done")], backend=backend).calls


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_run_visits_a_node_more_often_than_estimated(build: Any, data: Any) -> None:
    drawn = data.draw(pipelines())
    restarts = data.draw(st.integers(0, 2))
    plan = plan_of(build.document([written(build, node) for node in drawn], max_restarts=restarts))
    answers = {node["id"]: data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)) for node in drawn}

    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        played = build.play(plan, answers, Path(folder), "run")
        lines = (played.folder / "journal.ndjson").read_text().splitlines()

    visits = Counter(entry["node"] for entry in map(json.loads, lines) if entry["entry"] == "finished")
    bounds = most_visits(plan)
    assert {} == {node: (count, bounds[node]) for node, count in visits.items() if count > (bounds[node] or 0)}
