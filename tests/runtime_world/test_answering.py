"""`attractor answer`: from another process, while the run waits."""

import json
import shlex
from pathlib import Path

import pytest

from attractor.runtime.questions import Given, QuestionFile, questions_of
from attractor.runtime.world import Answer, Option, Question

TWO_GATES = """
  fan [shape=component]
  join [shape=tripleoctagon]
  left [shape=hexagon, label="Ship the left?"]
  right [shape=hexagon, label="Ship the right?"]
  l1 [shape=parallelogram, tool_command="true"]
  l2 [shape=parallelogram, tool_command="true"]
  r1 [shape=parallelogram, tool_command="true"]
  r2 [shape=parallelogram, tool_command="true"]
  start -> fan
  fan -> left
  fan -> right
  left -> l1 [label="[Y] Yes"]
  left -> l2 [label="[N] No, never"]
  right -> r1 [label="[Y] Yes"]
  right -> r2 [label="[N] No, never"]
  l1 -> join
  l2 -> join
  r1 -> join
  r2 -> join
  join -> exit
"""
ONE_GATE = """
  gate [shape=hexagon, label="Ship it?"]
  ship [shape=parallelogram, tool_command="true"]
  hold [shape=parallelogram, tool_command="true"]
  start -> gate
  gate -> ship [label="[Y] Yes"]
  gate -> hold [label="[N] No"]
  ship -> exit
  hold -> exit
"""
BY_FILE = "human: {mode: file}\n"
QUESTION = Question(
    id="gate-1-1",
    text="Ship it?",
    options=(Option(target="ship", label="Yes", accelerator="Y"), Option(target="hold", label="No", accelerator="N")),
    default=None,
    timeout_ms=0,
)


def test_questions_of_branches_are_open_at_the_same_time_and_answered_one_by_one(pipeline, going) -> None:
    run = going(pipeline(TWO_GATES, BY_FILE))
    run.until(lambda: len(questions_of(run.folder)) == 2, "two questions are open")

    listed = run.command("answer")
    unclear = run.command("answer", "y")
    wrong = run.command("answer", "fan-1-left-left-1-1", "perhaps")
    unknown = run.command("answer", "middle", "y")
    first = run.command("answer", "fan-1-left-left-1-1", "never", "--note", "x")
    left = run.command("answer", "fan-1-left-left-1-1", "no, NEVER", "--note", "not on a Friday")
    run.until(lambda: questions_of(run.folder)[0].over or questions_of(run.folder)[1].over, "the first is over")
    again = run.command("answer", "fan-1-left-left-1-1", "y")
    right = run.command("answer", "r1")
    done = run.ended()

    assert 0 == listed.code
    assert 2 == listed.stdout.count("[N] No, never")
    assert f"attractor answer {shlex.quote(str(run.folder))} fan-1-right-right-1-1 CHOICE" in listed.stdout
    assert (2, True) == (unclear.code, "2 questions are open, name one of: fan-1-" in unclear.stderr)
    assert (2, True) == (unknown.code, "asks no question 'middle'; open: fan-1-" in unknown.stderr)
    for refused in (wrong, first):
        assert 2 == refused.code
        assert ["  [Y] Yes  -> l1", "  [N] No, never  -> l2"] == refused.stderr.splitlines()[1:]
    assert (0, "fan-1-left-left-1-1: No, never -> l2\n") == (left.code, left.stdout)
    assert (1, True) == (again.code, "fan-1-left-left-1-1 chose 'No, never' at " in again.stderr)
    assert (0, "fan-1-right-right-1-1: Yes -> r1\n") == (right.code, right.stdout)
    assert 0 == done.code, done.stdout
    assert {"l2=success", "r1=success"} <= set(done.walked())
    assert "not on a Friday" in next(e["notes"] for e in done.events if e.get("node_id") == "left" and "notes" in e)


def test_after_the_end_the_answer_comes_too_late(pipeline, going) -> None:
    run = going(pipeline(ONE_GATE, BY_FILE))
    run.until(lambda: questions_of(run.folder), "it asks")
    assert 0 == run.command("answer", "gate-1-1", "y").code
    run.ended()

    late, listed = run.command("answer", "gate-1-1", "2"), run.command("answer")

    assert (1, True) == (late.code, "gate-1-1 chose 'Yes' at " in late.stderr)
    assert (0, "no question is open: the run has ended: success, arrived at exit 'exit'\n") == (
        listed.code,
        listed.stdout,
    )


@pytest.mark.broken_run_dir
def test_a_run_whose_process_is_gone_takes_no_answer_and_says_how_it_goes_on(pipeline, going) -> None:
    run = going(pipeline(ONE_GATE, BY_FILE))
    run.until(lambda: questions_of(run.folder), "it asks")
    run.process.kill()
    run.process.communicate()

    late = run.command("answer", "y")

    assert 1 == late.code
    assert f"resume it with: attractor exec --resume {shlex.quote(str(run.folder))}\n" in late.stderr


def test_of_two_answers_the_first_stays(tmp_path: Path) -> None:
    file = QuestionFile(tmp_path, QUESTION)
    file.open()

    assert [True, False] == [file.answer(Given(choice, "", "")) for choice in ("Yes", "No")]
    assert "ship" == file.given()[0].target  # type: ignore[union-attr]
    assert ["gate-1-1.json"] == [path.name for path in file.answer_path.parent.iterdir()]


@pytest.mark.parametrize("text", ['{"choose": "Perhaps"}', '{"choose', "[]", "\udcff"])
def test_an_answer_that_is_none_makes_way_for_one(tmp_path: Path, text: str) -> None:
    file = QuestionFile(tmp_path, QUESTION)
    file.open()
    file.answer_path.write_text(text, errors="surrogateescape")
    assert file.given()[0] is None

    assert file.answer(Given("No", "anna", "later"))
    assert Answer(target="hold", reason="chosen by anna", note="later") == file.given()[0]


def test_an_answer_outlives_the_process_that_asked(tmp_path: Path) -> None:
    """The run was killed between the answer and the journal: the same question, asked again, is answered."""
    QuestionFile(tmp_path, QUESTION).open()
    QuestionFile(tmp_path, QUESTION).answer(Given("Yes", "", ""))

    again = QuestionFile(tmp_path, QUESTION)
    again.open()

    assert "ship" == again.given()[0].target  # type: ignore[union-attr]


def test_a_question_file_says_how_it_ended(tmp_path: Path) -> None:
    file = QuestionFile(tmp_path, QUESTION)
    file.open()
    before = questions_of(tmp_path)
    file.close(Answer(target="", reason="no answer within 1 s"))
    (tmp_path / "questions" / "other.json").write_text(json.dumps({"id": 3}))

    assert [(QUESTION, None)] == [(each.question, each.over) for each in before]
    (after,) = questions_of(tmp_path)
    assert ("", "", "no answer within 1 s") == tuple((after.over or {})[key] for key in ("target", "label", "reason"))
