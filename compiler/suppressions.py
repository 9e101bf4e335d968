"""Comments that silence a rule where it stands: `// attractor: ignore[rule] reason`, in YAML with `#`.

A comment at the end of a line speaks of that line, one on a line of its own of the next line that holds something.
A line goes on while a quoted string is open, so that a prompt of ten lines is one line here.
"""

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .source import Source, Span

MARK = "attractor:"

# Patterns are compiled where they are used: most files hold no such comment, and every start-up would pay for them.
_DOT_PIECE = (
    r'(?P<string>"(?>(?:[^"\\]++|\\.?)*)(?:"|\Z))'
    r"|(?P<comment>//[^\n]*+)"
    r"|/\*(?>(?:[^*]++|\*(?!/))*)(?:\*/|\Z)"
    r"|^[ \t]*+\#[^\n]*+"
)
_DOT_GAP = r"(?>(?:\s++|//[^\n]*+|/\*(?>(?:[^*]++|\*(?!/))*)(?:\*/|\Z)|(?<=\n)\#[^\n]*+)*)"
_YAML_COMMENT = r"(?:(?<=\s)|^)\#[^\n]*+"
_YAML_GAP = r"(?>(?:\s++|\#[^\n]*+)*)"
_SPEAKS = r"(?://|\#)[ \t]*+attractor:(?P<rest>[^\r\n]*+)"
_IGNORE = r"[ \t]*+ignore[ \t]*+\[(?P<rules>[^\]]*+)\]"
_WORD = r"[^\s,]++"

Range = tuple[int, int]


class Named(NamedTuple):
    """A rule that a comment names: its canonical id, and the word as written."""

    rule: str
    span: Span


class Suppression(NamedTuple):
    comment: Span
    rules: tuple[Named, ...]  # () when the comment is not understood
    lines: Range  # first and last line that it speaks of
    own_line: bool  # nothing else stands on its line


def canonical_rule(word: str) -> str:
    """Return the id that `word` stands for: kebab case is accepted."""
    return word.strip().replace("-", "_")


def suppressions_in_dot(source: Source) -> list[Suppression]:
    if MARK not in source.text:
        return []
    strings: list[Range] = []
    comments: list[Range] = []
    for match in re.finditer(_DOT_PIECE, source.text, re.DOTALL | re.MULTILINE):
        if match["string"] is not None:
            strings.append(match.span())
        elif match["comment"] is not None:
            comments.append(match.span())
    return list(_read(source, comments, strings, re.compile(_DOT_GAP)))


def suppressions_in_yaml(source: Source) -> list[Suppression]:
    if MARK not in source.text:
        return []
    scalars = _yaml_scalars(source.text)
    comments = _outside((match.span() for match in re.finditer(_YAML_COMMENT, source.text, re.MULTILINE)), scalars)
    return list(_read(source, comments, scalars, re.compile(_YAML_GAP)))


def _yaml_scalars(text: str) -> list[Range]:
    """Return the stretches of all scalars, a block scalar's header excluded; up to the first syntax error."""
    import yaml

    scalars: list[Range] = []
    base = 1 if text.startswith("\ufeff") else 0
    text = text[base:]
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(token, yaml.ScalarToken):
                start, end = token.start_mark.index, token.end_mark.index
                if token.style in {"|", ">"}:
                    start += len(text[start:end].partition("\n")[0])
                scalars.append((base + start, base + start + len(text[start:end].rstrip())))
    except yaml.YAMLError:
        pass  # the reader of run.yaml reports it
    return scalars


def _outside(stretches: Iterable[Range], walls: Sequence[Range]) -> Iterator[Range]:
    """Yield those stretches that do not begin inside one of `walls` (both in order)."""
    starts = [start for start, _ in walls]
    for start, end in stretches:
        at = bisect_right(starts, start) - 1
        if at < 0 or start >= walls[at][1]:
            yield start, end


def _read(
    source: Source, comments: Iterable[Range], strings: Sequence[Range], gap: re.Pattern[str]
) -> Iterator[Suppression]:
    joined = _joined_lines(source, strings)
    speaking, ignoring, word_of = re.compile(_SPEAKS), re.compile(_IGNORE), re.compile(_WORD)
    for start, end in comments:
        speaks = speaking.match(source.text, start, end)
        if speaks is None:
            continue
        line, column = source.position(start)
        own_line = not source.text[start - column + 1 : start].strip()
        if own_line:
            after = gap.match(source.text, end)
            line = source.position(after.end() if after else end)[0]
        ignore = ignoring.match(source.text, speaks.start("rest"), speaks.end("rest"))
        rules = () if ignore is None else tuple(
            Named(canonical_rule(word.group()), source.span(*word.span()))
            for word in word_of.finditer(source.text, *ignore.span("rules"))
        )  # fmt: skip
        comment = source.span(start, start + len(source.text[start:end].rstrip()))
        yield Suppression(comment, rules, _whole_line(line, joined), own_line)


def _joined_lines(source: Source, strings: Iterable[Range]) -> list[Range]:
    """Return the stretches of lines that strings hold together, in order."""
    joined: list[Range] = []
    for start, end in strings:
        if "\n" not in source.text[start:end]:
            continue
        first, last = source.position(start)[0], source.position(end)[0]
        if joined and first <= joined[-1][1]:
            first, _ = joined.pop()
        joined.append((first, last))
    return joined


def _whole_line(line: int, joined: Sequence[Range]) -> Range:
    at = bisect_right(joined, line, key=lambda lines: lines[0]) - 1
    return joined[at] if at >= 0 and line <= joined[at][1] else (line, line)


class Index:
    """Finds the comments that speak of a rule in a line, without looking at all of them."""

    def __init__(self, suppressions: Iterable[Suppression]) -> None:
        self._entries: dict[tuple[str, str], list[Suppression]] = {}
        for entry in suppressions:
            for rule in dict.fromkeys(named.rule for named in entry.rules):
                self._entries.setdefault((entry.comment.source.path, rule), []).append(entry)
        for entries in self._entries.values():
            entries.sort(key=_lines)

    def about(self, rule: str, place: Span) -> list[Suppression]:
        entries = self._entries.get((place.source.path, rule))
        if entries is None:
            return []
        line = place.position[0]
        at = bisect_right(entries, (line, sys.maxsize), key=_lines)
        lines = entries[at - 1].lines if at else (0, 0)
        if not lines[0] <= line <= lines[1]:
            return []
        return entries[bisect_left(entries, lines, key=_lines) : at]


def _lines(entry: Suppression) -> Range:
    return entry.lines
