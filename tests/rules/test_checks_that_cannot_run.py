"""What is said when a check cannot run: never nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.cli.disk import Bash, Disk
from attractor.compiler import compile as compiling
from attractor.compiler.compile import Request, compile_pipeline
from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.rules import CHECKS, Project
from attractor.compiler.rules.tools import MAX_COMMANDS

TOOLS = """digraph tools {{
  start [shape=Mdiamond]
  exit [shape=Msquare]
{nodes}
  start -> {chain} -> exit
}}
"""


class CountingShell:
    """Finds nothing wrong, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def syntax_error(self, command: str) -> str | None:
        self.asked.append(command)
        return ""


class NoShell:
    def syntax_error(self, command: str) -> str | None:
        return None


def _pipeline(folder: Path, commands: list[str]) -> Request:
    nodes = "\n".join(f'  t{at} [shape=parallelogram, tool_command="{each}"]' for at, each in enumerate(commands))
    chain = " -> ".join(f"t{at}" for at in range(len(commands)))
    path = folder / "tools.dot"
    path.write_text(TOOLS.format(nodes=nodes, chain=chain))
    return Request(None, str(path))


def _skipped(diagnostics: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(found.subject, found.message) for found in diagnostics if found.rule == "check_skipped"]


def test_each_distinct_command_is_asked_about_once(tmp_path: Path) -> None:
    shell = CountingShell()

    compile_pipeline(_pipeline(tmp_path, ["true", "make", "true"]), Disk(), shell)

    assert ["true", "make"] == shell.asked


def test_commands_beyond_the_bound_are_counted(tmp_path: Path) -> None:
    shell = CountingShell()
    request = _pipeline(tmp_path, [f"echo {at}" for at in range(MAX_COMMANDS + 3)])

    found = compile_pipeline(request, Disk(), shell).diagnostics

    assert MAX_COMMANDS == len(shell.asked)
    expected = "3 commands were not checked for syntax: only 200 are checked in one run"
    assert [("tool_command_syntax", expected)] == _skipped(list(found))


@pytest.mark.parametrize("shell", [None, NoShell()], ids=["no-shell", "shell-that-cannot-be-asked"])
def test_without_bash_the_check_is_reported_as_skipped(tmp_path: Path, shell: NoShell | None) -> None:
    found = compile_pipeline(_pipeline(tmp_path, ["true", "make"]), Disk(), shell).diagnostics

    expected = "2 commands were not checked for syntax: bash could not be asked"
    assert [("tool_command_syntax", expected)] == _skipped(list(found))


def test_a_machine_without_bash_is_one_where_it_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert Bash().syntax_error("true") is None


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("true", "", id="fine"),
        pytest.param("cat <<E\nx", "", id="only-a-warning"),
        pytest.param("if true; then\n fi", "line 2", id="token"),
        pytest.param("echo 'x", "line 1", id="quote"),
        pytest.param("exit 3", "", id="nothing-is-run"),
    ],
)
def test_bash_reads_a_command_without_running_it(command: str, expected: str) -> None:
    said = Bash().syntax_error(command)

    assert said is not None
    assert expected in said
    assert (expected == "") == (said == "")


def test_a_check_that_breaks_is_reported_and_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(project: Project) -> Iterator[Diagnostic]:
        raise KeyError("oops")
        yield

    request = _pipeline(tmp_path, ["if"])
    monkeypatch.setattr(compiling, "CHECKS", (broken, *CHECKS))

    rules = [found.rule for found in compile_pipeline(request, Disk(), Bash()).diagnostics]

    assert "internal_error" in rules
    assert "tool_command_syntax" in rules
