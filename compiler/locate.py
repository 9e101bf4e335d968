"""Which graph a run.yaml means: the one it names, else the only one beside it."""

import os.path

from .diagnostics import Diagnostic
from .reading import Archive, Files, Unreadable
from .run_config import RunConfig


def locate_graph(config: RunConfig, files: Files) -> str | Diagnostic:
    """Return the path of the graph, or what to report when none is named and it cannot be guessed."""
    folder = os.path.dirname(config.source.path)
    if config.graph is not None:
        return os.path.join(folder, config.graph)
    beside = [name for name in files.names(folder) if name.endswith(".dot")]
    if len(beside) == 1:
        return os.path.join(folder, beside[0])
    shown = ", ".join(beside[:5]) + (", …" if len(beside) > 5 else "")
    there = (
        f"there are {len(beside)} .dot files beside this one: {shown}" if beside else "no .dot file is beside this one"
    )
    return Diagnostic(
        "graph_not_found",
        config.source.span(0, 0),
        f"no graph is named, and {there}",
        help="write `graph: FILE.dot`, or give --graph FILE.dot",
    )


def graph_named_by(run_path: str, files: Files) -> str | None:
    """Return the graph that the run.yaml at `run_path` means, None when it cannot be told."""
    from .read_run_config import read_run_config

    try:
        config, _ = read_run_config(Archive(files).source(run_path), ())
    except Unreadable:
        return None
    path = locate_graph(config, files)
    return path if isinstance(path, str) else None
