"""Conditions of edges: `clause && clause`, a clause being `key=literal`, `key!=literal` or a bare key."""

import re
from typing import NamedTuple

from .bounded import Bounded
from .diagnostics import Diagnostic, Edit, Fix, Severity
from .graph import Clause
from .source import MappedText, Span

MAX_CHARACTERS = 10_000
OUTCOMES = ("success", "partial_success", "retry", "fail", "skipped")
OUTCOME_DIALECT = {
    "ok": "success",
    "succeeded": "success",
    "failed": "fail",
    "failure": "fail",
    "error": "fail",
    "skip": "skipped",
}

_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<join>&&|\|\||&|\|)
      | (?P<operator>[=!<>]=|=~|[=<>])
      | (?P<not>!)
      | (?P<string>"(?>(?:[^"\\]++|\\.)*)"|'[^']*+')
      | (?P<open>["'])
      | (?P<bracket>[()])
      | (?P<word>[^\s&|=!<>"'()]++)
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*+(?>(?:\.[A-Za-z0-9_-]++)*)")
_PLAIN = r"""[^\s&|=!<>"'()\\]++"""
_WORDS = {"and": "&&", "or": "||"}
_OTHER_OPERATORS = frozenset({"contains", "matches", "in", "is", "equals", "startswith", "not"})


class _Token(NamedTuple):
    kind: str
    start: int
    end: int
    text: str


def parse_condition(text: MappedText) -> tuple[tuple[Clause, ...], list[Diagnostic]]:
    """Return the clauses, and everything wrong with them; no clauses when the meaning is not clear. Blank: neither."""
    if not text.text.strip():
        return (), []
    if len(text.text) > MAX_CHARACTERS:
        message = f"a condition has at most {MAX_CHARACTERS:,} characters"
        return (), [Diagnostic("condition_syntax", text.span(), message)]
    parser = _Parser(text)
    clauses = parser.clauses()
    return (() if parser.unclear else tuple(clauses)), parser.found.all()


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise AssertionError("the pattern covers every character")
        start, at = match.span(match.lastgroup)
        tokens.append(_Token(match.lastgroup, start, at, text[start:at]))
    return tokens


class _Parser:
    def __init__(self, text: MappedText) -> None:
        self.text = text
        self.tokens = _tokens(text.text)
        self.at = 0
        self.nothing_but_joins = all(token.kind in {"join", "end"} for token in self.tokens)
        self.found = Bounded()
        self.reported_joins: set[int] = set()
        self.unclear = False

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def span(self, start: int, end: int) -> Span:
        return self.text.span(start, end)

    def report(
        self,
        rule: str,
        start: int,
        end: int,
        message: str,
        *edits: tuple[int, int, str],
        title: str = "",
        severity: Severity | None = None,
        help: str = "",  # noqa: A002 - the field's name
        unclear: bool = False,
    ) -> None:
        fix = Fix(title, tuple(Edit(self.span(*edit[:2]), self._escaped(edit[2])) for edit in edits)) if edits else None
        self.found.add(Diagnostic(rule, self.span(start, end), message, severity, help=help, fix=fix))
        self.unclear = self.unclear or unclear

    def _escaped(self, text: str) -> str:
        """Return `text` as it is written inside the string that the condition stands in."""
        quoted = self.text.source.text[max(0, self.text.start - 1) : self.text.start] == '"'
        return text.replace("\\", "\\\\").replace('"', '\\"') if quoted else text

    def clauses(self) -> list[Clause]:
        clauses: list[Clause] = []
        joined = -1  # index of the last `&&`
        while True:
            before = self.at
            clause = self._clause()
            if clause is not None:
                clauses.append(clause)
            elif self.at == before:
                self._empty_clause(joined)
            if not self._join():
                return clauses
            joined = self.at - 1

    def _empty_clause(self, joined: int) -> None:
        """Report that no clause stands here; a join with none on both sides is reported once."""
        at = joined if joined >= 0 else self.at
        token = self.tokens[at]
        if token.kind == "end" or at in self.reported_joins:
            return
        self.reported_joins.add(at)
        message = f"a clause is missing beside `{token.text}`"
        if self.nothing_but_joins:
            self.report("cond_empty_clause", token.start, token.end, message, unclear=True)
            return
        start = self.tokens[at - 1].end if at else token.start
        end = token.end if at else self.tokens[at + 1].start
        edit = (start, end, "")
        self.report("cond_empty_clause", token.start, token.end, message, edit, title=f"take out `{token.text}`")

    def _join(self) -> bool:
        """Read what joins two clauses; False at the end."""
        token = self.token
        if token.kind == "end":
            return False
        self.at += 1
        word = token.text.lower()
        write = (token.start, token.end, "&&")
        if word in {"||", "|", "or"}:
            help_ = "write a second edge with the other condition"
            message = f"`{token.text}` is not supported: a condition is a list of clauses joined with `&&`"
            self.report("cond_or_unsupported", token.start, token.end, message, help=help_, unclear=True)
        elif word == "&":
            self.report(
                "cond_single_amp", token.start, token.end, "clauses are joined with `&&`", write, title="write `&&`"
            )
        elif word == "and":
            self.report(
                "cond_word_operator", token.start, token.end, "clauses are joined with `&&`", write, title="write `&&`"
            )
        return True

    def _at_join(self) -> bool:
        token = self.token
        return token.kind in {"join", "end"} or (token.kind == "word" and token.text.lower() in _WORDS)

    def _clause(self) -> Clause | None:
        """Read up to the next join; None when there is no clause, or none that can be understood."""
        self._prefix()
        token = self.token
        if self._at_join() and self.tokens[min(self.at + 1, len(self.tokens) - 1)].kind != "operator":
            return None
        if token.kind != "word" or _KEY.fullmatch(token.text) is None:
            self.report("condition_syntax", token.start, token.end, f"`{token.text}` is no key; keys are "
                        "`outcome`, `preferred_label` and `context.NAME`", unclear=True)  # fmt: skip
            self._skip()
            return None
        self.at += 1
        key = self._key(token)
        operator = self._operator(token)
        if operator is None:
            return Clause(key, "set", "", *self._spans(token, token, token))
        literal = self._literal(operator)
        if literal is None:
            return None
        text = self._outcome(literal, self._unquoted(literal)) if key == "outcome" else self._unquoted(literal)
        return Clause(key, "!=" if operator.text == "!=" else "=", text, *self._spans(token, literal, literal))

    def _spans(self, key: _Token, last: _Token, literal: _Token) -> tuple[Span, Span, Span]:
        span = self.span
        return span(key.start, last.end), span(key.start, key.end), span(literal.start, literal.end)

    def _prefix(self) -> None:
        """Report and pass what people write before a clause: `!`, `(`."""
        while self.token.kind in {"not", "bracket"}:
            token = self.token
            if token.kind == "not":
                self.report(
                    "condition_syntax", token.start, token.end, "`!` is not supported; write `key!=value`", unclear=True
                )
            else:
                message = "conditions have no brackets"
                self.report("condition_syntax", token.start, token.end, message, (token.start, token.end, ""),
                            title="take it out")  # fmt: skip
            self.at += 1

    def _skip(self) -> None:
        while not self._at_join():
            self.at += 1

    def _key(self, token: _Token) -> str:
        text = token.text
        head, dot, rest = text.partition(".")
        lower = head.lower()
        if (lower in {"outcome", "preferred_label"} and not dot) or (lower == "context" and dot):
            if head != lower:
                edit = (token.start, token.start + len(head), lower)
                message = f"keys are case-sensitive; write `{lower}`"
                self.report("cond_case", token.start, token.start + len(head), message, edit, title=f"write `{lower}`")
            return lower + dot + rest
        message = f"`{text}` is a context key; write `context.{text}`"
        edit = (token.start, token.start, "context.")
        self.report("cond_unqualified_key", token.start, token.end, message, edit, title="write `context.`")
        return f"context.{text}"

    def _operator(self, key: _Token) -> _Token | None:
        """Read the operator behind `key`; None for a bare key."""
        token = self.token
        if token.kind == "not":
            message = f"`!` cannot stand here; write `{key.text}!=value`"
            self.report("condition_syntax", token.start, token.end, message, unclear=True)
            self._skip()
            return None
        if token.kind == "operator":
            self.at += 1
            if token.text == "==":
                edit = (token.start, token.end, "=")
                self.report(
                    "cond_double_equals", token.start, token.end, "write `=`, not `==`", edit, title="write `=`"
                )
            elif token.text not in {"=", "!="}:
                message = f"`{token.text}` is not supported: a clause compares with `=` or `!=`"
                self.report("condition_syntax", token.start, token.end, message, unclear=True)
            return token
        if not self._at_join():
            self._junk(token)
        return None

    def _junk(self, token: _Token) -> None:
        """Report what stands between a bare key or a literal and the next join."""
        if token.kind == "word" and token.text.lower() in _OTHER_OPERATORS:
            message = f"`{token.text}` is no operator: a clause compares with `=` or `!=`"
        else:
            message = "a clause ends here; join clauses with `&&`, quote a value that has blanks"
        start = token.start
        self._skip()
        self.report("condition_syntax", start, self.tokens[self.at - 1].end, message, unclear=True)

    def _literal(self, operator: _Token) -> _Token | None:
        token = self.token
        nothing = token.kind in {"join", "end"}
        if nothing or token.kind not in {"word", "string"}:
            end = operator.end if nothing else token.end
            message = f'a value is missing behind `{operator.text}`; for the empty one write `""`'
            if not nothing:
                message = (
                    "this quote is never closed" if token.kind == "open" else f"`{token.text}` is no value; quote it"
                )
            self.report("condition_syntax", operator.start if nothing else token.start, end, message, unclear=True)
            self._skip_to_join()
            return None
        self.at += 1
        while not self._at_join():
            if self.token.kind == "bracket" and self.token.text == ")":
                self._prefix()
                continue
            return self._long_literal(token)
        if token.text.startswith("'"):
            self._single_quotes(token)
        return token

    def _skip_to_join(self) -> None:
        while self.token.kind not in {"join", "end"}:
            self.at += 1

    def _single_quotes(self, token: _Token) -> None:
        inner = token.text[1:-1]
        new = (
            inner
            if re.compile(_PLAIN).fullmatch(inner)
            else '"' + inner.replace("\\", "\\\\").replace('"', '\\"') + '"'
        )
        edit = (token.start, token.end, new)
        message = f"`'` does not quote; write `{new}`"
        self.report("condition_syntax", token.start, token.end, message, edit, title="write the value without them")

    def _long_literal(self, first: _Token) -> _Token | None:
        """Report a value of several words; when it is nothing but words, it is what was meant."""
        begin = self.at
        self._skip()
        rest = self.tokens[begin : self.at]
        last = rest[-1]
        if (
            first.kind != "word"
            or any(token.kind != "word" for token in rest)
            or rest[0].text.lower() in _OTHER_OPERATORS
        ):
            message = "a clause ends here; join clauses with `&&`"
            self.report("condition_syntax", rest[0].start, last.end, message, unclear=True)
            return first
        text = self.text.text[first.start : last.end]
        message = "a value with blanks needs quotes"
        quoted = '"' + text.replace("\\", "\\\\") + '"'
        edit = (first.start, last.end, quoted)
        self.report("condition_syntax", first.start, last.end, message, edit, title="quote the value")
        return _Token("word", first.start, last.end, text)

    def _unquoted(self, token: _Token) -> str:
        if token.kind != "string":
            return token.text
        return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)

    def _outcome(self, token: _Token, word: str) -> str:
        """Return the outcome word in its canonical spelling."""
        lower = word.lower()
        canonical = OUTCOME_DIALECT.get(lower, lower)
        if canonical not in OUTCOMES or canonical == word:
            return word
        edit = (token.start, token.end, canonical)
        title = f"write `{canonical}`"
        if lower == canonical:
            message = f"outcome words are case-sensitive; write `{canonical}`"
            self.report("cond_case", token.start, token.end, message, edit, title=title)
        else:
            message = f"`{word}` is another engine's word for `{canonical}`"
            self.report("outcome_dialect", token.start, token.end, message, edit, title=title)
        return canonical
