"""Running the front door on example files, and what it says, as values."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "compiler" / "rules" / "examples"


class Checked(NamedTuple):
    code: int
    diagnostics: list[dict[str, Any]]

    def of(self, rule: str) -> list[dict[str, Any]]:
        return [found for found in self.diagnostics if found["rule"] == rule]

    @property
    def errors(self) -> list[str]:
        return [f"{line(found)} {found['rule']}" for found in self.diagnostics if found["severity"] == "error"]


def line(found: dict[str, Any]) -> str:
    """Return a diagnostic as a line of expect.txt."""
    start, end = found["span"]["start"], found["span"]["end"]
    place = f"{start['line']}:{start['column']}-{end['line']}:{end['column']}"
    return f"{found['path']}:{place} {found['severity']}"


def check_here(*flags: str) -> Checked:
    """Check what stands in the current folder: run.yaml, else graph.dot."""
    stdout, stderr = io.StringIO(), io.StringIO()
    name = "run.yaml" if Path("run.yaml").exists() else "graph.dot"
    code = main(["compile", "--check", "--format", "json", *flags, name], stdout, stderr)
    assert "" == stderr.getvalue() or flags, stderr.getvalue()
    return Checked(code, json.loads(stdout.getvalue())["diagnostics"])


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that copies one side of an example to a folder of its own and goes there."""

    def enter(rule: str, side: str) -> Path:
        folder = tmp_path / rule / side
        shutil.copytree(EXAMPLES / rule / side, folder)
        monkeypatch.chdir(folder)
        return folder

    return enter
