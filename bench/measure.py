"""How figures are taken and shown."""

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table. `target` is the bound the figure should stay within, in the same unit as `value`."""

    what: str
    value: float
    unit: str
    target: float
    at_most: bool = True
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target


def median_s(work: Callable[[], object], *, runs: int = 5) -> float:
    """Return the median seconds of `runs` calls, after one that does not count."""
    work()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def median_command_s(command: Sequence[str], *, runs: int = 9, cwd: str | None = None) -> float:
    """Return the median seconds of a whole process."""
    return median_s(lambda: subprocess.run(command, cwd=cwd, capture_output=True, check=False), runs=runs)


def table(title: str, figures: Sequence[Figure]) -> str:
    """Return the figures as lines of text."""
    lines = [title, "-" * len(title)]
    for figure in figures:
        bound = f"{'≤' if figure.at_most else '≥'} {figure.target:g} {figure.unit}".rstrip()
        mark = "ok  " if figure.reached else "MISS"
        lines.append(f"{mark} {figure.value:9.3g} {figure.unit:<3} (wanted {bound}) {figure.what}")
        if figure.note:
            lines.append(f"     {figure.note}")
    return "\n".join(lines)
