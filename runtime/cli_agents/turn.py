"""One turn of a program: started, its stream read as it comes, ended when it is silent for too long."""

import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..llm.errors import Canceled, LlmError, Timeout
from ..world import Cancellation, Clock, Command, World
from .contract import Called, Closed, Failed, Heard, Order, Program, Returned, Said, Session, Spent
from .failures import failure

IDLE_S: Final = 300.0  # how long a program may say nothing while it waits for its model
READ_BYTES: Final = 1 << 20
LINE_BYTES: Final = 16 << 20  # a longer line is not read
STDERR_BYTES: Final = 4_096


class Place(NamedTuple):
    """Where a turn takes place."""

    folder: Path  # its files: prompt, stdout, stderr
    workspace: Path
    environment: Mapping[str, str]
    command_max_ms: int  # of a command of the agent's: that long it may be silent
    number: int  # of the turn, from 1
    idle_s: float = IDLE_S


class Turn(NamedTuple):
    """What came of it; `error` None: the program ended as it should."""

    text: str  # the last thing it said
    session: str
    spent: Spent | None
    calls: int
    error: LlmError | None


class Collector:
    """Adds up what a stream says, and hands each thing on."""

    def __init__(self, clock: Clock, on_heard: Callable[[Heard], None]) -> None:
        self._clock = clock
        self._on_heard = on_heard
        self._pieces: list[str] = []
        self._open: set[str] = set()
        self.heard_s = clock.now_s()
        self.text = ""
        self.session = ""
        self.spent: Spent | None = None
        self.calls = 0
        self.failed: Failed | None = None
        self.closed = False

    def take(self, heard: Heard) -> None:
        self.heard_s = self._clock.now_s()
        if isinstance(heard, Said) and not heard.whole:
            self._pieces.append(heard.text)
            return
        self.end_of_text()
        match heard:
            case Said(text):
                self.text = text
            case Session(name):
                self.session = name
            case Called(call_id):
                self.calls += 1
                self._open.add(call_id)
            case Returned(call_id):
                self._open.discard(call_id)
            case Spent():
                self.spent = heard
            case Failed():
                self.failed = heard
            case Closed():
                self.closed = True
            case _:
                pass
        self._on_heard(heard)

    def end_of_text(self) -> None:
        """Take pieces that belong together as one text."""
        if self._pieces:
            self.text = "".join(self._pieces)
            self._pieces.clear()
            self._on_heard(Said(self.text))

    @property
    def is_working(self) -> bool:
        """Whether a tool of the program's runs, which has its own time."""
        return bool(self._open)

    def silent_too_long(self, idle_s: float, command_max_s: float) -> str:
        """Return why the program has to be stopped; "" while it need not: a command of the agent's takes its time."""
        allowed_s = max(idle_s, command_max_s) if self._open else idle_s
        if self._clock.now_s() - self.heard_s < allowed_s:
            return ""
        return f"said nothing for {allowed_s:g} s" + (" while a tool ran" if self._open else "")


class Lines:
    """The complete lines of a file that grows. The shell keeps the file bounded; what it drops is not read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def new(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._at:
                    self._at, self._rest = size, b""
                file.seek(self._at)
                read = b""
                while chunk := file.read(READ_BYTES):
                    read += chunk
        except FileNotFoundError:
            return []
        self._at += len(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            self._rest = b""
        return lines

    def rest(self) -> list[bytes]:
        """Return what the file ended with, if that was no whole line."""
        return [self._rest] if self._rest.strip() else []


class _Watch:
    """A cancellation that also says stop when the program has been silent for too long."""

    def __init__(self, inner: Cancellation, collector: Collector, place: Place) -> None:
        self._inner = inner
        self._collector = collector
        self._place = place

    @property
    def silence(self) -> str:
        return self._collector.silent_too_long(self._place.idle_s, self._place.command_max_ms / 1000)

    @property
    def reason(self) -> str:
        return self._inner.reason or self.silence

    def wait(self, seconds: float) -> bool:
        return self._inner.wait(seconds) or bool(self.silence)


def take_turn(
    program: Program, order: Order, prompt: str, place: Place, world: World, on_heard: Callable[[Heard], None]
) -> Turn:
    """Start the program with `prompt` and read it to its end."""
    command = _command(program, order, prompt, place)
    collector, lines = Collector(world.clock, on_heard), Lines(command.stdout)
    watch = _Watch(world.cancellation, collector, place)

    def read_on(_stream: str, _text: bytes) -> None:
        for line in lines.new():
            _read(program, line, collector)
        if collector.is_working:
            world.pulse.beat()

    result = world.shell.run(command, watch, read_on)
    for line in (*lines.new(), *lines.rest()):
        _read(program, line, collector)
    collector.end_of_text()
    error: LlmError | None = None
    if world.cancellation.reason:
        error = Canceled(f"canceled: {world.cancellation.reason}")
    elif result.canceled:
        error = Timeout(f"{program.name} {watch.silence or 'said nothing for too long'}", phase="idle")
    elif result.exit_code != 0 or collector.failed or not collector.closed:
        error = failure(program, order, result.exit_code, collector.failed, _end_of(command.stderr))
    return Turn(collector.text, collector.session, collector.spent, collector.calls, error)


def _command(program: Program, order: Order, prompt: str, place: Place) -> Command:
    """Return what starts the program; the files of a second turn have its number in their names."""
    suffix = "" if place.number == 1 else f"-{place.number}"
    asked = place.folder / f"prompt{suffix}.md"
    asked.write_text(prompt, encoding="utf-8", errors="backslashreplace")
    return Command(
        command=f"exec {shlex.join(program.command(order))} <{shlex.quote(str(asked))}",
        folder=place.workspace,
        environment=place.environment,
        timeout_ms=0,  # the stage's own bound comes as a cancellation
        stdout=place.folder / f"stdout{suffix}.log",
        stderr=place.folder / f"stderr{suffix}.log",
    )


def _read(program: Program, line: bytes, collector: Collector) -> None:
    """Take what a line says. What is no JSON object is the program talking to a terminal, and says nothing."""
    if len(line) > LINE_BYTES or not line.lstrip().startswith(b"{"):
        return
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        for heard in program.read(document):
            collector.take(heard)


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - STDERR_BYTES))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
