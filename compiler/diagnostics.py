"""What the compiler found: diagnostics as values, their fixes, their order."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from .source import Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Edit(NamedTuple):
    """Replace `span` by `text`; an empty span inserts."""

    span: Span
    text: str


class Fix(NamedTuple):
    """A change that removes the diagnostic; `safe` when it cannot change what the pipeline does."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


class Related(NamedTuple):
    """Another place that explains the diagnostic."""

    span: Span
    message: str


class Diagnostic(NamedTuple):
    """One finding. `severity` None means: the registry's, as the profile in force sets it."""

    rule: str
    span: Span
    message: str
    severity: Severity | None = None
    subject: str = ""  # node id, "a -> b", attribute, or a pointer into run.yaml
    related: tuple[Related, ...] = ()
    help: str = ""
    fix: Fix | None = None


def sorted_unique(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return `diagnostics` by path, position and rule; of two with the same rule, place and message one is kept."""
    unique: dict[tuple[str, int, int, str, str], Diagnostic] = {}
    for found in diagnostics:
        span = found.span
        unique.setdefault((span.source.path, span.start, span.end, found.rule, found.message), found)
    return [unique[key] for key in sorted(unique)]
