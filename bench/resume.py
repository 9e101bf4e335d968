"""What durability costs in a long run, and how soon a long run goes on after a crash.

The figures with a bound in milliseconds or seconds are the least of several: what else the machine does is not ours.
"""

import statistics
import subprocess
import tempfile
from pathlib import Path

from attractor.runtime.checkpoint import load
from attractor.runtime.real_world import RealClock
from attractor.runtime.run_dir import RunDir
from attractor.runtime.state import RunState

from .exec import PROGRAM, Run, chain, growth, seconds
from .measure import Figure, table

NODES = 2000
TIMES = 5
SNAPSHOTS = 50


def cut_off(run: Path) -> None:
    """Make of a finished run one that was killed at its last node, long after its last snapshot."""
    lines = (run / "journal.ndjson").read_bytes().splitlines(keepends=True)
    (run / "journal.ndjson").write_bytes(b"".join(lines[:-2]))  # the exit's visit, and the end
    (run / "checkpoint.json").unlink()
    (run / "final.json").unlink()


def resume_s(run: Path) -> float:
    """Return how long a resumed run takes from the command to its end, which is one node away."""
    cut_off(run)
    return seconds(
        lambda: subprocess.run([PROGRAM, "exec", "--resume", str(run), "--quiet"], check=True, capture_output=True)
    )


def checkpoint_ms(state: RunState, folder: Path) -> list[float]:
    """Return how long each snapshot took, fsync of file and folder included."""
    records = RunDir.create(folder, "bench", b"{}", RealClock())
    taken = [seconds(lambda: records.snapshot(state)) * 1000 for _ in range(SNAPSHOTS)]
    records.close()
    return taken


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = chain(folder / "chain", NODES)
        runs = [Run(plan, folder / f"run-{turn}") for turn in range(TIMES)]
        snapshots = checkpoint_ms(load(folder / "run-0").state, folder / "snapshots")
        size = (folder / "run-0" / "checkpoint.json").stat().st_size
        resumes = [resume_s(folder / f"run-{turn}") for turn in range(TIMES)]
    return [
        Figure(f"the last tenth of {NODES:,} tool nodes against the first",
               statistics.median(growth(run) for run in runs), "x", 1.2),
        Figure(f"a checkpoint at {NODES:,} nodes, with fsync", min(snapshots), "ms", 2.0,
               note=f"{size / 1024:.0f} KB; the median is {statistics.median(snapshots):.1f} ms"),
        Figure(f"going on with a run of {NODES:,} nodes, from its journal alone", min(resumes), "s", 1.0,
               note=f"from the command to the end, one node away; the median is {statistics.median(resumes):.1f} s"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table("resume", figures()))
