"""Who answers at a human gate: a person at the terminal, a person through files, a rule, or nobody."""

import json
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

from .context import normalise_label
from .world import Answer, Cancellation, Option, Question

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


class FilePeople:
    """Writes `questions/ID.json` into the run directory and waits for `answers/ID.json`: `{"choose": LABEL}`."""

    def __init__(self, run_folder: Path, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._questions = run_folder / "questions"
        self._answers = run_folder / "answers"

    def ask(self, question: Question, cancellation: Cancellation) -> Answer:
        self._questions.mkdir(exist_ok=True)
        self._answers.mkdir(exist_ok=True)
        answer_path = self._answers / f"{question.id}.json"
        answer_path.unlink(missing_ok=True)
        _write_json(self._questions / f"{question.id}.json", _as_document(question, answer_path))
        labels = ", ".join(option.label for option in question.options)
        self._tell(f'waiting for {answer_path} with {{"choose": LABEL}}, one of: {labels}')
        complaint = ""
        for _ in _until_timeout(question, cancellation):
            text = _read(answer_path)
            if text:
                chosen, complaint = _chosen_in_document(question, text)
                if chosen is not None:
                    return Answer(target=chosen.target)
        return _unanswered(question, cancellation, complaint)


class ConsolePeople:
    """Asks at the terminal. `pause` takes the live view off the screen meanwhile."""

    def __init__(
        self, stdin: TextIO, stdout: TextIO, pause: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._pause = pause

    def ask(self, question: Question, cancellation: Cancellation) -> Answer:
        with self._pause():
            self._say(_as_text(question))
            for _ in _until_timeout(question, cancellation, poll_s=0):
                if not select.select([self._stdin], [], [], POLL_S)[0]:
                    continue
                line = self._stdin.readline()
                if not line:
                    return Answer(target="", reason="nobody answered: the input ended")
                chosen = choose(question, line)
                if chosen is not None:
                    return Answer(target=chosen.target)
                self._say(f"{line.strip()!r} is not one of them; choose: ")
            return _unanswered(question, cancellation, "")

    def _say(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


def choose(question: Question, word: str) -> Option | None:
    """Return the option that `word` names: its accelerator, label, target or number, in any case."""
    label, word = normalise_label(word), word.strip().lower()
    for number, option in enumerate(question.options, start=1) if word else ():
        if word in (option.accelerator.lower(), option.label.lower(), option.target.lower()):
            return option
        if label == option.label.lower():
            return option
        if word == str(number) and not any(other.accelerator == word for other in question.options):
            return option
    return None


def _as_text(question: Question) -> str:
    lines = ["", question.text, ""]
    for number, option in enumerate(question.options, start=1):
        key = option.accelerator or str(number)
        lines.append(f"  [{key}] {option.label}" + ("  (default)" if option.target == question.default else ""))
    return "\n".join([*lines, "", "choose: "])


def _as_document(question: Question, answer_path: Path) -> dict[str, object]:
    return {
        "id": question.id,
        "text": question.text,
        "options": [
            {"target": option.target, "label": option.label, "accelerator": option.accelerator}
            for option in question.options
        ],
        "default": question.default,
        "timeout_ms": question.timeout_ms,
        "answer_file": f"{answer_path.parent.name}/{answer_path.name}",
    }


def _chosen_in_document(question: Question, text: str) -> tuple[Option | None, str]:
    """Return the option that an answer file names, or why it names none."""
    try:
        word = json.loads(text)["choose"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, 'the answer is not {"choose": LABEL}'
    chosen = choose(question, str(word))
    return chosen, "" if chosen else f"the answer {word!r} is none of the options"


def _until_timeout(question: Question, cancellation: Cancellation, poll_s: float = POLL_S) -> Iterator[None]:
    """Yield now and every `poll_s` until the time is up or the run is to stop."""
    deadline = time.monotonic() + question.timeout_ms / 1000 if question.timeout_ms else float("inf")
    while not cancellation.reason and time.monotonic() < deadline:
        yield
        cancellation.wait(min(poll_s, max(0.0, deadline - time.monotonic())))


def _unanswered(question: Question, cancellation: Cancellation, complaint: str) -> Answer:
    if cancellation.reason:
        return Answer(target="", reason=cancellation.reason)
    within = f"no answer within {question.timeout_ms / 1000:g} s"
    if question.default is not None:
        return Answer(target=question.default, reason=f"{within}: the default")
    return Answer(target="", reason=f"{within}; {complaint}" if complaint else within)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _write_json(path: Path, document: dict[str, object]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
