"""What the journal holds of a parallel region that was cut off: enough to walk no finished branch again."""

from typing import Any

import pytest

from attractor.runtime import interpreter
from attractor.runtime.checkpoint import load
from attractor.runtime.outcome import FailureClass, Outcome, Usage
from attractor.runtime.run_dir import RunDir
from attractor.runtime.steps.contract import Report
from attractor.runtime.walk import Arrival

T = 'shape=parallelogram, tool_command="true"'
REGION = f"""
    fan [shape=component, max_parallel=1]; join [shape=tripleoctagon]; after [{T}]
    left [{T}]; one [{T}]; two [{T}]; last [{T}]
    start -> fan; fan -> left; fan -> one; fan -> last; left -> join; one -> two -> join; last -> join
    join -> after -> done
"""
SPENT = Usage(llm_calls=1, cost_usd=0.5)


@pytest.fixture
def cut_off(play: Any) -> Any:
    """A run that was stopped in the second stage of its second branch of three."""
    worlds: list[Any] = []

    def stopped(visit: Any, world: Any) -> Report:
        worlds[0].cancellation.reason = "stopped by signal SIGTERM"
        return Report(Outcome.failed("exit code 143", FailureClass.DETERMINISTIC))

    left = Report(Outcome.success(context_updates={"l": 1}), usage=SPENT)
    return play(REGION, {"left": left, "two": stopped}, prepare=worlds.append)


def test_a_region_that_was_cut_off_is_open_in_journal_and_snapshot(cut_off: Any) -> None:
    assert ("canceled", ["start", "left", "one"]) == (cut_off.ending.status, cut_off.trail)

    region = load(cut_off.folder).state.region
    assert region is not None
    assert (["left", "one", "last"], ["left"]) == (list(region.branches), list(region.results))
    assert ["left", "one", ""] == [state.position.node for state in region.branches.values()]
    assert {"l": 1} == region.results["left"]["context"]


def test_the_journal_alone_says_the_same_as_the_snapshot(cut_off: Any) -> None:
    with_snapshot = load(cut_off.folder).state.to_json()
    (cut_off.folder / "checkpoint.json").unlink()

    assert with_snapshot == load(cut_off.folder).state.to_json() == cut_off.walk.state.to_json()


def test_what_open_branches_spent_counts(cut_off: Any) -> None:
    assert SPENT == load(cut_off.folder).state.spent()
    assert 0.5 == cut_off.json("final.json")["cost_usd"]


@pytest.mark.broken_run_dir
def test_what_is_left_is_walked_and_nothing_else(cut_off: Any, tmp_path: Any) -> None:
    state = load(cut_off.folder).state
    cut_off.cancellation.reason = ""
    cut_off.stages.visits.clear()
    cut_off.stages._answers.clear()
    records = RunDir.create(tmp_path / "resumed", "r", b"{}", cut_off.walk.world.clock)
    walk = cut_off.walk._replace(
        state=state, records=records, world=cut_off.walk.world._replace(emit=records.emit)
    )  # fmt: skip

    ending = interpreter.walk_on(walk, Arrival("start"))

    assert "success" == ending.status
    assert ["two", "last", "after"] == [visit.node.id for visit in cut_off.stages.visits]
    assert ["left", "one", "last"] == [each["id"] for each in state.context["parallel.results"]]
    assert SPENT == state.spent()
    records.close()


def test_a_run_that_could_not_be_written_down_has_not_ended_in_its_journal(play: Any) -> None:
    """So it goes on, when there is room again, with the stage that was running."""

    def full(visit: Any, world: Any) -> Report:
        raise OSError(28, "No space left on device", "stdout.log")

    played = play(f"a [{T}]; b [{T}]; start -> a -> b -> done", {"b": full})

    reason = "the run's files cannot be written: No space left on device: stdout.log; make room, then resume the run"
    assert ("fail", reason, "transient_infra") == played.ending[:3]
    state = load(played.folder).state
    assert ("a", "") == (state.position.node, state.ended)
