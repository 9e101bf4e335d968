"""Attribute lists: `[key=value, key=value]`."""

import re
from typing import NamedTuple

from ..source import MappedText, Span
from .ast import Assignment
from .findings import shown
from .lexer import BLANK, Lexer, closing_quote
from .values import PORTABLE, read_content, read_string, read_value

_KEY = r"[A-Za-z_][A-Za-z0-9_]*+(?>(?:\.[A-Za-z_][A-Za-z0-9_]*+)*)"
# What stands there is the next statement, not another attribute.
_STATEMENT = rf"[A-Za-z_][A-Za-z0-9_]*+{BLANK}*+(?:\[|->|--)|subgraph\b"

# Without comments and dotted keys: what does not match is read token by token. A string without escapes matches whole.
_COMMON = re.compile(
    rf"""{BLANK}*+([A-Za-z_][A-Za-z0-9_]*+){BLANK}*+={BLANK}*+"""
    rf"""(?:(?:"([^"\\\r]*+)"|({PORTABLE})){BLANK}*+(?:(,)|\])|("))"""
)
_BEHIND_STRING = re.compile(rf"{BLANK}*+(?:(,)|\])")


class _Block(NamedTuple):
    opened: int
    closed: int  # offset of `]`, -1 when it is missing
    filled: bool
    comma: int  # offset of a comma before `]`, -1 when there is none


def read_lists(lexer: Lexer) -> tuple[Assignment, ...]:
    """Read from the token `[` on; more than one list is reported, and read as one."""
    found: list[Assignment] = []
    block = _read_list(lexer, found)
    while lexer.kind == "[" and block.closed >= 0:
        before, block = block, _read_list(lexer, found)
        _report_second_list(lexer, before, block)
    if block.comma >= 0:
        fix = lexer.findings.fix("take out the comma", (block.comma, block.comma + 1, ""))
        message = "a comma before `]` is not portable between engines"
        lexer.findings.report("dot_trailing_comma", block.comma, block.comma + 1, message, fix=fix)
    return tuple(found)


def _report_second_list(lexer: Lexer, before: _Block, block: _Block) -> None:
    comma = "," if before.filled and block.filled and before.comma < 0 else ""
    edits = (before.closed, before.closed + 1, comma), (block.opened, block.opened + 1, "")
    lexer.findings.report(
        "dot_multiple_attr_blocks",
        block.opened,
        block.opened + 1,
        "a second `[..]`; write all attributes in one",
        fix=lexer.findings.fix("merge the lists", *edits),
        related=(lexer.findings.related(before.opened, before.opened + 1, "the first one"),),
    )


def _read_list(lexer: Lexer, found: list[Assignment]) -> _Block:
    opened, before = lexer.start, len(found)
    comma = _read_common(lexer, found)
    while lexer.kind != "]":
        if lexer.kind in {"word", "quote", "odd"} and not re.compile(_STATEMENT).match(lexer.text, lexer.start):
            assignment = _read_attribute(lexer)
            if assignment is not None:
                found.append(assignment)
            if assignment is None and lexer.kind in {"word", "quote"}:
                continue  # one error is enough: with a value there, the comma was meant as well
            comma = _read_separator(lexer)
        elif lexer.kind in {"word", "quote", "odd", "end", "{", "}", "[", "arrow"}:
            report_unclosed(lexer, "]", [opened])
            return _Block(opened, -1, len(found) > before, -1)
        else:
            _skip_unexpected(lexer)
    closed = lexer.start
    lexer.advance()
    return _Block(opened, closed, len(found) > before, comma)


def _read_common(lexer: Lexer, found: list[Assignment]) -> int:
    """Read `key=value,` as long as there is nothing to say about it, and move on to the token behind.

    One match for an attribute instead of one for each of its tokens: nearly all of a file goes this way. What does not
    match is left to the token by token reading, which reads all of the language. Returns the offset of a comma before
    `]`, else -1.
    """
    text, source, at, comma = lexer.text, lexer.source, lexer.end, -1
    if lexer.strings_broken:
        lexer.advance()
        return -1
    while match := _COMMON.match(text, at):
        quoted = match.start(3) < 0
        if match.start(5) >= 0:  # a string with escapes
            start = match.end()
            end = closing_quote(text, start)
            behind = _BEHIND_STRING.match(text, end + 1) if end >= 0 else None
            if behind is None:
                break
            value, place = read_content(lexer, start, end), Span(source, start - 1, end + 1)
            at, comma = behind.end(), behind.start(1)
        else:
            start, end = match.span(2) if quoted else match.span(3)
            value = MappedText(text[start:end], source, start)
            place = Span(source, start - 1, end + 1) if quoted else Span(source, start, end)
            at, comma = match.end(), match.start(4)
        key_start, key_end = match.span(1)
        found.append(Assignment(match[1], value, Span(source, key_start, key_end), place, quoted))
        if comma < 0:
            lexer.stand_on("]", at - 1, at)
            return -1
    lexer.end = at
    lexer.advance()
    return comma if lexer.kind == "]" else -1


