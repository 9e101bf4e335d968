"""The product as a newcomer meets it: the installed command, in a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ATTRACTOR = str(Path(sys.executable).with_name("attractor"))


class Said(NamedTuple):
    code: int
    stdout: str
    stderr: str


Command = Callable[..., Said]


@pytest.fixture
def attractor(tmp_path: Path) -> Command:
    """Run the command as a process, by default in `tmp_path`; its state folder lies beside, not in it."""

    def run(*arguments: str, cwd: Path = tmp_path, **variables: str) -> Said:
        environment = {**os.environ, "XDG_STATE_HOME": f"{tmp_path}.state", **variables}
        done = subprocess.run(
            [ATTRACTOR, *arguments], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    return run
