"""`python -m bench [NAME...]`: take the figures of the modules named, or of all that have some, and show them."""

import importlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .measure import Figure, table

NO_FIGURES = {"__init__", "__main__", "measure", "pipelines"}


def main(names: list[str]) -> None:
    folder = Path(__file__).parent
    known = sorted(path.stem for path in folder.glob("*.py") if path.stem not in NO_FIGURES)
    print(f"{os.cpu_count()} processors, {platform.python_implementation()} {platform.python_version()}, "
          f"{platform.system()} {platform.machine()}")  # fmt: skip
    for name in names or known:
        if name not in known:
            print(f"\n{name}: there is no such bench; there are {', '.join(known)}")
            continue
        module = importlib.import_module(f".{name}", __package__)
        if hasattr(module, "figures"):
            print("\n" + _figures_of(name, module.figures), flush=True)


def _figures_of(name: str, figures: Callable[[], Sequence[Figure]]) -> str:
    try:
        return table(name, figures())
    except Exception as error:  # one that breaks hides no other
        return f"{name}: could not be measured: {type(error).__name__}: {error}"


if __name__ == "__main__":
    main(sys.argv[1:])
