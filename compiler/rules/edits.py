"""Changes to edge statements, as edits of the source; None where a statement cannot be changed without a risk."""

import re

from ..diagnostics import Edit
from ..graph import Edge, Graph, Level
from ..source import Span

_LIST = r"""\[(?>(?:[^\]"]|"(?>(?:[^"\\]|\\[\s\S])*)")*)\]"""  # compiled when a fix needs it, which is rare
_BLANKS = " \t\r\n"


def stands_alone(graph: Graph, edge: Edge) -> bool:
    """Whether `edge` is a statement of its own, not a link of a chain."""
    edges = graph.edges
    before = edges[edge.order - 1] if edge.order else None
    after = edges[edge.order + 1] if edge.order + 1 < len(edges) else None
    joined_before = before is not None and before.target_span == edge.source_span
    return not joined_before and (after is None or after.source_span != edge.target_span)


def with_condition(graph: Graph, edge: Edge, condition: str) -> Edit | None:
    """Return the edit that gives an unconditional `edge` a condition."""
    if not stands_alone(graph, edge):
        return None
    own = [found for found in edge.attributes.values() if found.level is Level.OWN]
    if own:
        at = min(found.key_span.start for found in own)
        return Edit(graph.source.span(at, at), f'condition="{condition}", ')
    at = edge.target_span.end
    if graph.source.text.startswith("[", _end_of_blanks(graph, at)):
        return None
    return Edit(graph.source.span(at, at), f' [condition="{condition}"]')


def without_statement(graph: Graph, edge: Edge) -> Edit | None:
    """Return the edit that removes the statement of `edge`, with its line when nothing else stands there."""
    if not stands_alone(graph, edge):
        return None
    text = graph.source.text
    start, end = edge.source_span.start, edge.target_span.end
    at = _end_of_blanks(graph, end)
    if text[at : at + 1] == "[":
        block = re.compile(_LIST).match(text, at)
        if block is None or any(sign in block[0] for sign in ("//", "/*")):
            return None
        end = block.end()
        at = _end_of_blanks(graph, end)
    if text[at : at + 1] == ";":
        end = at + 1
    return Edit(_with_its_line(graph.source.span(start, end)), "")


def without_attribute(graph: Graph, edge: Edge, key: str) -> Edit | None:
    """Return the edit that removes an edge's own attribute `key`, with one comma beside it."""
    attribute = edge.attributes[key]
    if attribute.level is not Level.OWN:
        return None
    text = graph.source.text
    start, end = attribute.key_span.start, attribute.value_span.end
    at = _end_of_blanks(graph, end)
    before = text[:start].rstrip(" \t\r\n")
    if text[at : at + 1] == ",":
        end = _end_of_blanks(graph, at + 1)
    elif before.endswith(","):
        start = len(before) - 1
    elif before.endswith("[") and text[at : at + 1] == "]":
        start, end = len(before[:-1].rstrip(" \t\r\n")), at + 1
    return Edit(graph.source.span(start, end), "")


def _end_of_blanks(graph: Graph, at: int) -> int:
    text = graph.source.text
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _with_its_line(span: Span) -> Span:
    text = span.source.text
    line_start = text.rfind("\n", 0, span.start) + 1
    line_end = text.find("\n", span.end)
    line_end = len(text) if line_end < 0 else line_end
    if text[line_start : span.start].strip() or text[span.end : line_end].strip():
        return span
    return Span(span.source, line_start, min(line_end + 1, len(text)))
