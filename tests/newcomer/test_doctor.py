"""`attractor doctor`: what is missing on a machine, and how to get it."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

KEYED = """version: 1
graph: g.dot
llm: {defaults: {provider: kimi, model: kimi-k2.5}, providers: {kimi: {failover: []}}}
"""
GRAPH = (
    'digraph g { goal="Done" start [shape=Mdiamond] w [prompt="Do $goal"] exit [shape=Msquare] start -> w -> exit }\n'
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "run.yaml").write_text(KEYED)
    (tmp_path / "g.dot").write_text(GRAPH)
    return tmp_path


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with nothing on it but Python."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "python3").symlink_to(sys.executable)
    return str(folder)


def checks(said: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(said.stdout)["checks"]}


def test_this_machine_has_what_is_needed(attractor) -> None:
    said = attractor("doctor")

    assert (0, "") == (said.code, said.stderr), said.stdout
    assert "nothing that is needed is missing" in said.stdout.splitlines()[-1]
    assert f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})" in said.stdout


def test_a_machine_without_programs_is_told_what_each_is_for_and_how_to_get_it(attractor, bare: str) -> None:
    said = attractor("doctor", "--json", PATH=bare)

    found = checks(said)
    assert 1 == said.code
    assert ["bash"] == [name for name, check in found.items() if check["state"] == "missing"]
    assert {"git", "dot", "rg", "node", "claude", "codex", "gemini"} <= {
        name for name, check in found.items() if check["state"] == "absent"
    }
    assert all(check["purpose"] and check["get"] for check in found.values() if check["state"] != "ok")
    assert "ripgrep" in found["rg"]["get"]
    assert "npm install -g @openai/codex" == found["codex"]["get"]


def test_it_says_so_to_people_too(attractor, bare: str) -> None:
    said = attractor("doctor", PATH=bare)

    assert 1 == said.code
    assert "needed and missing: bash" == said.stdout.splitlines()[-1]
    assert any(line.startswith("MISSING bash ") for line in said.stdout.splitlines())


def test_the_keys_that_a_run_needs_are_named_and_never_shown(attractor, project: Path) -> None:
    without = attractor("doctor", "run.yaml", KIMI_API_KEY="")
    having = attractor("doctor", "--json", KIMI_API_KEY="sk-kimi-canary-0815")

    assert 1 == without.code
    assert "needed and missing: KIMI_API_KEY" == without.stdout.splitlines()[-1]
    assert "export KIMI_API_KEY=..." in without.stdout
    assert (0, "set") == (having.code, checks(having)["KIMI_API_KEY"]["found"])
    assert "canary" not in having.stdout


def test_programs_that_a_run_needs_are_needed(attractor, project: Path, bare: str) -> None:
    (project / "run.yaml").write_text(KEYED.replace("kimi-k2.5", "m").replace("kimi", "anthropic").replace(
        "{failover: []}", "{backend: cli, failover: []}").replace("model: m", "model: claude-sonnet-4-5"))  # fmt: skip
    os.symlink(shutil.which("bash") or "", f"{bare}/bash")

    found = checks(attractor("doctor", "--json", PATH=bare))

    assert ("missing", "run.yaml runs it") == (found["claude"]["state"], found["claude"]["purpose"])


def test_errors_of_a_run_yaml_are_counted_and_where_to_see_them_is_said(attractor, project: Path) -> None:
    (project / "g.dot").write_text(GRAPH.replace("-> exit", "-> exti"))

    found = checks(attractor("doctor", "--json"))

    assert "missing" == found["run.yaml"]["state"]
    assert "attractor compile --check run.yaml" == found["run.yaml"]["get"]


def test_a_state_folder_that_is_none_is_told(attractor, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    said = attractor("doctor", "--json", XDG_STATE_HOME=str(tmp_path / "state"))

    assert 1 == said.code
    assert f"{tmp_path}/state is not a folder" == checks(said)["run directories"]["found"]
    assert "XDG_STATE_HOME" in checks(said)["run directories"]["get"]


def test_a_run_yaml_that_is_not_there_is_one_error(attractor) -> None:
    said = attractor("doctor", "nowhere/")

    assert (1, "") == (said.code, said.stderr)
    assert "attractor compile --check nowhere/" in said.stdout
