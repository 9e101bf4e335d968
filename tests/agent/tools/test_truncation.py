"""Long outputs: what is shown, what is said about the rest, and where it is."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.runtime.agent.tools.contract import Cut
from attractor.runtime.agent.tools.truncation import MARKER, shorten, truncate

MODES = ("head_tail", "tail", "head")


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        pytest.param("head_tail", "01234\n{marker}\n56789", id="both ends"),
        pytest.param("tail", "{marker}\nxxxxx56789", id="the end"),
        pytest.param("head", "01234xxxxx\n{marker}", id="the start"),
    ],
)
def test_a_long_text_is_cut_where_the_tool_wants_it(tmp_path: Path, mode: str, shown: str) -> None:
    text = "01234" + "x" * 50 + "56789"
    result = truncate(text, Cut(10, mode), "call_1", tmp_path)

    marker = re.search(r"\[WARNING: .*\]", result.text)
    assert marker is not None
    assert shown.format(marker=marker.group()) == result.text
    assert "50 characters were removed" in marker.group()
    assert str(tmp_path / "call_1.txt") in marker.group()
    assert text == (tmp_path / "call_1.txt").read_text()


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        pytest.param("head_tail", "1 2 MARKER 8 9 10", id="both ends, the odd line to the end"),
        pytest.param("tail", "MARKER 6 7 8 9 10", id="the end"),
        pytest.param("head", "1 2 3 4 5 MARKER", id="the start"),
    ],
)
def test_many_lines_are_cut_after_the_characters(tmp_path: Path, mode: str, shown: str) -> None:
    text = "".join(f"{number}\n" for number in range(1, 11))
    result = truncate(text, Cut(1000, mode, max_lines=5), "call_1", tmp_path)

    assert shown.split() == ["MARKER" if line.startswith(MARKER) else line for line in result.text.splitlines()]
    assert "(5 lines) were removed" in result.text


def test_one_long_line_and_many_short_ones_leave_one_gap(tmp_path: Path) -> None:
    text = "a" * 500 + "".join(f"\n{number}" for number in range(400))
    lines = truncate(text, Cut(200, "head_tail", max_lines=10), "c", tmp_path).text.splitlines()

    assert 1 == sum(line.startswith(MARKER) for line in lines)
    assert "a" * 100 == lines[0]
    assert "399" == lines[-1]
    assert 11 == len(lines)


def test_a_text_within_its_limits_is_shown_as_it_is(tmp_path: Path) -> None:
    result = truncate("one\ntwo\n", Cut(8, "head_tail", max_lines=2), "c", tmp_path / "none")

    assert ("one\ntwo\n", None) == result
    assert not (tmp_path / "none").exists()


def test_two_outputs_of_one_name_get_two_files(tmp_path: Path) -> None:
    first = truncate("a" * 9, Cut(2, "tail"), "../../evil/../id", tmp_path)
    second = truncate("b" * 9, Cut(2, "tail"), "../../evil/../id", tmp_path)

    assert first.full is not None
    assert second.full is not None
    assert ["a" * 9, "b" * 9] == [first.full.read_text(), second.full.read_text()]
    assert {tmp_path} == {first.full.parent, second.full.parent}


def test_a_full_text_that_cannot_be_saved_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = truncate("a" * 9, Cut(2, "tail"), "c", tmp_path / "file")

    assert result.full is None
    assert "could not be saved" in result.text


texts = st.text(st.sampled_from("ab\n\r\u2028é😀"), max_size=120)
cuts = st.builds(Cut, st.integers(1, 60), st.sampled_from(MODES), st.none() | st.integers(1, 12))


@settings(max_examples=300, deadline=None)
@given(texts, cuts)
def test_what_is_kept_stands_in_the_text_and_within_the_limits(text: str, cut: Cut) -> None:
    kept = shorten(text, cut)

    if kept is None:
        assert len(text) <= cut.max_chars
        assert cut.max_lines is None or len(re.findall(r"[^\n]*\n|[^\n]+", text)) <= cut.max_lines
        return
    assert text.startswith(kept.head)
    assert text.endswith(kept.tail)
    assert len(kept.head) + len(kept.tail) < len(text)
    assert len(kept.head) + len(kept.tail) <= cut.max_chars
    if cut.max_lines is not None:
        assert len(re.findall(r"[^\n]*\n|[^\n]+", kept.head)) + kept.tail.count("\n") <= cut.max_lines
    assert "" == {"head_tail": "", "tail": kept.head, "head": kept.tail}[cut.mode]
