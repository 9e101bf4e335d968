"""The pipelines that the pages show compile as they stand, without an error or a warning."""

import io
import re
from pathlib import Path

import pytest

from attractor.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
RUN_YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""
CHILD = """digraph child {
  goal="Write the notes"
  start [shape=Mdiamond]
  exit [shape=Msquare]
  write [prompt="Write the notes"]
  start -> write -> exit
}
"""


def examples() -> list[tuple[str, str]]:
    return [
        (f"{page.name}:{number}", text)
        for page in sorted(DOCS.glob("*.md"))
        for number, text in enumerate(re.findall(r"^```dot\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S), start=1)
        if text.startswith("digraph")
    ]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in examples()])
def test_a_shown_pipeline_compiles(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.dot").write_text(text)
    (tmp_path / "child.dot").write_text(CHILD)
    (tmp_path / "run.yaml").write_text(RUN_YAML)
    stderr = io.StringIO()

    assert 0 == main(["compile", str(tmp_path / "run.yaml"), "--strict"], io.StringIO(), stderr), stderr.getvalue()


def test_branches_are_shown() -> None:
    assert 3 == len([name for name, _ in examples() if name.startswith("branches.md")])
