"""Set the words each stage may end with: what its kind gives, and the custom words that a condition knows.

A conditional node passes on what it was given, so its words are those that can reach it: along edges whose conditions
let them through, and by catches. The words only ever grow until nothing changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .. import flow
from ..attributes import read_str, specs
from ..graph import Clause, Graph, Kind, Route
from ..run_config import RunConfig

CANONICAL = ("success", "partial_success", "retry", "fail", "skipped")
_WORDS_OF_KIND: Mapping[Kind, Sequence[str]] = {
    Kind.START: ("success",),
    Kind.EXIT: ("success",),
    Kind.CODERGEN: CANONICAL,
    Kind.HUMAN: ("success", "fail"),
    Kind.CONDITIONAL: (),
    Kind.PARALLEL: ("success", "partial_success", "fail"),
    Kind.FAN_IN: ("success", "partial_success", "fail"),
    Kind.TOOL: ("success", "fail"),
    Kind.MANAGER: ("success", "fail"),
}


def run(graph: Graph, config: RunConfig | None) -> Graph:  # noqa: ARG001 - all passes are called alike
    words = {node: _own_words(graph, node, kind.value) for node, kind in graph.kinds.items()}
    custom = _custom_words(graph)
    for node, kind in graph.kinds.items():
        if kind.value is Kind.CODERGEN and custom.get(node):
            words[node] = (*CANONICAL, *sorted(custom[node]))
    words.update(_passed_on(graph, words))
    return replace(graph, outcomes=words)


def _own_words(graph: Graph, node: str, kind: Kind) -> Sequence[str]:
    if kind is Kind.EXIT:
        spec = specs("node")["exit_status"]
        return (read_str(graph.nodes[node].attributes, spec) or str(spec.default),)
    return _WORDS_OF_KIND[kind]


def _is_conditional(graph: Graph, node: str) -> bool:
    kind = graph.kinds.get(node)
    return kind is not None and kind.value is Kind.CONDITIONAL


def _custom_words(graph: Graph) -> Mapping[str, frozenset[str]]:
    """Return the words outside the canonical five that conditions know, by node.

    They are compared on the node's own edges, or on those of the conditional nodes that its edges or its catch lead
    to, one after the other: a conditional node passes the word on.
    """
    conditional = {
        node: [route.edge.target for route in routes if _is_conditional(graph, route.edge.target)]
        for node, routes in graph.routes.items()
        if _is_conditional(graph, node)
    }
    known: dict[str, frozenset[str]] = {}
    for members in flow.components(conditional):  # those that are led to come first
        behind = {target for member in members for target in conditional[member]}.difference(members)
        words = _union(graph.routes, members).union(*(known[target] for target in behind))
        known.update(dict.fromkeys(members, words))
    for node, routes in graph.routes.items():
        if node not in known:
            targets = {route.edge.target for route in routes}
            if node in graph.catches:
                targets.add(graph.catches[node].node)
            heard = [known[target] for target in targets if target in conditional]
            known[node] = _union(graph.routes, (node,)).union(*heard)
    return known


def _union(routes: Mapping[str, Sequence[Route]], nodes: Iterable[str]) -> frozenset[str]:
    return frozenset(
        clause.literal
        for node in nodes
        for route in routes[node]
        for clause in route.edge.condition
        if clause.key == "outcome" and clause.op != "set" and clause.literal not in CANONICAL and clause.literal
    )


def _passed_on(graph: Graph, words: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Return the words that reach each conditional node."""
    arrived: dict[str, set[str]] = {node: set() for node in graph.kinds if _is_conditional(graph, node)}
    pending: list[tuple[str, str]] = []  # a conditional node, and a word that is new to it
    for node, known in words.items():
        if node not in arrived:
            for word in known:
                pending.extend((target, word) for target in _targets(graph, node, word) if target in arrived)
    while pending:
        node, word = pending.pop()
        if word not in arrived[node]:
            arrived[node].add(word)
            pending.extend((target, word) for target in _targets(graph, node, word) if target in arrived)
    return {
        node: (*(w for w in CANONICAL if w in came), *sorted(came - {*CANONICAL})) for node, came in arrived.items()
    }


def _targets(graph: Graph, node: str, word: str) -> list[str]:
    """Return the nodes that may follow `node` when it ended with `word`, by its edges or its catch.

    Other keys than `outcome` may have any value. A stage's `retry` leads on only where a condition names it.
    """
    targets = []
    conditional = _is_conditional(graph, node)
    for route in graph.routes[node]:
        if route.kind == "if":
            clauses = route.edge.condition
            if not _may_hold(clauses, word) or (word == "retry" and not (conditional or _names_retry(clauses))):
                continue
            targets.append(route.edge.target)
            if clauses and all(clause.key == "outcome" for clause in clauses):
                return targets  # it always holds for this word: what comes after it is not tried
        elif (word != "fail" or route.kind != "then") and (word != "retry" or conditional):
            targets.append(route.edge.target)
    catch = graph.catches.get(node)
    if word == "fail" and catch is not None:
        targets.append(catch.node)
    return targets


def _may_hold(clauses: Sequence[Clause], word: str) -> bool:
    for clause in clauses:
        if clause.key == "outcome" and clause.op != "set" and (clause.literal == word) != (clause.op == "="):
            return False
    return True


def _names_retry(clauses: Sequence[Clause]) -> bool:
    return any(clause.key == "outcome" and clause.op == "=" and clause.literal == "retry" for clause in clauses)
