"""edit_file: the one place that is meant, or nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.runtime.agent.tools import edit_file
from attractor.runtime.agent.tools.contract import Refusal
from attractor.runtime.agent.tools.edit_file import edit

EDIT = edit_file.TOOL


@pytest.mark.parametrize(
    ("before", "old", "new", "after", "said"),
    [
        pytest.param(b"a = 1\nb = 2\n", "b = 2", "b = 3", b"a = 1\nb = 3\n",
                     "edited f: 1 replacement at line 2", id="exactly"),
        pytest.param(b"a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz", b"x\r\ny\r\nz\r\nc\r\n",
                     "edited f: 1 replacement at line 1", id="line ends of the file"),
        pytest.param(b"a\r\nb\r\n", "b", "c\nd", b"a\r\nc\r\nd\r\n",
                     "edited f: 1 replacement at line 2", id="new lines get the ends of the file"),
        pytest.param(b"a\nb", "a\r\nb", "c\r\nd", b"c\nd", "edited f: 1 replacement at line 1",
                     id="line ends of another system in the call"),
        pytest.param(b"one\r\ntwo\nthree\nfour\n", "one\ntwo", "1\n2", b"1\n2\nthree\nfour\n",
                     "edited f: 1 replacement at line 1", id="mixed line ends"),
        pytest.param("say “hi” – now".encode(), 'say "hi" - now', "bye", b"bye",
                     "edited f: 1 replacement at line 1 (old_string differs from the file in quotes, dashes or spaces)",
                     id="typographic characters in the file"),
        pytest.param(b"if x:  \n    y()\t\nz\n", "if x:\n    y()", "y()", b"y()\nz\n",
                     "edited f: 1 replacement at line 1 (old_string differs from the file in blanks at line ends)",
                     id="blanks at line ends"),
        pytest.param(b"a  \nb\nc", "a\nb\n", "", b"c",
                     "edited f: 1 replacement at line 1 (old_string differs from the file in blanks at line ends)",
                     id="whole lines removed"),
        pytest.param(b"caf\xe9 old\n", "old", "n\u00e9w", b"caf\xe9 n\xc3\xa9w\n",
                     "edited f: 1 replacement at line 1", id="bytes that are no UTF-8 stay"),
        pytest.param(b"\xef\xbb\xbffirst\n", "first", "1st", b"\xef\xbb\xbf1st\n",
                     "edited f: 1 replacement at line 1", id="a byte order mark stays"),
        pytest.param(b"last", "last", "end", b"end", "edited f: 1 replacement at line 1", id="no final newline"),
    ],
)  # fmt: skip
def test_a_text_is_replaced(use, workspace: Path, before: bytes, old: str, new: str, after: bytes, said: str) -> None:
    (workspace / "f").write_bytes(before)
    answered = use(EDIT, file_path="f", old_string=old, new_string=new)

    assert (said, after) == (answered.result.content, (workspace / "f").read_bytes())


def test_every_occurrence_is_replaced_when_that_is_asked_for(use, workspace: Path) -> None:
    (workspace / "f").write_text("a\n" * 12)
    answered = use(EDIT, file_path="f", old_string="a", new_string="aa", replace_all=True)

    assert "edited f: 12 replacements at line 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …" == answered.result.content
    assert "aa\n" * 12 == (workspace / "f").read_text()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("", "x", "old_string is empty; give the text to replace, or use write_file for a whole file"),
        ("x", "x", "old_string and new_string are the same; nothing would change"),
        ("return", "x", "old_string occurs 2 times in 'f', at line 2, 5: give more of the lines around the one"),
        ("def totl(a, b):\n    return a", "x", "closest to it:\n1 | def total(a, b):\n2 |     return a + b"),
        ("1 | def total(a, b):\n2 |     return a + b", "x", "leave out the line numbers that read_file puts"),
        ("nothing like it", "x", "old_string is not in 'f'; it must be the file's own text"),
    ],
)
def test_what_could_be_meant_otherwise_changes_nothing(use, workspace: Path, old: str, new: str, reason: str) -> None:
    text = "def total(a, b):\n    return a + b\n\ndef other():\n    return 1\n"
    (workspace / "f").write_text(text)
    answered = use(EDIT, file_path="f", old_string=old, new_string=new)

    assert answered.result.is_error
    assert reason in answered.result.content
    assert text == (workspace / "f").read_text()


def test_another_name_of_the_file_keeps_its_content(use, workspace: Path) -> None:
    (workspace / "f").write_text("old")
    os.link(workspace / "f", workspace / "g")
    use(EDIT, file_path="f", old_string="old", new_string="new")

    assert ("new", "old") == ((workspace / "f").read_text(), (workspace / "g").read_text())


def test_a_binary_file_is_not_edited(use, workspace: Path) -> None:
    (workspace / "f").write_bytes(b"old\0")

    assert "'f' is a binary file" == use(EDIT, file_path="f", old_string="old", new_string="new").result.content


texts = st.text(st.sampled_from('ab \n\r“"é'), max_size=30)


@settings(max_examples=400, deadline=None)
@given(before=texts, old=st.text(st.sampled_from("abc"), min_size=1, max_size=3), new=texts, after=texts)
def test_a_text_that_occurs_once_is_replaced_and_nothing_else(before: str, old: str, new: str, after: str) -> None:
    old = f"<{old}>"
    edited = edit(before + old + after, old, new, "f", everywhere=False)

    assert edited.text.startswith(before)
    assert edited.text.endswith(after)
    assert [before.count("\n") + 1] == edited.lines
    middle = edited.text[len(before) : len(edited.text) - len(after)]
    plain = new.replace("\r\n", "\n")
    assert middle in (new, plain, plain.replace("\n", "\r\n"))


@settings(max_examples=400, deadline=None)
@given(text=texts, old=texts, new=texts)
def test_any_edit_is_made_or_refused(text: str, old: str, new: str) -> None:
    try:
        edited = edit(text, old, new, "f", everywhere=False)
    except Refusal:
        return
    assert 1 == len(edited.lines)
