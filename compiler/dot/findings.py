"""The list of what was found in one file. Bounded: a file of noise gives a page of diagnostics, not a million."""

from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..source import Source

MOST_OF_A_RULE = 100
MOST_FIXABLE_OF_A_RULE = 10_000  # `--fix` is to mend a whole generated file


class Findings:
    __slots__ = ("_counts", "_left_out", "_reported", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self._reported: list[Diagnostic] = []
        self._counts: dict[str, int] = {}
        self._left_out: dict[str, tuple[int, Diagnostic]] = {}

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
        found = Diagnostic(rule, self.source.span(start, end), message, severity, subject, related, help, fix)
        count = self._counts[rule] = self._counts.get(rule, 0) + 1
        if count <= (MOST_FIXABLE_OF_A_RULE if fix else MOST_OF_A_RULE):
            self._reported.append(found)
        else:
            number, first = self._left_out.get(rule, (0, found))
            self._left_out[rule] = (number + 1, first)

    def fix(self, title: str, *edits: tuple[int, int, str], safe: bool = True) -> Fix:
        """Return a fix that puts a text in place of each stretch."""
        return Fix(title, tuple(Edit(self.source.span(start, end), text) for start, end, text in edits), safe)

    def related(self, start: int, end: int, message: str) -> Related:
        return Related(self.source.span(start, end), message)

    def all(self) -> list[Diagnostic]:
        """Return everything found, one line standing for what was left out of each rule."""
        return self._reported + [
            Diagnostic(rule, first.span, f"{number} more of this rule from here on are not shown", first.severity)
            for rule, (number, first) in self._left_out.items()
        ]


def shown(text: str, most: int = 40) -> str:
    """Return `text` in double quotes for a message, cut when it is long, on one line."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut) + '"'
