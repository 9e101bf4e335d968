"""The model stylesheet: `selector { property: value; .. }`, read so that one run names everything wrong with it."""

import re
from typing import NamedTuple

from .attributes import aliases, specs
from .bounded import Bounded
from .diagnostics import Diagnostic, Edit, Fix, Related
from .graph import Attribute, Level
from .source import MappedText, Span
from .suggest import did_you_mean

PROPERTIES = ("llm_model", "llm_provider", "reasoning_effort", "max_tokens", "agent_mode")
MAX_CHARACTERS = 100_000
MAX_WRITTEN_OUT = 10_000  # characters that a fix may write for several selectors of one rule
_OTHER_NAMES = {"model": "llm_model", "provider": "llm_provider"}

# A value may hold colons (`summary:high`), but not end with one: `a: b c: d` lacks a semicolon.
_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<comment>/\*(?>(?:[^*]++|\*(?!/))*)(?:\*/|\Z)|//[^\n]*+)
      | (?P<mark>[{};:,=])
      | (?P<string>"(?>(?:[^"\\]++|\\.)*)")
      | (?P<word>(?>(?:[^\s{};:,="/]|:(?!\s|\Z)|/(?![/*]))+))
      | (?P<odd>["/])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_GLUED = r"([A-Za-z_][A-Za-z0-9_-]*+):"
_SELECTOR = re.compile(r"\*|[.#]?[A-Za-z0-9_-]++")
_CLASS = r"[a-z0-9-]++"


class StyleRule(NamedTuple):
    selector: str  # as written
    kind: str  # "*", "shape", "class" or "id"
    name: str  # without its mark; "" for "*"
    specificity: int  # 0 to 3
    span: Span  # of the selector
    declarations: tuple[Attribute, ...]  # in order; of level STYLESHEET


class _Token(NamedTuple):
    kind: str  # word, string, odd, end; a mark is its own kind
    start: int
    end: int
    text: str


def parse_stylesheet(text: MappedText) -> tuple[tuple[StyleRule, ...], list[Diagnostic]]:
    """Return the rules that could be read, and everything wrong with the sheet."""
    if len(text.text) > MAX_CHARACTERS:
        message = f"a stylesheet has at most {MAX_CHARACTERS:,} characters"
        return (), [Diagnostic("stylesheet_syntax", text.span(), message)]
    parser = _Parser(text)
    while parser.token.kind != "end":
        parser.rule()
    return tuple(parser.rules), parser.found.all()


class _Parser:
    def __init__(self, text: MappedText) -> None:
        self.text = text
        self.rules: list[StyleRule] = []
        self.found = Bounded()
        self.tokens = self._read_tokens()
        self.at = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def _read_tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        text, at = self.text.text, 0
        while not tokens or tokens[-1].kind != "end":
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise AssertionError("the pattern covers every character")
            kind = match.lastgroup
            start, at = match.span(kind)
            if kind == "comment":
                message = "a stylesheet has no comments; write them with `//` outside the string"
                self.report("style_comment", start, at, message, (start, at, ""), title="take it out")
            else:
                tokens.append(_Token(text[start] if kind == "mark" else kind, start, at, text[start:at]))
        return tokens

    def report(
        self,
        rule: str,
        start: int,
        end: int,
        message: str,
        *edits: tuple[int, int, str],
        title: str = "",
        help: str = "",  # noqa: A002 - the field's name
        related: tuple[Related, ...] = (),
    ) -> None:
        span = self.text.span
        fix = Fix(title, tuple(Edit(span(*edit[:2]), edit[2]) for edit in edits)) if edits else None
        self.found.add(Diagnostic(rule, span(start, end), message, help=help, fix=fix, related=related))

    # Rules and selectors

    def rule(self) -> None:
        selectors = self._selectors()
        opened = self.token
        if opened.kind != "{":
            return
        self.at += 1
        declarations = tuple(self._declarations(opened))
        if not declarations and self.tokens[self.at - 1].kind == "}" and self.tokens[self.at - 2] is opened:
            start = selectors[0].start if selectors else opened.start
            end = self.tokens[self.at - 1].end
            message = "this rule sets nothing"
            self.report("style_empty_rule", start, end, message, (start, end, ""), title="take it out")
        for selector in selectors:
            parsed = self._selector(selector)
            if parsed is not None:
                self.rules.append(parsed._replace(declarations=declarations))

    def _selectors(self) -> list[_Token]:
        """Read up to `{`, which is missing when the next token is none."""
        found: list[_Token] = []
        comma: _Token | None = None
        while self.token.kind not in {"{", "end"}:
            token = self.token
            self.at += 1
            if token.kind == "," and found:
                comma = comma or token
            elif token.kind != "word":
                self.report(
                    "stylesheet_syntax", token.start, token.end, f"`{token.text}` cannot stand before a selector"
                )
                if token.kind == "}":
                    return []
            elif found and comma is None:
                message = "a selector is one of `*`, a shape, `.class` or `#id`; selectors are not combined"
                self.report("stylesheet_syntax", found[-1].start, token.end, message)
                found = [token]
            else:
                found.append(token)
        if self.token.kind == "end":
            start = found[0].start if found else self.token.start
            message = "a rule needs `{ property: value; }` behind its selector"
            if found:
                self.report("stylesheet_syntax", start, found[-1].end, message)
            return []
        if not found:
            self.report("stylesheet_syntax", self.token.start, self.token.end, "a rule needs a selector before `{`")
        if comma is not None and found:
            self._comma_selector(found)
        return found

    def _comma_selector(self, selectors: list[_Token]) -> None:
        start, end = selectors[0].start, selectors[-1].end
        body_end = self.text.text.find("}", self.token.start)
        edits: tuple[tuple[int, int, str], ...] = ()
        if body_end >= 0 and len(selectors) * (body_end - self.token.start) <= MAX_WRITTEN_OUT:
            body = self.text.span(self.token.start, body_end + 1).text
            edits = ((start, end, f" {body} ".join(token.text for token in selectors)),)
        message = "a rule has one selector; write one rule for each"
        self.report("style_comma_selector", start, end, message, *edits, title="write one rule for each")

    def _selector(self, token: _Token) -> StyleRule | None:
        text, span = token.text, self.text.span(token.start, token.end)
        if _SELECTOR.fullmatch(text) is None:
            message = f"`{text}` is no selector; write one of `*`, a shape, `.class` or `#id`"
            self.report("stylesheet_syntax", token.start, token.end, message)
            return None
        if text == "*":
            return StyleRule(text, "*", "", 0, span, ())
        if text.startswith("#"):
            return StyleRule(text, "id", text[1:], 3, span, ())
        if text.startswith("."):
            if re.compile(_CLASS).fullmatch(text[1:]) is None:
                message = f"`{text}` can match no node: classes are small letters, digits and `-`"
                self.report("style_bad_class_name", token.start, token.end, message)
                return None
            return StyleRule(text, "class", text[1:], 2, span, ())
        shapes = specs("node")["shape"].enum
        if shapes and text not in shapes:
            message = f"`{text}` is no shape of a node; a class is `.{text}`, an id `#{text}`"
            self.report("style_unknown_shape", token.start, token.end, message, help=did_you_mean(text, shapes))
            return None
        return StyleRule(text, "shape", text, 1, span, ())

    # Declarations

    def _next_is(self, kind: str) -> bool:
        return self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].kind == kind

    def _declarations(self, opened: _Token) -> list[Attribute]:
        """Read up to `}` and behind it, or up to the next rule's selector."""
        found: list[Attribute] = []
        while self.token.kind != "}":
            token = self.token
            if token.kind in {"end", "{"} or (token.kind == "word" and self._next_is("{")):
                self._unclosed(opened)
                return found
            self.at += 1
            if token.kind == "word":
                declaration = self._declaration(token)
                if declaration is not None:
                    found.append(declaration)
            elif token.kind != ";":
                message = f"`{token.text}` cannot stand here; declarations are `property: value;`"
                self.report("stylesheet_syntax", token.start, token.end, message)
        self.at += 1
        return found

    def _unclosed(self, opened: _Token) -> None:
        token = self.token
        related = (Related(self.text.span(opened.start, opened.end), "opened here"),)
        message = "this `{` is never closed" if token.kind == "end" else f"`}}` is missing before `{token.text}`"
        start, end = (opened.start, opened.end) if token.kind == "end" else (token.start, token.end)
        after = self.tokens[self.at - 1].end
        edit = (after, after, " }")
        self.report("style_unclosed_brace", start, end, message, edit, title="insert `}`", related=related)

    def _declaration(self, name: _Token) -> Attribute | None:
        """Read `: value` and the semicolon behind the property `name`."""
        glued = re.compile(_GLUED).match(name.text)
        if glued is not None:  # `llm_model:gpt-5.2` is one word to the tokeniser
            middle = name.start + glued.end()
            value: _Token | None = _Token("word", middle, name.end, name.text[glued.end() :])
            name = _Token("word", name.start, middle - 1, glued[1])
        else:
            value = self._value(name)
        key = self._property(name)
        if value is None:
            return None
        self._end_of_declaration(value)
        if key is None:
            return None
        quotes = 1 if value.kind == "string" else 0
        return Attribute(
            key,
            self.text.part(value.start + quotes, value.end - quotes),
            self.text.span(name.start, name.end),
            self.text.span(value.start, value.end),
            value.kind == "string",
            Level.STYLESHEET,
        )

    def _value(self, name: _Token) -> _Token | None:
        """Read the colon and the value; None when there is no value."""
        token = self.token
        if token.kind == ":":
            self.at += 1
        elif token.kind == "=":
            self.at += 1
            edit = (token.start, token.end, ":")
            message = "declarations are `property: value;`, with a colon"
            self.report("style_missing_colon", token.start, token.end, message, edit, title="write a colon")
        elif token.kind in {"word", "string"}:
            edit = (name.end, name.end, ":")
            message = f"a colon is missing behind `{name.text}`"
            self.report("style_missing_colon", name.start, name.end, message, edit, title="insert the colon")
        value = self.token
        if value.kind in {"word", "string"} and not (value.text in PROPERTIES and self._next_is(":")):
            self.at += 1
            return value
        message = f"`{name.text}` has no value"
        self.report("stylesheet_syntax", name.start, self.tokens[self.at - 1].end, message)
        return None

    def _property(self, name: _Token) -> str | None:
        """Return the canonical property; None when there is no such one, which is reported."""
        text = name.text
        if text in PROPERTIES:
            return text
        meant = _OTHER_NAMES.get(text) or aliases("node").get(text)
        if meant in PROPERTIES:
            message = f"there is no property `{text}`; write `{meant}`"
            edit = (name.start, name.end, meant)
            self.report("style_unknown_property", name.start, name.end, message, edit, title=f"write `{meant}`")
            return meant
        help_text = did_you_mean(text, PROPERTIES) or f"the properties are {', '.join(PROPERTIES)}"
        message = f"there is no property `{text}`"
        self.report("style_unknown_property", name.start, name.end, message, help=help_text)
        return None

    def _end_of_declaration(self, value: _Token) -> None:
        """Read up to the semicolon; what stands before it is either the next declaration or a value with blanks."""
        begin = self.at
        while self.token.kind not in {";", "}", "{", "end"}:
            token = self.token
            begins = token.kind == "word" and (
                self._next_is(":")
                or self._next_is("{")
                or self._next_is("=")
                or token.text.partition(":")[0] in PROPERTIES
            )
            if begins:
                break
            self.at += 1
        if self.at > begin:
            message = "a value is one word; quote it if it has blanks"
            self.report("stylesheet_syntax", value.start, self.tokens[self.at - 1].end, message)
        if self.token.kind == ";":
            self.at += 1
        elif self.token.kind == "word" and not self._next_is("{"):
            after = self.tokens[self.at - 1].end
            message = f"a semicolon is missing before `{self.token.text}`"
            self.report("style_missing_semicolon", self.token.start, self.token.end, message, (after, after, ";"),
                        title="insert the semicolon")  # fmt: skip
