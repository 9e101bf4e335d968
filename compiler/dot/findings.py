"""What was found in one file of graph text, reported by offsets."""

from ..bounded import Bounded
from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..source import Source


class Findings:
    __slots__ = ("_found", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self._found = Bounded()

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
