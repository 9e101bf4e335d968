"""Crash torture: runs that are killed with SIGKILL at random moments end as one that nobody disturbed.

`make torture` kills 200 times; `make test` a few times. TORTURE_SEED=N repeats what a failure names.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.runtime.checkpoint import load

from .conftest import write

PROGRAM = [sys.executable, "-m", "attractor.cli.main"]
SEED = int(os.environ.get("TORTURE_SEED", "0")) or random.randrange(1, 1 << 30)
MOST_KILLS_OF_A_RUN = 60  # then it may come to its end
LIFE = (0.08, 0.45)  # of an undisturbed run, start-up included


class Place(NamedTuple):
    """A repository with the pipeline, and where its stages leave their marks."""

    folder: Path
    marks: Path
    run: Path

    @property
    def plan(self) -> Path:
        return self.folder / "torture.plan.json"

    def ran(self) -> Counter[str]:
        return Counter(self.marks.read_text().split())


class End(NamedTuple):
    """What two runs have to have in common."""

    status: str
    reason: str
    restarts: int
    walk: list[tuple[str, str, int, str]]  # branch, node, visit, word: of every visit, in order per walk
    context: dict[str, Any]
    counts: list[Any]
    usage: dict[str, Any]
    files: str  # the tree of the last commit
    messages: list[str]


def place(folder: Path) -> Place:
    folder.mkdir()
    made = Place(folder / "pipeline", folder / "marks", folder / "run")
    made.folder.mkdir()
    write(made.folder, made.marks)
    subprocess.run([*PROGRAM, "compile", "-q", "run.yaml"], cwd=made.folder, check=True)
    git(made.folder, "init", "-q")
    git(made.folder, "add", "run.yaml")  # the graph names this very folder
    git(made.folder, "commit", "-qm", "first")
    return made


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgSign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def command(at: Place) -> list[str]:
    if (at.run / "manifest.json").exists():
        return [*PROGRAM, "exec", "--resume", str(at.run), "--quiet"]
    shutil.rmtree(at.run, ignore_errors=True)  # it was killed before it began
    return [*PROGRAM, "exec", str(at.plan), "--run-dir", str(at.run), "--run-id", "tortured", "--quiet"]


def tortured(at: Place, chance: random.Random, kills: int, whole_s: float) -> int:
    """Run to the end, killing at most so often; return how often it was killed."""
    for killed in range(kills):
        if is_over(at):
            return killed
        with subprocess.Popen(command(at), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                said, _ = process.communicate(timeout=whole_s * chance.uniform(*LIFE))
            except subprocess.TimeoutExpired:
                process.kill()
                continue
            assert 0 == process.returncode, said
            return killed
    if not is_over(at):
        subprocess.run(command(at), check=True, capture_output=True)
    return kills


def is_over(at: Place) -> bool:
    """Whether the last kill came when everything was written down."""
    if not (at.run / "final.json").exists():
        return False
    return '"event":"run_completed"' in (at.run / "progress.ndjson").read_text().splitlines()[-1]


def end_of(at: Place) -> End:
    final = json.loads((at.run / "final.json").read_text())
    state = load(at.run).state
    entries = [json.loads(line) for line in (at.run / "journal.ndjson").read_text().splitlines()]
    visits = [
        (each["branch"], each["node"], each["visit"], each["outcome"]["word"])
        for each in entries
        if each["entry"] == "finished"
    ]
    context = dict(state.context)
    context["parallel.results"] = [dict(each, head_sha="") for each in context["parallel.results"]]  # type: ignore[union-attr,arg-type]
    context["parallel.fan_in.best_head_sha"] = ""
    return End(
        final["status"],
        final["reason"],
        final["restarts"],
        sorted(visits, key=lambda visit: visit[0]),
        context,
        [state.visits, state.earlier, state.retries, state.signatures, state.words],
        final["usage"],
        git(at.folder, "rev-parse", f"{final['branch']}^{{tree}}"),
        git(
            at.folder, "log", "--reverse", "--topo-order", "--first-parent", "--format=%s", final["branch"]
        ).splitlines(),
    )


def differences(one: End, other: End) -> Iterator[str]:
    """Yield what differs, down to the key of the context."""
    for name, this, that in zip(End._fields, one, other, strict=True):
        if name == "context":
            keys = sorted({*this, *that})
            yield from (f"{key}: {this.get(key)} / {that.get(key)}" for key in keys if this.get(key) != that.get(key))
        elif this != that:
            yield f"{name}: {this} / {that}"


def asked(at: Place) -> int:
    """Return how often a model was asked, interrupted attempts included."""
    return (at.run / "progress.ndjson").read_text().count('"event":"llm_request"')


def by_walk(ran: Counter[str]) -> Counter[str]:
    """Return how often stages ran per walk: a kill cuts off at most one in each, the main walk or a branch."""
    walks: Counter[str] = Counter()
    for name, times in ran.items():
        walks[name[0] if name[0] in "lmrxy" else ""] += times
    return walks


def interrupted_stages(at: Place) -> int:
    return len(list(at.run.glob("interrupted/*/**/stages/*/*")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, End, float]:
    at = place(tmp_path_factory.mktemp("torture") / "undisturbed")
    began = time.monotonic()
    subprocess.run(command(at), check=True, capture_output=True)
    return at, end_of(at), time.monotonic() - began


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_runs_end_as_an_undisturbed_one(
    kills: int, undisturbed: tuple[Place, End, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calm, expected, whole_s = undisturbed
    chance = random.Random(SEED)
    done = runs = extra = spent = 0
    began = time.monotonic()
    while done < kills:
        at = place(tmp_path / f"run {runs} ü")
        killed = tortured(at, chance, min(MOST_KILLS_OF_A_RUN, kills - done), whole_s)
        done, runs = done + killed, runs + 1
        why = f"TORTURE_SEED={SEED}, run {runs}, killed {killed} times"
        assert [] == list(differences(expected, end_of(at))), why
        more = at.ran() - calm.ran()
        assert not calm.ran() - at.ran(), why
        assert more.total() <= interrupted_stages(at), why
        assert all(again <= killed for again in by_walk(more).values()), why
        final = json.loads((at.run / "final.json").read_text())
        assert asked(at) == final["usage"]["llm_calls"] + final["interrupted"]["llm_calls"], why
        audit = subprocess.run([*PROGRAM, "audit", str(at.run)], capture_output=True, text=True, check=False)
        assert 0 == audit.returncode, f"{why}\n{audit.stdout}"
        assert [] == list(living(at)), why
        extra, spent = extra + more.total(), spent + final["interrupted"]["llm_calls"]
        assert runs <= kills + 20, "the runs end before they are killed"
    with capsys.disabled():
        print(f"\n{done} kills over {runs} runs in {time.monotonic() - began:.0f} s: {extra} stages began again, "
              f"{spent} calls of interrupted attempts told apart")  # fmt: skip


def living(at: Place) -> Iterator[str]:
    """Yield the processes of the run that are still there."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ATTRACTOR_WORKSPACE={at.run}".encode() in path.read_bytes():
                yield path.parent.name
        except OSError:
            continue
