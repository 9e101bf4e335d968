"""Answer a question that a run asks. Without CHOICE: list the questions that are
open.

QUESTION may be left out while only one is open. CHOICE is an option's label,
key, number or target.

examples:
  attractor answer RUN
  attractor answer RUN approve --note "but mind the tests"

exit codes: 0 answered, or listed; 1 it was answered already, or the run cannot
take an answer; 2 there is no such run, question or choice
"""

import argparse
import getpass
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from attractor.runtime.console import duration, one_line
from attractor.runtime.questions import Asked, Given, QuestionFile, named, questions_of
from attractor.runtime.run_files import RunFiles
from attractor.runtime.standing import GOING, Standing, since_ms, standing
from attractor.runtime.world import Option, Question

from .main import ExitCode
from .run_place import add_run, open_run


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("words", nargs="*", metavar="[QUESTION] CHOICE", help="the question's id, and what you choose")
    parser.add_argument("--note", default="", metavar="TEXT", help="what the next stages should know about the choice")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    found = open_run(arguments.run, "answer", stderr)
    if found is None:
        return ExitCode.USAGE
    it, asked = standing(found), questions_of(found.folder)
    if not arguments.words:
        return _list(it, stdout)
    if len(arguments.words) > 2:
        return _say(stderr, "name one question and one choice; a choice of several words needs quotes", ExitCode.USAGE)
    chosen_question = _question(arguments.words, it, asked, stderr)
    if isinstance(chosen_question, int):
        return chosen_question
    return _answer(found, it, chosen_question, arguments.words[-1], arguments.note, stdout, stderr)


def _list(it: Standing, stdout: TextIO) -> int:
    if not it.questions:
        stdout.write("no question is open" + ("\n" if it.state in GOING else f": {_no_longer(it)}\n"))
        return ExitCode.OK
    stdout.write("\n".join(question_text(asked, it.folder) for asked in it.questions))
    return ExitCode.OK


def question_text(asked: Asked, folder: str) -> str:
    """Return an open question with its options and how to answer it."""
    question, lines = asked.question, []
    age = duration(since_ms(asked.asked_at, datetime.now(UTC)))
    lines.append(f"{question.id} (asked {age} ago{_until(question)})")
    lines += [f"  {line}" for line in question.text.splitlines()]
    lines += [f"    {_option(option, number, question)}" for number, option in enumerate(question.options, start=1)]
    lines.append(f"  attractor answer {shlex.quote(folder)} {question.id} CHOICE")
    return "\n".join(lines) + "\n"


def _until(question: Question) -> str:
    if not question.timeout_ms:
        return ""
    after = f"then {question.default} is taken" if question.default else "then the gate fails"
    return f", open for {duration(question.timeout_ms)}, {after}"


def _option(option: Option, number: int, question: Question) -> str:
    default = ", the default" if option.target == question.default else ""
    return f"[{option.accelerator or number}] {option.label}  -> {option.target}{default}"


def _question(words: Sequence[str], it: Standing, asked: Sequence[Asked], stderr: TextIO) -> Asked | int:
    """Return the question that is meant, or the exit code when none is."""
    if len(words) == 2:
        found = next((each for each in asked if each.question.id == words[0]), None)
        if found is None and it.state not in GOING:
            return _say(stderr, _no_longer(it), ExitCode.FINDINGS)
        if found is None:
            ids = ", ".join(each.question.id for each in it.questions) or "none"
            return _say(stderr, f"the run asks no question {words[0]!r}; open: {ids}", ExitCode.USAGE)
        return found
    if len(it.questions) == 1:
        return it.questions[0]
    if not it.questions:
        named_one = next((each for each in asked if each.question.id == words[0]), None)
        if named_one is not None and named_one.over is not None:
            return _say(stderr, _was_over(named_one), ExitCode.FINDINGS)
        reason = "no question is open" if it.state in GOING else _no_longer(it)
        return _say(stderr, reason, ExitCode.FINDINGS)
    ids = ", ".join(each.question.id for each in it.questions)
    return _say(stderr, f"{len(it.questions)} questions are open, name one of: {ids}", ExitCode.USAGE)


def _answer(found: RunFiles, it: Standing, asked: Asked, word: str, note: str, stdout: TextIO, stderr: TextIO) -> int:
    question = asked.question
    if asked.over is not None:
        return _say(stderr, _was_over(asked), ExitCode.FINDINGS)
    if it.state not in GOING:
        return _say(stderr, _no_longer(it), ExitCode.FINDINGS)
    chosen = named(question.options, word)
    if chosen is None:
        lines = [_option(option, number, question) for number, option in enumerate(question.options, start=1)]
        options = "".join(f"  {line}\n" for line in lines)
        return _say(
            stderr, f"{word!r} is no option of {question.id}; choose one of:\n{options}".rstrip(), ExitCode.USAGE
        )
    file = QuestionFile(found.folder, question)
    plain = chosen.label if named(question.options, chosen.label) is chosen else chosen.target
    try:
        was_first = file.answer(Given(plain, _who(), note))
    except OSError as error:
        return _say(stderr, f"the answer cannot be written: {error.strerror}: {error.filename}", ExitCode.USAGE)
    if not was_first:
        given, _ = file.given()
        said = f" with {given.target!r}" if given else ""
        return _say(stderr, f"{question.id} is answered already{said}; the run has yet to read it", ExitCode.FINDINGS)
    stdout.write(f"{question.id}: {chosen.label} -> {chosen.target}\n")
    return ExitCode.OK


def _was_over(asked: Asked) -> str:
    over = asked.over or {}
    how = f"chose {over['label']!r}" if over["target"] else "ended without a choice"
    reason = f" ({one_line(over['reason'])})" if over["reason"] else ""
    return f"{asked.question.id} {how} at {over['answered_at'][:19]}Z already{reason}"


def _no_longer(it: Standing) -> str:
    if it.state == "died":
        return f"the run waits for nobody, its process is gone; resume it with: {it.next_steps[0].command}"
    return f"the run has ended: {it.state}, {one_line(it.reason)}"


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without names
        return ""


def _say(stderr: TextIO, message: str, code: ExitCode) -> ExitCode:
    stderr.write(f"attractor answer: {message}\n")
    return code
