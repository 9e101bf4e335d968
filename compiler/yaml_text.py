"""From the text that a YAML scalar stands for back to its source, for all five ways of writing one."""

import re
from collections.abc import Iterator

from .source import MappedText, Span

_BREAK = "(?:\r\n|[\r\n\x85\u2028\u2029])"
_BREAKS = re.compile(_BREAK)
_FOLD = re.compile(f"[ \t]*+(?>(?:{_BREAK}[ \t]*+)+)")
_JOIN = re.compile(rf"\\{_BREAK}[ \t]*+")
_MORE_BREAKS = re.compile(f"(?>(?:{_BREAK}[ \t]*+)*)")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^\r\n\x85\u2028\u2029])")
_HEADER = re.compile(rf"[|>][-+0-9]*+[ \t]*+(?:#[^\r\n]*+)?{_BREAK}?")
_LITERAL_BREAKS = "\u2028\u2029"  # breaks that stay themselves; all others mean "\n"

Offsets = Iterator[int]


def scalar_text(span: Span, text: str) -> MappedText:
    """Return `text`, what the scalar at `span` stands for, with its way back.

    Should `text` not be what is written there (an alias, a value from elsewhere), all of it leads to the whole span.
    """
    raw = span.text
    style = raw[:1]
    if style in {"|", ">"}:
        body = _HEADER.match(raw)
        start = body.end() if body is not None else len(raw)
        found = _block(span.source.text, span.start + start, span.end, text)
    elif style in {'"', "'"} and len(raw) >= 2 and raw[-1] == style:
        found = [span.start + 1 + at for at in _flow(raw[1:-1], style)]
    elif raw == text:
        return MappedText(text, span.source, span.start)
    else:
        found = [span.start + at for at in _flow(raw, "")]
    if len(found) != len(text) + 1:
        return MappedText(text, span.source, span.start, [span.start] * len(text) + [span.end])
    start = found[0]
    if found[-1] - start == len(text):
        return MappedText(text, span.source, start)
    return MappedText(text, span.source, start, found)


def _flow(raw: str, quote: str) -> Offsets:
    """Yield where each character of a plain or quoted scalar begins, then where its content ends."""
    at, end = 0, len(raw)
    while at < end:
        character = raw[at]
        if quote == '"' and character == "\\":
            if (joined := _JOIN.match(raw, at)) is not None:
                more = _MORE_BREAKS.match(raw, joined.end())
                stop = joined.end() if more is None else more.end()
                yield from (each.start() for each in _BREAKS.finditer(raw, joined.end(), stop))
                at = stop
                continue
            escape = _ESCAPE.match(raw, at)
            yield at
            at = at + 1 if escape is None else escape.end()
        elif character in " \t\r\n\x85\u2028\u2029" and (fold := _FOLD.match(raw, at)) is not None:
            breaks = [each.start() for each in _BREAKS.finditer(raw, at, fold.end())]
            kept = raw[breaks[0]] in _LITERAL_BREAKS
            if len(breaks) == 1 and not kept:
                yield at
            else:
                yield from breaks[0 if kept else 1 :]
            at = fold.end()
        else:
            yield at
            at += 2 if quote == "'" and raw.startswith("''", at) else 1
    yield end


def _block(source: str, start: int, end: int, text: str) -> list[int]:
    """Return where each character of a literal or folded scalar begins, then where its content ends.

    The indentation is the one that makes the first line with anything in it equal to that of `text`. From there on the
    lines' own characters stand in both; what lies between two lines is told by how many breaks `text` has there.
    """
    lines = list(_lines(source, start, end))
    indent = _indent(source, lines, text)
    found: list[int] = []
    at, breaks = 0, list[int]()
    for begin, stop in lines:
        blank = not source[begin:stop].strip(" ")
        content = min(begin + indent, stop) if blank else begin + indent
        if content < stop:
            at += _between(text, at, breaks, found)
            breaks = []
            count = min(stop - content, len(text) - at)
            found += range(content, content + count)
            at += count
        breaks.append(stop)
    found += breaks[: len(text) - at]  # how many stay at the end is the header's choice
    found.append(found[-1] + 1 if found else start)
    return found


def _between(text: str, at: int, breaks: list[int], found: list[int]) -> int:
    """Map the breaks of `text` at `at` to the last ones of `breaks`; return how many characters they are."""
    count = 0
    while at + count < len(text) and count < len(breaks) and text[at + count] in "\n\u2028\u2029":
        count += 1
    if count:
        found += breaks[len(breaks) - count :]
    elif breaks and text[at : at + 1] == " ":  # folded
        found.append(breaks[0])
        count = 1
    return count


def _lines(source: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the lines of a scalar without their breaks: up to `end`, and the blank ones after it."""
    while start < len(source):
        found = _BREAKS.search(source, start)
        stop = len(source) if found is None else found.start()
        if start >= end and source[start:stop].strip(" "):
            return
        yield start, stop
        if found is None:
            return
        start = found.end()


def _indent(source: str, lines: list[tuple[int, int]], text: str) -> int:
    """Return how many blanks before each line do not belong to the text."""
    decoded = next((line for line in re.split(r"[\n\u2028\u2029]", text) if line.strip(" ")), "")
    for begin, stop in lines:
        line = source[begin:stop]
        body = line.lstrip(" ")
        if body:
            return len(line) - len(body) - (len(decoded) - len(decoded.lstrip(" ")))
    return 0
