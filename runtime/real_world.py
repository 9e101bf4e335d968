"""The doors of `world.py`, open for real: the clock, the signals that stop a run."""

import os
import select
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Self

PATIENCE_S = 1.0  # after a second signal, before the run is broken off wherever it is


class RealClock:
    def now_s(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class StopSignals:
    """A cancellation by SIGINT, SIGTERM or a terminal that goes away: the first signal asks, the second stops at once.

    A context manager, for the main thread: the handlers stand while it is open. The second signal calls `at_once`,
    which ends what the run has started, so that it comes to its end by itself. If it has not after `PATIENCE_S`, or a
    third signal comes, `KeyboardInterrupt` is raised wherever it is.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.reason = ""
        self.signal = 0  # the one that asked first
        self.twice = False
        self.at_once: Callable[[], None] = lambda: None
        # A pipe that becomes readable for good: waits end at once, in every thread, and a handler may write to it.
        self._read, self._write = os.pipe()
        self._previous: dict[int, object] = {}
        self._is_calm = False

    def __enter__(self) -> Self:
        for number in (*self.SIGNALS, signal.SIGALRM):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.calm()
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._read)
        os.close(self._write)

    def cancel(self, reason: str) -> None:
        """Ask the run to stop, from any thread; the first reason stays."""
        if not self.reason:
            self.reason = reason
            os.write(self._write, b"\0")

    def wait(self, seconds: float) -> bool:
        if seconds > 0 and not self.reason:
            poll = select.poll()
            poll.register(self._read, select.POLLIN)
            poll.poll(seconds * 1000)
        return bool(self.reason)

    def calm(self) -> None:
        """Raise nothing any more: the run only writes down how it has ended."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._is_calm = True

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal.signal wants it
        if number == signal.SIGALRM or self.twice:
            if not self._is_calm:
                raise KeyboardInterrupt
        elif self.signal:
            self.twice = True
            self.at_once()
            if not self._is_calm:
                signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        else:
            self.signal = number
            self.cancel(f"stopped by signal {signal.Signals(number).name}")
