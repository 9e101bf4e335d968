"""Human gates: who answers, how, and what happens when nobody does."""

import contextlib
import json
import os
import pty
import threading
import time
from pathlib import Path

import pytest

from attractor.runtime.people import OpenPeople, Terminal
from attractor.runtime.real_world import StopSignals
from attractor.runtime.world import Option, Question

GATE = """
  gate [shape=hexagon, label="Ship it?"%s]
  ship [shape=parallelogram, tool_command="true"]
  hold [shape=parallelogram, tool_command="true"]
  start -> gate
  gate -> ship [label="[Y] Yes"]
  gate -> hold [label="[N] No"]
  ship -> exit
  hold -> exit
"""
QUESTION = Question(
    id="gate-1-1",
    text="Ship it?",
    options=(Option(target="ship", label="Yes", accelerator="Y"), Option(target="hold", label="No", accelerator="N")),
    default=None,
    timeout_ms=0,
)


@pytest.mark.parametrize(
    ("mode", "attribute", "arguments", "expected"),
    [
        pytest.param("auto_approve", "", [], "hold", id="the first in order"),
        pytest.param("auto_approve", ", human.default_choice=ship", [], "ship", id="the default"),
        pytest.param("console", ", human.default_choice=ship", ["--auto-approve"], "ship", id="asked for on the line"),
        pytest.param("console", ", human.default_choice=ship", ["--simulate"], "ship", id="a simulation"),
        pytest.param("file", ', human.default_choice=ship, human.timeout="200ms"', [], "ship", id="nobody in time"),
    ],
)
def test_a_gate_is_answered_without_a_person(pipeline, mode, attribute, arguments, expected) -> None:
    done = pipeline(GATE % attribute, f"human: {{mode: {mode}}}\n").exec("--quiet", *arguments)

    assert f"{expected}=success" in done.walked()


@pytest.mark.parametrize(
    ("mode", "attribute", "reason"),
    [
        pytest.param("file", ', human.timeout="200ms"', "no answer within 0.2 s", id="nobody did"),
        pytest.param("console", ', human.timeout="200ms"', "no answer within 0.2 s", id="no terminal"),
    ],
)
def test_a_gate_that_nobody_answers_fails_with_its_reason(pipeline, mode, attribute, reason) -> None:
    done = pipeline(GATE % attribute, f"human: {{mode: {mode}}}\n").exec("--quiet")

    assert 1 == done.code
    assert reason in done.final["reason"]


def test_where_nobody_may_answer_the_gate_fails_and_its_failure_is_routed(pipeline) -> None:
    body = GATE % "" + 'failed [shape=Msquare, exit_status=fail]\n  gate -> failed [condition="outcome=fail"]'
    done = pipeline(body, "human: {mode: fail}\n").exec("--quiet")

    assert ["start=success", "gate=fail", "failed=fail"] == done.walked()
    assert ["No", "Yes"] == done.one("question_asked")["options"]
    assert "human.mode is fail" in done.one("question_answered")["reason"]


def test_the_choice_is_in_the_context_and_in_the_events(pipeline) -> None:
    done = pipeline(GATE % ", human.default_choice=ship").exec("--quiet", "--auto-approve")

    context = json.loads((done.folder / "checkpoint.json").read_text())["context"]
    assert ("ship", "Yes") == (context["human.gate.selected"], context["human.gate.label"])
    assert ["No", "Yes"] == done.one("question_asked")["options"]
    assert "ship" == done.one("question_answered")["to"]


@pytest.mark.parametrize("word", ["Yes", "ship", "Y"], ids=["label", "target", "accelerator"])
def test_a_scenario_chooses_an_option(pipeline, tmp_path: Path, word: str) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"version": 1, "nodes": {"gate": {"preferred_label": word}}}))
    done = pipeline(GATE % "").exec("--quiet", f"--simulate={tmp_path / 's.json'}")

    assert "ship=success" in done.walked()