def _read_separator(lexer: Lexer) -> int:
    """Read what stands between two attributes; return the offset of a comma before `]`, else -1."""
    findings, at = lexer.findings, lexer.start
    if lexer.kind == ",":
        lexer.advance()
        return at if lexer.kind == "]" else -1
    if lexer.kind == ";":
        lexer.advance()
        edit = (at, at + 1, "" if lexer.kind == "]" else ",")
        message = "attributes are separated by `,`, not by `;`"
        findings.report("dot_semicolon_in_attrs", at, at + 1, message, fix=findings.fix("write a comma", edit))
    elif lexer.kind in {"word", "quote"} and not re.compile(_STATEMENT).match(lexer.text, at):
        after = lexer.previous_end
        fix = findings.fix("insert the comma", (after, after, ","))
        findings.report("dot_missing_comma", at, lexer.end, "a comma is missing before this attribute", fix=fix)
    return -1


def _skip_unexpected(lexer: Lexer) -> None:
    """Report the token that no attribute can begin with, and pass it."""
    findings, start, end = lexer.findings, lexer.start, lexer.end
    token = lexer.word
    lexer.advance()
    if token in {",", ";"}:
        fix = findings.fix("take it out", (start, end, ""))
        findings.report("dot_unexpected_token", start, end, f"no attribute stands before this `{token}`", fix=fix)
    else:
        message = f"{shown(token)} cannot stand in an attribute list; attributes are written `key=value`"
        findings.report("dot_unexpected_token", start, end, message)
        lexer.whole = False


def _read_attribute(lexer: Lexer) -> Assignment | None:
    start, end, key = read_key(lexer)
    return read_assignment(lexer, start, end, key)


def read_key(lexer: Lexer) -> tuple[int, int, str]:
    """Read a key, or what stands in its place, which is reported."""
    findings, start, end, key = lexer.findings, lexer.start, lexer.end, lexer.word
    if lexer.kind == "quote":
        value = read_string(lexer, start)
        key, end = value.text.text, value.end
        lexer.end = end
        fix = findings.fix("take out the quotes", (start, end, key)) if re.compile(_KEY).fullmatch(key) else None
        findings.report("dot_unexpected_token", start, end, "attribute names are not quoted", fix=fix)
    elif lexer.kind == "odd":
        word = re.sub(r"[^A-Za-z0-9_.]++", "_", key).strip("_.")
        help_text = f"names are letters, digits, `_` and dots: {word}" if re.compile(_KEY).fullmatch(word) else ""
        findings.report("dot_illegal_char", start, end, f"{shown(key)} is not an attribute name", help=help_text)
    lexer.advance()
    return start, end, key


def read_assignment(lexer: Lexer, start: int, end: int, key: str) -> Assignment | None:
    """Read `= value` behind a key that stands from `start` to `end`; None when there is no value."""
    findings = lexer.findings
    if lexer.kind in {":", "wrong_arrow"}:
        fix = findings.fix("write `=`", (lexer.start, lexer.end, "="))
        findings.report("dot_unexpected_token", lexer.start, lexer.end, "attributes are written `key=value`", fix=fix)
    elif lexer.kind != "equals":
        if re.compile(_KEY).fullmatch(key):  # else it is reported already
            message = f"the attribute {shown(key)} has no value; attributes are written `key=value`"
            findings.report("dot_empty_value", start, end, message, subject=key)
        lexer.whole = False
        return None
    after = lexer.end
    value = read_value(lexer)
    if value is None or (lexer.kind == "equals" and not value.quoted):
        if value is not None:
            lexer.go_back(value.start)
        _report_empty(lexer, start, after, key, '""' if value is None else '"",')
        return None
    span = lexer.source.span
    return Assignment(key, value.text, span(start, end), span(value.start, value.end), value.quoted)


def _report_empty(lexer: Lexer, start: int, end: int, key: str, written: str) -> None:
    fix = lexer.findings.fix("write an empty string", (end, end, written), safe=False)
    message = f'the attribute {shown(key)} has no value; for an empty one write {shown(key)[1:-1]}=""'
    lexer.findings.report("dot_empty_value", start, end, message, fix=fix, subject=key)
    lexer.whole = False


def report_unclosed(lexer: Lexer, bracket: str, opened: list[int]) -> None:
    """Report that `bracket` is missing before the token; `opened`: what it should close, innermost last."""
    lexer.whole = False
    if lexer.cut_off:
        return  # what closes it was taken by a string or comment without end, which is reported
    findings, at = lexer.findings, lexer.previous_end
    number = f"{len(opened)} × " if len(opened) > 1 else ""
    where = "at the end of the file" if lexer.kind == "end" else f"before {shown(lexer.word)}"
    insert = findings.fix(f"insert `{bracket}`", (at, at, bracket * len(opened)), safe=False)
    findings.report(
        "dot_unclosed",
        lexer.start,
        lexer.end,
        f"{number}`{bracket}` is missing {where}",
        fix=insert,
        related=tuple(findings.related(start, start + 1, "opened here") for start in opened[-3:]),
    )
