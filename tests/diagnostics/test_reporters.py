"""Diagnostics as text and as JSON."""

import io
import json
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from attractor.compiler.diagnostics import Diagnostic, Edit, Fix, Related, Severity
from attractor.compiler.reporters.json import render_json
from attractor.compiler.reporters.text import render_text, wants_colour
from attractor.compiler.source import Source

SCHEMA = Path(__file__).parents[2] / "schemas" / "diagnostics.schema.json"


def _found(text: str, start: int, end: int, **more: Any) -> Diagnostic:
    return Diagnostic("rule", Source("g.dot", text).span(start, end), "message", Severity.ERROR, **more)


def _excerpt(text: str, start: int, end: int) -> list[str]:
    """Return the source line and its underline, without the margin."""
    lines = render_text([_found(text, start, end)]).splitlines()
    return [line.split("| ", 1)[1] if "| " in line else "" for line in lines[1:3]]


def test_a_finding_shows_place_line_underline_notes_and_a_summary() -> None:
    source = Source("dir/g.dot", 'digraph g {\n  a [promt="x"]\n}\n')
    at = source.text.index("promt")
    found = Diagnostic(
        "unknown_attribute",
        source.span(at, at + 5),
        'a node has no attribute "promt"',
        Severity.WARNING,
        related=(Related(source.span(0, 7), "in this graph"),),
        help="see the list",
        fix=Fix('write "prompt"', (Edit(source.span(at, at + 5), "prompt"),), safe=False),
    )

    assert (
        'dir/g.dot:2:6: warning[unknown_attribute] a node has no attribute "promt"\n'
        '2 |   a [promt="x"]\n'
        "  |      ^^^^^\n"
        "   = help: see the list\n"
        "   = see dir/g.dot:1:1: in this graph\n"
        '   = fix: write "prompt" (--unsafe-fixes)\n'
        "\n"
        "1 warning; fixable: 1 with --unsafe-fixes\n"
    ) == render_text([found])


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        pytest.param("abc", 1, 2, ["abc", " ^"], id="plain"),
        pytest.param("a\tbc", 2, 4, ["a   bc", "    ^^"], id="tab-before"),
        pytest.param("\ta", 0, 2, ["    a", "^^^^^"], id="tab-inside"),
        pytest.param("日本x", 2, 3, ["日本x", "    ^"], id="wide-before"),
        pytest.param("日本", 0, 2, ["日本", "^^^^"], id="wide-inside"),
        pytest.param("e\u0301x", 2, 3, ["e\u0301x", " ^"], id="combining"),
        pytest.param("🙂x", 1, 2, ["🙂x", "  ^"], id="emoji"),
        pytest.param("ab\ncd", 1, 5, ["ab", " ^"], id="several-lines"),
        pytest.param("ab\r\ncd", 1, 6, ["ab", " ^"], id="several-lines-crlf"),
        pytest.param("ab", 2, 2, ["ab", "  ^"], id="at-the-end"),
        pytest.param("ab", 1, 1, ["ab", " ^"], id="empty"),
        pytest.param("a\x1b[31mb", 6, 7, ["a␛[31mb", "      ^"], id="control-characters"),
        pytest.param("a\u202eb", 2, 3, ["a\ufffdb", "  ^"], id="bidirectional"),
        pytest.param("\ufeffab", 1, 2, ["\ufffdab", " ^"], id="byte-order-mark"),
    ],
)
def test_the_underline_stands_below_the_span(text: str, start: int, end: int, expected: list[str]) -> None:
    assert expected == _excerpt(text, start, end)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(1000, 1004, "XXXX", id="in-the-middle"),
        pytest.param(0, 4, "0" * 4, id="at-the-beginning"),
        pytest.param(1990, 2004, "0" * 14, id="at-the-end"),
    ],
)
def test_a_long_line_is_cut_to_a_window_around_the_span(start: int, end: int, expected: str) -> None:
    text = "0" * 1000 + "XXXX" + "0" * 1000

    line, carets = _excerpt(text, start, end)

    assert len(line) <= 122
    assert expected == line[carets.index("^") : len(carets)]


def test_a_span_longer_than_the_window_is_underlined_to_its_edge() -> None:
    line, carets = _excerpt("x" * 5000, 100, 4900)

    assert "…" + "x" * 120 + "…" == line
    assert len(line) - 1 == len(carets)


