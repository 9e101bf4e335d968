"""Tokens to syntax tree. Recovers from every error, so that one run names them all; keeps its own stack."""

import re
from itertools import pairwise
from typing import NamedTuple

from ..diagnostics import Diagnostic
from ..source import Source
from .ast import (
    Assignment,
    AttributeStatement,
    Document,
    EdgeStatement,
    Name,
    NodeStatement,
    Statement,
    SubgraphStatement,
)
from .findings import Findings, shown
from .lexer import GAP, Lexer
from .lists import read_assignment, read_lists, report_unclosed
from .names import RESERVED, Names
from .values import read_string

MAX_DEPTH = 64
MAX_GROUP_EDGES = 64  # an edge group that stands for more is reported, but not written out

_HEADER = re.compile(r"\b(?:strict[ \t]++)?+digraph\b[^{}\n]{0,100}+\{")
_GROUP = re.compile(rf"\{{[A-Za-z0-9_ \t\r\n,;]*+\}}{GAP}-[->]")
_BODY_GOES_ON = re.compile(
    rf"(?!(?:strict|digraph|graph)\b)[A-Za-z_][A-Za-z0-9_.]*+{GAP}(?:\[|=|->|--|;)|subgraph\b|\}}"
)
_ARROWS = {"arrow", "wrong_arrow", ">"}
_NAMES = {"word", "odd", "quote"}


def parse(source: Source) -> tuple[Document | None, list[Diagnostic]]:
    """Return the syntax tree, as far as there is one, and all syntax errors.

    None: the file holds no digraph at all.
    """
    findings = Findings(source)
    return _Parser(source, findings).document(), findings.all()


class _Frame(NamedTuple):
    name: str
    start: int  # of the keyword
    opened: int  # offset of the brace
    body: list[Statement]
    bare: bool  # a block without `subgraph`, which is reported


