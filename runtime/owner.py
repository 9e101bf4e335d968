"""The process that owns a run: whether it is still there, and whether it is still the same."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

SLACK_S = 2.0  # of clocks and of file systems that keep whole seconds


def is_alive(pid: int, written_s: float) -> bool:
    """Return whether the process that wrote its `pid` down at `written_s` (seconds since 1970) is still there.

    A process that began later is another one, which was given the same number.
    """
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and somebody else's
    began_s = _began_s(pid)
    return began_s is not None and began_s <= written_s + SLACK_S


def _began_s(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None when it is gone, or dead and not yet buried."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        if fields[0] in "ZX":
            return None
        up_s = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        return time.time() - up_s + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    if os.path.exists("/proc/uptime"):
        return None
    with suppress(OSError, ValueError):  # elsewhere `ps` knows: [[DD-]HH:]MM:SS
        shown = subprocess.run(
            ["ps", "-o", "stat=,etime=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        if len(shown) == 2 and not shown[0].startswith("Z"):
            days, _, rest = shown[1].rpartition("-")
            seconds = 0
            for part in rest.split(":"):
                seconds = seconds * 60 + int(part)
            return time.time() - seconds - int(days or 0) * 86_400
    return None
