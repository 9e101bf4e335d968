"""Set the words each stage may end with: what its kind gives, and the custom words that a condition knows.

A conditional node passes on what it was given, so its words are those that can reach it: along edges whose conditions
let them through, and by catches. The words only ever grow until nothing changes.
"""

from collections.abc import Iterable, Mapping, Sequence

from .. import flow
from ..attributes import read_str, specs
from ..graph import Clause, Graph, Kind, Route
from ..run_config import RunConfig

CANONICAL = ("success", "partial_success", "retry", "fail", "skipped")
_WORDS_OF_KIND: Mapping[Kind, Sequence[str]] = {
    Kind.START: ("success",),
    Kind.HUMAN: ("success", "fail"),
    Kind.PARALLEL: ("success", "partial_success", "fail"),
    Kind.FAN_IN: ("success", "partial_success", "fail"),
    Kind.TOOL: ("success", "fail"),
    Kind.MANAGER: ("success", "fail"),
}


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    conditional = frozenset(node for node, kind in graph.kinds.items() if kind.value is Kind.CONDITIONAL)
    heard = _custom_words_behind(graph, conditional)
    words: dict[str, Sequence[str]] = {}
    for node, kind in graph.kinds.items():
        match kind.value:
            case Kind.EXIT:
                words[node] = _exit_words(graph, node)
            case Kind.CODERGEN:
                custom = _custom_words(graph, node, heard)
                words[node] = (*CANONICAL, *sorted(custom)) if custom else CANONICAL
            case Kind.CONDITIONAL:
                words[node] = ()  # below; here it keeps the nodes in their order
            case other:
                words[node] = _WORDS_OF_KIND[other]
    words.update(_passed_on(graph, words, conditional))
    return graph._replace(outcomes=words)


def _exit_words(graph: Graph, node: str) -> Sequence[str]:
    spec = specs("node")["exit_status"]
    return (read_str(graph.nodes[node].attributes, spec) or str(spec.default),)


def _custom_words_behind(graph: Graph, conditional: frozenset[str]) -> Mapping[str, frozenset[str]]:
    """Return for each conditional node the words outside the canonical five that it, or one it leads to, knows."""
    ways = {
        node: [route.edge.target for route in graph.routes[node] if route.edge.target in conditional]
        for node in conditional
    }
    known: dict[str, frozenset[str]] = {}
    for members in flow.components(ways):  # those that are led to come first
        behind = {target for member in members for target in ways[member]}.difference(members)
        words = _compared(graph.routes, members).union(*(known[target] for target in behind))
        known.update(dict.fromkeys(members, words))
    return known


def _custom_words(graph: Graph, node: str, heard: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the words that count as outcomes of a stage: its own edges, its catch, or what they lead to know them."""
    targets = {route.edge.target for route in graph.routes[node] if route.edge.target in heard}
    if node in graph.catches:
        targets.add(graph.catches[node])
    return _compared(graph.routes, (node,)).union(*(heard[target] for target in targets))


def _compared(routes: Mapping[str, Sequence[Route]], nodes: Iterable[str]) -> frozenset[str]:
    return frozenset(
        clause.literal
        for node in nodes
        for route in routes[node]
        for clause in route.edge.condition
        if clause.key == "outcome" and clause.op != "set" and clause.literal not in CANONICAL and clause.literal
    )


def _passed_on(
    graph: Graph, words: Mapping[str, Sequence[str]], conditional: frozenset[str]
) -> Mapping[str, Sequence[str]]:
    """Return the words that reach each conditional node."""
    leads_on = {
        node
        for node, routes in graph.routes.items()
        if node in graph.catches or any(route.edge.target in conditional for route in routes)
    }
    arrived: dict[str, set[str]] = {node: set() for node in words if node in conditional}
    pending: list[tuple[str, str]] = []  # a conditional node, and a word that may be new to it
    for node, known in words.items():
        if node in leads_on and node not in conditional:
            for word in known:
                pending += [(target, word) for target in _targets(graph, node, word, stage=True)]
    while pending:
        node, word = pending.pop()
        if node in conditional and word not in arrived[node]:
            arrived[node].add(word)
            if node in leads_on:
                pending += [(target, word) for target in _targets(graph, node, word, stage=False)]
    return {
        node: (*(w for w in CANONICAL if w in came), *sorted(came - {*CANONICAL})) for node, came in arrived.items()
    }


def _targets(graph: Graph, node: str, word: str, *, stage: bool) -> list[str]:
    """Return the nodes that may follow `node` when it ended with `word`, by its edges or its catch.

    Other keys than `outcome` may have any value. A stage's `retry` leads on only where a condition names it.
    """
    targets = []
    retries = stage and word == "retry"
    for route in graph.routes[node]:
        if route.kind == "if":
            clauses = route.edge.condition
            if not _may_hold(clauses, word) or (retries and not _names_retry(clauses)):
                continue
            targets.append(route.edge.target)
            if clauses and all(clause.key == "outcome" for clause in clauses):
                return targets  # it always holds for this word: what comes after it is not tried
        elif not retries and (word != "fail" or route.kind != "then"):
            targets.append(route.edge.target)
    catch = graph.catches.get(node)
    if word == "fail" and catch is not None:
        targets.append(catch)
    return targets


def _may_hold(clauses: Sequence[Clause], word: str) -> bool:
    for clause in clauses:
        if clause.key == "outcome" and clause.op != "set" and (clause.literal == word) != (clause.op == "="):
            return False
    return True


def _names_retry(clauses: Sequence[Clause]) -> bool:
    return any(clause.key == "outcome" and clause.op == "=" and clause.literal == "retry" for clause in clauses)
