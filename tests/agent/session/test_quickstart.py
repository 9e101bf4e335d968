"""The quickstart, run by the real command in a process of its own, with a provider over HTTP instead of the script."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import call, report, turn

DEMO = Path(__file__).parents[3] / "demo/quickstart"
FORGETFUL = 'def slugify(title: str) -> str:\n    return "-".join(title.lower().split())\n'
PROVIDER = {
    "backend": "api",
    "script": "null",
    "api.api_key_env": "QUICKSTART_KEY",
}
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
TEST = "cd project && python3 -m unittest -q test_slug"


def attractor(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "attractor.cli.main", *arguments],
        cwd=folder, env=os.environ | {"QUICKSTART_KEY": "sk-quickstart-0123456789"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("demo.py", "__pycache__", "*.plan.json"))
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "A failing test")):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("protocol", "path", "family"),
    [
        pytest.param("anthropic_messages", "/v1/messages", "anthropic", id="anthropic"),
        pytest.param("openai_chat_completions", "/v1/chat/completions", "openai", id="chat"),
    ],
)
def test_the_quickstart_is_done_by_an_agent_over_http(
    simulator: Any, project: Path, protocol: str, path: str, family: str
) -> None:
    old = "title.lower()"
    kept = '"".join(letter for letter in title.lower() if letter.isalnum() or letter.isspace())'
    mend = {
        "anthropic": call("edit_file", file_path="project/slug.py", old_string=old, new_string=kept),
        "openai": call(
            "apply_patch",
            patch="*** Begin Patch\n*** Update File: project/slug.py\n@@\n def slugify(title: str) -> str:\n"
            f'-    return "-".join(title.lower().split())\n+    return "-".join({kept}.split())\n*** End Patch',
        ),
    }[family]
    simulator.script(
        turn(call("read_file", file_path="project/test_slug.py"), call("list_dir", path="."), text="I look first."),
        turn(call("write_file", file_path="project/slug.py", content=FORGETFUL)),
        turn(call("shell", command=TEST)),
        turn(mend),
        turn(call("shell", command=TEST)),
        turn(report(notes="punctuation goes")),
        turn(text="It does what it says."),
    )
    settings = {
        **PROVIDER, "api.protocol": protocol, "api.path": path, "api.profile_family": family,
        "api.base_url": simulator.url,
    }  # fmt: skip
    places = [f"llm.providers.rehearsal.{key}={value}" for key, value in settings.items()]

    compiled = attractor(project, "compile", "-q", "run.yaml", *(word for place in places for word in ("--set", place)))
    assert (0, "") == (compiled.returncode, compiled.stderr)
    done = attractor(project, "exec", "--skip-preflight", "quickstart.plan.json", "--run-dir", "../run")

    run = project.parent / "run"
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert [] == simulator.bugs
    events = [json.loads(line) for line in (run / "stages/implement/1-1/events.ndjson").read_text().splitlines()]
    ends = {event["data"]["call_id"]: event["data"] for event in events if event["kind"] == "TOOL_CALL_END"}
    outputs = [end["full_output"] for end in ends.values()]
    assert ["read_file", "list_dir", "write_file", "shell", mend["name"], "shell", "report_outcome"] == [
        end["tool_name"] for end in ends.values()
    ]
    assert "exit_code=1" in outputs[3]
    assert "AssertionError" in outputs[3]
    assert "exit_code=0" in outputs[5]
    status = json.loads((run / "stages/implement/1-1/status.json").read_text())
    assert ("success", "punctuation goes") == (status["status"], status["notes"])
    assert ["implement", "verify", "check", "review"] == [
        event["node_id"]
        for event in map(json.loads, (run / "progress.ndjson").read_text().splitlines())
        if event["event"] == "stage_finished" and event["node_id"] not in ("start", "exit")
    ]
    final = json.loads((run / "final.json").read_text())
    assert ("success", 7) == (final["status"], final["usage"]["llm_calls"])
    assert kept in (run / "worktree/project/slug.py").read_text()
    assert not (project / "project/slug.py").exists()
