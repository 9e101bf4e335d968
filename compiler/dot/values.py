"""What may stand behind `key =`: a quoted string, a bare word, a number, a duration; and what people write instead."""

import re
from typing import NamedTuple

from ..source import MappedText
from .findings import shown
from .lexer import Lexer
from .strings import decode, joined

# A bare value is read as one lump and then judged, so that `gpt-5.2`, `1.2.3` and `a/b` are one finding each.
_LUMP = r'(?>(?:[^ \t\r\n\f\v"{}\[\];,=<>/:\-]|:(?>(?://)?)|-(?!>)|/(?![/*]))+)'
_BARE = r"[A-Za-z_][A-Za-z0-9_.:\-]*+|-?(?:[0-9]++(?>(?:\.[0-9]++)?)|\.[0-9]++)|[0-9]++(?:ms|s|m|h|d)"
PORTABLE = r"(?:[A-Za-z_][A-Za-z0-9_]*+|-?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++))"  # what Graphviz reads without quotes
_NUMERIC = r"[-+]?\.?[0-9]"
MAX_QUOTED = 4096  # how far the end of a value in wrong quotation marks is searched for
_WRONG_QUOTES = {"“": "”", "”": "”", "„": "”", "«": "»", "‘": "’", "’": "’", "'": "'", "`": "`"}


class Value(NamedTuple):
    text: MappedText
    start: int  # of the value with its quotes
    end: int
    quoted: bool


def read_value(lexer: Lexer) -> Value | None:
    """Read the value behind the token `=` and move on to the token behind it; None when there is none.

    Several strings joined with `+` are reported, and read as the one that was meant.
    """
    value = _read_one(lexer, lexer.skip_gap())
    if value is None:
        lexer.advance()
        return None
    lexer.end = value.end
    lexer.advance()
    return value if lexer.kind != "+" else _read_sum(lexer, value)


def _read_one(lexer: Lexer, start: int) -> Value | None:
    text = lexer.text
    first = text[start : start + 1]
    if first == '"':
        return read_string(lexer, start)
    if first == "<":
        return _html(lexer, start)
    if first in _WRONG_QUOTES:
        return _wrongly_quoted(lexer, start, _WRONG_QUOTES[first])
    lump = re.compile(_LUMP).match(text, start)
    return _bare(lexer, start, lump.end()) if lump else None


def read_string(lexer: Lexer, start: int) -> Value:
    first, last, end = lexer.string_at(start)
    return Value(read_content(lexer, first, last), start, end, True)


def read_content(lexer: Lexer, first: int, last: int) -> MappedText:
    """Decode what stands between two quotes, and report escapes that mean nothing."""
    content = lexer.text[first:last]
    if "\\" not in content and "\r" not in content:
        return MappedText(content, lexer.source, first)
    text, unknown = decode(lexer.source, first, last)
    for at in unknown:
        if lexer.findings.is_full("dot_unknown_escape"):
            break
        message = f"`{lexer.text[at : at + 2]}` is no escape: both characters stay; for a backslash write `\\\\`"
        fix = lexer.findings.fix("double the backslash", (at, at, "\\"))
        lexer.findings.report("dot_unknown_escape", at, at + 2, message, fix=fix)
    return text


def _bare(lexer: Lexer, start: int, end: int) -> Value:
    text = lexer.text[start:end]
    if re.compile(PORTABLE).fullmatch(text) is None:
        _judge(lexer, start, text)
    return Value(MappedText(text, lexer.source, start), start, end, False)


def _judge(lexer: Lexer, start: int, text: str) -> None:
    findings, end = lexer.findings, start + len(text)
    quote = findings.fix("quote the value", (start, end, _quoted(text)))
    if re.compile(_BARE).fullmatch(text) is not None:
        message = f"Graphviz cannot read the bare value {shown(text)}; quote it"
        findings.report("graphviz_portability", start, end, message, fix=quote)
    elif re.compile(_NUMERIC).match(text):
        message = f"{shown(text)} is neither a number nor a duration such as 900s; if it is text, quote it"
        findings.report("dot_bad_number", start, end, message, fix=quote._replace(safe=False))
    else:
        findings.report("dot_illegal_char", start, end, f"the value {shown(text)} needs quotes", fix=quote)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _wrongly_quoted(lexer: Lexer, start: int, close: str) -> Value:
    """Read a value in quotation marks that are none here; it ends at its mark, else with the word.

    Only `“..”` and `«..»` may span lines: the others are apostrophes too often.
    """
    text, findings = lexer.text, lexer.findings
    near = text[start : start + MAX_QUOTED]
    if close not in "”»":
        near = near.partition("\n")[0]
    end = near.find(close, 1)
    if end < 0:
        end = near.partition("\n")[0].find('"', 1)
    if end < 0:
        lump = re.compile(_LUMP).match(text, start)
        end = lump.end() if lump else start + 1
        message = f'{shown(text[start])} does not quote; write `"`'
        findings.report("dot_illegal_char", start, start + 1, message)
        return Value(MappedText(text[start + 1 : end], lexer.source, start + 1), start, end, True)
    end += start
    inner = text[start + 1 : end]
    message = f'{shown(text[start])} does not quote; did you mean `"`?'
    fix = findings.fix('write `"`', (start, end + 1, _quoted(inner)))
    findings.report("dot_illegal_char", start, end + 1, message, fix=fix)
    return Value(MappedText(inner, lexer.source, start + 1), start, end + 1, True)


_ANGLES = r"[<>]"
_MORE_HTML = r"(?>(?:[^<>\n,;\]]*+<[^<>\n]*+>)*)"  # of `<b>bold</b>`, which lacks its outer pair
_OPEN_HTML = r"[^\n,;\]}]*+"


def _html(lexer: Lexer, start: int) -> Value:
    depth = end = 0
    for angle in re.compile(_ANGLES).finditer(lexer.text, start) if not lexer.open_angle else ():
        depth += 1 if angle[0] == "<" else -1
        if depth == 0:
            more = re.compile(_MORE_HTML).match(lexer.text, angle.end())
            end = more.end() if more else angle.end()
            break
    else:
        lexer.open_angle = True  # from here on none is closed: do not search again
        rest = re.compile(_OPEN_HTML).match(lexer.text, start)
        end = rest.end() if rest else start + 1
    lexer.findings.report("dot_html_label", start, end, "HTML labels are not accepted; write the text in quotes")
    return Value(MappedText(lexer.text[start:end], lexer.source, start), start, end, True)


def _read_sum(lexer: Lexer, first: Value) -> Value:
    """Read `+ "b" + "c"` behind a value. The fix takes out each `" + "`."""
    parts, edits = [first], []
    while lexer.kind == "+":
        lexer.advance()
        if lexer.kind != "quote":
            break
        part = read_string(lexer, lexer.start)
        edits.append((parts[-1].end - 1, part.start + 1, ""))
        parts.append(part)
        lexer.end = part.end
        lexer.advance()
    end = parts[-1].end
    strings = len(parts) > 1 and all(part.quoted for part in parts)
    message = "strings are not joined with `+`; write one string, it may span lines"
    fix = lexer.findings.fix("join the strings", *edits) if strings else None
    lexer.findings.report("dot_string_concat", first.start, max(end, lexer.previous_end), message, fix=fix)
    return Value(joined([part.text for part in parts]), first.start, end, first.quoted)
