"""Status files: precedence, fallbacks, stale ones, invalid ones, and that users' own files are left alone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.runtime import status
from attractor.runtime.outcome import FailureClass, Outcome, Status
from attractor.runtime.steps.contract import Report

AGENT = 'a [prompt="x"]; start -> a -> done'


def writes(*files: tuple[str, Any], known: Outcome | None = None) -> Any:
    """Return a stage that writes files into the workspace; "$" is the path it was told."""

    def stage(visit: Any, world: Any) -> Report:
        for name, content in files:
            told = visit.environment["ATTRACTOR_STATUS_PATH"]
            path = Path(told) if name == "$" else visit.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return Report(known)

    return stage


def source_of(played: Any) -> list[tuple[str, str]]:
    return [(event["status"], event["source"]) for event in played.events("stage_attempt_finished")]


def left_in(tmp_path: Path) -> list[str]:
    folder = tmp_path / "workspace"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "success"}, "success"),
        ({"outcome": "success"}, "success"),
        ({"status": "OK"}, "success"),
        ({"status": "succeeded"}, "success"),
        ({"outcome": "partial_success", "preferred_next_label": "x"}, "partial_success"),
        ({"status": "skip"}, "skipped"),
        ({"status": "success", "verification": {"lint": "ok"}}, "success"),
    ],
)
def test_the_file_at_the_told_path_says_how_the_stage_ended(
    play: Any, tmp_path: Path, document: Any, expected: str
) -> None:
    played = play(AGENT, {"a": writes(("$", document))})

    assert [(expected, "status file")] == source_of(played)
    assert [] == left_in(tmp_path)


def test_all_fields_of_the_file_count(play: Any) -> None:
    document = {
        "status": "failure",
        "failure_reason": "crates.io is down",
        "failure_class": "infra",
        "notes": "tried twice",
        "context_updates": {"color": "red"},
    }
    played = play(AGENT, {"a": writes(("$", document))})

    context = played.walk.state.context
    assert ("fail", "crates.io is down", "transient_infra", "red") == (
        context["outcome"],
        context["failure_reason"],
        context["failure_class"],
        context["color"],
    )


@pytest.mark.parametrize("name", ["status.json", ".ai/status.json"])
def test_a_fallback_file_that_the_attempt_wrote_is_read_and_taken_away(play: Any, tmp_path: Path, name: str) -> None:
    played = play(AGENT, {"a": writes((name, {"status": "success"}))})

    assert [("success", "fallback status file")] == source_of(played)
    assert [] == left_in(tmp_path)


def test_a_file_that_was_there_before_is_neither_read_nor_removed(play: Any, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "status.json").write_text('{"status": "success", "mine": true}')
    played = play(AGENT, {"a": None})

    assert [("fail", "missing")] == source_of(played)
    assert ["status.json"] == left_in(tmp_path)


def test_the_told_path_outranks_the_fallbacks(play: Any, tmp_path: Path) -> None:
    both = writes(("status.json", {"status": "fail", "failure_reason": "x"}), ("$", {"status": "success"}))
    played = play(AGENT, {"a": both})

    assert [("success", "status file")] == source_of(played)
    assert [] == left_in(tmp_path)


def test_what_the_step_itself_knows_outranks_all_files(play: Any, tmp_path: Path) -> None:
    known = Outcome.failed("turn limit", FailureClass.BUDGET_EXHAUSTED)
    played = play(AGENT, {"a": writes(("$", {"status": "success"}), known=known)})

    assert [("fail", "step")] == source_of(played)
    assert [] == left_in(tmp_path)


def test_a_file_of_an_earlier_attempt_is_never_read_again(play: Any) -> None:
    first = writes(("$", {"status": "retry"}))

    def second(visit: Any, world: Any) -> Report:
        assert not Path(visit.environment["ATTRACTOR_STATUS_PATH"]).exists()
        return Report(None)

    played = play('a [prompt="x", max_retries=1]; start -> a -> done', {"a": [first, second]})

    assert [("retry", "status file"), ("fail", "missing")] == source_of(played)


def test_our_own_stale_file_is_removed_before_the_attempt(play: Any, tmp_path: Path) -> None:
    stale = tmp_path / "workspace/.attractor/status/a-1-1.json"
    stale.parent.mkdir(parents=True)
    stale.write_text('{"status": "success"}')
    played = play(AGENT, {"a": None})

    assert [("fail", "missing")] == source_of(played)


def test_without_an_outcome_auto_status_decides(play: Any) -> None:
    played = play('a [prompt="x", auto_status=true]; start -> a -> done', {"a": None})

    assert [("success", "auto_status")] == source_of(played)


def test_without_an_outcome_and_auto_status_the_stage_fails(play: Any) -> None:
    played = play(AGENT, {"a": None})

    assert (
        "'a' failed: missing outcome: the stage ended without report_outcome and without a status file "
        "(auto_status=false)" == played.ending.reason
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not JSON: Expecting property name"),
        ("", "is not JSON"),
        ("[]", "does not fit its schema"),
        ('{"state": "success"}', "does not fit its schema"),
        ('{"status": 1}', "does not fit its schema: status: 1 is not"),
        ('{"status": "success", "context_updates": {"x": NaN}}', "is not JSON: NaN"),
        ('{"status": "success", "context_updates": []}', "context_updates: [] is not"),
        ("[" * 100_000, "is not JSON"),
        ('{"status": "' + "x" * 100 + '"}', "does not fit its schema"),
    ],
)
def test_an_invalid_file_is_a_failure_that_quotes_the_error(play: Any, text: str, expected: str) -> None:
    played = play(AGENT, {"a": writes(("$", text))})

    assert "invalid status file a-1-1.json" in played.ending.reason
    assert expected in played.ending.reason


def test_a_file_that_is_too_large_is_refused(play: Any) -> None:
    played = play(AGENT, {"a": writes(("$", " " * (status.MAX_BYTES + 1)))})

    assert f"is {status.MAX_BYTES + 1} bytes long" in played.ending.reason


def test_a_pipe_in_place_of_the_file_does_not_hang(play: Any) -> None:
    def stage(visit: Any, world: Any) -> Report:
        os.mkfifo(visit.environment["ATTRACTOR_STATUS_PATH"])
        return Report(None)

    assert "is not a file" in play(AGENT, {"a": stage}).ending.reason


def test_a_link_in_place_of_the_file_is_not_followed(play: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"status": "success"}')

    def stage(visit: Any, world: Any) -> Report:
        os.symlink(secret, visit.environment["ATTRACTOR_STATUS_PATH"])
        return Report(None)

    played = play(AGENT, {"a": stage})

    assert "cannot be read" in played.ending.reason
    assert secret.exists()


def test_a_command_may_say_more_than_exit_code_0(play: Any) -> None:
    tool = writes(("$", {"status": "fail", "failure_reason": "3 of 9 ports done"}), known=Outcome.success())
    played = play('a [shape=parallelogram, tool_command="true"]; start -> a -> done', {"a": tool})

    assert "'a' failed: 3 of 9 ports done" == played.ending.reason


def test_a_failed_command_stays_failed_whatever_it_wrote(play: Any) -> None:
    known = Outcome.failed("exit code 1", FailureClass.DETERMINISTIC)
    tool = writes(("$", {"status": "success"}), known=known)
    played = play('a [shape=parallelogram, tool_command="true"]; start -> a -> done', {"a": tool})

    assert "fail" == played.ending.status


def test_what_a_command_builds_may_be_called_status_json(play: Any, tmp_path: Path) -> None:
    tool = writes(("status.json", {"status": "fail"}), known=Outcome.success())
    played = play('a [shape=parallelogram, tool_command="true"]; start -> a -> done', {"a": tool})

    assert "success" == played.ending.status
    assert ["status.json"] == left_in(tmp_path)


def test_the_alias_variables_name_the_same_files(play: Any) -> None:
    environment = play(AGENT).stages.visits[0].environment

    for name in ("STATUS_PATH", "STATUS_FALLBACK_PATH"):
        assert environment[f"ATTRACTOR_{name}"] == environment[f"KILROY_STAGE_{name}"]


@given(st.binary(max_size=200))
def test_any_bytes_give_an_outcome(text: bytes) -> None:
    outcome = status.parse(text, "x.json")

    assert outcome.status in Status