class _Parser:
    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.findings = findings
        self.lexer = Lexer(source, findings)
        self.names = Names(findings)
        self.frames: list[_Frame] = []
        self.body: list[Statement] = []

    # The file: one digraph, and what people put around it.

    def document(self) -> Document | None:
        lexer = self.lexer
        if self.source.text.startswith("\ufeff"):
            fix = self.findings.fix("take it out", (0, 1, ""))
            self.findings.report("dot_illegal_char", 0, 1, "the file starts with a byte order mark", fix=fix)
            lexer.end = 1
        lexer.advance()
        name = self._header()
        if name is None:
            return None
        body = self._graph()
        whole = lexer.whole
        self._rest()
        self.names.report()
        return Document(name, body, whole and lexer.whole)

    def _header(self) -> Name | None:
        """Read `digraph NAME`; None when there is none in the file."""
        lexer, findings = self.lexer, self.findings
        if lexer.kind == "end":
            message = "the file holds no graph; a pipeline starts with `digraph NAME {`"
            findings.report("dot_not_digraph", lexer.start, lexer.end, message)
            return None
        if lexer.word.lower() not in {"strict", "digraph", "graph"} and not self._skip_to_header():
            return None
        if lexer.word.lower() == "strict":
            drop = findings.fix("take it out", (lexer.start, lexer.end, ""), safe=False)
            message = "`strict` is not accepted: it would drop all but one of the edges between two nodes"
            findings.report("dot_strict_modifier", lexer.start, lexer.end, message, fix=drop)
            lexer.advance()
        if lexer.word != "digraph":
            message = "a pipeline is a directed graph: it starts with `digraph NAME {`"
            keyword = lexer.word.lower() in {"graph", "digraph"}
            fix = findings.fix("write `digraph`", (lexer.start, lexer.end, "digraph")) if keyword else None
            findings.report("dot_not_digraph", lexer.start, lexer.end, message, fix=fix)
            if not keyword:
                return None
        lexer.advance()
        return self.names.graph_name(lexer)

    def _skip_to_header(self) -> bool:
        """Report text before the graph, and go to the graph if there is one."""
        lexer = self.lexer
        header = _HEADER.search(self.source.text, lexer.start)
        if self.source.text.startswith("```", lexer.start):
            help_text = "take out the markdown fence: the file holds nothing but the graph"
        else:
            help_text = "the file holds nothing but the graph; other text goes into comments, `//`"
        message = "a pipeline starts with `digraph NAME {`" + ("" if header else "; there is no digraph in this file")
        fix = (
            self.findings.fix("take out the text before the graph", (lexer.start, header.start(), ""))
            if header
            else None
        )
        end = min(max(lexer.end, lexer.start + 1), len(self.source.text))
        self.findings.report("dot_not_digraph", lexer.start, end, message, help=help_text, fix=fix)
        if header is None:
            return False
        lexer.go_back(header.start())
        return True

    def _rest(self) -> None:
        """Report what stands behind the graph; more graphs are read for their errors only."""
        lexer = self.lexer
        if lexer.kind == ";":
            lexer.advance()
        while lexer.kind != "end":
            start, end = lexer.start, lexer.end
            if lexer.word not in {"strict", "digraph", "graph"}:
                text = self.source.text
                fence = text.startswith("```", start) and not text[start + 3 :].strip()
                fix = self.findings.fix("take it out", (start, len(text), "")) if fence else None
                self.findings.report("dot_trailing_content", start, end, "text behind the graph", fix=fix)
                return
            self.findings.report("dot_multiple_graphs", start, end, "a second graph; a file holds one pipeline")
            whole = lexer.whole
            if self._header() is not None:
                self._graph()
            lexer.whole = whole
            if lexer.kind == ";":
                lexer.advance()

    # Bodies.

    def _graph(self) -> tuple[Statement, ...]:
        """Read `{ .. }` of a graph and move behind it."""
        lexer = self.lexer
        self.body = []
        self.frames = [_Frame("", lexer.start, lexer.start, self.body, False)]
        if lexer.kind == "{":
            lexer.advance()
        else:
            fix = self.findings.fix("insert `{`", (lexer.previous_end, lexer.previous_end, " {"), safe=False)
            message = "`{` is missing behind the graph's name"
            self.findings.report("dot_unexpected_token", lexer.start, lexer.end, message, fix=fix)
        while self.frames:
            self._next()
        return tuple(self.body)

    def _next(self) -> None:
        """Read one statement, or one thing that stands between statements."""
        lexer = self.lexer
        kind = lexer.kind
        if kind == "word" or kind == "quote" or kind == "odd":
            self._statement()
        elif kind == ";":
            lexer.advance()
        elif kind == "}":
            self._close()
        elif kind == "{":
            self._bare_block()
        elif kind == "end":
            report_unclosed(lexer, "}", [frame.opened for frame in self.frames])
            self._unwind()
        else:
            self._unexpected()

    def _unwind(self) -> None:
        while self.frames:
            self._pop()

    def _pop(self) -> None:
        frame = self.frames.pop()
        if self.frames:
            self.body = self.frames[-1].body
            span = self.source.span(frame.start, frame.opened + 1)
            self.body.append(SubgraphStatement(frame.name, span, tuple(frame.body)))
        else:
            self.body = frame.body

    def _close(self) -> None:
        """Read `}`."""
        lexer, start = self.lexer, self.lexer.start
        lexer.advance()
        if len(self.frames) == 1 and _BODY_GOES_ON.match(self.source.text, lexer.start):
            message = "this `}` closes the graph, but it goes on behind it"
            self.findings.report("dot_trailing_content", start, start + 1, message)
            return
        self._pop()
        if self.frames and lexer.kind in _ARROWS:
            self._edge([])

    def _open(self, name: str, start: int, *, bare: bool = False) -> None:
        """Read `{` of a subgraph."""
        lexer = self.lexer
        if len(self.frames) >= MAX_DEPTH:
            message = f"blocks are nested deeper than {MAX_DEPTH}; the rest of the file is not read"
            self.findings.report("dot_limit", lexer.start, lexer.end, message)
            lexer.whole, lexer.cut_off = False, True
            lexer.go_back(len(self.source.text))
            return
        self.body = []
        self.frames.append(_Frame(name, start, lexer.start, self.body, bare))
        lexer.advance()

    def _bare_block(self) -> None:
        lexer = self.lexer
        if _GROUP.match(self.source.text, lexer.start):
            start = lexer.start
            self._edge(self._group(), start)
            return
        if not (self.frames[-1].bare and not self.body):  # of `{{{` the first is enough
            fix = self.findings.fix("write `subgraph`", (lexer.start, lexer.start, "subgraph "))
            message = "a block needs the word `subgraph` before it"
            self.findings.report("dot_unexpected_token", lexer.start, lexer.end, message, fix=fix)
        self._open("", lexer.start, bare=True)

    def _unexpected(self) -> None:
        """Report the token that no statement can begin with, and pass the rest of its line."""
        lexer = self.lexer
        token = lexer.word
        help_text = ""
        match lexer.kind:
            case "[":
                message = "attributes without a node or an edge before them"
            case "]":
                message = "this `]` closes nothing"
            case ",":
                message = "statements are separated by new lines or `;`, not by `,`"
            case _ if lexer.kind in _ARROWS:
                message = "an edge needs a node before its arrow"
            case _:
                message = f"{shown(token)} cannot stand here"
                help_text = "a statement is `id [..]`, `id -> id [..]`, `key = value` or `subgraph id { .. }`"
        self.findings.report("dot_unexpected_token", lexer.start, lexer.end, message, help=help_text)
        lexer.whole = False
        self._skip_line()

    def _skip_line(self) -> None:
        lexer = self.lexer
        if lexer.kind == "[":
            read_lists(lexer)
            return
        if lexer.kind not in {"]", ","}:
            self._skip_token()
            while lexer.kind not in {";", "{", "}", "end"} and "\n" not in lexer.text[lexer.previous_end : lexer.start]:
                self._skip_token()
        else:
            lexer.advance()

    def _skip_token(self) -> None:
        lexer = self.lexer
        if lexer.kind == "quote":
            lexer.end = lexer.string_at(lexer.start)[2]
        lexer.advance()

    # Statements.

    def _statement(self) -> None:
        lexer = self.lexer
        word = lexer.word
        if lexer.kind == "word" and word.lower() in RESERVED and self._keyword(word):
            return
        kind, start, end, text = self._take_name()
        match lexer.kind:
            case "[":
                name = self.names.node(kind, start, end, text)
                self.body.append(NodeStatement(name, read_lists(lexer)))
            case "equals":
                assignment = read_assignment(lexer, start, end, text)
                if assignment is not None:
                    self.body.append(AttributeStatement("graph", (assignment,)))
            case "{":
                fix = self.findings.fix("write `subgraph`", (start, start, "subgraph "))
                message = "a block needs the word `subgraph` before its name"
                self.findings.report("dot_unexpected_token", start, end, message, fix=fix)
                self._open(text, start)
            case _:
                name = self.names.node(kind, start, end, text)
                self._port()
                if lexer.kind in _ARROWS:
                    self._edge([name], start)
                elif lexer.kind == "[":
                    self.body.append(NodeStatement(name, read_lists(lexer)))
                else:
                    self.body.append(NodeStatement(name, ()))

    def _keyword(self, word: str) -> bool:
        """Read a statement that begins with a reserved word; False when it stands for a node."""
        lexer = self.lexer
        start, end = lexer.start, lexer.end
        if word == "subgraph" or (word.lower() == "subgraph" and self._follows(r"[A-Za-z_\"{]")):
            if word != "subgraph":
                fix = self.findings.fix("write `subgraph`", (start, end, "subgraph"))
                self.findings.report("dot_reserved_id", start, end, "keywords are written small", fix=fix)
            self._subgraph()
            return True
        if word in {"graph", "node", "edge"} and self._follows(r"\["):
            lexer.advance()
            self.body.append(AttributeStatement(word, read_lists(lexer)))
            return True
        if word in {"digraph", "strict"} and _HEADER.match(self.source.text, start):
            report_unclosed(lexer, "}", [frame.opened for frame in self.frames])
            self._unwind()
            return True
        return False

    def _follows(self, pattern: str) -> bool:
        lexer = self.lexer
        return re.compile(GAP + pattern).match(lexer.text, lexer.end) is not None

    def _subgraph(self) -> None:
        lexer, start = self.lexer, self.lexer.start
        lexer.advance()
        name = self.names.subgraph_name(lexer)
        if lexer.kind == "{":
            self._open(name, start)
            return
        message = "a subgraph needs `{` behind its name"
        self.findings.report("dot_unexpected_token", start, lexer.previous_end, message)
        lexer.whole = False

    def _take_name(self) -> tuple[str, int, int, str]:
        """Pass the token of a name: its kind, place and text."""
        lexer = self.lexer
        kind, start, end, text = lexer.kind, lexer.start, lexer.end, lexer.word
        if kind == "quote":
            value = read_string(lexer, start)
            text, end = value.text.text, value.end
            lexer.end = end
        lexer.advance()
        return kind, start, end, text

    def _port(self) -> None:
        """Report and pass `:port` and `:port:compass`."""
        lexer = self.lexer
        if lexer.kind != ":":
            return
        start = end = lexer.start
        while lexer.kind == ":":
            lexer.advance()
            end = lexer.previous_end
            if lexer.kind in _NAMES:
                end = self._take_name()[2]
        fix = self.findings.fix("take out the port", (start, end, ""))
        self.findings.report("dot_port", start, end, "edges lead to nodes, not to ports of nodes", fix=fix)

    # Edges.

    def _edge(self, first: list[Name], start: int = -1) -> None:
        """Read a chain from its first arrow on; `first` are the names before it, several for a group."""
        lexer = self.lexer
        ends = [first]
        while lexer.kind in _ARROWS:
            self._arrow()
            end = self._edge_end()
            if end is None:
                break
            ends.append(end)
        after = lexer.previous_end
        attributes = read_lists(lexer) if lexer.kind == "[" else ()
        if len(ends) == 1:
            self.body.extend(NodeStatement(name, ()) for name in first)
        elif all(len(end) == 1 for end in ends):
            self.body.append(EdgeStatement(tuple(end[0] for end in ends), attributes))
        else:
            self._expand(ends, start, after, attributes)

    def _arrow(self) -> None:
        lexer, findings = self.lexer, self.findings
        if lexer.kind != "arrow":
            fix = findings.fix("write `->`", (lexer.start, lexer.end, "->"))
            undirected = lexer.word == "--"
            rule = "dot_undirected_edge" if undirected else "dot_unexpected_token"
            message = "edges have a direction; write `->`" if undirected else "edges are written `->`"
            findings.report(rule, lexer.start, lexer.end, message, fix=fix)
        lexer.advance()

    def _edge_end(self) -> list[Name] | None:
        lexer = self.lexer
        if lexer.kind == "word" and lexer.word == "subgraph":
            lexer.advance()
            self.names.subgraph_name(lexer)
        if lexer.kind == "{":
            return self._group()
        if lexer.kind in _NAMES:
            name = self.names.node(*self._take_name())
            self._port()
            return [name]
        self.findings.report("dot_unexpected_token", lexer.start, lexer.end, "an edge needs a node behind its arrow")
        lexer.whole = False
        return None

    def _group(self) -> list[Name]:
        """Read `{a b}`; what is more than names is passed, and the group comes back empty."""
        lexer, depth, names, simple = self.lexer, 0, [], True
        while lexer.kind != "end":
            if lexer.kind in _NAMES and simple:
                names.append(self.names.node(*self._take_name()))
                self._port()
                continue
            depth += {"{": 1, "}": -1}.get(lexer.kind, 0)
            simple = simple and depth < 2 and lexer.kind in {"{", "}", ";", ","}
            self._skip_token()
            if depth == 0:
                break
        lexer.whole = lexer.whole and simple
        return names if simple else []

    def _expand(self, ends: list[list[Name]], start: int, after: int, attributes: tuple[Assignment, ...]) -> None:
        """Report an edge group, and write out the edges it stands for."""
        source, findings = self.source, self.findings
        number = sum(len(left) * len(right) for left, right in pairwise(ends))
        pairs = (
            [(a, b) for left, right in pairwise(ends) for a in left for b in right] if number <= MAX_GROUP_EDGES else []
        )
        self.lexer.whole = self.lexer.whole and bool(pairs) and all(ends)
        self.body.extend(EdgeStatement(pair, attributes) for pair in pairs)
        fix = None
        if pairs and all(ends) and start >= 0:
            end = self.lexer.previous_end
            line, column = source.position(start)
            indent = source.line_text(line)[: column - 1]
            between = f"\n{indent}" if not indent.strip() else "; "
            tail = source.text[after:end]
            text = between.join(f"{a.span.text} -> {b.span.text}{tail}" for a, b in pairs)
            fix = findings.fix("write out the edges", (start, end, text))
        group = next((end for end in ends if len(end) != 1), ends[0])
        if group:
            at, until = group[0].span.start, group[-1].span.end
        else:
            at, until = after - 1, after
        message = "an edge leads from one node to one node; write one edge for each node of the group"
        findings.report("dot_edge_group", at, until, message, fix=fix)
