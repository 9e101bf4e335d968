"""Laws that hold for every finding of every example: what its fix does, and where it goes when lines move."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .conftest import EXAMPLES, Checked, check_here, line

Enter = Callable[[str, str], Path]

FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
WITH_GRAPH = [name for name in FOLDERS if (EXAMPLES / name / "bad" / "graph.dot").exists()]
COMMENT = "".join(f"// line {number} \N{SLIGHTLY SMILING FACE}\n" for number in range(1, 11))


def _apply(fix: dict[str, Any]) -> None:
    """Apply one fix to the files of the current folder, as an editor would."""
    for edit in sorted(fix["edits"], key=lambda edit: edit["span"]["start"]["offset"], reverse=True):
        path = Path(edit["path"])
        text = path.read_bytes().decode()
        start, end = edit["span"]["start"]["offset"], edit["span"]["end"]["offset"]
        path.write_bytes((text[:start] + edit["text"] + text[end:]).encode())


def _same(found: dict[str, Any], checked: Checked) -> int:
    key = (found["rule"], found["message"])
    return sum(1 for other in checked.diagnostics if key == (other["rule"], other["message"]))


@pytest.mark.parametrize("rule", FOLDERS)
def test_a_fix_removes_its_finding_and_brings_no_error(rule: str, enter: Enter) -> None:
    folder = enter(rule, "bad")
    texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    before = check_here()

    for found in before.diagnostics:
        if found["fix"] is None:
            continue
        _apply(found["fix"])
        after = check_here()
        assert _same(found, before) - 1 == _same(found, after), found["fix"]
        assert len(after.errors) <= len(before.errors), (found["fix"], after.errors)
        for path, text in texts.items():
            path.write_bytes(text)


@pytest.mark.parametrize("rule", FOLDERS)
def test_edits_of_a_fix_never_overlap(rule: str, enter: Enter) -> None:
    enter(rule, "bad")

    for found in check_here().diagnostics:
        edits = found["fix"]["edits"] if found["fix"] else []
        places = sorted((e["path"], e["span"]["start"]["offset"], e["span"]["end"]["offset"]) for e in edits)
        for (path, _, end), (other, start, _) in pairwise(places):
            assert path != other or end <= start


@pytest.mark.parametrize("rule", FOLDERS)
def test_the_front_door_fixes_all_at_once_and_a_second_time_nothing(rule: str, enter: Enter) -> None:
    folder = enter(rule, "bad")
    before = check_here()

    fixed = check_here("--unsafe-fixes")
    texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = check_here("--unsafe-fixes")

    assert len(fixed.errors) <= len(before.errors)
    assert texts == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert fixed.diagnostics == again.diagnostics == check_here().diagnostics


@pytest.mark.parametrize("rule", WITH_GRAPH)
def test_lines_before_the_graph_move_every_finding_by_as_many(rule: str, enter: Enter) -> None:
    folder = enter(rule, "bad")
    graph = folder / "graph.dot"
    if graph.read_bytes()[:3] == b"\xef\xbb\xbf" or not graph.read_bytes():
        pytest.skip("nothing can stand before a byte order mark, or in an empty file")
    before = check_here()

    graph.write_bytes(COMMENT.encode() + graph.read_bytes())

    assert [_moved(found, 10, len(COMMENT)) for found in before.diagnostics] == check_here().diagnostics


def _moved(value: Any, lines: int, characters: int) -> Any:
    """Return a diagnostic with every span in graph.dot moved; run.yaml stays."""
    if isinstance(value, list):
        return [_moved(each, lines, characters) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("path") != "graph.dot" and "span" in value:
        return {
            key: _moved(each, lines, characters) if key in {"related", "fix"} else each for key, each in value.items()
        }
    if {"line", "column", "offset"} == value.keys():
        return {**value, "line": value["line"] + lines, "offset": value["offset"] + characters}
    return {key: _moved(each, lines, characters) for key, each in value.items()}


@pytest.mark.parametrize("rule", WITH_GRAPH)
def test_line_ends_of_windows_change_no_line_and_no_column(rule: str, enter: Enter) -> None:
    folder = enter(rule, "bad")
    before = [(line(found), found["rule"]) for found in check_here().diagnostics]

    for path in folder.glob("*.dot"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

    assert before == [(line(found), found["rule"]) for found in check_here().diagnostics]
