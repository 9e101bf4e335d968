"""`attractor compile --check` of public pipelines, each in a cold process."""

import sys
from pathlib import Path

from .measure import Figure, median_command_s, table

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "public-pipelines"


def figures() -> list[Figure]:
    """Return the slowest file's figure; nothing where the corpus is not beside this checkout."""
    program = str(Path(sys.executable).with_name("attractor"))
    paths = sorted(CORPUS.glob("*")) if CORPUS.is_dir() else []
    seconds = {path.name: median_command_s([program, "compile", "--check", str(path)], runs=3) for path in paths}
    if not seconds:
        return []
    slowest = max(seconds, key=lambda name: seconds[name])
    return [Figure(f"slowest of {len(seconds)} public pipelines", seconds[slowest], "s", 1, note=slowest)]


if __name__ == "__main__":
    print(table("public pipelines", figures()))
