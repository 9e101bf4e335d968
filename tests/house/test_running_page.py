"""docs/running.md shows what the commands really print, about a run that goes on meanwhile."""

import io
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.cli.main import main
from attractor.runtime.questions import questions_of

PAGE = Path(__file__).parents[2] / "docs" / "running.md"
DIFFERS = (  # what is another time another one
    (r"\d{8}T\d{6}Z-release-[0-9a-f]{4}", "RUN_ID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?", "TIME"),
    (r"\d\d:\d\d:\d\d", "00:00:00"),
    (r"\b\d+(?:\.\d)? (?:ms|s)\b", "0 ms"),
    (r"process \d+", "process PID"),
    (r"chosen by [^;)]*", "chosen by NAME"),
    (r"\(\d+\)", "(N)"),  # how much an audit looked at
    (r" +", " "),
)


def masked(text: str, folder: Path) -> str:
    text = text.replace(shlex.quote(str(folder / "run")), "RUN").replace(str(folder / "run"), "RUN")
    text = text.replace(str(folder), "WORKSPACE")
    for pattern, word in DIFFERS:
        text = re.sub(pattern, word, text)
    return text


def test_the_commands_of_the_page_print_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    dot, yaml = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("dot", "yaml"))
    (tmp_path / "release.dot").write_text(dot[0])
    (tmp_path / "run.yaml").write_text(yaml[0])
    process: subprocess.Popen[str] | None = None
    shown, printed = "", ""
    for block in re.findall(r"```shell-session\n(.*?)```", page, re.DOTALL):
        for command, output in re.findall(r"^\$ (attractor [^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", block, re.MULTILINE):
            arguments = shlex.split(command.removesuffix(" &"))[1:]
            if process is not None and arguments[0] == "logs":
                process.communicate(timeout=30)
                assert 0 == process.returncode
            shown += f"$ {command}\n{output}"
            if command.endswith("&"):
                program = [sys.executable, "-m", "attractor.cli.main", *arguments]
                with (tmp_path / "out").open("w") as out:
                    process = subprocess.Popen(program, stdout=out)
                until(lambda: "to answer:" in (tmp_path / "out").read_text())
                text = (tmp_path / "out").read_text()
            else:
                said = io.StringIO()
                code = main(arguments, said, said)
                text = said.getvalue()
                if (arguments[0], code) == ("answer", 0) and "yes" in arguments:
                    until(lambda: questions_of(tmp_path / "run")[0].over)
            printed += f"$ {command}\n{text}"

    assert process is not None
    assert masked(shown, tmp_path).splitlines() == masked(printed, tmp_path).splitlines()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
