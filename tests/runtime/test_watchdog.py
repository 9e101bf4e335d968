"""The stall watchdog, looked at by hand in fake time."""

from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.events import (
    BranchProgressed,
    CheckpointSaved,
    Event,
    ManagerCycled,
    Record,
    StageOutput,
    Stamp,
    Warned,
)
from attractor.runtime.watchdog import Watchdog, WatchedShell
from attractor.runtime.world import Command, CommandResult

from .conftest import FakeCancellation, FakeClock


class Watched:
    """A watchdog with a limit of ten seconds that is asked every second."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stalls: list[tuple[str, int]] = []
        self.dog = Watchdog(self.clock, 10_000, 1_000, lambda *stall: self.stalls.append(stall))

    def pass_(self, seconds: int) -> list[int]:
        """Let the time pass, and return after how many milliseconds of nothing it has barked."""
        for _ in range(seconds):
            self.clock.seconds += 1
            self.dog.look()
        return [idle_ms for _, idle_ms in self.stalls]

    def tell(self, event: Event) -> None:
        self.dog.heard(Record(Stamp(self.clock.utc(), 1, "r", ""), event))


def test_a_run_in_which_nothing_happens_is_stopped_once() -> None:
    watched = Watched()

    assert [] == watched.pass_(10)
    assert [10_000] == watched.pass_(20)
    assert (
        "stalled: nothing has happened for 10 s, the limit is 10 s (runtime_policy.stall_timeout_ms in run.yaml)"
        == watched.dog.stalled
    )


@pytest.mark.parametrize(
    "event",
    [StageOutput("a", 1, 1, "stdout", "x"), BranchProgressed("fan", 1, "l", "a", "success")],
    ids=lambda event: type(event).__name__,
)
def test_real_progress_begins_the_time_anew(event: Event) -> None:
    watched = Watched()
    watched.pass_(9)
    watched.tell(event)

    assert [] == watched.pass_(10)


@pytest.mark.parametrize(
    "event",
    [Warned("look out"), CheckpointSaved(1, "a"), ManagerCycled("m", 1, 1, 3, "running", "", "")],
    ids=lambda event: type(event).__name__,
)
def test_talk_is_no_progress(event: Event) -> None:
    watched = Watched()
    watched.pass_(9)
    watched.tell(event)

    assert [10_000] == watched.pass_(5)


def test_bytes_of_a_model_are_progress() -> None:
    watched = Watched()
    for _ in range(5):
        watched.pass_(9)
        watched.dog.beat()

    assert [] == watched.stalls


def test_the_clock_stands_still_while_something_has_a_bound_of_its_own() -> None:
    watched = Watched()
    watched.pass_(9)
    with watched.dog.still():
        watched.pass_(1000)
    watched.pass_(1)

    assert [] == watched.pass_(9)
    assert [10_000] == watched.pass_(2)


class FakeShell:
    """A command that takes five minutes, and prints `said` after each."""

    def __init__(self, watched: Watched, said: bytes) -> None:
        self._watched = watched
        self._said = said

    def run(self, command: Command, cancellation: Any, on_output: Any) -> CommandResult:
        for _ in range(5):
            self._watched.pass_(9)
            on_output("stdout", self._said)
        return CommandResult(exit_code=0, timed_out=False, canceled=False, duration_ms=300_000)

    def kill(self) -> None:
        pass


@pytest.mark.parametrize(("timeout_ms", "said", "stalls"), [(0, b"", 1), (0, b"x", 0), (900_000, b"", 0)])
def test_a_command_is_progress_while_it_prints_or_has_a_timeout(
    tmp_path: Path, timeout_ms: int, said: bytes, stalls: int
) -> None:
    watched = Watched()
    command = Command(
        command="make",
        folder=tmp_path,
        environment={},
        timeout_ms=timeout_ms,
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
    )

    WatchedShell(FakeShell(watched, said), watched.dog).run(command, FakeCancellation(watched.clock), lambda *_: None)

    assert stalls == len(watched.stalls)


def test_a_clock_that_jumps_back_stops_nothing() -> None:
    watched = Watched()
    watched.pass_(5)
    watched.clock.seconds -= 3600

    assert [] == watched.pass_(20)
