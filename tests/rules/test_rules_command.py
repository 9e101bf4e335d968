"""`attractor rules`: the list, one rule, and the forms for machines."""

import json

import pytest

from attractor.cli.main import main
from attractor.compiler.rules import RULES


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["rules", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_list_has_every_rule_once_with_severity_and_fix(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys)

    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert 0 == code
    assert sorted(rule.id for rule in RULES) == sorted(listed)
    (line,) = [line for line in out.splitlines() if line.startswith("  unknown_attribute ")]
    assert ["warning", "(--unsafe-fixes)"] == [line.split()[1], line.split()[-1]]


def test_one_rule_is_explained_with_both_examples_and_how_to_silence_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "unknown-attribute")

    assert 0 == code
    assert out.startswith("unknown_attribute: warning, fixable with --unsafe-fixes\n")
    for part in (
        "\nWhy:  ",
        "\nBad, graph.dot:",
        "promt=",
        "\nGood, graph.dot:",
        "// attractor: ignore[unknown_attribute]",
    ):
        assert part in out


def test_an_essential_rule_says_that_it_cannot_be_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "start_node")

    assert "cannot be ignored" in out
    assert "// attractor: ignore" not in out


def test_an_unknown_rule_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", 'attractor: there is no rule "unknown-atribute"; did you mean "unknown_attribute"?\n') == (
        _run(capsys, "unknown-atribute")
    )


def test_the_json_form_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    _, everything, _ = _run(capsys, "--format", "json")
    _, one, _ = _run(capsys, "--format", "json", "timeout_unitless")

    assert {rule.id for rule in RULES} == {rule["id"] for rule in json.loads(everything)["rules"]}
    (rule,) = json.loads(one)["rules"]
    assert ("timeout_unitless", "warning", "safe", True) == (
        rule["id"],
        rule["severity"],
        rule["fix"],
        rule["can_be_ignored"],
    )
    assert "timeout=900" in rule["examples"]["bad"]["graph.dot"]


def test_the_markdown_form_has_a_section_for_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "--format", "markdown")

    assert sorted(rule.id for rule in RULES) == sorted(line[4:] for line in out.splitlines() if line.startswith("### "))
