"""What this machine has: looked up one by one, each with what it is for and how to get it."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TextIO

from .run_place import state_folder

TIMEOUT_S = 20

_MANAGERS = (
    ("apt-get", "apt-get install {}"),
    ("dnf", "dnf install {}"),
    ("apk", "apk add {}"),
    ("pacman", "pacman -S {}"),
    ("zypper", "zypper install {}"),
    ("brew", "brew install {}"),
)
_NPM = {"claude": "@anthropic-ai/claude-code", "codex": "@openai/codex", "gemini": "@google/gemini-cli"}
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*+)\s*+(?:>=\s*+(?P<least>[0-9.]++))?")


class Check(NamedTuple):
    name: str
    state: Literal["ok", "missing", "absent"]  # absent: only some need it
    found: str  # version, path or value
    purpose: str
    get: str  # how to get it


def python() -> Check:
    version = sys.version.split()[0]
    return Check("python", "ok", f"{version} ({sys.executable})", "attractor runs in it", "")


def packages() -> Iterator[Check]:
    """Yield one check for each package that is missing or too old; one for all, when all are there."""
    from importlib.metadata import PackageNotFoundError, requires, version

    found = []
    for requirement in requires("attractor") or ():
        match = _REQUIREMENT.match(requirement)
        if match is None or "extra ==" in requirement:
            continue
        name, least = match["name"], match["least"] or "0"
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = ""
        if not installed or _numbers(installed) < _numbers(least):
            yield Check(name, "missing", installed, f"attractor needs {name} {least} or newer", _pip(requirement))
        found.append(f"{name} {installed}")
    yield Check("packages", "ok", f"{len(found)} installed ({', '.join(found[:3])}, ...)", "attractor imports them", "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _pip(requirement: str) -> str:
    return f"{sys.executable} -m pip install '{requirement}'"


def program(name: str, *, purpose: str, needed: bool = False, package: str = "") -> Check:
    """Look for a program on the PATH, and ask it for its version."""
    import shutil

    path = shutil.which(name)
    if path is None:
        return Check(name, "missing" if needed else "absent", "", purpose, _install(name, package or name))
    version = _version(path)
    return Check(name, "ok", f"{version} ({path})" if version else path, purpose, "")


def _version(path: str) -> str:
    """Return the first version number that the program says of itself; "" when it says none, or does not answer."""
    import subprocess

    flag = "-V" if os.path.basename(path) == "dot" else "--version"
    try:
        said = subprocess.run(
            [path, flag], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S,
            check=False,
        ).stdout.decode("utf-8", "replace")  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    number = re.search(r"\d++(?>(?:\.\d++)+)", said)
    return number[0] if number else ""


def _install(name: str, package: str) -> str:
    import shutil

    if name in _NPM:
        return f"npm install -g {_NPM[name]}"
    for manager, command in _MANAGERS:
        if shutil.which(manager):
            return command.format(package)
    return f"install the package {package}"


def terminal(stdout: TextIO, environment: Mapping[str, str]) -> Check:
    """How a run will show itself on `stdout`."""
    name = environment.get("TERM", "")
    encoding = (getattr(stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    if encoding != "utf8":
        return Check("terminal", "absent", f"encoding {encoding}", "letters it cannot show are escaped",
                     "export LC_ALL=C.UTF-8")  # fmt: skip
    if not stdout.isatty() or name in {"", "dumb"}:
        return Check("terminal", "ok", "none: a run prints one line per event", "the live view", "")
    return Check("terminal", "ok", f"{name}: a run shows a live view", "the live view", "")


def run_directories() -> Check:
    """Whether run directories can be made where they are made by default."""
    folder = state_folder() / "runs"
    name, purpose = "run directories", "runs leave their files there"
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Check(name, "ok", str(folder), purpose, "")
    problem = f"cannot write to {nearest}" if nearest.is_dir() else f"{nearest} is not a folder"
    return Check(name, "missing", problem, purpose, "set XDG_STATE_HOME to a folder of yours, or give --run-dir")
