"""What a killed run has left running: its commands live on in process groups of their own, and would write into the
workspace while the resumed run makes their stage again."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 2.0  # for processes to be gone after KILL


def end_orphans(run_id: str, folder: Path, *, has_begun: bool) -> list[int]:
    """KILL the processes of stages that were cut off, and of the setup if no stage had begun; return which.

    What a finished stage has left running on purpose, a server say, lives on. Only Linux shows whose a process is.
    """
    orphans = [pid for pid, variables in _children_of(run_id) if _was_cut_off(variables, folder, has_begun=has_begun)]
    for pid in orphans:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while any(map(_is_alive, orphans)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return orphans


def _children_of(run_id: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield processes of our own whose environment names the run, but for this one and those that it runs in."""
    if sys.platform != "linux":
        return
    ours = _ancestors()
    marker = os.fsencode(f"ATTRACTOR_RUN_ID={run_id}")
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in ours:
            with suppress(OSError):
                entries = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                if marker in entries:
                    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
                    yield int(name), {key: value for key, _, value in pairs}


def _ancestors() -> set[int]:
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            pid = int(_stat(pid)[1])
        except OSError:
            break
    return found


def _was_cut_off(variables: Mapping[str, str], folder: Path, *, has_begun: bool) -> bool:
    stage = variables.get("ATTRACTOR_STAGE_DIR")
    if stage is None:  # of the setup
        return not has_begun
    return Path(stage).is_relative_to(folder) and not os.path.exists(f"{stage}/status.json")


def _is_alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    """Return what /proc says of a process after its name: its state, its parent, …"""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()
