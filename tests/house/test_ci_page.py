"""The workflows of docs/ci.md ask for what there is, and its settings and comments do what it says.

Its commands are run with those of all pages, in test_doc_examples.py.
"""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from attractor.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def _of(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.parametrize("text", _of("yaml"), ids=["annotations", "scanning"])
def test_a_workflow_is_yaml_and_its_commands_take_the_options_they_name(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "demo" / "mistakes.dot", tmp_path)
    (tmp_path / "run.yaml").write_text("version: 1\ngraph: mistakes.dot\n")
    (job,) = yaml.safe_load(text)["jobs"].values()
    (command,) = [each["run"] for each in job["steps"] if each.get("run", "").startswith("attractor")]

    code = main(shlex.split(command.partition(" > ")[0])[1:])

    assert 1 == code
    said = capsys.readouterr().out
    assert json.loads(said)["version"] == "2.1.0" if "sarif" in command else said.startswith("::error ")


@pytest.mark.parametrize("text", _of("toml"), ids=["severities", "profile"])
def test_settings_of_the_page_are_understood(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "g.dot").write_text(_of("dot")[-1])

    main(["compile", "--check", "--format", "json", "g.dot"])

    rules = {found["rule"] for found in json.loads(capsys.readouterr().out)["diagnostics"]}
    assert tomllib.loads(text)["tool"]["attractor"]["profile"] in {"recommended", "spec"}
    assert set() == rules & {"settings_invalid", "unknown_rule", "unused_suppression", "unknown_attribute"}


def test_the_comment_of_the_page_silences_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = _of("dot")[-1]
    for name, rules in (("with", False), ("without", True)):
        (tmp_path / "g.dot").write_text(text if name == "with" else re.sub("  // attractor.*", "", text))
        main(["compile", "--check", "--format", "json", "g.dot"])
        found = [each["rule"] for each in json.loads(capsys.readouterr().out)["diagnostics"]]
        assert rules == ("unknown_attribute" in found)
        assert "unused_suppression" not in found
