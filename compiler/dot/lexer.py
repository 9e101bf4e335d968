"""Text to tokens, one at a time, each with its place. Comments are passed over where they stand, never cut out."""

import re

from ..diagnostics import Severity
from ..source import Source
from .findings import Findings

# Patterns that a good file seldom needs stay text until they are used: compiling them all would cost a cold start 3 ms.
# All quantifiers over text are possessive: with ordinary ones a run of blanks before a bad character cost exponential
# time. Groups are repeated inside an atomic group instead: Python before 3.11.5 gets `(?:ab)*+` wrong.
# A comment block and a quoted string are found by their openings here and read by `Lexer`, so that an unterminated one
# is searched for once, not again at every quote that follows.
BLANK = r"[ \t\r\n\f\v]"
GAP = rf"{BLANK}*+(?>(?://[^\n]*+{BLANK}*+)*)"
ODD = r"""(?:[^ \t\r\n\f\v"{}\[\];,=:+<>#/\-→⟶➔➜⇒]|-(?![->])|/(?![/*]))"""  # what a word may not be followed by
WORD = rf"[A-Za-z_][A-Za-z0-9_]*+(?>(?:\.[A-Za-z_][A-Za-z0-9_]*+)*)(?!{ODD})"

_TOKEN = re.compile(
    rf"""{GAP}(?:
        (?P<word>{WORD})
      | (?P<arrow>->)
      | (?P<mark>[{{}}\[\];,])
      | (?P<equals>=(?!>))
      | (?P<quote>")
      | (?P<wrong_arrow>-->?|=>|[→⟶➔➜⇒])
      | (?P<odd>{ODD}++)
      | (?P<sign>[=:+<>])
      | (?P<block>/\*)
      | (?P<hash>\#)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
# By group; a mark is its own kind.
_KINDS = ("", *("" if name in {"mark", "sign"} else name for name in _TOKEN.groupindex))
# To the first quote that has not exactly one backslash before it: five times as fast as looking at each backslash,
# which is left to the second pattern, for strings in which several stand before a quote.
_TO_QUOTE = re.compile(r'(?>(?:[^"]*+(?<=[^\\]\\)")*)[^"]*+"')
_TO_QUOTE_EXACT = r'(?s)[^"\\]*+(?>(?:\\.[^"\\]*+)*)"'
# A later line that looks as if the file went on: `key =`, `id [`, `id ->`, a closing bracket.
_GOES_ON = r"\n[ \t]*+(?:[A-Za-z_][A-Za-z0-9_.]*+[ \t]*+(?:=|\[|->)|[\]}][ \t]*+(?:[;\]}\r\n]|\Z))"
# The end of a string's content that shows that its closing quote opens another string: `, key=`, `id [key=`.
_SWALLOWED = r"[,\n][ \t]*+(?>(?:[A-Za-z_][A-Za-z0-9_]*+[ \t]*+\[[ \t]*+)?)[A-Za-z_][A-Za-z0-9_.]*+[ \t]*+=[ \t]*+\Z"
_AFTER_STRING = r"[ \t]*+(?:[,;\]}+#/\[:\-\r\n]|\Z)"


def closing_quote(text: str, first: int) -> int:
    """Return the offset of the quote that closes the string whose content begins at `first`, or -1."""
    match = _TO_QUOTE.match(text, first)
    if match is not None and text[match.end() - 2] == "\\":
        match = re.compile(_TO_QUOTE_EXACT).match(text, first)
    return match.end() - 1 if match is not None else -1


class Lexer:
    """Stands on one token: `kind`, from `start` to `end`. Kinds are the groups of the pattern, and marks themselves.

    `previous_end` is where the token before ended: the place to name when something is missing.
    """

    __slots__ = (
        "_no_block_end",
        "_swallowed",
        "cut_off",
        "end",
        "findings",
        "kind",
        "no_quote",
        "open_angle",
        "previous_end",
        "source",
        "start",
        "text",
        "whole",
    )

    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.text = source.text
        self.findings = findings
        self.kind = ""
        self.start = self.end = self.previous_end = 0
        self.no_quote = False  # no quote from here on is closed
        self.open_angle = False  # no `<` from here on is closed
        self.cut_off = False  # a string or comment took the rest of the file
        self._no_block_end = False
        self._swallowed = 0  # quotes before this offset were escaped ones; the one here was taken for a closing one
        self.whole = True  # nothing of the graph was lost so far

    @property
    def word(self) -> str:
        return self.text[self.start : self.end]

    @property
    def strings_broken(self) -> bool:
        """Whether an unterminated string was met: from then on where a string ends takes more than one pattern."""
        return self.no_quote or self._swallowed > 0

    def advance(self) -> None:
        self.previous_end = end = self.end
        while True:
            match = _TOKEN.match(self.text, end)
            if match is None or match.lastindex is None:
                raise AssertionError("the pattern covers every character")
            kind = _KINDS[match.lastindex]
            start, end = match.span(match.lastindex)
            if kind == "block":
                end = self._block_comment(start)
            elif kind == "hash":
                end = self._hash_comment(start)
            else:
                break
        self.kind = kind or self.text[start]
        self.start, self.end = start, end

    def skip_gap(self) -> int:
        """Move over blanks and comments behind the token, and return where that leads; `#` is not read as a comment."""
        text, at = self.text, self.end
        while True:
            gap = re.compile(GAP).match(text, at)
            at = gap.end() if gap else at
            if not text.startswith("/*", at):
                self.end = at
                return at
            at = self._block_comment(at)

    def stand_on(self, kind: str, start: int, end: int) -> None:
        """Take a token that a larger pattern has found."""
        self.kind, self.start, self.end = kind, start, end

    def go_back(self, at: int) -> None:
        """Read the token at `at` anew."""
        self.end = at
        self.advance()

    def _block_comment(self, start: int) -> int:
        end = -1 if self._no_block_end else self.text.find("*/", start + 2)
        if end >= 0:
            return end + 2
        if not self._no_block_end:
            self._no_block_end = True
            self.whole = False
            message = "this comment is never closed; end it with `*/`"
            self.findings.report("dot_unterminated_comment", start, start + 2, message)
        return self.line_end(start)

    def _hash_comment(self, start: int) -> int:
        line_start = self.text.rfind("\n", 0, start) + 1
        first = not self.text[line_start:start].strip(" \t\ufeff")
        message = (
            "`#` starts a comment only at the start of a line; write `//`" if not first else "write comments with `//`"
        )
        self.findings.report(
            "dot_hash_comment",
            start,
            start + 1,
            message,
            severity=None if first else Severity.ERROR,
            fix=self.findings.fix("write `//`", (start, start + 1, "//")),
        )
        return self.line_end(start)

    def line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def string_at(self, start: int) -> tuple[int, int, int]:
        """Return where the content of the string at `start` begins and ends, and where the string ends."""
        if start < self._swallowed:
            return self._unterminated(start, self.line_end(start))
        first = start + 1
        last = -1 if self.no_quote else closing_quote(self.text, first)
        if last < 0:
            self.no_quote = True
            return self._unterminated(start, len(self.text))
        if not re.compile(_AFTER_STRING).match(self.text, last + 1):
            line = max(self.text.rfind("\n", first, last), self.text.rfind(",", first, last))
            if line >= 0 and re.compile(_SWALLOWED).match(self.text, line, last):
                self._swallowed = last
                return self._unterminated(start, line)
        return first, last, last + 1

    def _unterminated(self, start: int, limit: int) -> tuple[int, int, int]:
        """Report the string at `start`, and let it end before `limit` or the next line that looks like a pipeline."""
        message = 'this string is never closed; end it with `"`'
        self.findings.report("dot_unterminated_string", start, start + 1, message)
        self.whole = False
        goes_on = re.compile(_GOES_ON).search(self.text, start, limit)
        if goes_on is None and limit == len(self.text):
            self.cut_off = True
            return start + 1, limit, limit
        limit = goes_on.start() if goes_on else limit
        end = start + 1 + len(self.text[start + 1 : limit].rstrip(" \t\r\n;,]"))
        return start + 1, end, end
