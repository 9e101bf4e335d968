"""A chain of no-op tool nodes, durable after each, against a shell loop; the way to the first node; branches at once;
a commit per node.

The figures that touch the disk move with whatever else the disk is doing: each is the median of interleaved runs.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from attractor.runtime.plan import WorkspaceSettings
from attractor.runtime.workspace import open_workspace

from .measure import Figure, table

NODES = 1000
COMMITS = 40
BRANCHES = 8
PROGRAM = str(Path(sys.executable).with_name("attractor"))
# Measured programs may keep byte code, as installed ones do.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def chain(folder: Path, nodes: int) -> Path:
    """Compile a chain of tool nodes that run `true`; return its plan."""
    stages = "".join(f'  n{at} [shape=parallelogram, tool_command="true"]\n' for at in range(nodes))
    return _plan(folder, stages + "  " + " -> ".join(["start", *(f"n{at}" for at in range(nodes)), "exit"]))


def sleepers(folder: Path) -> Path:
    """Compile a region of branches that sleep for a second; return its plan."""
    branches = "".join(
        f'  b{at} [shape=parallelogram, tool_command="sleep 1"]\n  fan -> b{at} -> join\n' for at in range(BRANCHES)
    )
    region = f"  fan [shape=component, max_parallel={BRANCHES}]\n  join [shape=tripleoctagon]\n"
    return _plan(folder, f"{region}{branches}  start -> fan\n  join -> exit")


def _plan(folder: Path, body: str) -> Path:
    folder.mkdir()
    (folder / "g.dot").write_text(f"digraph g {{\n  start [shape=Mdiamond]\n  exit [shape=Msquare]\n{body}\n}}\n")
    (folder / "run.yaml").write_text("version: 1\ngraph: g.dot\nworkspace: {mode: directory}\n")
    subprocess.run([PROGRAM, "compile", "-q", str(folder / "run.yaml")], check=True, capture_output=True)
    return folder / "g.plan.json"


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Run:
    """One run of a plan, and what its events say about time."""

    def __init__(self, plan: Path, folder: Path) -> None:
        command = [PROGRAM, "exec", str(plan), "--run-dir", str(folder), "--quiet"]
        began = time.time()
        self.seconds = seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT))
        events = [json.loads(line) for line in (folder / "progress.ndjson").read_text().splitlines()]
        self.first_node_s = next(_moment(each) for each in events if each["event"] == "stage_started") - began
        self.ends = [_moment(each) for each in events if each["event"] == "stage_finished"]


def _moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["ts"].replace("Z", "+00:00")).timestamp()


def growth(run: Run) -> float:
    """Return how much slower the last tenth of the nodes was than the first."""
    tenth = (len(run.ends) - 2) // 10  # without start and exit
    return (run.ends[-1] - run.ends[-1 - tenth]) / (run.ends[1 + tenth] - run.ends[1])


def commits(folder: Path) -> tuple[list[float], list[float]]:
    """Return what commits cost through the workspace, and through a shell."""
    repo = folder / "repo"
    repo.mkdir()
    for number in range(200):
        (repo / f"f{number}").write_text("text\n" * 50)
    git = "git -c user.name=me -c user.email=me@example.org"
    subprocess.run(["bash", "-c", f"git init -q && git add -A && {git} commit -qm first"], cwd=repo, check=True)
    settings = WorkspaceSettings("", "worktree", "bench", True, False, (), "")
    (folder / "git run").mkdir()
    workspace = open_workspace(settings, repo, folder / "git run", "r", os.environ, print)
    ours, shell = [], []
    script = f"git add -A && {git} commit -q --allow-empty -m x"
    for number in range(COMMITS):
        (workspace.folder / "work").write_text(f"ours {number}")
        ours.append(seconds(lambda: workspace.commit("x")))
        (workspace.folder / "work").write_text(f"shell {number}")
        shell.append(seconds(lambda: subprocess.run(["bash", "-c", script], cwd=workspace.folder, check=True)))
    return ours, shell


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = chain(folder / "chain", NODES)
        loop = ["bash", "-c", f"for i in $(seq {NODES}); do bash -c true; done"]
        ratios, runs = [], []
        for turn in range(5):
            runs.append(Run(plan, folder / f"run-{turn}"))
            ratios.append(runs[-1].seconds / seconds(lambda: subprocess.run(loop, check=True)))
        ours, shell = commits(folder)
        region = sleepers(folder / "region")
        together = [Run(region, folder / f"region-{turn}").seconds for turn in range(3)]
    first_ms = statistics.median(run.first_node_s for run in runs) * 1000
    run_ms = statistics.median(run.seconds for run in runs)
    return [
        Figure(f"{NODES:,} tool nodes running `true`, durable after each, against a shell loop",
               statistics.median(ratios), "x", 2.0, note=f"{run_ms:.2f} ms a node, start included"),
        Figure(f"the last tenth of {NODES:,} nodes against the first", statistics.median(map(growth, runs)), "x", 1.25),
        Figure(f"from the command to the first of {NODES:,} nodes", first_ms, "ms", 300),
        Figure(f"{BRANCHES} branches of `sleep 1` at once, the whole command", statistics.median(together), "s", 1.5),
        Figure("a commit per node against `git add -A && git commit --allow-empty`",
               statistics.median(ours) / statistics.median(shell), "x", 1.5,
               note=f"{statistics.median(ours) * 1000:.1f} ms against {statistics.median(shell) * 1000:.1f} ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table("exec", figures()))
