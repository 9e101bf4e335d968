"""Diagnostics as SARIF 2.1.0, which code scanning services read: results with places, fixes and fingerprints."""

import json
import os.path
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ..diagnostics import Diagnostic, Fix, Severity
from ..rules import RULES, Rule
from ..source import Span

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Mapping[Severity | None, str] = {
    Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note", None: "none",
}  # fmt: skip
_FINGERPRINT = "attractorFinding/v1"


def render_sarif(diagnostics: Sequence[Diagnostic], version: str) -> str:
    """Return the log of one run for settled `diagnostics`; `version` is the tool's.

    Paths below the current folder are relative to it: a service takes them as relative to the repository.
    """
    known = {rule.id: rule for rule in RULES}
    used = sorted({found.rule for found in diagnostics})
    index = {rule: at for at, rule in enumerate(used)}
    fingerprints = _fingerprints(diagnostics)
    results = [
        _result(found, index[found.rule], mark) for found, mark in zip(diagnostics, fingerprints, strict=True)
    ]  # fmt: skip
    skipped = [found for found in diagnostics if found.rule == "check_skipped"]
    broken = [found for found in diagnostics if found.rule == "internal_error"]
    run = {
        "tool": {
            "driver": {
                "name": "attractor",
                "semanticVersion": version,
                "rules": [_rule(rule, known.get(rule)) for rule in used],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not broken,
                "toolExecutionNotifications": [_notification(found) for found in [*broken, *skipped]],
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(name: str, rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"id": name}
    more = f"\n\n`attractor rules {rule.id}` shows an example that is wrong, and one that is right."
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{rule.summary}."},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.why, "markdown": rule.why + more},
        "defaultConfiguration": {"enabled": rule.severity is not None, "level": _LEVELS[rule.severity]},
    }


def _result(found: Diagnostic, index: int, fingerprint: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "ruleIndex": index,
        "level": _LEVELS[found.severity or Severity.ERROR],
        "message": {"text": f"{found.message}\n{found.help}" if found.help else found.message},
        "locations": [_location(found.span)],
        "partialFingerprints": {_FINGERPRINT: fingerprint},
    }
    if found.subject:
        result["locations"][0]["logicalLocations"] = [{"name": found.subject}]
    if found.related:
        result["relatedLocations"] = [
            {**_location(other.span), "message": {"text": other.message}} for other in found.related
        ]
    if found.fix is not None and found.fix.edits:
        result["fixes"] = [_fix(found.fix)]
    return result


def _notification(found: Diagnostic) -> dict[str, Any]:
    return {
        "descriptor": {"id": found.rule},
        "level": _LEVELS[found.severity or Severity.ERROR],
        "message": {"text": found.message},
        "locations": [_location(found.span)],
    }


def _fix(fix: Fix) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        changes.setdefault(edit.span.source.path, []).append(replacement)
    careful = "" if fix.safe else " (may change what the pipeline does)"
    return {
        "description": {"text": fix.title + careful},
        "artifactChanges": [
            {"artifactLocation": {"uri": _uri(path)}, "replacements": replacements}
            for path, replacements in changes.items()
        ],
    }


def _location(span: Span) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(span.source.path)}, "region": _region(span)}}


def _region(span: Span) -> dict[str, int]:
    (line, column), (end_line, end_column) = span.position, span.source.position(span.end)
    return {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
        "charOffset": span.start,
        "charLength": span.end - span.start,
    }


def _uri(path: str) -> str:
    """Return a relative URI for what lies below the current folder, else one that begins with `file:`."""
    here, there = os.path.abspath(os.curdir), os.path.abspath(path)
    if there.startswith(here.rstrip(os.sep) + os.sep):
        return quote(os.path.relpath(there, here).replace(os.sep, "/"))
    return "file://" + quote(there.replace(os.sep, "/"))


def _fingerprints(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """Return for each finding what stays the same while lines move: of rule, file, subject and its own line.

    Those that are alike in all of that are told apart by their number.
    """
    counts: dict[str, int] = {}
    marks = []
    for found in diagnostics:
        line = found.span.source.line_text(found.span.position[0]).strip()
        key = "\0".join((found.rule, _uri(found.span.source.path), found.subject, line))
        counts[key] = counts.get(key, 0) + 1
        marks.append(sha256(f"{key}\0{counts[key]}".encode("utf-8", "replace")).hexdigest())
    return marks