@pytest.mark.parametrize(("word", "target"), [("Approve", "ship"), ("[R] Reject", "mend")])
def test_a_condition_on_the_choice_compares_labels_without_case_and_accelerator(
    pipeline, tmp_path: Path, word: str, target: str
) -> None:
    body = """
  gate [shape=hexagon, label="Ship it?"]
  ship [shape=parallelogram, tool_command="true"]
  mend [shape=parallelogram, tool_command="true"]
  start -> gate
  gate -> ship [label="[A] Approve", condition="preferred_label=Approve"]
  gate -> mend [label="R) reject", condition="preferred_label=\\"[R] Reject\\""]
  ship -> exit
  mend -> exit
"""
    (tmp_path / "s.json").write_text(json.dumps({"version": 1, "nodes": {"gate": {"preferred_label": word}}}))
    done = pipeline(body).exec("--quiet", f"--simulate={tmp_path / 's.json'}")

    assert f"{target}=success" in done.walked()


def test_a_person_chooses_among_all_edges_but_those_that_wait_for_the_gates_failure(pipeline, tmp_path: Path) -> None:
    body = """
  gate [shape=hexagon, label="Ship it?"]
  failed [shape=Msquare, exit_status=fail]
  ship [shape=parallelogram, tool_command="true"]
  start -> gate
  gate -> ship [label="[A] Approve", condition="preferred_label=Approve"]
  gate -> failed [condition="outcome=fail"]
  gate -> exit [label="Stop"]
  ship -> exit
"""
    chosen = pipeline(body)
    walked = {}
    for label in ("Stop", "approve", "failed"):
        (tmp_path / "s.json").write_text(json.dumps({"version": 1, "nodes": {"gate": {"preferred_label": label}}}))
        walked[label] = chosen.walked(f"--simulate={tmp_path / 's.json'}")[1:]

    assert {
        "Stop": ["gate=success", "exit=success"],
        "approve": ["gate=success", "ship=success", "exit=success"],
        "failed": ["gate=fail", "failed=fail"],  # that is no option
    } == walked


def test_a_scenario_that_chooses_what_is_not_offered_fails(pipeline, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"version": 1, "nodes": {"gate": {"preferred_label": "Perhaps"}}}')
    done = pipeline(GATE % "").exec("--quiet", f"--simulate={tmp_path / 's.json'}")

    assert "chooses 'Perhaps', which is not an option of gate" in done.final["reason"]


def test_a_person_answers_through_files(tmp_path: Path) -> None:
    told: list[str] = []

    def answer() -> None:
        question = tmp_path / "questions/gate-1-1.json"
        while not question.exists():
            time.sleep(0.02)
        asked = json.loads(question.read_text())
        place = tmp_path / asked["answer_file"]
        place.write_text('{"choose": "Perhaps"}')
        time.sleep(0.3)
        place.write_text(json.dumps({"choose": asked["options"][1]["label"]}))

    person = threading.Thread(target=answer)
    person.start()
    with StopSignals() as stop:
        chosen = OpenPeople(tmp_path, told.append).ask(QUESTION, stop)
    person.join()

    assert "hold" == chosen.target
    assert [f"to answer: attractor answer {tmp_path} gate-1-1 CHOICE, one of: Yes, No"] == told


def test_a_person_answers_at_the_terminal(tmp_path: Path) -> None:
    screen, keyboard = pty.openpty()
    with os.fdopen(keyboard, "r") as stdin, (tmp_path / "out").open("w+") as stdout, StopSignals() as stop:
        os.write(screen, b"perhaps\nno\n")
        chosen = OpenPeople(tmp_path, print, Terminal(stdin, stdout)).ask(QUESTION, stop)
        stdout.seek(0)
        shown = stdout.read()
    os.close(screen)

    assert "hold" == chosen.target
    assert "[Y] Yes" in shown
    assert "'perhaps' is not one of them" in shown


def test_a_person_is_heard_however_many_files_are_open(tmp_path: Path) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(1_100):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        test_a_person_answers_at_the_terminal(tmp_path)


@pytest.mark.flaky(reruns=3)
def test_a_question_ends_when_the_run_is_stopped(tmp_path: Path) -> None:
    with StopSignals() as stop:
        threading.Timer(0.2, stop.cancel, ["enough"]).start()
        started = time.monotonic()
        answer = OpenPeople(tmp_path, lambda _: None).ask(QUESTION, stop)

    assert ("", "enough") == (answer.target, answer.reason)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "default", ["hold", "No", "[N] no", "n"], ids=["target", "label", "whole-label", "accelerator"]
)
def test_the_default_choice_may_be_named_in_each_way(pipeline, default: str) -> None:
    body = GATE % f', human.default_choice="{default}"'

    assert "hold=success" in pipeline(body).exec("--quiet", "--auto-approve").walked()
