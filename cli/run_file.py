"""Which run.yaml a command means: as named, in the folder that is named, else in the current folder."""

import os
from collections.abc import Sequence

from .disk import Disk

RUN_NAMES = ("run.yaml", "run.yml", "run.json")


class NoRunFile(Exception):
    """No run.yaml is named and none is where one is looked for; the text says what to do."""


def is_graph(path: str) -> bool:
    return path.endswith((".dot", ".gv"))


def run_file(given: str | None) -> str:
    """Return the path of the run.yaml that `given` means: a file, or the one in a folder; None: the current folder.

    Raises:
        NoRunFile: there is none, or there are several.
    """
    if given and (os.path.basename(given) in RUN_NAMES or is_graph(given) or not os.path.isdir(given)):
        return given
    folder = "" if not given or os.path.normpath(given) == "." else os.path.join(given, "")
    names = Disk().names(folder)
    found = [name for name in RUN_NAMES if name in names]
    where = f"in {folder}" if folder else "in this folder"
    if len(found) > 1:
        raise NoRunFile(f"there are {' and '.join(found)} {where}; name the one you mean")
    if not found:
        raise NoRunFile(_none(where, folder, names))
    return folder + found[0]


def _none(where: str, folder: str, names: Sequence[str]) -> str:
    graphs = [name for name in names if is_graph(name)]
    if graphs:
        alone = f"`attractor compile --check {folder}{graphs[0]}` checks a graph alone"
        return f"no run.yaml {where}; name one (`attractor init` writes one); {alone}"
    return f"no run.yaml {where}; name one, or begin with `attractor init`"
