"""Comments that silence a rule where it stands: `// attractor: ignore[rule] reason`, in YAML with `#`.

A comment at the end of a line speaks of that line, one on a line of its own of the next line that holds something.
A line goes on while a quoted string is open, so that a prompt of ten lines is one line here.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .source import Source, Span

MARK = "attractor:"

_DOT_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]++|\\.?)*+(?:"|\Z))'
    r"|(?P<comment>//[^\n]*+)"
    r"|/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z)"
    r"|^[ \t]*+\#[^\n]*+",
    re.DOTALL | re.MULTILINE,
)
_DOT_GAP = re.compile(r"(?:\s++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z)|(?<=\n)\#[^\n]*+)*+")
_YAML_COMMENT = re.compile(r"(?:(?<=\s)|^)\#[^\n]*+", re.MULTILINE)
_YAML_GAP = re.compile(r"(?:\s++|\#[^\n]*+)*+")
_SPEAKS = re.compile(r"(?://|\#)[ \t]*+attractor:(?P<rest>[^\r\n]*+)")
_IGNORE = re.compile(r"[ \t]*+ignore[ \t]*+\[(?P<rules>[^\]]*+)\]")
_WORD = re.compile(r"[^\s,]++")

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
    for match in _DOT_TOKEN.finditer(source.text):
        if match["string"] is not None:
            strings.append(match.span())
        elif match["comment"] is not None:
            comments.append(match.span())
    return list(_read(source, comments, strings, _DOT_GAP))


def suppressions_in_yaml(source: Source) -> list[Suppression]:
    if MARK not in source.text:
        return []
    scalars = _yaml_scalars(source.text)
    comments = _outside((match.span() for match in _YAML_COMMENT.finditer(source.text)), scalars)
    return list(_read(source, comments, scalars, _YAML_GAP))


def _yaml_scalars(text: str) -> list[Range]:
    """Return the stretches of all scalars, a block scalar's header excluded; up to the first syntax error."""
    import yaml

    scalars: list[Range] = []
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(token, yaml.ScalarToken):
                start, end = token.start_mark.index, token.end_mark.index
                if token.style in {"|", ">"}:
                    start = text.find("\n", start, end) % (end + 1)
                scalars.append((start, start + len(text[start:end].rstrip())))
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
    for start, end in comments:
        speaks = _SPEAKS.match(source.text, start, end)
        if speaks is None:
            continue
        line, column = source.position(start)
        own_line = not source.text[start - column + 1 : start].strip()
        if own_line:
            after = gap.match(source.text, end)
            line = source.position(after.end() if after else end)[0]
        ignore = _IGNORE.match(source.text, speaks.start("rest"), speaks.end("rest"))
        rules = () if ignore is None else tuple(
            Named(canonical_rule(word.group()), source.span(*word.span()))
            for word in _WORD.finditer(source.text, *ignore.span("rules"))
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
