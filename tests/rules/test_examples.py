"""Every rule fires on its bad example, at the expected place, through the front door, and not on its good one."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.cli.main import main
from attractor.compiler.rules import RULES

from .conftest import EXAMPLES, check_here, line

ROOT = Path(__file__).parents[2]
Enter = Callable[[str, str], Path]

# Rules that no file can provoke, and where they are tested instead.
EXEMPT = {
    "check_skipped": "needs 201 commands, or a machine without bash: test_checks_that_cannot_run.py",
    "internal_error": "needs a bug: test_checks_that_cannot_run.py",
}
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
IDS = {rule.id: rule for rule in RULES}


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    assert [] == sorted(set(IDS) - set(EXEMPT) - set(FOLDERS)), "rules without an example"
    assert [] == sorted(set(FOLDERS) - set(IDS)), "examples without a rule"
    assert [] == sorted(set(EXEMPT) & set(FOLDERS)), "exempt, but with an example"


def test_every_rule_stands_once_and_says_what_and_why() -> None:
    assert len(RULES) == len(IDS)
    for rule in RULES:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", rule.id)
        assert not rule.summary.endswith("."), rule.id
        assert rule.why.endswith("."), rule.id
        assert rule.fix in {"", "safe", "unsafe"}


@pytest.mark.parametrize("rule", FOLDERS)
def test_the_bad_example_is_found_at_the_expected_places(rule: str, enter: Enter) -> None:
    expected = (EXAMPLES / rule / "expect.txt").read_text("utf-8").split("\n")
    enter(rule, "bad")

    checked = check_here()

    assert sorted(filter(None, expected)) == sorted(line(found) for found in checked.of(rule))
    assert (1 if checked.errors else 0) == checked.code


@pytest.mark.parametrize("rule", FOLDERS)
def test_the_good_example_is_clean_of_it(rule: str, enter: Enter) -> None:
    enter(rule, "good")

    checked = check_here()

    assert [] == [line(found) for found in checked.of(rule)]
    assert [] == checked.errors
    assert 0 == checked.code


@pytest.mark.parametrize("rule", FOLDERS)
def test_each_finding_stands_within_its_file_and_underlines_something(rule: str, enter: Enter) -> None:
    folder = enter(rule, "bad")

    for found in check_here().diagnostics:
        path = folder / found["path"]
        text = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        start, end = found["span"]["start"]["offset"], found["span"]["end"]["offset"]
        assert 0 <= start <= end <= max(len(text), 1), found
        assert start < end or start in {0, len(text)}, found  # empty: the end of a file, or the file as a whole
        assert found["rule"] in IDS


@pytest.mark.parametrize("rule", ["unknown_attribute", "tool_command_syntax", "provider_not_configured"])
def test_the_installed_command_says_the_same(rule: str, enter: Enter) -> None:
    folder = enter(rule, "bad")
    name = "run.yaml" if (folder / "run.yaml").exists() else "graph.dot"
    command = [sys.executable, "-m", "attractor.cli.main", "compile", "--check", "--format", "json", name]

    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)

    assert check_here().diagnostics == json.loads(result.stdout)["diagnostics"]
    assert "" == result.stderr


def test_every_rule_that_the_code_names_is_registered() -> None:
    named = set()
    for path in [*(ROOT / "compiler").rglob("*.py")]:
        named |= set(re.findall(r'\bDiagnostic\(\s*"([a-z0-9_]+)"', path.read_text("utf-8")))

    assert [] == sorted(named - set(IDS))
    assert len(named) > 20  # the pattern still finds them


@pytest.mark.parametrize("rule", sorted(IDS))
def test_the_front_door_explains_it(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["rules", rule.replace("_", "-")])

    said = capsys.readouterr().out
    assert said.startswith(f"{rule}: ")
    assert (rule in FOLDERS) == ("\nBad, " in said)
    assert (rule in FOLDERS) == ("\nGood, " in said)
