"""Ids of nodes, subgraphs and the graph: what is wrong with one is said once, with all the places where it stands."""

import re

from ..diagnostics import Edit, Fix
from .ast import Name
from .findings import Findings, shown
from .lexer import Lexer
from .values import read_string

RESERVED = frozenset({"graph", "digraph", "subgraph", "node", "edge", "strict"})

_ID = r"[A-Za-z_][A-Za-z0-9_]*+"
_NOT_ID = r"[^A-Za-z0-9_]++"


def is_id(text: str) -> bool:
    return re.compile(_ID).fullmatch(text) is not None and text.lower() not in RESERVED


def id_like(text: str) -> str:
    """Return an id that resembles `text`."""
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFKD", text).encode("ascii", "ignore").decode()
    word = re.compile(_NOT_ID).sub("_", text).strip("_")[:60] or "unnamed"
    word = f"n{word}" if word[0].isdigit() else word
    return f"{word}_" if word.lower() in RESERVED else word


def _places(number: int) -> str:
    return "one other place" if number == 1 else f"{number} other places"


class Names:
    __slots__ = ("_bad", "findings")

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._bad: dict[tuple[str, str], list[tuple[int, int]]] = {}

    def node(self, kind: str, start: int, end: int, text: str) -> Name:
        """Return a node's id as a name; what is wrong with it waits for `report`."""
        rule = ""
        if kind == "quote":
            rule = "dot_quoted_node_id"
        elif kind == "odd" or "." in text:
            rule = "dot_invalid_node_id"
        elif text.lower() in RESERVED:
            rule = "dot_reserved_id"
        if rule:
            self._bad.setdefault((rule, text), []).append((start, end))
        return Name(text, self.findings.source.span(start, end))

    def report(self) -> None:
        for (rule, text), places in self._bad.items():
            new = text if is_id(text) else id_like(text)
            more = "" if len(places) == 1 else f" (here and in {_places(len(places) - 1)})"
            match rule:
                case "dot_quoted_node_id" if new == text:
                    message, title = f"node ids are not quoted{more}; write `{new}`", "take out the quotes"
                case "dot_quoted_node_id":
                    message, title = (
                        f"{shown(text)} cannot be a node id{more}; use `{new}` and a label",
                        f"write `{new}`",
                    )
                case "dot_reserved_id":
                    message, title = f"`{text}` is a reserved word in any case{more}; use `{new}`", f"write `{new}`"
                case _:
                    what = "ids are ASCII letters, digits and `_`, and do not begin with a digit"
                    message, title = f"{shown(text)} cannot be a node id: {what}{more}; use `{new}`", f"write `{new}`"
            span = self.findings.source.span
            edits = tuple(Edit(span(start, end), new) for start, end in places)
            start, end = places[0]
            self.findings.report(rule, start, end, message, fix=Fix(title, edits, new == text), subject=text)

    def graph_name(self, lexer: Lexer, keyword: int) -> Name:
        """Read the name behind `digraph`, which stands at `keyword`."""
        findings, start, end = self.findings, lexer.start, lexer.end
        if lexer.kind not in {"word", "odd", "quote"}:
            at = lexer.previous_end
            fix = findings.fix("name it `pipeline`", (at, at, " pipeline"))
            findings.report("dot_graph_name", keyword, at, "the graph needs a name", fix=fix)
            return Name("", findings.source.span(at, at))
        text = lexer.word
        if lexer.kind == "quote":
            value = read_string(lexer, start)
            text, end = value.text.text, value.end
            lexer.end = end
        quoted = lexer.kind == "quote"
        if quoted or not is_id(text):
            new = text if is_id(text) else id_like(text)
            message = (
                f"the graph's name is not quoted; write `{new}`"
                if quoted
                else f"{shown(text)} cannot be a name; use `{new}`"
            )
            fix = findings.fix(f"write `{new}`", (start, end, new))
            findings.report("dot_graph_name", start, end, message, fix=fix)
        lexer.advance()
        return Name(text, findings.source.span(start, end))

    def subgraph_name(self, lexer: Lexer) -> str:
        """Read the name behind `subgraph`, if there is one."""
        if lexer.kind not in {"word", "odd", "quote"}:
            return ""
        start, end, text = lexer.start, lexer.end, lexer.word
        rule = "dot_invalid_node_id" if lexer.kind == "odd" else "dot_reserved_id"
        if lexer.kind == "quote":
            value = read_string(lexer, start)
            text, end = value.text.text, value.end
            lexer.end, rule = end, "dot_quoted_node_id"
        if rule == "dot_quoted_node_id" or not is_id(text):
            new = text if is_id(text) else id_like(text)
            message = f"write the subgraph's name as `{new}`"
            self.findings.report(rule, start, end, message, fix=self.findings.fix(f"write `{new}`", (start, end, new)))
        lexer.advance()
        return text
