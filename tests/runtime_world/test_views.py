"""How a run is shown: lines, and a live table."""

import io
import json
import typing
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from attractor.runtime.console import Lines, PlainView, cost, describe, duration, one_line
from attractor.runtime.events import EVENTS, Record, RunFailed, StageFinished, StageStarted, Stamp
from attractor.runtime.live_console import LiveView
from attractor.runtime.read_plan import read_plan

STAMP = Stamp("2026-11-22T19:05:00.123Z", 1, "r-1", "")
SAMPLES: dict[object, object] = {int: 3, float: 2.0, str: "text\nmore", bool: True, float | None: None}


def sample(kind: type) -> object:
    """Return an event of `kind` with something in every field."""
    hints = typing.get_type_hints(kind)
    return kind(**{name: SAMPLES.get(hint, ("one", "two")) for name, hint in hints.items()})


@pytest.mark.parametrize("kind", EVENTS, ids=EVENTS.values())
def test_every_event_has_words(kind: type) -> None:
    text = one_line(describe(sample(kind)))  # type: ignore[arg-type]

    assert text
    assert "\n" not in text


def test_a_plain_line_has_the_time_the_node_and_what_happened() -> None:
    out = io.StringIO()
    view = PlainView(Lines(out), ["impl", "verify"])
    view(Record(STAMP, StageStarted("impl", "tool", 2, 1, 3, "")))
    view(Record(STAMP._replace(branch="ports/1/left"), StageStarted("impl", "tool", 1, 1, 1, "")))
    view(Record(STAMP, RunFailed("fail", "no\nway", "structural", "impl", "/r", "", "", 61_000)))

    assert [
        "19:05:00  impl    started (tool, visit 2, attempt 1 of 3)",
        "19:05:00  left/impl  started (tool)",
        "19:05:00  run     fail (1 min 01 s): no way",
    ] == out.getvalue().splitlines()


def test_control_characters_never_reach_the_terminal() -> None:
    assert "a \N{REPLACEMENT CHARACTER}[31mred b" == one_line("a \x1b[31mred\tb")


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1_500, "1.5 s"), (61_000, "1 min 01 s"), (3_700_000, "1 h 01 min")],
)
def test_durations_are_short(ms: int, text: str) -> None:
    assert text == duration(ms)


@pytest.mark.parametrize(("usd", "text"), [(None, "cost unknown"), (0.0, "$0.00"), (0.0042, "$0.0042"), (1.5, "$1.50")])
def test_an_unknown_cost_is_not_shown_as_none(usd: float | None, text: str) -> None:
    assert text == cost(usd)


class StandingClock:
    def now_s(self) -> float:
        return 100.0

    def utc(self) -> str:
        return STAMP.ts


@pytest.fixture
def live():
    """Return a live view of a plan on a screen of some size; it is off the screen after the test."""
    with ExitStack() as open_views:

        def live(plan: Path, width: int, height: int) -> tuple[LiveView, Console]:
            console = Console(file=io.StringIO(), width=width, height=height)
            view = LiveView(read_plan(plan.read_bytes(), "plan"), "r-1", StandingClock(), console)
            return open_views.enter_context(view), console

        yield live


def screen(view: LiveView, console: Console) -> list[str]:
    with console.capture() as captured:
        console.print(view._render())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_live_view_shows_what_each_node_is_doing(pipeline, live) -> None:
    body = '  a [shape=parallelogram, tool_command="true", max_retries=2]\n  b [prompt="p"]\n  start -> a -> b -> exit'
    view, console = live(pipeline(body).plan, 100, 30)

    view(Record(STAMP, StageStarted("a", "tool", 1, 2, 3, "")))
    running = screen(view, console)
    view(
        Record(STAMP, StageFinished("a", "tool", 1, 2, "fail", "deterministic", "why", "", "", "", 1500, 0, 0, 0, 0.0))
    )
    view(Record(STAMP, StageStarted("b", "codergen", 1, 1, 1, "")))
    view(Record(STAMP, StageFinished("b", "codergen", 1, 1, "success", "", "", "", "", "", 20, 2, 1000, 234, 0.5)))
    done = screen(view, console)

    assert ["▶", "a", "tool", "running", "1", "2/3", "0", "ms"] in map(str.split, running)
    assert ["·", "b", "codergen"] in map(str.split, running)
    assert "p  r-1" in running
    assert any(line.startswith("✘  a") and line.endswith("1.5 s") for line in done)
    assert any(line.startswith("✔  b") and line.endswith("1,234  $0.50") for line in done)
    assert "2 of 4 nodes · 0 ms · 1,234 tokens · $0.50" in done
    assert "19:05:00  a  fail (1.5 s): why" in done


def test_a_long_pipeline_shows_the_nodes_around_the_current_one(pipeline, live) -> None:
    tools = "".join(f'  n{i} [shape=parallelogram, tool_command="true"]\n' for i in range(100))
    way = " -> ".join(["start", *(f"n{i}" for i in range(100)), "exit"])
    view, console = live(pipeline(f"{tools}  {way}").plan, 80, 24)
    view(Record(STAMP, StageStarted("n50", "tool", 1, 1, 1, "")))

    lines = screen(view, console)

    assert len(lines) <= 24
    assert any(line.startswith("▶  n50") for line in lines)
    assert any("more" in line for line in lines)


def test_the_live_view_stands_on_a_real_terminal(pipeline, tmp_path: Path) -> None:
    import os
    import pty
    import sys

    made = pipeline('  a [shape=parallelogram, tool_command="echo hi; sleep 0.3"]\n  start -> a -> exit')
    run = tmp_path / "r"
    pid, screen_fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        command = [sys.executable, "-m", "attractor.cli.main", "exec", str(made.plan), "--run-dir", str(run)]
        os.execv(sys.executable, command)
    shown = b""
    while True:
        try:
            part = os.read(screen_fd, 65536)
        except OSError:  # the other end is closed
            break
        shown += part
    os.close(screen_fd)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert "✔".encode() in shown
    assert f"success: {run}\r\n".encode() in shown
    assert "success" == json.loads((run / "final.json").read_text())["status"]
