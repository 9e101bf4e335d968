"""Which nodes of a plan can follow which, and which lie on a loop together."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Ways = Mapping[str, Sequence[str]]


def components(ways: Ways) -> Mapping[str, frozenset[str]]:
    """Return for each node those that it can reach and that can reach it, itself included: Tarjan, not recursive."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    open_: set[str] = set()
    found: dict[str, frozenset[str]] = {}
    for root in ways:
        if root in index:
            continue
        waiting = [(root, iter(ways[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        open_.add(root)
        while waiting:
            node, onward = waiting[-1]
            target = next(onward, None)
            if target is None:
                waiting.pop()
                if waiting:
                    before = waiting[-1][0]
                    low[before] = min(low[before], low[node])
                if low[node] == index[node]:
                    members = frozenset(_popped(stack, node))
                    open_ -= members
                    found.update(dict.fromkeys(members, members))
            elif target not in index:
                index[target] = low[target] = len(index)
                stack.append(target)
                open_.add(target)
                waiting.append((target, iter(ways[target])))
            elif target in open_:
                low[node] = min(low[node], index[target])
    return found


def _popped(stack: list[str], last: str) -> Iterator[str]:
    node = ""
    while node != last:
        node = stack.pop()
        yield node


def on_a_loop(node: str, ways: Ways, parts: Mapping[str, frozenset[str]]) -> bool:
    return len(parts[node]) > 1 or node in ways[node]


def reachable(first: Iterable[str], onward: Callable[[str], Iterable[str]]) -> set[str]:
    """Return the nodes in `first` and all that can follow them."""
    found = set(first)
    waiting = list(found)
    while waiting:
        for target in onward(waiting.pop()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found
