"""Walks that go on at the same time, each in a thread of its own, watched by the walk that started them."""

from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Thread

from .run_dir import Ending
from .world import Cancellation, Shell

SLICE_S = 0.05  # how soon a wait notices that its walk was recalled


class Recall:
    """The cancellation of one walk among several: the run's own, or that nobody needs this walk any more."""

    def __init__(self, inner: Cancellation) -> None:
        self._inner = inner
        self._recalled = ""

    def stop(self, reason: str) -> None:
        """Tell the walk to stop, from any thread; the first reason stays."""
        self._recalled = self._recalled or reason

    @property
    def reason(self) -> str:
        return self._inner.reason or self._recalled

    def wait(self, seconds: float) -> bool:
        left = seconds
        while left > 0 and not self.reason:
            slice_s = min(left, SLICE_S)
            self._inner.wait(slice_s)
            left -= slice_s
        return bool(self.reason)


class Crew:
    """Threads that each bring back an `Ending`. What one of them raises is raised where it is waited for."""

    def __init__(self) -> None:
        self._ended: SimpleQueue[tuple[str, Ending | BaseException]] = SimpleQueue()
        self._running: dict[str, Thread] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, walk: Callable[[], Ending]) -> None:
        def work() -> None:
            try:
                self._ended.put((name, walk()))
            except BaseException as error:
                self._ended.put((name, error))

        thread = Thread(target=work, name=name)
        self._running[name] = thread
        thread.start()

    def next(self, timeout_s: float | None = None) -> tuple[str, Ending] | None:
        """Wait for the next that ends; return its name and how it ended, or None when the time is over."""
        try:
            name, brought = self._ended.get(timeout=timeout_s)
        except Empty:
            return None
        self._running.pop(name).join()
        if isinstance(brought, BaseException):
            raise brought
        return name, brought

    def abandon(self, error: BaseException, shell: Shell, recalls: Iterable[Recall]) -> None:
        """Bring everybody home after an error, at once after the second signal; return when nobody is left."""
        if isinstance(error, KeyboardInterrupt):
            shell.kill()
        for recall in recalls:
            recall.stop(f"stopped by {type(error).__name__}")
        for thread in self._running.values():
            if thread.ident is not None:  # else the error came before it began
                thread.join()
        self._running.clear()
