"""The help of every command is one that a newcomer can work from."""

import argparse
import re
import shlex

import pytest

from attractor.cli.main import COMMANDS, parser_of

COLUMNS = 80


@pytest.fixture(params=list(COMMANDS))
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_fits_into_a_terminal_of_80_columns(command: str) -> None:
    text = parser_of(command, COLUMNS - 1).format_help()

    assert [] == [line for line in text.splitlines() if len(line) > COLUMNS], "wrap the docstring of cli/COMMAND.py"


def test_it_shows_examples_and_exit_codes(command: str) -> None:
    text = parser_of(command, COLUMNS).format_help()

    assert "\nexamples:\n" in text, "the docstring of cli/COMMAND.py lacks them"
    assert "\nexit codes: 0 " in text


def test_every_example_is_one_that_the_command_takes(command: str) -> None:
    """Parsed by the command's own parser; docs/ shows such lines run."""
    text = parser_of(command, COLUMNS).format_help().partition("\nexamples:\n")[2].partition("\n\n")[0]
    examples = re.findall(rf"attractor {command}\b([^\n)]*?)(?:\)|  +\S[^\n]*| > [^\n]*)?$", text, re.MULTILINE)

    assert examples
    for example in examples:
        assert isinstance(parser_of(command).parse_args(shlex.split(example)), argparse.Namespace)
