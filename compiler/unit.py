"""One compiled graph with its child pipeline."""

from typing import NamedTuple

from .graph import Graph


class Unit(NamedTuple):
    """One graph, what was read for it and for its children, and the child that its managers supervise."""

    graph: Graph
    paths: tuple[str, ...]
    child: "Unit | None"
