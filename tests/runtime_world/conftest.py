"""Pipelines that run for real: compiled and executed through the front door."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str
    folder: Path  # the run directory; may not exist

    @property
    def final(self) -> dict[str, Any]:
        return json.loads((self.folder / "final.json").read_text())

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "progress.ndjson").read_text().splitlines()]

    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    def walked(self) -> list[str]:
        """Return `node=status` for each finished visit."""
        finished = [event for event in self.events if event["event"] == "stage_finished"]
        return [f"{event['node_id']}={event['status']}" for event in finished]

    def one(self, name: str) -> dict[str, Any]:
        (event,) = [event for event in self.events if event["event"] == name]
        return event


class Pipeline:
    """A pipeline's folder, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0

    @property
    def plan(self) -> Path:
        return self.folder / "p.plan.json"

    def new_run_folder(self) -> Path:
        self.runs += 1
        return self.folder.parent / f"{self.folder.name} run {self.runs}"

    def exec(self, *arguments: str, run_dir: Path | None = None) -> Done:
        return command("exec", str(self.plan), *arguments, run_dir=run_dir or self.new_run_folder())

    def run(self, *arguments: str) -> Done:
        return command("run", str(self.folder / "run.yaml"), *arguments, run_dir=self.new_run_folder())

    def walked(self, *arguments: str) -> list[str]:
        return self.exec("--quiet", *arguments).walked()


def command(*arguments: str, run_dir: Path | None = None) -> Done:
    place = [] if run_dir is None else ["--run-dir", str(run_dir)]
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main([*arguments, *place], stdout, stderr)
    return Done(code, stdout.getvalue(), stderr.getvalue(), run_dir or Path("nowhere"))


RUN_YAML = """version: 1
graph: p.dot
workspace: {mode: directory}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""


@pytest.fixture
def pipeline(tmp_path: Path):
    """Write and compile a pipeline; `yaml` is added to run.yaml, or is the whole of it when it has a version."""

    def pipeline(body: str, yaml: str = "", *, name: str = "my pipeline ü", compiles: bool = True) -> Pipeline:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        head = "digraph p {\n  start [shape=Mdiamond]\n  exit [shape=Msquare]\n"
        (folder / "p.dot").write_text(f"{head}{body}\n}}\n")
        (folder / "run.yaml").write_text(yaml if yaml.startswith("version") else RUN_YAML + yaml)
        made = Pipeline(folder)
        if compiles:
            done = command("compile", "-q", str(folder / "run.yaml"))
            assert 0 == done.code, done.stderr
        return made

    return pipeline


class Going:
    """A run in a process of its own, and the commands on it while it goes on."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.folder = folder
        self.process = process

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(0.02)

    def until_events(self, name: str, count: int = 1) -> None:
        self.until(lambda: self._count(f'"event":"{name}"') >= count, f"{count} {name}")

    def _count(self, text: str) -> int:
        path = self.folder / "progress.ndjson"
        return path.read_text().count(text) if path.exists() else 0

    def command(self, name: str, *arguments: str) -> Done:
        done = command(name, str(self.folder), *arguments)
        return done._replace(folder=self.folder)

    def ended(self) -> Done:
        stdout, stderr = self.process.communicate(timeout=30)
        return Done(self.process.returncode, stdout, stderr, self.folder)


@pytest.fixture
def going(tmp_path: Path):
    """Start runs that are killed with the test, if they are still there."""
    started: list[Going] = []

    def going(pipeline: Pipeline, *arguments: str) -> Going:
        folder = pipeline.new_run_folder()
        program = [sys.executable, "-m", "attractor.cli.main", "exec", str(pipeline.plan), "--run-dir", str(folder)]
        process = subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(Going(folder, process))
        return started[-1]

    yield going
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()
