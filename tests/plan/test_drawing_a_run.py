"""`attractor graph --run DIR` colours the nodes as a run left them."""

import io
import json
from pathlib import Path

import pytest

from attractor.cli.main import main

GRAPH = """digraph g {
  start [shape=Mdiamond]
  good  [shape=parallelogram, tool_command="true"]
  bad   [shape=parallelogram, tool_command="false"]
  never [shape=parallelogram, tool_command="true"]
  exit  [shape=Msquare]
  start -> good -> bad
  bad -> never [condition="outcome=success"]
  never -> exit
}
"""


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A folder with a plan and the directory of its run."""
    (tmp_path / "g.dot").write_text(GRAPH)
    (tmp_path / "run.yaml").write_text("version: 1\ngraph: g.dot\nworkspace: {mode: directory}\n")
    plan = str(tmp_path / "g.plan.json")
    assert 0 == main(["compile", "-q", str(tmp_path / "run.yaml")], io.StringIO(), io.StringIO())
    assert 1 == main(["exec", plan, "--run-dir", str(tmp_path / "run"), "--quiet"], io.StringIO(), io.StringIO())
    return tmp_path


def _drawn(folder: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(["graph", str(folder / "g.plan.json"), *arguments], out, err)
    return code, out.getvalue(), err.getvalue()


def _line(text: str, node: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f'"{node}"'))


def test_each_node_shows_how_it_ended_and_unvisited_ones_are_white(ran: Path) -> None:
    code, text, err = _drawn(ran, "--run", str(ran / "run"))

    assert (0, "") == (code, err)
    assert "success" in _line(text, "good")
    assert "#c8e6c9" in _line(text, "good")
    assert "#f8c9c9" in _line(text, "bad")
    assert "#ffffff" in _line(text, "never")


def test_a_stage_that_was_cut_off_shows_as_running(ran: Path) -> None:
    lines = (ran / "run" / "progress.ndjson").read_text().splitlines(keepends=True)
    started = next(at for at, line in enumerate(lines) if json.loads(line).get("node_id") == "bad")
    (ran / "cut").mkdir()
    (ran / "cut" / "progress.ndjson").write_text("".join(lines[: started + 1]) + lines[started + 1][:20])

    _, text, _ = _drawn(ran, "--run", str(ran / "cut"))

    assert "running" in _line(text, "bad")


@pytest.mark.parametrize("content", [pytest.param(None, id="missing"), pytest.param("nonsense\n", id="not events")])
def test_what_is_no_run_directory_is_said(ran: Path, content: str | None) -> None:
    folder = ran / "other"
    folder.mkdir()
    if content is not None:
        (folder / "progress.ndjson").write_text(content)

    code, text, err = _drawn(ran, "--run", str(folder))

    assert (2, "") == (code, text)
    assert "is no run directory" in err
