"""Walks that go on at the same time, each in a thread of its own, watched by the walk that started them."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from .run_dir import Ending
from .world import Cancellation

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

    def next(self) -> tuple[str, Ending]:
        """Wait for the next that ends; return its name and how it ended."""
        name, brought = self._ended.get()
        self._running.pop(name).join()
        if isinstance(brought, BaseException):
            raise brought
        return name, brought

    def wait(self) -> None:
        """Wait until nobody is left, whatever they bring."""
        for thread in self._running.values():
            thread.join()
        self._running.clear()
