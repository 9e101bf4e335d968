"""What stands between the braces of a graph. Recovers from every error; keeps its own stack, however deep blocks go."""

import re
from typing import NamedTuple

from ..source import Span
from .ast import AttributeStatement, EdgeStatement, Name, NodeStatement, Statement, SubgraphStatement
from .edges import ARROWS, pass_port, read_edges, read_group, skip_token, take_name
from .findings import TooManyErrors, shown
from .lexer import BLANK, GAP, Lexer
from .lists import read_assignment, read_lists, report_unclosed
from .names import RESERVED, Names

MAX_DEPTH = 64

HEADER = r"""\b(?>(?:strict\s++)?)digraph(?>(?:\s++[^\s"{}=;,\[\]]++|\s*+"[^"\n]*+")?)\s*+\{"""
_GROUP = rf"\{{[A-Za-z0-9_ \t\r\n,;]*+\}}{GAP}-[->]"
_GOES_ON = rf"(?!(?:strict|digraph|graph)\b)[A-Za-z_][A-Za-z0-9_.]*+{GAP}(?:\[|=|->|--|;)|subgraph\b|\}}"
_RESEMBLES_ID = r"\w"
_ID = r"([A-Za-z_][A-Za-z0-9_]*+)"
_COMMON = re.compile(rf"{_ID}{BLANK}*+(?:->{BLANK}*+{_ID}{BLANK}*+)?(?:(\[)|(;)|(?=[A-Za-z_}}]))")


def read_body(lexer: Lexer, names: Names) -> tuple[Statement, ...]:
    """Read from the token `{` of a graph to its end."""
    return _Body(lexer, names).read()


class _Frame(NamedTuple):
    name: str
    start: int  # of the keyword
    opened: int  # offset of the brace
    body: list[Statement]
    bare: bool  # a block without `subgraph`, which is reported


class _Body:
    def __init__(self, lexer: Lexer, names: Names) -> None:
        self.lexer = lexer
        self.source = lexer.source
        self.findings = lexer.findings
        self.names = names
        self.frames: list[_Frame] = []
        self.body: list[Statement] = []

    def read(self) -> tuple[Statement, ...]:
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
        try:
            while self.frames:
                self._next()
        except TooManyErrors:
            lexer.whole, lexer.cut_off = False, True
            self._unwind()
            lexer.go_back(len(self.source.text))
        return tuple(self.body)

    def _next(self) -> None:
        """Read one statement, or one thing that stands between statements."""
        lexer = self.lexer
        kind = lexer.kind
        if kind == "word" or kind == "quote" or (kind == "odd" and re.compile(_RESEMBLES_ID).search(lexer.word)):
            self._statement()
        elif kind == ";":
            lexer.advance()
        elif kind == "}":
            self._close()
        elif kind == "{":
            self._bare_block()
        elif kind == "end":
            self._report_unclosed()
            self._unwind()
        else:
            self._unexpected()

    def _report_unclosed(self) -> None:
        opened = [frame.opened for frame in self.frames if self.source.text.startswith("{", frame.opened)]
        if opened:  # the graph's own may be missing, which is reported
            report_unclosed(self.lexer, "}", opened)

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
        if len(self.frames) == 1 and lexer.kind != "end" and re.compile(_GOES_ON).match(self.source.text, lexer.start):
            message = "this `}` closes the graph, but it goes on behind it; take out one `}`"
            self.findings.report("dot_trailing_content", start, start + 1, message)
            return
        self._pop()
        if self.frames and lexer.kind in ARROWS:
            self.body += read_edges(lexer, self.names, [], -1, (start, start + 1))

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
        if re.compile(_GROUP).match(self.source.text, lexer.start):
            start = lexer.start
            group = read_group(lexer, self.names)
            self.body += read_edges(lexer, self.names, group, start, (start, lexer.previous_end))
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
            case _ if lexer.kind in ARROWS:
                message = "an edge needs a node before its arrow"
            case "odd":
                self.findings.report("dot_illegal_char", lexer.start, lexer.end, f"{shown(token)} cannot stand here")
                lexer.whole = False
                lexer.advance()
                return
            case _:
                message = f"{shown(token)} cannot stand here"
                help_text = "a statement is `id [..]`, `id -> id [..]`, `key = value` or `subgraph id { .. }`"
        self.findings.report("dot_unexpected_token", lexer.start, lexer.end, message, help=help_text)
        lexer.whole = False
        self._skip_line()

    def _skip_line(self) -> None:
        """Pass the rest of the line, or up to where something is sure to begin."""
        lexer = self.lexer
        if lexer.kind == "[":
            read_lists(lexer)
            return
        passing = lexer.kind not in {"]", ","}
        skip_token(lexer)
        while passing and lexer.kind not in {";", "{", "}", "end"} and lexer.word != "subgraph":
            if "\n" in lexer.text[lexer.previous_end : lexer.start]:
                break
            skip_token(lexer)

    def _statement(self) -> None:
        lexer = self.lexer
        reserved = lexer.kind == "word" and lexer.word.lower() in RESERVED
        if lexer.kind == "word" and not reserved and self._common():
            return
        kind, start, end, text = take_name(lexer)
        if reserved and self._keyword(text, start, end):
            return
        match lexer.kind:
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
                pass_port(lexer)
                if lexer.kind in ARROWS:
                    self.body += read_edges(lexer, self.names, [name], start)
                else:
                    self.body.append(NodeStatement(name, read_lists(lexer) if lexer.kind == "[" else ()))

    def _common(self) -> bool:
        """Read `id [..]` or `id -> id [..]` up to its end with one match, when it is written in no other way."""
        lexer, source = self.lexer, self.source
        match = _COMMON.match(lexer.text, lexer.start)
        if match is None or (match[2] and match[2].lower() in RESERVED):
            return False
        name = Name(match[1], Span(source, lexer.start, match.end(1)))
        if match[3]:
            lexer.stand_on("[", match.start(3), match.end())
            attributes = read_lists(lexer)
        else:
            lexer.stand_on("word", lexer.start, match.end(match.lastindex or 0))
            lexer.advance()
            attributes = ()
        if match[2]:
            names = (name, Name(match[2], Span(source, *match.span(2))))
            self.body.append(EdgeStatement(names, attributes))
        else:
            self.body.append(NodeStatement(name, attributes))
        return True

    def _keyword(self, word: str, start: int, end: int) -> bool:
        """Read what follows the reserved word at `start`; False when the word stands for a node."""
        lexer = self.lexer
        if word == "subgraph" or (word.lower() == "subgraph" and lexer.kind in {"word", "quote", "odd", "{"}):
            if word != "subgraph":
                fix = self.findings.fix("write `subgraph`", (start, end, "subgraph"))
                self.findings.report("dot_reserved_id", start, end, "keywords are written small", fix=fix)
            self._subgraph(start)
            return True
        if word in {"graph", "node", "edge"} and lexer.kind == "[":
            self.body.append(AttributeStatement(word, read_lists(lexer)))
            return True
        if word in {"digraph", "strict"} and re.compile(HEADER).match(self.source.text, start):
            lexer.go_back(start)
            self._report_unclosed()
            self._unwind()
            return True
        return False

    def _subgraph(self, start: int) -> None:
        lexer = self.lexer
        name = self.names.subgraph_name(lexer)
        if lexer.kind == "{":
            self._open(name, start)
            return
        message = "a subgraph needs `{` behind its name"
        self.findings.report("dot_unexpected_token", start, lexer.previous_end, message)
        lexer.whole = False
