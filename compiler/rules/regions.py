"""Parallel regions: what lies between a component and its join."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .. import flow
from ..graph import Kind
from .registry import Project

_STEPS_PER_PART = 10  # a bound for deep nests of components, each of which holds all the inner ones


class Region(NamedTuple):
    fork: str  # the component
    join: str
    nodes: frozenset[str]  # on a way from one to the other; neither of them is among these


def regions(project: Project) -> list[Region]:
    """Return the region of every component that has a join, outer ones before those inside them."""
    graph = project.graph
    forks = [fork for fork in project.analysis.of_kind(Kind.PARALLEL) if fork in graph.joins]
    steps = _STEPS_PER_PART * (len(graph.nodes) + len(graph.edges)) + 1000
    found = []
    for fork in forks:
        if steps < 0:
            break
        region = _region(project, fork, graph.joins[fork])
        steps -= len(region.nodes) * 2 + 2
        found.append(region)
    return sorted(found, key=lambda region: (-len(region.nodes), graph.nodes[region.fork].order))


def region_of(project: Project) -> Mapping[str, Region]:
    """Return for each node inside regions the innermost one."""
    return {node: region for region in regions(project) for node in region.nodes}


def _region(project: Project, fork: str, join: str) -> Region:
    analysis, ends = project.analysis, frozenset({fork, join})
    ahead = _reached(analysis.successors, analysis.successors[fork], ends, None)
    return Region(fork, join, _reached(analysis.predecessors, analysis.predecessors[join], ends, ahead))


def _reached(
    adjacency: flow.Adjacency, starts: Sequence[str], ends: frozenset[str], within: frozenset[str] | None
) -> frozenset[str]:
    """Return what `starts` lead to, themselves included, without `ends` and, if given, without leaving `within`."""
    seen: set[str] = set()
    pending = list(starts)
    while pending:
        node = pending.pop()
        if node not in seen and node not in ends and (within is None or node in within):
            seen.add(node)
            pending.extend(adjacency[node])
    return frozenset(seen)
