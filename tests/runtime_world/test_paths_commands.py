"""`attractor simulate` and `attractor estimate` through the front door, and the page that explains them."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.main import main
from attractor.runtime.schema import complaint

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulation.md").read_text("utf-8")


def attractor(*arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(arguments, stdout, stderr)
    return code, stdout.getvalue(), stderr.getvalue()


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the example of the page, compile it, and go there."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(
        ("release.dot", "run.yaml", "scenario.yaml"),
        re.findall(r"```(?:dot|yaml)\n(.*?)```", PAGE, re.DOTALL),
        strict=True,
    ):
        (tmp_path / name).write_text(text)
    assert 0 == attractor("compile", "-q", "run.yaml", "-o", "release.plan.json")[0]
    return tmp_path


@pytest.mark.parametrize("command", ["simulate release.plan.json --all-paths", "estimate release.plan.json"])
def test_the_page_shows_what_the_command_says(release: Path, command: str) -> None:
    code, said, _ = attractor(*command.split())

    assert 0 == code
    assert f"$ attractor {command}\n{said}```" in PAGE


@pytest.mark.parametrize("schema", ["paths", "estimate"])
def test_the_json_fits_its_schema(release: Path, schema: str) -> None:
    command = {"paths": ("simulate", "--all-paths"), "estimate": ("estimate",)}[schema]

    _, said, _ = attractor(*command, "release.plan.json", "--json")

    assert "" == complaint(schema, json.loads(said))


def test_the_scenario_of_the_page_is_played(release: Path) -> None:
    code, said, _ = attractor("exec", "release.plan.json", "--simulate=scenario.yaml", "--run-dir", "run")

    assert 0 == code, said
    assert ["start", "build", "test", "green", "mend", "note", "done"] == finished(release / "run")


def test_a_witness_is_a_scenario_that_takes_its_path(release: Path) -> None:
    code, _, complaints = attractor("simulate", "release.plan.json", "--witness", "past test", "-o", "past.yaml")
    assert (0, "") == (code, complaints)

    code, _, _ = attractor("exec", "release.plan.json", "--simulate=past.yaml", "--run-dir", "run", "--quiet")

    assert 0 == code
    assert ["start", "build", "test", "green", "mend", "note", "done"] == finished(release / "run")


@pytest.mark.parametrize(
    ("target", "code", "expected"),
    [
        ("past tset", 2, "the plan has no node 'tset'; did you mean \"test\"?"),
        ("past note", 1, "no path succeeds past a failed 'note'"),
        ("note -> build", 1, "no path goes from 'note' to 'build'"),
        ("max_node_visits build", 1, "no path ends in 'max_node_visits' at 'build'"),
    ],
)
def test_what_there_is_no_path_to_is_said(release: Path, target: str, code: int, expected: str) -> None:
    said = attractor("simulate", "release.plan.json", "--witness", target)

    assert (code, "") == said[:2]
    assert expected in said[2]


@pytest.mark.parametrize("target", ["note", "green->mend", "failure mend"])
def test_a_witness_goes_to_stdout_too(release: Path, target: str) -> None:
    code, said, _ = attractor("simulate", "release.plan.json", "--witness", target)

    assert 0 == code
    assert said.startswith("version: 1\n")


NEVER = """digraph g {
 start [shape=Mdiamond]
 test [shape=parallelogram, tool_command="true"]
 check [shape=diamond]
 report [shape=parallelogram, tool_command="true"]
 done [shape=Msquare]
 start -> test -> check -> done
 check -> report [condition="outcome=success && context.failure_class=transient_infra"]
 report -> done
}
"""


def test_an_edge_that_is_never_taken_fails_the_command(tmp_path: Path) -> None:
    (tmp_path / "g.dot").write_text(NEVER)
    (tmp_path / "run.yaml").write_text("version: 1\nworkspace: {mode: directory}\n")
    plan = str(tmp_path / "g.plan.json")
    attractor("compile", "-q", str(tmp_path / "run.yaml"), "-o", plan)

    code, said, _ = attractor("simulate", plan, "--all-paths")

    assert 1 == code
    assert "unreachable nodes\n  report\n" in said
    assert "edges never taken\n  check -> report\n" in said


@pytest.mark.parametrize("command", [("simulate", "--all-paths"), ("estimate",)])
def test_what_is_no_plan_is_refused(tmp_path: Path, command: Any) -> None:
    (tmp_path / "plan.json").write_text("{}")

    code, _, complaints = attractor(*command, str(tmp_path / "plan.json"))

    assert 2 == code
    assert "is not a plan" in complaints


def finished(run: Path) -> list[str]:
    events = map(json.loads, (run / "progress.ndjson").read_text().splitlines())
    return [event["node_id"] for event in events if event["event"] == "stage_finished"]
