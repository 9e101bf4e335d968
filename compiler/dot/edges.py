"""Edges: `a -> b -> c [..]`; and what Graphviz would let an edge lead to, ports and groups, with the way out."""

from itertools import pairwise

from .ast import Assignment, EdgeStatement, Name, NodeStatement
from .lexer import Lexer
from .lists import read_lists
from .names import Names
from .values import read_string

MAX_GROUP_EDGES = 64  # an edge group that stands for more is reported, but not written out
MAX_INDENT = 200

Edges = EdgeStatement | NodeStatement
Place = tuple[int, int]

ARROWS = frozenset({"arrow", "wrong_arrow", ">"})
NAMES = frozenset({"word", "odd", "quote"})


def take_name(lexer: Lexer) -> tuple[str, int, int, str]:
    """Pass the token of a name, and return its kind, place and text."""
    kind, start, end, text = lexer.kind, lexer.start, lexer.end, lexer.word
    if kind == "quote":
        value = read_string(lexer, start)
        text, end = value.text.text, value.end
        lexer.end = end
    lexer.advance()
    return kind, start, end, text


def skip_token(lexer: Lexer) -> None:
    """Pass a token whatever it is, a string as a whole."""
    if lexer.kind == "quote":
        lexer.end = lexer.string_at(lexer.start)[2]
    lexer.advance()


def pass_port(lexer: Lexer) -> None:
    """Report and pass `:port` and `:port:compass`, if one stands there."""
    if lexer.kind != ":":
        return
    start = end = lexer.start
    while lexer.kind == ":":
        lexer.advance()
        end = lexer.previous_end
        if lexer.kind in NAMES:
            end = take_name(lexer)[2]
    fix = lexer.findings.fix("take out the port", (start, end, ""))
    lexer.findings.report("dot_port", start, end, "edges lead to nodes, not to ports of nodes", fix=fix)


def read_edges(lexer: Lexer, names: Names, first: list[Name], start: int, group: Place | None = None) -> list[Edges]:
    """Read a chain from its first arrow on.

    Args:
        first: the names before the arrow: several for a group, none for a subgraph.
        start: where the statement begins; -1 when it cannot be written anew, for it begins with a subgraph.
        group: where the group or subgraph before the arrow stands, if it is one.
    """
    ends = [first]
    while lexer.kind in ARROWS:
        _pass_arrow(lexer)
        at, grouped = lexer.start, lexer.kind == "{" or (lexer.kind == "word" and lexer.word == "subgraph")
        end = _read_end(lexer, names)
        if grouped:
            group = group or (at, lexer.previous_end)
        if end is not None:
            ends.append(end)
        elif lexer.kind not in ARROWS:  # of `a -> -> b` the first arrow is one too many
            break
    after = lexer.previous_end
    attributes = read_lists(lexer) if lexer.kind == "[" else ()
    if len(ends) == 1 and group is None:
        return [NodeStatement(name, ()) for name in first]
    if group is None:
        return [EdgeStatement(tuple(end[0] for end in ends), attributes)]
    return _expanded(lexer, ends, group, (start, after), attributes)


def _pass_arrow(lexer: Lexer) -> None:
    if lexer.kind != "arrow":
        undirected = lexer.word == "--"
        lexer.findings.report(
            "dot_undirected_edge" if undirected else "dot_unexpected_token",
            lexer.start,
            lexer.end,
            "edges have a direction; write `->`" if undirected else "edges are written `->`",
            fix=lexer.findings.fix("write `->`", (lexer.start, lexer.end, "->")),
        )
    lexer.advance()


def _read_end(lexer: Lexer, names: Names) -> list[Name] | None:
    if lexer.kind == "word" and lexer.word == "subgraph":
        lexer.advance()
        names.subgraph_name(lexer)
    if lexer.kind == "{":
        return read_group(lexer, names)
    if lexer.kind in NAMES:
        name = names.node(*take_name(lexer))
        pass_port(lexer)
        return [name]
    message = "an edge needs a node behind its arrow"
    lexer.findings.report("dot_unexpected_token", lexer.start, lexer.end, message)
    lexer.whole = False
    return None


def read_group(lexer: Lexer, names: Names) -> list[Name]:
    """Read `{a b}`; what is more than names is passed, and the group comes back empty."""
    found: list[Name] = []
    depth, simple = 0, True
    while lexer.kind != "end":
        if lexer.kind in NAMES and simple:
            found.append(names.node(*take_name(lexer)))
            pass_port(lexer)
            continue
        depth += {"{": 1, "}": -1}.get(lexer.kind, 0)
        simple = simple and depth < 2 and lexer.kind in {"{", "}", ";", ","}
        skip_token(lexer)
        if depth == 0:
            break
    lexer.whole = lexer.whole and simple
    return found if simple else []


def _expanded(
    lexer: Lexer, ends: list[list[Name]], group: Place, chain: Place, attributes: tuple[Assignment, ...]
) -> list[Edges]:
    """Report the group of a chain, and return the edges that it stands for."""
    number = sum(len(left) * len(right) for left, right in pairwise(ends))
    pairs: list[tuple[Name, Name]] = []
    if number <= MAX_GROUP_EDGES:
        pairs = [(a, b) for left, right in pairwise(ends) for a in left for b in right]
    if not pairs or not all(ends):
        lexer.whole = False
    fix = None
    start, after = chain
    if pairs and all(ends) and start >= 0:
        before = lexer.text[max(0, start - MAX_INDENT) : start].rpartition("\n")[2]
        between = "; " if before.strip() else f"\n{before}"
        tail = lexer.text[after : lexer.previous_end]
        text = between.join(f"{a.span.text} -> {b.span.text}{tail}" for a, b in pairs)
        fix = lexer.findings.fix("write out the edges", (start, lexer.previous_end, text))
    message = "an edge leads from one node to one node; write one edge for each node of the group"
    lexer.findings.report("dot_edge_group", *group, message, fix=fix)
    return [EdgeStatement(pair, attributes) for pair in pairs]
