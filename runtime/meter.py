"""What the run has spent and how long it has been walking: one per run, shared by branches and restarts."""

from threading import Lock

from .breakers import Trip, spending, wall
from .outcome import NO_USAGE, Usage
from .plan import Limits
from .world import Cancellation, Clock


class RunMeter:
    """Counts from what an earlier process of the same run had used (zero for a fresh run)."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        *,
        usage: Usage = NO_USAGE,
        elapsed_ms: int = 0,
        paused_ms: int = 0,
        above: "RunMeter | None" = None,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._started_s = clock.now_s() - elapsed_ms / 1000
        self._paused_s = paused_ms / 1000
        self._pauses: list[tuple[float, float]] = []  # in order, none meeting another
        self._charged = usage
        self._above = above  # the meter of the run that this pipeline is a stage of
        self._running: dict[object, Usage] = {}  # of attempts that are not over
        self._lock = Lock()  # branches are threads

    def within(self, limits: Limits) -> "RunMeter":
        """Return a meter for a child pipeline: what it spends is lent to this one until `close`."""
        return RunMeter(self._clock, limits, above=self)

    @property
    def is_lent(self) -> bool:
        """Whether this is the meter of a child pipeline."""
        return self._above is not None

    def close(self) -> None:
        if self._above is not None:
            self._above.running(self, NO_USAGE)

    @property
    def usage(self) -> Usage:
        """What the whole run has spent."""
        return self._above.usage if self._above else self._own()

    def _own(self) -> Usage:
        with self._lock:
            return sum(self._running.values(), start=self._charged)

    def charge(self, usage: Usage) -> None:
        if usage is not NO_USAGE:
            with self._lock:
                self._charged += usage
            self._lend()

    def running(self, who: object, usage: Usage) -> None:
        with self._lock:
            if usage is NO_USAGE:
                self._running.pop(who, None)
            else:
                self._running[who] = usage
        self._lend()

    def _lend(self) -> None:
        if self._above is not None:
            self._above.running(self, self._own())

    def pause(self, seconds: float) -> None:
        """Take the last `seconds` out; what another branch took out already counts once."""
        if self._above is not None:
            self._above.pause(seconds)
        with self._lock:
            end_s = self._clock.now_s()
            start_s = end_s - seconds
            apart = [each for each in self._pauses if each[1] < start_s]
            met = [each for each in self._pauses if each[1] >= start_s]
            self._paused_s += seconds - sum(end - max(start, start_s) for start, end in met)
            self._pauses = [*apart, (min([start_s, *(start for start, _ in met)]), end_s)]

    @property
    def elapsed_ms(self) -> int:
        return round((self._clock.now_s() - self._started_s) * 1000)

    @property
    def paused_ms(self) -> int:
        return round(self._paused_s * 1000)

    def time_is_up(self) -> Trip | None:
        if self._above is not None:
            return self._above.time_is_up()
        return wall(self._limits, self.elapsed_ms - self.paused_ms)

    def money_is_spent(self) -> Trip | None:
        """Trip when the next LLM call would go over a limit."""
        return self._above.money_is_spent() if self._above else spending(self._limits, self.usage)

    def left_s(self) -> float | None:
        """Seconds until `max_wall_ms` is reached; None without that limit."""
        if self._above is not None:
            return self._above.left_s()
        if self._limits.max_wall_ms is None:
            return None
        return (self._limits.max_wall_ms - self.elapsed_ms + self.paused_ms) / 1000


class Deadline:
    """A cancellation that also says stop when `seconds` have passed."""

    def __init__(self, inner: Cancellation, clock: Clock, seconds: float, reason: str) -> None:
        self._inner = inner
        self._clock = clock
        self._until_s = clock.now_s() + seconds
        self._reason = reason

    @property
    def passed(self) -> bool:
        return self._clock.now_s() >= self._until_s

    @property
    def reason(self) -> str:
        return self._inner.reason or (self._reason if self.passed else "")

    def wait(self, seconds: float) -> bool:
        left = self._until_s - self._clock.now_s()
        return self._inner.wait(max(0.0, min(seconds, left))) or self.passed
