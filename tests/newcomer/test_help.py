"""What the front page says, and what those hear who ask wrongly. tests/house looks at the help of every command."""

import re
from pathlib import Path

import pytest

from attractor.cli.main import COMMANDS

COLUMNS = 80


def test_the_front_page_names_every_command_and_fits(attractor) -> None:
    said = attractor("--help")

    assert (0, "") == (said.code, said.stderr)
    assert said.stdout == attractor().stdout == attractor("help").stdout
    assert list(COMMANDS) == re.findall(r"^  ([a-z-]+)  +\S", said.stdout.partition("From nothing")[0], re.MULTILINE)
    assert max(map(len, said.stdout.splitlines())) <= COLUMNS


def test_help_of_a_command_can_be_asked_for_in_two_ways(attractor) -> None:
    said = attractor("compile", "--help")

    assert (0, "") == (said.code, said.stderr)
    assert said == attractor("help", "compile")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("complie",), "attractor: there is no command 'complie'; did you mean \"compile\"?"),
        (("frobnicate",), "attractor: there is no command 'frobnicate'; `attractor --help` lists them"),
        (("--json",), "attractor: there is no command '--json'; `attractor --help` lists them"),
        (("run.yaml",), "attractor: there is no command 'run.yaml'; did you mean `attractor run run.yaml`?"),
        (("help", "frobnicate"), "attractor: there is no command 'frobnicate'; `attractor --help` lists them"),
        (("compile", "--chekc"), "attractor compile: there is no '--chekc' here; did you mean \"--check\"?"),
        (("run", "--xyzzy"), "attractor run: there is no '--xyzzy' here"),
        (("run", "a.yaml", "b.yaml"), "attractor run: there is no 'b.yaml' here"),
        (("compile", "--format", "xml"), "attractor compile: argument --format: invalid choice: 'xml'"),
        (("exec", "--run-dir"), "attractor exec: argument --run-dir: expected one argument"),
        (("diff", "a.json"), "attractor diff: the following arguments are required: NEW"),
        (("explain",), "attractor explain: the following arguments are required: PLAN"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_question_exits_2_with_one_reason_and_a_hint(
    attractor, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    said = attractor(*arguments)

    assert (2, "") == (said.code, said.stdout)
    assert said.stderr.startswith(message)
    assert 2 >= len(said.stderr.splitlines())
    assert "help" in said.stderr or "did you mean" in said.stderr
    assert [] == list(tmp_path.iterdir())
