"""What the command line says of itself, and to those who ask it wrongly."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from attractor.cli.main import COMMANDS, parser_of

COLUMNS = 80


@pytest.fixture(params=list(COMMANDS))
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_front_page_names_every_command_and_fits(attractor) -> None:
    said = attractor("--help")

    assert (0, "") == (said.code, said.stderr)
    assert said.stdout == attractor().stdout == attractor("help").stdout
    assert list(COMMANDS) == re.findall(r"^  ([a-z-]+)  +\S", said.stdout.partition("From nothing")[0], re.MULTILINE)
    assert max(map(len, said.stdout.splitlines())) <= COLUMNS


def test_help_fits_into_a_terminal_of_80_columns(attractor, command: str) -> None:
    said = attractor(command, "--help")

    assert 0 == said.code
    assert [] == [line for line in said.stdout.splitlines() if len(line) > COLUMNS], "wrap the docstring of the command"
    assert said == attractor("help", command)


def test_help_shows_examples_and_exit_codes(command: str) -> None:
    text = parser_of(command).format_help()

    assert "\nexamples:\n" in text
    assert "\nexit codes: 0 " in text


def test_every_example_of_the_help_is_one_that_the_command_takes(command: str) -> None:
    """Parsed by the command's own parser; docs/ shows them run."""
    text = parser_of(command).format_help().partition("\nexamples:\n")[2].partition("\n\n")[0]
    examples = re.findall(rf"attractor {command}\b([^\n)]*?)(?:\)|  +\S[^\n]*| > [^\n]*)?$", text, re.MULTILINE)

    assert examples
    for example in examples:
        words = [word for word in shlex.split(example.split("&&")[0]) if word]
        assert isinstance(parser_of(command).parse_args(words), argparse.Namespace)


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
