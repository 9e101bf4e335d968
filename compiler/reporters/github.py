"""Diagnostics as workflow commands of GitHub Actions: an annotation each, at its line of the pull request.

GitHub shows ten errors and ten warnings of a step, so errors stand first and nothing is said twice.
"""

from collections.abc import Sequence

from ..diagnostics import Diagnostic, Severity
from .text import counts, visible

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_ORDER = tuple(_COMMANDS)


def render_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Return settled `diagnostics`, the worst first, and a summary for the log; "" when there are none."""
    if not diagnostics:
        return ""
    ordered = sorted(diagnostics, key=lambda found: _ORDER.index(found.severity or Severity.ERROR))
    return "".join(f"{_command(found)}\n" for found in ordered) + f"{counts(diagnostics)}\n"


def _command(found: Diagnostic) -> str:
    properties = {
        "file": visible(found.span.source.path).replace("\\", "/"),
        **_place(found),
        "title": f"attractor {found.rule}",
    }
    written = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    notes = [f"help: {found.help}"] if found.help else []
    notes += [f"see {other.span.source.path}:{other.span.position[0]}: {other.message}" for other in found.related]
    if found.fix is not None:
        notes.append(f"fix: {found.fix.title} (--{'fix' if found.fix.safe else 'unsafe-fixes'})")
    text = "\n".join(visible(line) for line in [found.message, *notes])
    return f"::{_COMMANDS[found.severity or Severity.ERROR]} {written}::{_data(text)}"


def _place(found: Diagnostic) -> dict[str, int]:
    """Return the lines of a finding, and its columns where it stands in one line: GitHub takes them only then."""
    (line, column), (end_line, end_column) = found.span.position, found.span.source.position(found.span.end)
    if line != end_line:
        return {"line": line, "endLine": end_line}
    return {"line": line, "endLine": line, "col": column, "endColumn": max(end_column, column)}


def _data(text: str) -> str:
    """Escape a message as the runner reads it back: `%` first, then what would end the line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property: also what would end it."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
