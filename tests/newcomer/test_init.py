"""From nothing to a running pipeline of one's own."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from attractor.runtime.simulator.server import Simulator

WRITTEN = [
    ".attractor/schemas/run.schema.json",
    ".attractor/schemas/scenario.schema.json",
    ".attractor/schemas/simulator.schema.json",
    ".gitignore",
    ".pre-commit-config.yaml",
    "pipeline.dot",
    "run.yaml",
    "scenario.yaml",
]


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_three_commands_lead_from_an_empty_folder_to_a_finished_run(attractor, tmp_path: Path) -> None:
    begun, compiled, ran = attractor("init"), attractor("compile"), attractor("run")

    assert (0, 0, 0) == (begun.code, compiled.code, ran.code), ran.stderr
    assert ("", "pipeline.plan.json: 6 nodes, 1 asks a model") == (begun.stderr, compiled.stderr.partition(", sha")[0])
    assert ran.stdout.splitlines()[-1].startswith("success: ")
    assert "Hello, world\n" == (tmp_path / "hello.txt").read_text()
    assert sorted([*WRITTEN, "hello.txt", "pipeline.plan.json"]) == files_in(tmp_path)


def test_it_says_what_it_wrote_and_the_next_two_commands(attractor, tmp_path: Path) -> None:
    said = attractor("init", "greeting")

    assert (0, "") == (said.code, said.stderr)
    wrote = [line.split()[1] for line in said.stdout.splitlines() if line.startswith("wrote")]
    assert WRITTEN == files_in(tmp_path / "greeting")
    assert {name.replace(".attractor/schemas/", "") for name in wrote} >= {f"greeting/{name}" for name in WRITTEN[3:]}
    assert said.stdout.endswith("\nnext:\n  cd greeting\n  attractor compile\n  attractor run\n")
    assert max(map(len, said.stdout.splitlines())) <= 79


def test_what_it_writes_has_no_findings_at_the_strictest(attractor, tmp_path: Path) -> None:
    attractor("init")
    (tmp_path / ".attractor.toml").write_text('profile = "strict"\n')

    said = attractor("compile", "--check")

    assert (0, "", "") == said


def test_the_edit_that_its_comment_shows_asks_a_real_provider(attractor, tmp_path: Path) -> None:
    attractor("init")
    text = (tmp_path / "run.yaml").read_text()
    block = text[text.index("\nllm:\n") : text.index("# A real model")]
    shown = text[text.index("# llm:") : text.index("limits:")]
    (tmp_path / "run.yaml").write_text(text.replace(block, "\n" + shown.replace("# ", "").replace("#\n", "")))

    attractor("compile")
    plan = json.loads((tmp_path / "pipeline.plan.json").read_text())

    assert ["ANTHROPIC_API_KEY"] == plan["preflight"]["env"]
    write = {"name": "write_file", "arguments": {"file_path": "hello.txt", "content": "Hello, world\n"}}
    report = {"name": "report_outcome", "arguments": {"status": "success"}}
    with Simulator({"version": 1, "answers": [{"tool_calls": [write]}, {"tool_calls": [report]}]}) as server:
        settings = (f"llm.providers.anthropic.api.base_url={server.url}", "preflight.prompt_probes.enabled=false")
        sets = [word for setting in settings for word in ("--set", setting)]
        said = attractor("run", "--quiet", *sets, ANTHROPIC_API_KEY="sk-ant-of-the-simulator")

        assert 0 == said.code, said
        assert {"anthropic_messages"} == {request.protocol for request in server.requests}
    assert "Hello, world\n" == (tmp_path / "hello.txt").read_text()


@pytest.mark.parametrize("name", ["pipeline.dot", "run.yaml", "scenario.yaml"])
def test_it_refuses_to_overwrite_and_writes_nothing(attractor, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine\n")

    said = attractor("init")

    assert (2, "", f"attractor init: in the way: {name}; nothing was written: name another folder\n") == said
    assert {name: "mine\n"} == {found: (tmp_path / found).read_text() for found in files_in(tmp_path)}


def test_it_adds_to_a_gitignore_only_what_is_missing(attractor, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"*.plan.json\r\nmine")

    said = attractor("init")

    assert 0 == said.code
    assert b"*.plan.json\r\nmine\n.attractor/status/\n" == (tmp_path / ".gitignore").read_bytes()


def test_a_configuration_of_pre_commit_is_left_alone_and_the_entry_is_shown(attractor, tmp_path: Path) -> None:
    (tmp_path / ".pre-commit-config.yaml").write_text("repos: []\n")

    said = attractor("init")

    assert "repos: []\n" == (tmp_path / ".pre-commit-config.yaml").read_text()
    assert "to check before each commit, add to .pre-commit-config.yaml:\n\n  - repo: local\n" in said.stdout


def test_inside_a_repository_the_entry_belongs_to_its_root(attractor, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    said = attractor("init", "deep/greeting")

    assert not (tmp_path / "deep/greeting/.pre-commit-config.yaml").exists()
    assert f"add to {os.path.realpath(tmp_path)}/.pre-commit-config.yaml" in said.stdout


def test_a_file_in_the_place_of_the_folder_is_refused(attractor, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine\n")

    assert (2, "", "attractor init: 'taken' is a file; name a folder\n") == attractor("init", "taken")
