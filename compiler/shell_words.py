"""A shell command taken apart into its simple commands, as far as rules need it: words with places, what joins them.

Nothing is expanded. What is within `$( )`, parentheses and pipes is found as well; bodies of here-documents, comments
and `[[ ]]` are passed over. Text that bash could not read gives some commands, never an error.
"""

import re
from functools import lru_cache
from typing import NamedTuple


class Word(NamedTuple):
    text: str  # without its quotes; expansions as written
    start: int
    end: int
    plain: bool  # nothing in it is expanded


class Command(NamedTuple):
    words: tuple[Word, ...]  # without assignments before it and redirections; never empty
    before: str  # what joins it to the one before: "" ; & && || | ( or a word such as "then"
    after: str  # likewise behind it
    depth: int  # in how many parentheses it stands
    fed: bool  # its input is redirected
    piped: bool  # it reads from a pipe

    @property
    def name(self) -> str:
        return self.words[0].text

    @property
    def arguments(self) -> list[str]:
        return [word.text for word in self.words[1:]]


# Compiled where they are used, like all patterns of rules: few pipelines need them.
_SHARED = (
    r"(?P<escape>\\[\s\S]?)"
    r"|(?P<arithmetic>\$\(\([^()]*+(?>(?:\([^()]*+\)[^()]*+)*)\)\))"
    r"|(?P<nested>\$\()"
    r"|(?P<parameter>\$(?:\{[^}]*+\}?|[A-Za-z_][A-Za-z0-9_]*+|[0-9@*\#?$!-])?)"
    r"|(?P<tick>`[^`]*+`?)"
    r'|(?P<double>")'
)
_BARE = (
    r"(?P<blank>(?>(?:[ \t\r]|\\\n)+))"
    r"|(?P<run>[^\s;&|()<>\"'\\$`]++)"
    r"|(?P<single>'[^']*+'?)"
    r"|(?P<redirect>&>>|&>|<<<|<<-|<<|>>|>&|<&|<>|>\||[<>])"
    r"|(?P<operator>&&|\|\||;;|\|&|[;&|\n()])"
    r"|(?P<other>[\f\v\x1c-\x1f\x85\xa0\u2000-\u3000])|" + _SHARED
)
_QUOTED = r'(?P<run>[^"\\$`]++)|' + _SHARED
_ASSIGNMENT = r"[A-Za-z_][A-Za-z0-9_]*+\+?="
_OPENING = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})


@lru_cache(maxsize=256)
def commands_in(text: str) -> tuple[Command, ...]:
    """Return the simple commands of `text`, those inside `$( )` before the one that they are part of."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Command] = []
        self.outer: list[tuple[list[Word], str, bool, str, list[str], int, bool]] = []
        self.heredocs: list[str] = []
        self.quoted = False
        self._begin("")

    def _begin(self, before: str) -> None:
        self.words: list[Word] = []
        self.before = before
        self.fed = False
        self._no_word()
        self.redirect = ""

    def _no_word(self) -> None:
        self.pieces: list[str] = []
        self.start = -1
        self.plain = True

    def read(self) -> tuple[Command, ...]:
        bare, quoted = re.compile(_BARE), re.compile(_QUOTED)
        at = 0
        while at < len(self.text):
            match = (quoted if self.quoted else bare).match(self.text, at)
            if match is None:
                at += 1
                continue
            at = self._token(match.lastgroup or "", match[0], at, match.end())
        self._end_word(at)
        self._end_command("")
        return tuple(self.found)

    def _token(self, kind: str, piece: str, at: int, end: int) -> int:
        """Take one token in; return where to read on."""
        match kind:
            case "blank" | "other":
                self._end_word(at)
            case "run" if piece.startswith("#") and self.start < 0 and not self.quoted:
                newline = self.text.find("\n", at)
                return len(self.text) if newline < 0 else newline
            case "run":
                self._add(piece, at)
            case "escape":
                self._add(piece[1:], at)
            case "single":
                self._add(piece[1:].removesuffix("'"), at)
            case "double":
                self._add("", at)
                self.quoted = not self.quoted
            case "parameter" | "tick" | "arithmetic":
                self._add(piece, at, plain=False)
            case "nested":
                self._add("$(..)", at, plain=False)
                self._open("$(")
            case "redirect":
                self._redirected(piece, at)
            case _:
                return self._operator(piece, at, end)
        return end

    def _add(self, piece: str, at: int, *, plain: bool = True) -> None:
        self.start = at if self.start < 0 else self.start
        self.pieces.append(piece)
        self.plain = self.plain and plain

    def _open(self, before: str) -> None:
        self.outer.append((self.words, self.before, self.fed, self.redirect, self.pieces, self.start, self.quoted))
        self.quoted = False
        self._begin(before)

    def _redirected(self, piece: str, at: int) -> None:
        if self.start >= 0 and "".join(self.pieces).isdigit():
            self._no_word()  # the number of a descriptor, as in 2>
        self._end_word(at)
        self.redirect = piece
        self.fed = self.fed or piece.startswith("<")

    def _end_word(self, at: int) -> None:
        if self.start < 0:
            return
        word = Word("".join(self.pieces), self.start, at, self.plain)
        self._no_word()
        if self.redirect:
            if self.redirect in {"<<", "<<-"}:
                self.heredocs.append(word.text)
            self.redirect = ""
        elif not self.words and word.text in _OPENING | _CLOSING and self.text[word.start] not in "\"'":
            self.before = word.text
        elif self.words or re.match(_ASSIGNMENT, word.text) is None:
            self.words.append(word)

    def _operator(self, piece: str, at: int, end: int) -> int:
        self._end_word(at)
        if self.words and self.words[0].text == "[[" and "]]" not in {word.text for word in self.words}:
            return end  # && and || within [[ ]] join no commands
        if piece == "(":
            self._open("(")
            return end
        self._end_command(";" if piece == "\n" else piece)
        if piece == ")" and self.outer:
            self._close()
        elif piece == "\n" and self.heredocs:
            return self._behind_heredocs(end)
        return end

    def _close(self) -> None:
        self.words, self.before, self.fed, self.redirect, self.pieces, self.start, self.quoted = self.outer.pop()
        self.plain = self.start < 0
        if not self.words and self.start < 0:
            self._begin(")")

    def _end_command(self, operator: str) -> None:
        if self.words:
            piped = self.before in {"|", "|&"}
            depth = len(self.outer)
            self.found.append(Command(tuple(self.words), self.before, operator, depth, self.fed, piped))
            self._begin(operator)
        else:
            closing = self.before in _CLOSING or self.before == ")"
            self._begin(operator if operator != ";" or not self.before or closing else self.before)

    def _behind_heredocs(self, at: int) -> int:
        for tag in self.heredocs:
            end = re.compile(rf"^\t*+{re.escape(tag)}$", re.MULTILINE).search(self.text, at)
            at = len(self.text) if end is None else end.end()
        self.heredocs.clear()
        return at
