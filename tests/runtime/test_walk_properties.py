"""Laws of the walk, over random plans with random outcomes: it ends, within bounds, and leaves a whole record.

The plans need not be sensible: edges lead anywhere, gates have no targets, loops have no way out.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.runtime import checkpoint, routing
from attractor.runtime.outcome import FailureClass, Outcome, Status
from attractor.runtime.read_plan import plan_of
from attractor.runtime.state import RunState

from .random_plans import CLASSES, MAX_RESTARTS, MAX_VISITS, MEMORY, WORDS, pipelines, written

outcomes = st.one_of(
    st.sampled_from([*WORDS, "surprise"]),
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(["http 503", "broke", "broke 7"])).map(
        lambda pair: Outcome.failed(pair[1], FailureClass(pair[0]))
    ),
    st.builds(
        lambda color, label: Outcome.success(
            context_updates={"color": color, "outcome": "forged"}, preferred_label=label
        ),
        st.sampled_from(["red", "blue"]),
        st.sampled_from(["", "[G] Go"]),
    ),
    st.none(),
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_walk_ends_within_its_bounds_and_leaves_a_whole_record(build: Any, data: Any) -> None:
    drawn = data.draw(pipelines())
    wall_ms = data.draw(st.sampled_from([None, 5000]))
    nodes = [written(build, node) for node in drawn]
    plan = plan_of(build.document(nodes, max_restarts=MAX_RESTARTS, max_wall_ms=wall_ms))
    answers = {node["id"]: data.draw(st.lists(outcomes, min_size=1, max_size=4)) for node in drawn}

    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        played = build.play(plan, answers, Path(folder), "run")

        assert played.ending.status in ("success", "fail")
        assert played.ending.reason
        _bounded(played)
        _well_formed(played)
        _replayable(played)
        _told_why(played)


def _bounded(played: Any) -> None:
    assert played.walk.state.restarts <= MAX_RESTARTS
    passes: Counter[tuple[str, str]] = Counter()
    for line in (played.folder / "journal.ndjson").read_text().splitlines():
        entry = json.loads(line)
        if entry["entry"] == "restarted":
            passes = Counter({key: n for key, n in passes.items() if not _is_within(key[0], entry["branch"])})
        if entry["entry"] == "finished":
            passes[entry["branch"], entry["node"]] += 1
            assert passes[entry["branch"], entry["node"]] == entry["visit"] <= MAX_VISITS
            assert 1 <= entry["attempts"] <= 3


def _is_within(branch: str, outer: str) -> bool:
    return branch == outer or branch.startswith(f"{outer}/" if outer else "")


def _well_formed(played: Any) -> None:
    from attractor.runtime.schema import complaint

    events = played.events()
    assert list(range(1, len(events) + 1)) == [event["seq"] for event in events]
    assert [""] * len(events) == [complaint("event", event) for event in events]
    assert events[-1]["event"] == ("run_completed" if played.ending.status == "success" else "run_failed")
    assert "" == complaint("final", played.json("final.json"))
    assert "" == complaint("checkpoint", played.json("checkpoint.json"))


def _replayable(played: Any) -> None:
    replayed = RunState({})
    for line in (played.folder / "journal.ndjson").read_text().splitlines():
        checkpoint.apply_line(replayed, json.loads(line))
    assert played.walk.state.to_json() == replayed.to_json() == checkpoint.load(played.folder).state.to_json()


def _told_why(played: Any) -> None:
    """A success is only ever reported at the exit that says so, with every visited gate satisfied."""
    if played.ending.status == "success":
        assert "done" == played.ending.node
        assert None is routing.unsatisfied_gate(played.plan, played.walk.state.words.items())
    for event in played.events("edge_selected"):
        assert event["why"]
        assert 1 == sum(candidate["verdict"] == "taken" for candidate in event["candidates"])


@settings(max_examples=200, deadline=None)
@given(pipelines(), outcomes, st.sampled_from(["", "red"]))
def test_a_failure_never_takes_an_edge_that_carries_only_success(
    build: Any, drawn: list[dict[str, Any]], ended: Any, color: str
) -> None:
    plan = plan_of(build.document([written(build, node) for node in drawn]))
    outcome = ended if isinstance(ended, Outcome) else Outcome.failed("broke", FailureClass.DETERMINISTIC)
    for node in plan.nodes.values():
        hop = routing.next_hop(node, outcome, {"color": color})
        if outcome.status is Status.FAIL and hop.edge is not None:
            assert hop.edge.kind in ("if", "else", "always")
        if hop.edge is not None and hop.edge.kind == "if":
            assert routing.holds(hop.edge.when, outcome, {"color": color})
