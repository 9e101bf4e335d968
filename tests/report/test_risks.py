"""What a report says that its run does not show."""

import io
import json
import os
from pathlib import Path

import pytest

from attractor.cli.main import main
from attractor.runtime.own_programs import own_programs

GRAPH = """digraph p {
  goal="g"
  start [shape=Mdiamond]
  work [prompt="do it"]
  check [shape=parallelogram, tool_command="helper"]
  good [shape=diamond]
  exit [shape=Msquare]
  lost [shape=Msquare, exit_status=fail]
  start -> work -> check -> good
  good -> exit [condition="outcome=success"]
  good -> lost [condition="outcome=fail"]
}
"""
YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline whose tool lies beside it, on PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/helper").write_text("#!/bin/sh\n")
    (tmp_path / "bin/helper").chmod(0o755)
    (tmp_path / "bin/notes").write_text("no program\n")
    (tmp_path / "p.dot").write_text(GRAPH)
    (tmp_path / "run.yaml").write_text(YAML)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def report(folder: Path, *arguments: str) -> str:
    said = io.StringIO()
    for command in (["run", str(folder / "run.yaml"), "--run-dir", str(folder / "run"), "--quiet", *arguments],
                    ["report", str(folder / "run"), "--validation", str(folder / "kept/page.md")]):  # fmt: skip
        assert 0 == main(command, said, said), said.getvalue()
    return (folder / "kept/page.md").read_text().partition("## Residual risks")[2]


def test_stand_ins_and_ways_not_taken_are_named(folder: Path) -> None:
    risks = report(folder)

    assert "not from the machine: bin/helper\n" in risks
    assert "local answered from a script" in risks
    assert "1 of 6 nodes were not visited: lost" in risks
    assert "1 of 5 ways were not taken: good -\\> lost" in risks


def test_a_simulated_run_says_so(folder: Path) -> None:
    assert "the run was simulated" in report(folder, "--simulate")


def test_the_page_holds_no_path_of_the_machine(folder: Path) -> None:
    report(folder)

    assert str(folder) not in (folder / "kept/page.md").read_text()


def test_the_manifest_names_the_repositorys_programs(folder: Path) -> None:
    report(folder)

    assert ["bin/helper"] == json.loads((folder / "run/manifest.json").read_text())["own_programs"]


def test_programs_of_the_whole_repository_count_and_no_others(tmp_path: Path) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    (repository / ".git").mkdir(parents=True)
    for place in (repository / "tools", repository / "sub", outside):
        place.mkdir()
        (place / "thing").write_text("#!/bin/sh\n")
        (place / "thing").chmod(0o755)
    path = os.pathsep.join(map(str, (outside, repository / "tools", "tools", repository / "missing", "")))

    assert ("../tools/thing",) == own_programs(repository / "sub", path)
