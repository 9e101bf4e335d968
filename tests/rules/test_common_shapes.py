"""The three shapes of pipeline that everybody begins with are free of errors, in every profile."""

from pathlib import Path

import pytest

from .conftest import check_here

LINE = """digraph Nightly {
  graph [goal="Keep the suite green"]
  rankdir=LR
  start [shape=Mdiamond, label="Begin"]
  done [shape=Msquare, label="Done"]
  test [label="Test", prompt="Run all tests"]
  tell [label="Tell", prompt="Write down what failed"]
  start -> test -> tell -> done
}
"""
BRANCH = """digraph Feature {
  graph [goal="Add the search box"]
  node [shape=box, timeout="900s"]
  start [shape=Mdiamond]
  done [shape=Msquare]
  plan [prompt="Plan $goal"]
  code [prompt="Follow the plan"]
  verify [prompt="Run the tests"]
  green [shape=diamond, label="Green?"]
  start -> plan -> code -> verify -> green
  green -> done [label="Yes", condition="outcome=success"]
  green -> code [label="No", condition="outcome!=success"]
}
"""
PEOPLE = """digraph Release {
  start [shape=Mdiamond]
  done [shape=Msquare]
  ask [
    shape=hexagon,
    label="Release it?",
    type="wait.human"
  ]
  publish [prompt="Publish the release"]
  mend [prompt="Mend what was said"]
  start -> ask
  ask -> publish [label="[P] Publish"]
  ask -> mend [label="[M] Mend first"]
  publish -> done
  mend -> ask
}
"""


@pytest.mark.parametrize("profile", ["spec", "recommended"])
@pytest.mark.parametrize("text", [LINE, BRANCH, PEOPLE], ids=["line", "branch", "people"])
def test_a_common_shape_has_no_errors_and_no_warnings(
    text: str, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graph.dot").write_text(text)
    (tmp_path / ".attractor.toml").write_text(f'profile = "{profile}"\n')
    monkeypatch.chdir(tmp_path)

    assert [] == [found["rule"] for found in check_here("--strict").diagnostics if found["severity"] != "info"]
    assert 0 == check_here("--strict").code
