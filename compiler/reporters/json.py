"""Diagnostics as one JSON document; `schemas/diagnostics.schema.json` describes it."""

import json
from collections.abc import Sequence
from typing import Any

from ..diagnostics import Diagnostic, Fix, Severity
from ..source import Span

JSON_VERSION = 1


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the document for settled `diagnostics`: ASCII only, one finding a line."""
    findings = ",\n".join(json.dumps(_diagnostic(found)) for found in diagnostics)
    listed = f"[\n{findings}\n]" if findings else "[]"
    return f'{{"version": {JSON_VERSION},\n"diagnostics": {listed},\n"summary": {json.dumps(summary(diagnostics))}}}\n'


def summary(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return the counts by severity, and what could not be checked with its reason."""
    severities = [found.severity for found in diagnostics]
    return {
        "errors": severities.count(Severity.ERROR),
        "warnings": severities.count(Severity.WARNING),
        "infos": severities.count(Severity.INFO),
        "skipped": [
            {"check": found.subject, "reason": found.message} for found in diagnostics if found.rule == "check_skipped"
        ],
    }


def _diagnostic(found: Diagnostic) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "severity": found.severity,
        "message": found.message,
        "path": found.span.source.path,
        "span": _span(found.span),
        "subject": found.subject,
        "related": [
            {"path": other.span.source.path, "span": _span(other.span), "message": other.message}
            for other in found.related
        ],
        "help": found.help,
        "fix": None if found.fix is None else _fix(found.fix),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "title": fix.title,
        "applicability": "safe" if fix.safe else "unsafe",
        "edits": [
            {"path": edit.span.source.path, "span": _span(edit.span), "text": edit.text} for edit in fix.edits
        ],
    }  # fmt: skip


def _span(span: Span) -> dict[str, dict[str, int]]:
    return {"start": _place(span, span.start), "end": _place(span, span.end)}


def _place(span: Span, offset: int) -> dict[str, int]:
    line, column = span.source.position(offset)
    return {"line": line, "column": column, "offset": offset}
