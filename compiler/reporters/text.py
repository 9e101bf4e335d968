"""Diagnostics for people: place, severity, message, the line with its span underlined, and what would help."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TextIO

from ..diagnostics import Diagnostic, Severity
from ..source import Span

_WIDTH = 120  # of the excerpt; longer lines are cut to a window around the span
_BEFORE = 40  # characters that such a window keeps before the span
_TAB = 4
_RED, _YELLOW, _CYAN, _BOLD, _FAINT = "31", "33", "36", "1", "2"
_COLOURS = {Severity.ERROR: _RED, Severity.WARNING: _YELLOW, Severity.INFO: _CYAN}

# Control characters, and those that reorder text on a screen, must not reach the terminal as they are.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether to write colour to `stream`: NO_COLOR forbids, FORCE_COLOR demands, else only to a terminal."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def render_text(diagnostics: Sequence[Diagnostic], *, colour: bool = False) -> str:
    """Return settled `diagnostics` as text, a summary last; "" when there are none."""
    if not diagnostics:
        return ""
    blocks = ["".join(f"{line}\n" for line in _lines(found, colour)) for found in diagnostics]
    return "\n".join([*blocks, _summary(diagnostics)]) + "\n"


def _paint(text: str, colour: bool, *codes: str) -> str:
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if colour else text


def _lines(found: Diagnostic, colour: bool) -> Iterator[str]:
    severity = found.severity or Severity.ERROR
    place = _paint(f"{_place(found.span)}:", colour, _BOLD)
    label = _paint(f"{severity}[{found.rule}]", colour, _BOLD, _COLOURS[severity])
    yield f"{place} {label} {visible(found.message)}"
    margin = yield from _excerpt(found.span, colour, _COLOURS[severity])
    notes = [f"help: {found.help}"] if found.help else []
    notes += [f"see {_place(other.span)}: {other.message}" for other in found.related]
    if found.fix is not None:
        notes.append(f"fix: {found.fix.title} (--{'fix' if found.fix.safe else 'unsafe-fixes'})")
    for note in notes:
        yield f"{' ' * margin} {_paint('=', colour, _FAINT)} {visible(note)}"


def _place(span: Span) -> str:
    line, column = span.position
    return f"{visible(span.source.path)}:{line}:{column}"


def _excerpt(span: Span, colour: bool, code: str) -> Generator[str, None, int]:
    """Yield the first line of `span`, underlined; return the width of the margin before the bar."""
    line, column = span.position
    number = str(line)
    margin = len(number) + 1
    text, start, end = _window(span.source.line_text(line), column - 1, column - 1 + span.end - span.start)
    if text or span.source.text:
        shown, widths = _shown(text)
        indent = sum(widths[:start])
        carets = "^" * max(1, sum(widths[start:end]))
        bar = _paint("|", colour, _FAINT)
        yield f"{_paint(number, colour, _FAINT)} {bar} {shown}".rstrip()
        yield f"{' ' * margin}{bar} {' ' * indent}{_paint(carets, colour, _BOLD, code)}"
    return margin


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Cut a long line down to what is around `start` to `end`; return it with the span moved along."""
    end = min(end, len(text))
    if len(text) <= _WIDTH:
        return text, start, end
    left = 0 if start <= _BEFORE * 2 else start - _BEFORE
    right = min(len(text), left + _WIDTH)
    before, after = ("…" if left else ""), ("…" if right < len(text) else "")
    moved = len(before) - left
    return f"{before}{text[left:right]}{after}", start + moved, min(end, right) + moved


def _shown(text: str) -> tuple[str, list[int]]:
    """Return `text` as it is shown, and how many columns each of its characters then takes."""
    text = visible(text)
    if text.isascii() and "\t" not in text:
        return text, [1] * len(text)
    from unicodedata import category, east_asian_width

    shown: list[str] = []
    widths: list[int] = []
    column = 0
    for char in text:
        if char == "\t":
            width = _TAB - column % _TAB
            char = " " * width
        elif category(char) in {"Mn", "Me", "Cf"}:
            width = 0
        else:
            width = 2 if east_asian_width(char) in {"W", "F"} else 1
        shown.append(char)
        widths.append(width)
        column += width
    return "".join(shown), widths


def visible(text: str) -> str:
    """Return `text`, as long as before, with pictures in place of characters that steer the terminal."""
    return _UNSAFE.sub(lambda match: _picture(ord(match.group())), text)


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def counts(diagnostics: Sequence[Diagnostic]) -> str:
    """Return how many there are of each severity, and how many checks could not run."""
    severities = [found.severity for found in diagnostics]
    parts = [_counted(severities.count(severity), severity) for severity in Severity if severity in severities]
    skipped = sum(1 for found in diagnostics if found.rule == "check_skipped")
    return ", ".join(parts + ([f"{_counted(skipped, 'check')} skipped"] if skipped else []))


def _summary(diagnostics: Sequence[Diagnostic]) -> str:
    safe = sum(1 for found in diagnostics if found.fix is not None and found.fix.safe)
    unsafe = sum(1 for found in diagnostics if found.fix is not None and not found.fix.safe)
    fixable = [f"{safe} with --fix"] if safe else []
    fixable += [f"{unsafe} with --unsafe-fixes"] if unsafe else []
    return counts(diagnostics) + (f"; fixable: {', '.join(fixable)}" if fixable else "")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
