"""The doors outward: what the interpreter may ask of the world, as small Protocols.

`real_world.py` opens them for real; tests pass fakes. Nothing else in `runtime/` reads a clock, starts a process or
asks a person.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from .events import Event
from .outcome import Usage


class Cancellation(Protocol):
    """Says whether the run is to stop, and why; every wait ends at once when it says so."""

    @property
    def reason(self) -> str:
        """Why the run is to stop; empty while it is not."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; return True as soon as the run is to stop."""
        ...


class Clock(Protocol):
    def now_s(self) -> float:
        """Monotonic seconds: for durations and deadlines, never shown."""
        ...

    def utc(self) -> str:
        """The time of day as RFC 3339 in UTC with milliseconds, `2026-11-22T19:05:00.123Z`: for records only."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A shell command to run: `bash -c`, in its own process group."""

    command: str
    folder: Path
    environment: Mapping[str, str]  # beside what every child gets
    timeout_ms: int  # 0 = none
    stdout: Path  # output is streamed into these files
    stderr: Path
    stdin: Path | None = None  # what the command reads; None = nothing
    output_limit: int = 64 * 1024 * 1024  # bytes; a file that grows beyond this keeps its start and its end
    ends_group: bool = False  # end what the command leaves behind in its process group


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How it ended. `exit_code` is 124 when the time was up, 128 + N when signal N ended it."""

    exit_code: int
    timed_out: bool
    canceled: bool
    duration_ms: int
    left_behind: bool = False  # processes of its group outlived it, and were ended


# "stdout" or "stderr", and what was written there since the last call; nothing, now and then, while a command is silent
OnOutput = Callable[[str, bytes], None]


class Shell(Protocol):
    def run(self, command: Command, cancellation: Cancellation, on_output: OnOutput) -> CommandResult:
        """Run to the end; on timeout or cancellation TERM the group, wait 2 s, KILL it.

        A process that stays behind and holds the output open does not delay the return.
        """
        ...

    def kill(self) -> None:
        """KILL every command that runs, in whatever thread, and each that is still to be started."""
        ...


class Workspace(Protocol):
    """Where stages work: a git worktree with a commit per node, or a plain folder."""

    @property
    def folder(self) -> Path: ...

    @property
    def branch(self) -> str:
        """The run's branch; empty in a plain folder."""
        ...

    @property
    def base_sha(self) -> str:
        """The commit the run began at; empty without git."""
        ...

    def commit(self, message: str) -> str:
        """Record the folder's state after a node; return the commit, or "" without git or when none is wanted."""
        ...

    def inside(self, folder: str, name: str) -> "Workspace":
        """Return this workspace as a child pipeline sees it: in a sub-folder ("": the same one), made if need be.

        Args:
            name: tells the branches of its parallel regions from those of others.
        """
        ...

    # What follows is for parallel regions. Without git it does nothing, and every branch works in the one folder.
    # Whatever git refuses is raised as a GitError.

    def save(self, message: str) -> str:
        """Record the folder's state in any case; return the commit."""
        ...

    def seal(self, message: str) -> str:
        """Record what no node's commit has; return the last commit."""
        ...

    def branch_off(self, name: str, folder: Path, commit: str) -> "Workspace":
        """Return a worktree of its own in `folder`, on a branch that begins or goes on at `commit`.

        It is made anew, unless the run goes on in it and makes no commits on the way.
        """
        ...

    def changed_since(self, commit: str) -> Sequence[str]:
        """Return the files that differ between `commit` and the last one."""
        ...

    def drop(self, folder: Path) -> None:
        """Take away the worktree of a branch; its commits and its branch stay."""
        ...

    def take(self, commit: str) -> None:
        """Go forward to the commit of a branch that began where this workspace stands."""
        ...

    def merge(self, heads: Mapping[str, str], message: str) -> Mapping[str, Sequence[str]]:
        """Merge the branches' commits, by id, in order; nothing is merged if any conflicts.

        Returns:
            The files in conflict, by id of the branch that could not be merged after those before it.
        """
        ...


class People(Protocol):
    def ask(self, question: "Question", cancellation: Cancellation) -> "Answer": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    id: str
    text: str
    options: Sequence["Option"]
    default: str | None  # target taken when nobody answers in time
    timeout_ms: int  # 0 = wait for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    target: str
    label: str
    accelerator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The chosen option's target; empty with a reason when nobody chose."""

    target: str
    reason: str = ""
    note: str = ""  # what the person wants the next stages to know


class Meter(Protocol):
    """What the run has spent so far, branches and restarts included."""

    @property
    def usage(self) -> Usage: ...

    def charge(self, usage: Usage) -> None:
        """Add what an attempt spent. The walk does this with every `Outcome.usage`; steps never do."""
        ...

    def running(self, who: object, usage: Usage) -> None:
        """Say what an attempt that is not over has spent so far, so that limits count it.

        It is only lent: `NO_USAGE` takes it back before the walk charges the attempt.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Take time out of `max_wall_ms`: a step calls it with how long it waited for a person."""
        ...


class Pulse(Protocol):
    """Tells the stall watchdog that the run is alive. Events and commands do so by themselves."""

    @property
    def stalled(self) -> str:
        """Why the watchdog stopped the run; "" while it has not."""
        ...

    def beat(self) -> None:
        """Say that something real has happened: bytes of a model, say."""
        ...

    def still(self) -> AbstractContextManager[None]:
        """Let the clock stand still while something goes on that has a bound of its own."""
        ...


class Unwatched:
    """The pulse of a run that nobody watches."""

    stalled = ""

    def beat(self) -> None:
        pass

    def still(self) -> AbstractContextManager[None]:
        return nullcontext()


class World(NamedTuple):
    """All doors, as the walk and the steps receive them."""

    clock: Clock
    shell: Shell
    workspace: Workspace
    people: People
    cancellation: Cancellation
    emit: Callable[[Event], None]
    meter: Meter
    keys: Mapping[str, str] = MappingProxyType({})  # variables that may hold API keys; nothing else reads them
    pulse: Pulse = Unwatched()
