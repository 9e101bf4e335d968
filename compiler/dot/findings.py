"""What was found in one file of graph text, reported by offsets."""

from ..bounded import Bounded
from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..source import Source

MAX_ERRORS = 10_000  # in one file; whoever wrote it did not mean a pipeline
_NO_ERRORS = frozenset({"dot_hash_comment", "dot_trailing_comma", "dot_unknown_escape", "graphviz_portability"})


class TooManyErrors(Exception):
    pass


class Findings:
    """Raises TooManyErrors, once `MAX_ERRORS` are reported, so that a large file of noise does not take minutes."""

    __slots__ = ("_errors", "_found", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self._found = Bounded()
        self._errors = 0

    def report(
        self,
        rule: str,
        start: int,
        end: int,
        message: str,
        *,
        help: str = "",  # noqa: A002 - the field's name
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
        severity: Severity | None = None,
        subject: str = "",
    ) -> None:
        self._found.add(Diagnostic(rule, self.source.span(start, end), message, severity, subject, related, help, fix))
        if rule in _NO_ERRORS:
            return
        self._errors += 1
        if self._errors == MAX_ERRORS:
            message = f"more than {MAX_ERRORS:,} errors; the rest of the file is not read"
            self._found.add(Diagnostic("dot_limit", self.source.span(start, end), message))
            raise TooManyErrors

    def is_full(self, rule: str) -> bool:
        return self._found.is_full(rule)

    def fix(self, title: str, *edits: tuple[int, int, str], safe: bool = True) -> Fix:
        """Return a fix that puts a text in place of each stretch."""
        return Fix(title, tuple(Edit(self.source.span(start, end), text) for start, end, text in edits), safe)

    def related(self, start: int, end: int, message: str) -> Related:
        return Related(self.source.span(start, end), message)

    def all(self) -> list[Diagnostic]:
        return self._found.all()


def shown(text: str, most: int = 40) -> str:
    """Return `text` in double quotes for a message, cut when it is long, on one line."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut) + '"'
