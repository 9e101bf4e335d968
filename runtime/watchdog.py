"""The stall watchdog: a run in which nothing real happens for too long is stopped, and says so.

Real are a stage that begins or ends, what a command prints, what a model sends. The clock stands still while something
with a bound of its own goes on: a question, a scheduled back-off, a command that has a timeout.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from .events import NO_PROGRESS, Record
from .world import Cancellation, Clock, Command, CommandResult, OnOutput, Pulse, Shell


class Watchdog:
    """Watches from a thread of its own while it is open; `look` is what that thread does again and again."""

    def __init__(self, clock: Clock, timeout_ms: int, interval_ms: int, on_stall: Callable[[str, int], None]) -> None:
        """`on_stall` is called once, with the reason and the milliseconds that nothing happened."""
        self.stalled = ""  # why the run was stopped
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._interval_s = interval_ms / 1000
        self._on_stall = on_stall
        self._beaten = True  # a flag, not a time: to say that something happened must cost nothing
        self._last_s = clock.now_s()
        self._bounded = 0  # how much goes on that has a bound of its own
        self._lock = Lock()
        self._closed = Flag()
        self._thread = Thread(target=self._watch, name="attractor-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._thread.join()

    def beat(self) -> None:
        self._beaten = True

    @contextmanager
    def still(self) -> Iterator[None]:
        with self._lock:
            self._bounded += 1
        try:
            yield
        finally:
            with self._lock:
                self._bounded -= 1
            self._beaten = True

    def heard(self, record: Record) -> None:
        """Hear an event of the run."""
        if not isinstance(record.event, NO_PROGRESS):
            self._beaten = True

    def look(self) -> None:
        now_s = self._clock.now_s()
        if self._beaten or self._bounded or self.stalled:
            self._beaten, self._last_s = False, now_s
            return
        idle_ms = round((now_s - self._last_s) * 1000)
        if idle_ms >= self._timeout_ms:
            self.stalled = (
                f"stalled: nothing has happened for {idle_ms / 1000:g} s, the limit is {self._timeout_ms / 1000:g} s "
                f"(runtime_policy.stall_timeout_ms in run.yaml)"
            )
            self._on_stall(self.stalled, idle_ms)

    def _watch(self) -> None:
        while not self._closed.wait(self._interval_s):
            self.look()


class WatchedShell:
    """A shell whose commands are progress: while one runs within its own timeout, and when it prints something."""

    def __init__(self, shell: Shell, pulse: Pulse) -> None:
        self._shell = shell
        self._pulse = pulse

    def run(self, command: Command, cancellation: Cancellation, on_output: OnOutput) -> CommandResult:
        def heard(stream: str, text: bytes) -> None:
            if text:
                self._pulse.beat()
            on_output(stream, text)

        if not command.timeout_ms:
            return self._shell.run(command, cancellation, heard)
        with self._pulse.still():
            return self._shell.run(command, cancellation, heard)

    def kill(self) -> None:
        self._shell.kill()
