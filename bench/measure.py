"""How figures are taken and shown."""

import gc
import math
import os
import statistics
import subprocess
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

Work = Callable[[], object]


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


def least_cpu_s(*works: Work, rounds: int = 5) -> list[float]:
    """Return the least processor seconds of each of `works`, after a round that does not count.

    They take turns, so that what disturbs the machine disturbs all of them; the garbage collector is as Python has it.
    """
    return _least_s(works, rounds, time.process_time)


def least_command_s(*commands: Sequence[str], rounds: int = 11) -> list[float]:
    """Return the least wall seconds of each of the whole processes, which take turns.

    They may keep byte code, as installed programs have it; the round that does not count writes it.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def run(command: Sequence[str]) -> None:
        subprocess.run(command, capture_output=True, check=False, env=environment)

    return _least_s([partial(run, command) for command in commands], rounds, time.perf_counter)


def _least_s(works: Sequence[Work], rounds: int, clock: Callable[[], float]) -> list[float]:
    least = [math.inf] * len(works)
    for turn in range(rounds + 1):
        for at, work in enumerate(works):
            gc.unfreeze()
            gc.collect()
            gc.enable()
            started = clock()
            made = work()
            seconds = clock() - started
            del made  # to take it apart again is no part of the work
            if turn:
                least[at] = min(least[at], seconds)
    return least


def peak_bytes(work: Work) -> int:
    """Return how much memory `work` has at most, of what Python allocates."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def exponent(sizes: tuple[float, float], costs: tuple[float, float]) -> float:
    """Return the power of the size with which the cost grows: 1 is linear."""
    return math.log(costs[1] / costs[0]) / math.log(sizes[1] / sizes[0])


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


def rows(figures: Sequence[Figure]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| figure | measured | wanted | |", "|---|---|---|---|"]
    for figure in figures:
        bound = f"{'≤' if figure.at_most else '≥'} {figure.target:g} {figure.unit}".rstrip()
        what = f"{figure.what} ({figure.note})" if figure.note else figure.what
        measured = f"{figure.value:.3g} {figure.unit}".rstrip()
        lines.append(f"| {what.replace('|', '/')} | {measured} | {bound} | {'' if figure.reached else '**missed**'} |")
    return "\n".join(lines)