def test_a_message_cannot_steer_the_terminal() -> None:
    found = _found("a", 0, 1)._replace(message="a\x1b[2Jb\nc")

    assert "message" not in render_text([found])
    assert "\x1b" not in render_text([found])
    assert render_text([found]).startswith("g.dot:1:1: error[rule] a␛[2Jb␊c\n")


def test_nothing_found_prints_nothing() -> None:
    assert "" == render_text([])


def test_the_summary_counts() -> None:
    skipped = _found("a", 0, 1)._replace(rule="check_skipped", severity=Severity.INFO)
    fixable = _found("a", 0, 1, fix=Fix("t", ()))

    assert (
        "2 errors, 1 info, 1 check skipped; fixable: 1 with --fix"
        == (render_text([fixable, _found("a", 0, 1), skipped]).splitlines()[-1])
    )


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        pytest.param(True, {}, True, id="terminal"),
        pytest.param(False, {}, False, id="no-terminal"),
        pytest.param(True, {"NO_COLOR": "1"}, False, id="no-colour"),
        pytest.param(True, {"NO_COLOR": ""}, True, id="no-colour-empty"),
        pytest.param(False, {"FORCE_COLOR": "1"}, True, id="forced"),
        pytest.param(False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="both"),
        pytest.param(False, {"FORCE_COLOR": "0"}, False, id="not-forced"),
        pytest.param(True, {"TERM": "dumb"}, False, id="dumb"),
    ],
)
def test_colour_is_for_terminals(terminal: bool, environment: dict[str, str], expected: bool) -> None:
    assert expected == wants_colour(_Terminal() if terminal else io.StringIO(), environment)


def test_colour_changes_no_character() -> None:
    import re

    found = [_found("ab", 0, 1, help="h")]

    painted = render_text(found, colour=True)

    assert "\x1b[1;31merror[rule]\x1b[0m" in painted
    assert render_text(found) == re.sub("\x1b\\[[0-9;]*m", "", painted)


@pytest.mark.flaky(reruns=3)
def test_a_line_of_megabytes_is_shown_in_no_time() -> None:
    text = "x" * 8_000_000
    begin = time.perf_counter()

    render_text([_found(text, 4_000_000, 4_000_005)] * 20)

    assert time.perf_counter() - begin < 2


# JSON


def test_json_holds_everything_and_meets_its_schema() -> None:
    source = Source("g.dot", "a\n  b 🙂c\n")
    at = source.text.index("c")
    found = Diagnostic(
        "rule",
        source.span(at, at + 1),
        "message",
        Severity.WARNING,
        subject="a -> b",
        related=(Related(source.span(0, 1), "here"),),
        help="help",
        fix=Fix("title", (Edit(source.span(at, at), "new"),), safe=False),
    )
    skipped = Diagnostic(
        "check_skipped", source.span(0, 1), "bash could not be asked", Severity.INFO, "tool_command_syntax"
    )

    document = json.loads(render_json([found, skipped]))

    assert [] == list(jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).iter_errors(document))
    place = {"line": 2, "column": 6, "offset": 7}
    behind = {"line": 2, "column": 7, "offset": 8}
    first = {"start": {"line": 1, "column": 1, "offset": 0}, "end": {"line": 1, "column": 2, "offset": 1}}
    assert {
        "rule": "rule",
        "severity": "warning",
        "message": "message",
        "path": "g.dot",
        "span": {"start": place, "end": behind},
        "subject": "a -> b",
        "related": [{"path": "g.dot", "span": first, "message": "here"}],
        "help": "help",
        "fix": {
            "title": "title",
            "applicability": "unsafe",
            "edits": [{"path": "g.dot", "span": {"start": place, "end": place}, "text": "new"}],
        },
    } == document["diagnostics"][0]
    assert {
        "errors": 0,
        "warnings": 1,
        "infos": 1,
        "skipped": [{"check": "tool_command_syntax", "reason": "bash could not be asked"}],
    } == document["summary"]


def test_json_of_nothing_found_is_a_document_too() -> None:
    document = json.loads(render_json([]))

    assert {"version": 1, "diagnostics": []} == {key: document[key] for key in ("version", "diagnostics")}
    assert {"errors": 0, "warnings": 0, "infos": 0, "skipped": []} == document["summary"]
