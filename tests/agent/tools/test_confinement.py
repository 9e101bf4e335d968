"""Nothing outside the workspace is read or written, whatever a path looks like and whoever changes it meanwhile."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attractor.runtime.agent.profiles import FAMILIES, tools_of
from attractor.runtime.agent.tools.contract import Bench, Refusal
from attractor.runtime.agent.tools.dispatch import Toolbox
from attractor.runtime.agent.tools.places import locate, open_file
from attractor.runtime.llm.messages import ToolCall
from attractor.runtime.plan import Hooks

CANARY = "canary-77d1"
TOOLS = {tool.name: tool for family in FAMILIES for tool in tools_of(family)}
ARGUMENTS: dict[str, Callable[[str], dict[str, str]]] = {
    "read_file": lambda path: {"file_path": path},
    "write_file": lambda path: {"file_path": path, "content": "taken over"},
    "edit_file": lambda path: {"file_path": path, "old_string": CANARY, "new_string": "taken over"},
    "apply_patch add": lambda path: {"patch": f"*** Begin Patch\n*** Add File: {path}\n+taken over\n*** End Patch"},
    "apply_patch delete": lambda path: {"patch": f"*** Begin Patch\n*** Delete File: {path}\n*** End Patch"},
    "apply_patch update": lambda path: {
        "patch": f"*** Begin Patch\n*** Update File: {path}\n-{CANARY}\n+taken over\n*** End Patch"
    },
    "apply_patch move": lambda path: {
        "patch": f"*** Begin Patch\n*** Update File: mine\n*** Move to: {path}\n-mine\n+taken over\n*** End Patch"
    },
    "list_dir": lambda path: {"path": path},
    "grep": lambda path: {"pattern": "canary", "path": path},
    "grep filter": lambda path: {"pattern": "canary", "glob_filter": path},
    "glob": lambda path: {"pattern": "**/*", "path": path},
    "glob pattern": lambda path: {"pattern": path},
}
PATHS = [
    "../outside/secret",
    "../outside",
    "..",
    "a/../../outside/secret",
    "{outside}/secret",
    "{outside}",
    "{workspace}/../outside/secret",
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/self/cwd",
    "/dev/stdin",
    "~",
    "~/secret",
    "~root/secret",
    "link",
    "link/secret",
    "file link",
    "chain",
    "up/../outside/secret",
    "a/deep/out/secret",
    "dangling",
]


@pytest.fixture
def outside(bench: Bench, workspace: Path) -> Iterator[Path]:
    """A folder beside the workspace that nothing may touch, and links that lead there."""
    folder = workspace.parent / "outside"
    folder.mkdir()
    (folder / "secret").write_text(f"{CANARY}\n")
    (workspace / "a/deep").mkdir(parents=True)
    (workspace / "mine").write_text("mine\n")
    (workspace / "link").symlink_to(folder)
    (workspace / "file link").symlink_to(folder / "secret")
    (workspace / "chain").symlink_to("link/secret")
    (workspace / "up").symlink_to("..")
    (workspace / "a/deep/out").symlink_to("../../../outside")
    (workspace / "dangling").symlink_to(folder / "new file")
    yield folder
    assert {"secret": f"{CANARY}\n"} == {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ARGUMENTS)
def test_a_path_that_leads_outside_is_refused(bench: Bench, outside: Path, how: str, path: str) -> None:
    given = path.format(outside=outside, workspace=bench.workspace)
    name, _, part = how.partition(" ")
    answered = Toolbox([TOOLS[name]], bench, Hooks("", "")).answer(ToolCall("c", name, "", ARGUMENTS[how](given)))
    text = answered.result.content

    assert CANARY not in text
    assert "root:" not in text
    if part in ("filter", "pattern") and not given.startswith(("/", "~", "..")):
        return  # a link is no file and is not followed: nothing is found there
    assert answered.result.is_error, text
    assert any(word in text for word in ("leads outside the workspace", "is not expanded", "relative"))


@pytest.mark.parametrize("path", ["a", "a/../mine", "{workspace}/mine", "./a/./deep//", "a/deep/../../mine"])
def test_a_path_that_stays_inside_is_followed(bench: Bench, outside: Path, path: str) -> None:
    with locate(bench, path.format(workspace=bench.workspace)) as place:
        assert place.status is not None


def test_a_link_that_is_swapped_in_at_any_moment_leads_nowhere(bench: Bench, outside: Path, workspace: Path) -> None:
    """A folder is replaced by a link to the outside, over and over, while files below it are read."""
    (workspace / "x").mkdir()
    (workspace / "x/secret").write_text("harmless\n")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            os.rename(workspace / "x", workspace / "aside")
            os.symlink(outside, workspace / "x")
            os.unlink(workspace / "x")
            os.rename(workspace / "aside", workspace / "x")

    thread = threading.Thread(target=swap)
    thread.start()
    read: set[str] = set()
    try:
        for _ in range(3000):
            try:
                with locate(bench, "x/secret") as place, open(open_file(place, "x/secret")) as file:
                    read.add(file.read())
            except Refusal:
                read.add("refused")
    finally:
        done.set()
        thread.join()

    assert f"{CANARY}\n" not in read
    assert read <= {"harmless\n", "refused"}


def test_no_descriptor_is_left_open(bench: Bench, outside: Path) -> None:
    box = Toolbox([*TOOLS.values()], bench, Hooks("", ""))
    before = len(os.listdir("/proc/self/fd"))
    for how, arguments in ARGUMENTS.items():
        for path in ("mine", "a", "link/x", "a/none/x", "chain"):
            box.answer(ToolCall("c", how.partition(" ")[0], "", arguments(path)))

    assert before == len(os.listdir("/proc/self/fd"))


def test_the_shell_has_no_key_in_its_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from attractor.runtime.shell import RealShell

    inherited = {"PATH": os.environ["PATH"], "HOME": "/h", "ANTHROPIC_API_KEY": CANARY, "GITHUB_TOKEN": CANARY}
    bench = bench._replace(shell=RealShell(inherited, ()), environment={"ATTRACTOR_NODE_ID": "work"})
    command = "env; cat /proc/self/environ | tr '\\0' '\\n'; echo $ANTHROPIC_API_KEY"
    answered = Toolbox([TOOLS["shell"]], bench, Hooks("", "")).answer(ToolCall("c", "shell", "", {"command": command}))
    text = answered.result.content

    assert CANARY not in text
    for line in ("ATTRACTOR_NODE_ID=work", "GIT_TERMINAL_PROMPT=0", "PAGER=cat", "CI=1", "NO_COLOR=1"):
        assert f"\n{line}\n" in f"\n{text}"
