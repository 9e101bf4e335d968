"""A join with a prompt: its model names the branch to take, asked over HTTP along its whole chain."""

from pathlib import Path
from typing import Any

import pytest

from .talking import KEYS, asked, at
from .test_one_shot import Stage, report

REGION = """
  fan [shape=component]; join [shape=tripleoctagon, prompt="Take the shorter one for $goal"]
  left [shape=parallelogram, tool_command="{left}"]; right [shape=parallelogram, tool_command="{right}"]
  start -> fan; fan -> left; fan -> right; left -> join; right -> join; join -> exit
"""


def region(left: str = "true", right: str = "true") -> str:
    return REGION.format(left=left, right=right)


@pytest.fixture
def stage(simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    return Stage(tmp_path, simulator.url)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"tool_calls": [report(status="success", preferred_label="right")]}, id="a label"),
        pytest.param({"text": "left is longer, so I take:\n\n**right**"}, id="the last line"),
        pytest.param({"text": "The right one, by far."}, id="the only one that is named"),
    ],
)
def test_the_model_chooses_in_one_call(simulator: Any, stage: Stage, answer: Any) -> None:
    simulator.script(answer)

    done = stage.run(region())

    assert (0, 1) == (done.code, len(simulator.requests))
    assert "right" == done.read("checkpoint.json")["context"]["parallel.fan_in.best_id"]
    assert ("right", ["left"]) == tuple(done.told("fan_in_finished")[0][key] for key in ("best_id", "losers"))
    assert 1 == done.read("final.json")["usage"]["llm_calls"]
    prompt = (done.folder / "stages/join/1-1/prompt.md").read_text()
    assert "Take the shorter one for the world" in prompt
    assert "Choose one of them: left, right." in prompt


def test_the_chain_is_followed(simulator: Any, stage: Stage) -> None:
    simulator.script(at("anthropic", {"error": {"kind": "overloaded"}}, "always"), at("zai", {"text": "right"}))

    done = stage.run(region())

    assert 0 == done.code
    assert ["anthropic", "anthropic", "zai"] == [provider for provider, _ in asked(simulator)]
    assert "right" == done.read("checkpoint.json")["context"]["parallel.fan_in.best_id"]


def test_a_branch_that_failed_is_not_offered_and_one_alone_needs_no_question(simulator: Any, stage: Stage) -> None:
    done = stage.run(region(left="exit 1"))

    assert (0, []) == (done.code, simulator.requests)
    assert "right" == done.read("checkpoint.json")["context"]["parallel.fan_in.best_id"]


def test_a_branch_that_does_not_exist_cannot_be_chosen(simulator: Any, stage: Stage) -> None:
    simulator.script({"tool_calls": [report(status="success", preferred_label="middle")]})

    done = stage.run(region())

    assert (
        "'join' failed: the model chose 'middle', which is no branch to choose; it may choose: left, right"
        == done.read("final.json")["reason"]
    )
    assert "" == done.read("checkpoint.json")["context"]["parallel.fan_in.best_id"]


def test_a_model_that_names_nobody_leaves_it_to_the_ranking_with_a_warning(simulator: Any, stage: Stage) -> None:
    simulator.script({"text": "Both left and right are fine."})

    done = stage.run(region())

    assert "left" == done.read("checkpoint.json")["context"]["parallel.fan_in.best_id"]
    assert ["the model of 'join' named no branch; the best by outcome is taken: left"] == [
        event["message"] for event in done.told("warning") if "named no branch" in event["message"]
    ]


def test_a_choice_that_cannot_be_asked_for_is_a_failure(simulator: Any, stage: Stage) -> None:
    simulator.script({"error": {"kind": "authentication"}})

    done = stage.run(region())

    assert (1, "join") == (done.code, done.read("final.json")["node"])


def test_a_scenario_may_choose(simulator: Any, stage: Stage, tmp_path: Path) -> None:
    from attractor.cli.main import main

    (tmp_path / "s.yaml").write_text("version: 1\nnodes: {join: {preferred_label: right, notes: shorter}}\n")
    plan = stage.compile(region())
    code = main(["exec", plan, "--quiet", f"--simulate={tmp_path / 's.yaml'}", "--run-dir", str(tmp_path / "run")])

    assert (0, []) == (code, simulator.requests)
    assert '"best_id":"right"' in (tmp_path / "run/progress.ndjson").read_text()
