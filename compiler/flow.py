"""Algorithms over adjacency maps (node id -> ids it leads to): no recursion, and time linear in nodes and edges.

Only dominators cost a logarithm more (Lengauer and Tarjan with path compression): the simpler iterative way of Cooper,
Harvey and Kennedy is quadratic on a long chain whose nodes all lead back, a shape that pipelines have.
"""

from collections.abc import Iterable, Mapping, Sequence

Adjacency = Mapping[str, Sequence[str]]


def reachable(adjacency: Adjacency, starts: Iterable[str]) -> frozenset[str]:
    """Return all that can be reached from `starts`, themselves included."""
    seen = set(starts)
    pending = list(seen)
    while pending:
        for target in adjacency.get(pending.pop(), ()):
            if target not in seen:
                seen.add(target)
                pending.append(target)
    return frozenset(seen)


def reversed_adjacency(adjacency: Adjacency) -> Mapping[str, Sequence[str]]:
    turned: dict[str, list[str]] = {node: [] for node in adjacency}
    for node, targets in adjacency.items():
        for target in targets:
            turned.setdefault(target, []).append(node)
    return turned


def components(adjacency: Adjacency) -> list[list[str]]:
    """Return the strongly connected components, each before those that lead to it (Tarjan)."""
    found: list[list[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_nodes: list[str] = []
    closed: set[str] = set()
    for root in adjacency:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        open_nodes.append(root)
        path = [(root, iter(adjacency[root]))]
        while path:
            node, targets = path[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    open_nodes.append(target)
                    path.append((target, iter(adjacency.get(target, ()))))
                    break
                if target not in closed:
                    low[node] = min(low[node], index[target])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    at = len(open_nodes) - 1
                    while open_nodes[at] != node:
                        at -= 1
                    found.append(open_nodes[at:])
                    closed.update(open_nodes[at:])
                    del open_nodes[at:]
    return found


def immediate_dominators(adjacency: Adjacency, root: str) -> dict[str, str]:
    """Return for each node reachable from `root`, but `root`, the last node that every way from `root` to it passes."""
    order, parent = _depth_first(adjacency, root)
    number = {node: at for at, node in enumerate(order)}
    before: list[list[int]] = [[] for _ in order]
    for at, node in enumerate(order):
        for target in adjacency.get(node, ()):
            before[number[target]].append(at)
    dominator = _dominators_by_number(parent, before)
    return {order[at]: order[dominator[at]] for at in range(1, len(order))}


def _depth_first(adjacency: Adjacency, root: str) -> tuple[list[str], list[int]]:
    """Return the nodes in the order of a depth-first walk, and the number of each one's parent in it."""
    order: list[str] = []
    parent: list[int] = []
    seen: set[str] = set()
    pending = [(root, 0)]
    while pending:
        node, above = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        at = len(order)
        order.append(node)
        parent.append(above)
        pending.extend((target, at) for target in reversed(adjacency.get(node, ())) if target not in seen)
    return order, parent


def _dominators_by_number(parent: Sequence[int], before: Sequence[Sequence[int]]) -> list[int]:
    """Return each node's immediate dominator; nodes are numbers in depth-first order, 0 the root."""
    count = len(parent)
    semi = list(range(count))
    dominator = [0] * count
    ancestor = [-1] * count
    label = list(range(count))
    bucket: list[list[int]] = [[] for _ in range(count)]
    for node in range(count - 1, 0, -1):
        for source in before[node]:
            semi[node] = min(semi[node], semi[_best_above(source, ancestor, label, semi)])
        bucket[semi[node]].append(node)
        above = parent[node]
        ancestor[node] = above
        for waiting in bucket[above]:
            best = _best_above(waiting, ancestor, label, semi)
            dominator[waiting] = best if semi[best] < semi[waiting] else above
        bucket[above].clear()
    for node in range(1, count):
        if dominator[node] != semi[node]:
            dominator[node] = dominator[dominator[node]]
    return dominator


def _best_above(node: int, ancestor: list[int], label: list[int], semi: Sequence[int]) -> int:
    """Return the node of least semidominator on the linked path above `node`, and shorten that path."""
    if ancestor[node] < 0:
        return node
    path = []
    while ancestor[ancestor[node]] >= 0:
        path.append(node)
        node = ancestor[node]
    last = node
    for node in reversed(path):
        above = ancestor[node]
        if semi[label[above]] < semi[label[node]]:
            label[node] = label[above]
        ancestor[node] = ancestor[last]
    return label[path[0] if path else last]
