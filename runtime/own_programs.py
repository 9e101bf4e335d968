"""Programs that a run takes from its own repository: they may stand in for installed ones, and a report says so."""

import os
from pathlib import Path

MOST = 50


def own_programs(base: Path, path: str) -> tuple[str, ...]:
    """Return the programs in those folders of `path` that lie in the repository of `base`, relative to `base`.

    Args:
        path: a PATH; relative entries are not looked at, for they mean another folder in each stage.
    """
    home = os.path.realpath(_repository(base))
    found: list[str] = []
    for entry in dict.fromkeys(path.split(os.pathsep)):
        folder = os.path.realpath(entry)
        if os.path.isabs(entry) and os.path.commonpath([home, folder]) == home:
            found += _programs(folder)
    return tuple(os.path.relpath(each, os.path.realpath(base)) for each in found[:MOST])


def _repository(base: Path) -> Path:
    """Return the folder that holds the repository around `base`; `base` itself when there is none."""
    return next((each for each in (base, *base.parents) if (each / ".git").exists()), base)


def _programs(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
