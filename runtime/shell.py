"""The real shell: one process group per command, output straight into files, nothing left running after a timeout.

No `preexec_fn` anywhere: it would force a slow fork, and the cost of starting a child would grow with this process.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .environment import child_environment, find_program
from .files import utf8
from .world import Cancellation, Command, CommandResult, OnOutput

POLL_S = 0.02  # how often output is passed on, a cancellation noticed and a file kept within its bounds
FIRST_POLL_S = 0.004  # at the start, and while a command writes fast
BUSY_BYTES = 256 * 1024
GRACE_S = 2.0  # between TERM and KILL
TIMED_OUT = 124
HEAD_PART = 4  # of a file that has grown beyond its limit the first quarter is kept,
TAIL_PART = 64  # and the last 64th
PASSED_ON = 64 * 1024  # most bytes of one file handed to `on_output` at a time


class RealShell:
    """Runs commands with the `bash` on the child's PATH.

    A child gets the allow-list of `inherited`, what run.yaml passes on, and the command's own variables.
    """

    def __init__(self, inherited: Mapping[str, str], passed: Collection[str]) -> None:
        base = child_environment(inherited, passed)
        # Found and encoded once: a long PATH and a large environment would cost every command a tenth of its time.
        self._bash = find_program("bash", base["PATH"]) or "bash"  # started by its name it says that it is nowhere
        self._base = _encoded(base)
        self._running: set[int] = set()  # process groups, of all threads
        self._killed = False

    def kill(self) -> None:
        self._killed = True
        for group in tuple(self._running):
            _signal_group(group, signal.SIGKILL)

    def run(self, command: Command, cancellation: Cancellation, on_output: OnOutput) -> CommandResult:
        started = time.monotonic()
        timed_out = canceled = left_behind = False
        limit = command.output_limit
        with _output(command.stdout, limit) as stdout, _output(command.stderr, limit) as stderr:
            try:
                process = self._start(command, stdout.descriptor, stderr.descriptor)
            except (OSError, ValueError) as error:
                stderr.append(utf8(f"attractor: bash could not be started: {error}\n"))
                return CommandResult(exit_code=127, timed_out=False, canceled=False, duration_ms=_since_ms(started))
            self._running.add(process.pid)
            if self._killed:
                _signal_group(process.pid, signal.SIGKILL)
            deadline = started + command.timeout_ms / 1000 if command.timeout_ms else float("inf")
            try:
                with _exit_of(process) as wait:
                    pause = FIRST_POLL_S
                    while not wait(min(pause, max(0.0, deadline - time.monotonic()))):
                        canceled, timed_out = bool(cancellation.reason), time.monotonic() >= deadline
                        if canceled or timed_out:
                            _end_group(process, wait)
                            break
                        grown = _pass_on(stdout, stderr, on_output)
                        if not grown:
                            on_output("stdout", b"")
                        pause = FIRST_POLL_S if grown >= BUSY_BYTES else min(POLL_S, 2 * pause)
                if command.ends_group and not (canceled or timed_out):
                    left_behind = _end_leftovers(process)
            except BaseException:  # a second signal: leave at once, but leave nothing running
                _signal_group(process.pid, signal.SIGKILL)
                process.wait()
                raise
            finally:
                self._running.discard(process.pid)
            exit_code = process.wait()
            _pass_on(stdout, stderr, on_output)
        return CommandResult(
            exit_code=TIMED_OUT if timed_out else 128 - exit_code if exit_code < 0 else exit_code,
            timed_out=timed_out,
            canceled=canceled,
            duration_ms=_since_ms(started),
            left_behind=left_behind,
        )

    def _start(self, command: Command, stdout: int, stderr: int) -> "subprocess.Popen[bytes]":
        with open(command.stdin or os.devnull, "rb") as stdin:
            return subprocess.Popen(
                ["bash", "-c", command.command],
                executable=self._bash,
                cwd=command.folder,
                env={**self._base, **_encoded(command.environment)},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )


def _encoded(environment: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}


@contextmanager
def _exit_of(process: "subprocess.Popen[bytes]") -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits some seconds and says whether the process has ended, without reaping it."""
    if sys.platform != "linux":

        def wait(seconds: float) -> bool:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            return True

        yield wait
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        yield lambda seconds: bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _end_group(process: "subprocess.Popen[bytes]", wait: Callable[[float], bool]) -> None:
    """TERM the process group, give it `GRACE_S`, KILL what is left of it, also after the leader has gone."""
    deadline = time.monotonic() + GRACE_S
    _signal_group(process.pid, signal.SIGTERM)
    if wait(GRACE_S):
        process.wait()
        while _is_alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
    _signal_group(process.pid, signal.SIGKILL)


def _end_leftovers(process: "subprocess.Popen[bytes]") -> bool:
    """End what outlived its leader in the group; return whether anything did."""
    process.wait()
    if not _is_alive(process.pid):
        return False
    _end_group(process, lambda _seconds: True)
    return True


def _signal_group(group: int, number: int) -> bool:
    """Send a signal (0: none); return whether the group still had a process."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_alive(group: int) -> bool:
    """Whether a process of the group still runs; dead ones that nobody collects (many containers) do not count."""
    if sys.platform != "linux" or not _signal_group(group, 0):
        return _signal_group(group, 0)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, _parent, process_group = file.read().rpartition(b")")[2].split()[:3]
            except OSError:  # it has just ended
                continue
            if int(process_group) == group and state not in (b"Z", b"X"):
                return True
    return False


class _Output:
    """A file that a child appends to, and how much of it has been passed on."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self.descriptor = descriptor
        self.passed = 0
        self.grown = 0  # bytes at the last call of `news`
        self._limit = limit

    def append(self, text: bytes) -> None:
        os.write(self.descriptor, text)

    def news(self) -> bytes:
        """Return what was written since the last call, its end only if that is much; keep the file bounded."""
        size = os.fstat(self.descriptor).st_size
        self.grown = max(0, size - self.passed)
        if size == self.passed:
            return b""
        start = max(self.passed, size - PASSED_ON)
        text = os.pread(self.descriptor, size - start, start)
        self.passed = size
        if size > self._limit:
            self._cut(size)
        return text

    def _cut(self, size: int) -> None:
        """Drop the middle. What the child writes in this instant may be lost with it."""
        head, end = self._limit // HEAD_PART, self._limit // TAIL_PART
        tail = os.pread(self.descriptor, end, size - end)
        os.ftruncate(self.descriptor, head)
        dropped = size - head - end
        marker = f"\n[attractor: output too long, {dropped} bytes dropped here]\n"
        os.write(self.descriptor, marker.encode() + tail)
        self.passed = os.fstat(self.descriptor).st_size


@contextmanager
def _output(path: Path, limit: int) -> Iterator[_Output]:
    # O_APPEND: after a cut the child goes on at the new end
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        yield _Output(descriptor, limit)
    finally:
        os.close(descriptor)


def _pass_on(stdout: _Output, stderr: _Output, on_output: OnOutput) -> int:
    """Hand on what is new; return by how many bytes the files have grown."""
    for stream, text in (("stdout", stdout.news()), ("stderr", stderr.news())):
        if text:
            on_output(stream, text)
    return stdout.grown + stderr.grown


def _since_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
