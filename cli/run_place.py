"""Find the run that somebody means: by its directory, its id, a part of its id, or as the `latest`."""

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from attractor.runtime.run_files import NotARun, RunFiles

SHOWN_RUNS = 5


def state_folder() -> Path:
    from platformdirs import user_state_path

    return user_state_path("attractor")


def remember(folder: Path) -> None:
    """Let `attractor runs` find a run that lies elsewhere; if that cannot be written down, it goes on unlisted."""
    state = state_folder()
    if folder.parent == state / "runs":
        return
    from hashlib import sha256

    name = sha256(os.fsencode(folder)).hexdigest()[:24]
    with suppress(OSError):
        (state / "links").mkdir(parents=True, exist_ok=True)
        (state / "links" / name).symlink_to(folder)


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run directory, a run's id or a part of it, or: latest")


def open_run(name: str, command: str, stderr: TextIO) -> RunFiles | None:
    """Return the run that `name` means; None when there is none, and `stderr` says why."""
    try:
        return RunFiles(_folder(name))
    except NotARun as error:
        stderr.write(f"attractor {command}: {error}\n")
        return None


def _folder(name: str) -> Path:
    """Raises NotARun when no run, or more than one, is called so."""
    if os.path.isdir(name) or os.sep in name:
        return Path(os.path.abspath(name))
    from attractor.runtime.run_index import runs

    found = runs(state_folder())
    if name == "latest":
        if not found:
            raise NotARun("there is no run yet; `attractor run` makes one")
        return Path(found[0].folder)
    same = [row for row in found if row.run_id == name] or [row for row in found if name and name in row.run_id]
    if len(same) == 1:
        return Path(same[0].folder)
    if not same:
        raise NotARun(f"no run is called {name!r}, and there is no such folder; `attractor runs` lists them")
    shown = ", ".join(row.folder for row in same[:SHOWN_RUNS]) + (", …" if len(same) > SHOWN_RUNS else "")
    raise NotARun(f"{len(same)} runs are called {name!r}: {shown}; name one by its directory")
