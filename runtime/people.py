"""Who answers at a human gate: a person through files or at the terminal, a rule, or nobody."""

import select
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from threading import Lock
from typing import TextIO

from .questions import QuestionFile, named
from .world import Answer, Cancellation, Question

POLL_S = 0.2


class AutoApprove:
    """Takes the default, else the first option."""

    def ask(self, question: Question, cancellation: Cancellation) -> Answer:  # noqa: ARG002 - never waits
        if question.default is not None:
            return Answer(target=question.default, reason="approved automatically: the default")
        return Answer(target=question.options[0].target, reason="approved automatically: the first option")


class Nobody:
    """Takes no decision: `human.mode: fail`."""

    def ask(self, question: Question, cancellation: Cancellation) -> Answer:  # noqa: ARG002 - never waits
        return Answer(target="", reason="nobody may answer: human.mode is fail")


class Terminal:
    """Where one question is asked at a time; branches that want to ask meanwhile wait for their turn."""

    def __init__(
        self, stdin: TextIO, stdout: TextIO, pause: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        """`pause` takes the live view off the screen meanwhile."""
        self.stdin = stdin
        self.pause = pause
        self.turn = Lock()
        self._stdout = stdout

    def say(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


class OpenPeople:
    """Whoever can write into the run directory, by `attractor answer` or by hand; and who sits at the terminal."""

    def __init__(self, run_folder: Path, tell: Callable[[str], None], terminal: Terminal | None = None) -> None:
        """`tell` is told how to answer, where no terminal asks."""
        self._run_folder = run_folder
        self._tell = tell
        self._terminal = terminal

    def ask(self, question: Question, cancellation: Cancellation) -> Answer:
        file = QuestionFile(self._run_folder, question)
        file.open()
        if self._terminal is None:
            self._tell(how_to_answer(self._run_folder, question))
        answer = self._wait(question, file, cancellation)
        file.close(answer)
        return answer

    def _wait(self, question: Question, file: QuestionFile, cancellation: Cancellation) -> Answer:
        complaint = ""
        with _Seat(self._terminal, question) as seat:
            for seconds in _until_timeout(question, cancellation):
                answer, complaint = file.given()
                if answer is not None:
                    seat.tell(f"answered elsewhere: {answer.target}")
                    return answer
                answer = seat.hear(seconds, cancellation)
                if answer is not None:
                    return answer
            answer = _unanswered(question, cancellation, complaint)
            seat.tell(answer.reason)
            return answer


class _Seat:
    """A question's place at the terminal. It is shown when it is its turn; without a terminal nobody is heard."""

    def __init__(self, terminal: Terminal | None, question: Question) -> None:
        self._terminal = terminal
        self._question = question
        self._shown = ExitStack()
        self._is_shown = False

    def __enter__(self) -> "_Seat":
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def hear(self, seconds: float, cancellation: Cancellation) -> Answer | None:
        """Wait so long for a line; return the answer that it is."""
        if self._terminal is None or not self._has_turn(self._terminal):
            cancellation.wait(seconds)
            return None
        keyboard = select.poll()  # select() knows no file beyond the 1,024th
        keyboard.register(self._terminal.stdin, select.POLLIN)
        if not keyboard.poll(seconds * 1000):
            return None
        line = self._terminal.stdin.readline()
        if not line:
            return Answer(target="", reason="nobody answered: the input ended")
        chosen = named(self._question.options, line)
        if chosen is None:
            self._terminal.say(f"{line.strip()!r} is not one of them; choose: ")
            return None
        return Answer(target=chosen.target)

    def tell(self, text: str) -> None:
        if self._terminal is not None and self._is_shown:
            self._terminal.say(f"\n{text}\n")

    def _has_turn(self, terminal: Terminal) -> bool:
        if not self._is_shown and terminal.turn.acquire(blocking=False):
            self._is_shown = True
            self._shown.callback(terminal.turn.release)
            self._shown.enter_context(terminal.pause())
            terminal.say(_as_text(self._question))
        return self._is_shown


def how_to_answer(run_folder: Path, question: Question) -> str:
    labels = ", ".join(option.label for option in question.options)
    return f"to answer: attractor answer {shlex.quote(str(run_folder))} {question.id} CHOICE, one of: {labels}"


def _as_text(question: Question) -> str:
    lines = ["", question.text, ""]
    for number, option in enumerate(question.options, start=1):
        key = option.accelerator or str(number)
        lines.append(f"  [{key}] {option.label}" + ("  (default)" if option.target == question.default else ""))
    return "\n".join([*lines, "", "choose: "])


def _until_timeout(question: Question, cancellation: Cancellation) -> Iterator[float]:
    """Yield how long to wait, again and again, until the time is up or the run is to stop."""
    deadline = time.monotonic() + question.timeout_ms / 1000 if question.timeout_ms else float("inf")
    while not cancellation.reason and time.monotonic() < deadline:
        yield min(POLL_S, max(0.0, deadline - time.monotonic()))


def _unanswered(question: Question, cancellation: Cancellation, complaint: str) -> Answer:
    if cancellation.reason:
        return Answer(target="", reason=cancellation.reason)
    within = f"no answer within {question.timeout_ms / 1000:g} s"
    if question.default is not None:
        return Answer(target=question.default, reason=f"{within}: the default")
    return Answer(target="", reason=f"{within}; {complaint}" if complaint else within)
