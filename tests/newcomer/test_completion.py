"""Shell completion, asked as shells ask."""

import io
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from attractor.cli.main import COMMANDS, main, parser_of

from .conftest import ATTRACTOR

RUN = "version: 1\nllm: {defaults: {provider: r, model: m}, providers: {r: {backend: scripted}}}\n"
GRAPH = (
    'digraph g { goal="Done" start [shape=Mdiamond] w [prompt="Do $goal"] exit [shape=Msquare] start -> w -> exit }\n'
)
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_attractor
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of all kinds, and the scripts beside it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "run.yaml").write_text(RUN)
    (folder / "g.dot").write_text(GRAPH)
    (folder / "notes.txt").write_text("")
    (folder / "my runs").mkdir()
    assert 0 == main(["compile", str(folder / "run.yaml")])
    state = ("--run-id", "my-run", "--run-dir", f"{folder}.state/attractor/runs/my-run")
    assert 0 == main(["exec", str(folder / "g.plan.json"), "--quiet", *state], io.StringIO())
    for shell in ("bash", "zsh", "fish"):
        script = io.StringIO()
        assert 0 == main(["completion", shell], script)
        Path(f"{folder}.{shell}").write_text(script.getvalue())
    return folder


def offered(project: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of `words`."""
    command = ["bash", "--norc", "--noprofile", "-c", ASK, "ask", f"{project}.bash", ATTRACTOR, *words]
    environment = {**os.environ, "XDG_STATE_HOME": f"{project}.state"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    assert "" == done.stderr
    return sorted(filter(None, done.stdout.splitlines()))


def test_every_command_is_offered(project: Path) -> None:
    assert sorted(COMMANDS) == offered(project, "")
    assert ["compile", "completion"] == offered(project, "comp")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["compile", "--f"], ["--fix", "--format"]),
        (["compile", "--format", "j"], ["json"]),
        (["compile", "--format", "=", "j"], ["json"]),
        (["diff", "--format", "="], ["json", "text"]),
        (["compile", ""], ["g.dot", "g.plan.json", "my runs", "run.yaml"]),
        (["compile", "--set", "a=b", "r"], ["run.yaml"]),
        (["run", "r"], ["run.yaml"]),
        (["exec", "g"], ["g.plan.json"]),
        (["exec", "--run-dir", "m"], ["my runs"]),
        (["init", ""], ["my runs"]),
        (["explain", "g.plan.json", ""], ["exit", "start", "w"]),
        (["explain", "--allow-edited", "g.plan.json", "s"], ["start"]),
        (["explain", "run.yaml", ""], []),
        (["diff", "g.plan.json", "g"], ["g.plan.json"]),
        (["schema", "sim"], ["simulator"]),
        (["rules", "timeout_u"], ["timeout_unitless"]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["status", "la"], ["latest"]),
        (["status", "my"], ["my runs", "my-run"]),
        (["logs", "my-run", "--node", "s"], ["start"]),
        (["nonsense", ""], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_may_follow_is_offered(project: Path, words: list[str], wanted: list[str]) -> None:
    assert wanted == [word for word in offered(project, *words) if not word.startswith("--h")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_the_help_is_offered(project: Path, command: str) -> None:
    listed = re.findall(r"^  (?:-\w(?: \w+)?, )?(--[a-z-]+)", parser_of(command).format_help(), re.MULTILINE)

    assert listed
    assert set(listed) <= set(offered(project, command, "-"))


def test_a_tab_in_a_real_bash_completes(project: Path) -> None:
    """Typed at a terminal: a command, a file, and a node of the plan."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project)
        folder = os.path.dirname(ATTRACTOR)
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb", "HOME": str(project)}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    try:
        type_into(terminal, f"source '{project}.bash'\n")
        type_into(terminal, "attractor expl\tg.p\tsta\t", until="attractor explain g.plan.json start ")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def type_into(terminal: int, keys: str, until: str = "$ ") -> None:
    os.write(terminal, keys.encode())
    shown, deadline = "", time.monotonic() + 30
    while until not in shown:
        ready, _, _ = select.select([terminal], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"{until!r} was not shown, but {shown!r}"
        shown += os.read(terminal, 4096).decode()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(project: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")

    assert 0 == subprocess.run([shell, "-n", f"{project}.{shell}"], check=False).returncode


def test_fish_offers_the_same(project: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("this machine has no fish")

    def fish(line: str) -> list[str]:
        ask = f"source '{project}.fish'; complete --do-complete '{line}'"
        environment = {**os.environ, "PATH": f"{os.path.dirname(ATTRACTOR)}:{os.environ['PATH']}", "HOME": str(project)}
        done = subprocess.run(["fish", "--no-config", "-c", ask], cwd=project, env=environment, capture_output=True,
                              text=True, check=True)  # fmt: skip
        return sorted(entry.split("\t")[0] for entry in done.stdout.splitlines())

    assert sorted(COMMANDS) == fish("attractor ")
    assert ["json", "text"] == fish("attractor diff --format ")
    assert {"exit", "start", "w"} <= set(fish("attractor explain g.plan.json "))


def test_nobody_is_asked_which_shell(attractor) -> None:
    said = attractor("completion")

    assert (2, "", "attractor completion: name the shell: bash, zsh, fish\n") == said
