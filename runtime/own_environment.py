"""The environment this process was started with, as others see it.

A child of ours is handed no key. But it runs as the same user, and may read `/proc/PID/environ` of its parent, which
is the parent's memory as the system filled it at the start; forgetting a variable changes nothing there.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress


def hide(is_secret: Callable[[str], bool]) -> None:
    """Overwrite the values of secret variables where other processes read them; `os.environ` keeps them.

    Only Linux shows them. Where a system does not let a process write its own memory so, they stay as they are.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError):
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            _overwrite(memory, *_bounds(), is_secret)
        finally:
            os.close(memory)


def _bounds() -> tuple[int, int]:
    """Return where the environment begins and ends in memory: fields 50 and 51, the name in field 2 may hold blanks."""
    with open("/proc/self/stat", "rb") as file:
        after_name = file.read().rpartition(b")")[2].split()
    return int(after_name[50 - 3]), int(after_name[51 - 3])


def _overwrite(memory: int, start: int, end: int, is_secret: Callable[[str], bool]) -> None:
    at = start
    for entry in os.pread(memory, end - start, start).split(b"\0"):
        name, _, value = entry.partition(b"=")
        if value and is_secret(os.fsdecode(name)):
            os.pwrite(memory, b"*" * len(value), at + len(name) + 1)
        at += len(entry) + 1
