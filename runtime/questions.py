"""Questions and answers as files of the run directory: the run writes `questions/ID.json`, anybody `answers/ID.json`.

The question's file says when it was asked and, once it is over, how it was answered; one without an answer is open. An
answer stays where it is: it belongs to this very question, so a run that was killed before it could act on it finds it
again.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from .context import normalise_label
from .files import utf8, write_whole
from .outcome import Json
from .schema import complaint
from .world import Answer, Option, Question


class Given(NamedTuple):
    """What stands in an answer's file; it may name no option."""

    choice: str
    by: str  # who says so; may be empty
    note: str  # what they want to be known


class Asked(NamedTuple):
    """A question's file, read back."""

    question: Question
    asked_at: str
    over: Mapping[str, Any] | None  # target, label, reason, answered_at; None while it is open


class QuestionFile:
    """One question of a run, from both sides."""

    def __init__(self, run_folder: Path, question: Question) -> None:
        self._question = question
        self._path = run_folder / "questions" / f"{question.id}.json"
        self.answer_path = run_folder / "answers" / f"{question.id}.json"
        self._asked_at = ""

    # the run's side

    def open(self) -> None:
        self._path.parent.mkdir(exist_ok=True)
        self.answer_path.parent.mkdir(exist_ok=True)
        self._asked_at = _now()
        self._write(None)

    def close(self, answer: Answer) -> None:
        """Write down that it is over; a file that cannot be written is no reason to lose the answer."""
        chosen = next((option for option in self._question.options if option.target == answer.target), None)
        with suppress(OSError):
            self._write(
                {
                    "target": answer.target,
                    "label": chosen.label if chosen else "",
                    "reason": answer.reason,
                    "answered_at": _now(),
                }
            )

    def given(self) -> tuple[Answer | None, str]:
        """Return the answer of the file, or why there is none; "" without a file."""
        try:
            text = self.answer_path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return None, "the answer is not UTF-8"
        except OSError:
            return None, ""
        given = _given(text)
        if isinstance(given, str):
            return None, given
        chosen = named(self._question.options, given.choice)
        if chosen is None:
            return None, f"the answer {given.choice!r} is none of the options"
        by = f"chosen by {given.by}" if given.by else ""
        return Answer(target=chosen.target, reason=by, note=given.note), ""

    # the person's side

    def answer(self, given: Given) -> bool:
        """Put an answer there; False when a good one is there already, which then stays."""
        temporary = f"{self.answer_path}.{os.getpid()}.tmp"
        self.answer_path.parent.mkdir(exist_ok=True)
        document = {"choose": given.choice, "by": given.by, "note": given.note, "answered_at": _now()}
        with open(temporary, "wb") as file:
            file.write(_text(document))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, self.answer_path)  # whoever is first
        except FileExistsError:
            if self.given()[0] is not None:
                return False
            os.replace(temporary, self.answer_path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return True

    def _write(self, over: Mapping[str, Json] | None) -> None:
        asked = self._question
        document = {
            "id": asked.id,
            "text": asked.text,
            "options": [
                {"target": option.target, "label": option.label, "accelerator": option.accelerator}
                for option in asked.options
            ],
            "default": asked.default,
            "timeout_ms": asked.timeout_ms,
            "answer_file": f"{self.answer_path.parent.name}/{self.answer_path.name}",
            "asked_at": self._asked_at,
            "answer": over,
        }
        write_whole(str(self._path), _text(document))


def questions_of(run_folder: Path) -> list[Asked]:
    """Return the questions of a run in the order in which they were asked; a file that is none is passed over."""
    asked = []
    for path in sorted((run_folder / "questions").glob("*.json")):
        with suppress(OSError, ValueError):
            document = json.loads(path.read_text(encoding="utf-8"))
            if not complaint("question", document):
                asked.append(_asked(document))
    return sorted(asked, key=lambda each: each.asked_at)


def named(options: Sequence[Option], word: str) -> Option | None:
    """Return the option that `word` names: its accelerator, label, target or number, in any case."""
    label, word = normalise_label(word), word.strip().lower()
    for number, option in enumerate(options, start=1) if word else ():
        if word in (option.accelerator.lower(), option.label.lower(), option.target.lower()):
            return option
        if label == option.label.lower():
            return option
        if word == str(number) and not any(other.accelerator == word for other in options):
            return option
    return None


def _given(text: str) -> Given | str:
    """Return what an answer's file says, or what is wrong with it."""
    try:
        document = json.loads(text)
        return Given(str(document["choose"]), str(document.get("by") or ""), str(document.get("note") or ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 'the answer is not {"choose": LABEL}'


def _asked(document: Mapping[str, Any]) -> Asked:
    question = Question(
        id=document["id"],
        text=document["text"],
        options=tuple(Option(**option) for option in document["options"]),
        default=document["default"],
        timeout_ms=document["timeout_ms"],
    )
    return Asked(question, document["asked_at"], document["answer"])


def _text(document: Mapping[str, object]) -> bytes:
    return utf8(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
