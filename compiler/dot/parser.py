"""Tokens to syntax tree: one digraph, and what people put around it. One run names every error in the file."""

import re
from contextlib import suppress

from ..diagnostics import Diagnostic
from ..source import Source
from .ast import Document, Name
from .body import HEADER, read_body
from .findings import Findings, TooManyErrors
from .lexer import Lexer
from .names import Names


def parse(source: Source) -> tuple[Document | None, list[Diagnostic]]:
    """Return the syntax tree, as far as there is one, and all syntax errors.

    None: the file holds no digraph at all.
    """
    findings = Findings(source)
    return _Parser(source, findings).document(), findings.all()


class _Parser:
    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.findings = findings
        self.lexer = Lexer(source, findings)
        self.names = Names(findings)

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
        body = read_body(lexer, self.names)
        whole = lexer.whole
        with suppress(TooManyErrors):
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
        start = lexer.start
        lexer.advance()
        return self.names.graph_name(lexer, start)

    def _skip_to_header(self) -> bool:
        """Report text before the graph, and go to the graph if there is one."""
        lexer = self.lexer
        header = re.compile(HEADER).search(self.source.text, lexer.start)
        fence = self.source.text.startswith("```", lexer.start)
        if fence:
            help_text = "take out the markdown fence: the file holds nothing but the graph"
        else:
            help_text = "the file holds nothing but the graph; other text goes into comments, `//`"
        message = "a pipeline starts with `digraph NAME {`" + ("" if header else "; there is no digraph in this file")
        fix = None
        if header:
            fix = self.findings.fix("take out what stands before", (lexer.start, header.start(), ""), safe=fence)
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
                self.findings.report(
                    "dot_trailing_content", start, end, "text behind the graph; only comments may stand there", fix=fix
                )
                return
            self.findings.report(
                "dot_multiple_graphs",
                start,
                end,
                "a second graph; a file holds one pipeline, so give it a file of its own",
            )
            whole = lexer.whole
            if self._header() is not None:
                read_body(lexer, self.names)
            lexer.whole = whole
            if lexer.kind == ";":
                lexer.advance()
