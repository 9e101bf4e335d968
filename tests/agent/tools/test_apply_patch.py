"""apply_patch: format v4a, read leniently, applied whole or not at all."""

import difflib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.runtime.agent.tools import apply_patch
from attractor.runtime.agent.tools.contract import Bench, Refusal
from attractor.runtime.agent.tools.patch_hunks import patched
from attractor.runtime.agent.tools.patch_text import UpdateFile, parse_patch

PATCH = apply_patch.TOOL


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SOURCE = b"""class A:
    def run(self):
        return 1

class B:
    def run(self):
        return 1

    def stop(self):
        pass
"""


def test_files_are_added_changed_moved_and_deleted_by_one_patch(use, workspace: Path) -> None:
    (workspace / "a.py").write_bytes(SOURCE)
    (workspace / "old.sh").write_text("echo 1\necho 2\n")
    (workspace / "old.sh").chmod(0o755)
    (workspace / "gone").write_bytes(b"\0binary")
    answered = use(
        PATCH,
        patch=patch(
            "*** Add File: new/deep/b.txt",
            "+first",
            "+",
            "+third",
            "*** Update File: a.py",
            "@@ class B:",
            "@@     def run(self):",
            "-        return 1",
            "+        return 2",
            "@@",
            "     def stop(self):",
            "-        pass",
            "+        self.done = True",
            "*** Update File: old.sh",
            "*** Move to: bin/new.sh",
            " echo 1",
            "-echo 2",
            "+echo 3",
            "*** Delete File: gone",
        ),
    )

    assert "A new/deep/b.txt\nM a.py\nR old.sh -> bin/new.sh\nD gone" == answered.result.content
    changed = SOURCE.replace(
        b"class B:\n    def run(self):\n        return 1", b"class B:\n    def run(self):\n        return 2"
    )
    assert {
        "a.py": changed.replace(b"pass", b"self.done = True"),
        "bin/new.sh": b"echo 1\necho 3\n",
        "new/deep/b.txt": b"first\n\nthird\n",
    } == tree(workspace)
    assert 0o755 == stat.S_IMODE((workspace / "bin/new.sh").stat().st_mode)


LENIENT = {
    "a code fence": "```diff\n{}\n```\n",
    "a here-document": "apply_patch <<'EOF'\n{}\nEOF\n",
    "blank lines around it": "\n\n{}\n\n",
}


@pytest.mark.parametrize("around", LENIENT.values(), ids=LENIENT.keys())
def test_a_wrapping_is_no_part_of_the_patch(use, workspace: Path, around: str) -> None:
    use(PATCH, patch=around.format(patch("*** Add File: a", "+text")))

    assert {"a": b"text\n"} == tree(workspace)


@pytest.mark.parametrize(
    ("before", "hunk", "after"),
    [
        pytest.param("a\nb\nc\n", "@@\n a\n-b\n+B\n c", "a\nB\nc\n", id="with context"),
        pytest.param("a\nb\nc\n", "-b\n+B", "a\nB\nc\n", id="the first hunk without @@"),
        pytest.param("a\nb\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B", "a\nB\nc\n", id="line numbers of a unified diff"),
        pytest.param("x\nb\ny\nb\n", "@@ -3,2 +3,2 @@ y\n-b\n+B", "x\nb\ny\nB\n", id="and its heading"),
        pytest.param("a\n\nb\n", "@@\n a\n\n-b\n+B", "a\n\nB\n", id="an empty line is empty context"),
        pytest.param("a\nb\n", "@@\n-b\n+B\n\n", "a\nB\n", id="an empty line too many at the end"),
        pytest.param("a  \nb\n", "@@\n a\n-b\n+B", "a  \nB\n", id="blanks at the end of context stay the file's"),
        pytest.param("\ta\n\tb\n", "@@\n     a\n-    b\n+    B", "\ta\n    B\n", id="indentation of context stays"),
        pytest.param("say “a” – b\nc\n", '@@\n say "a" - b\n-c\n+C', "say “a” – b\nC\n",
                     id="typography of context stays"),
        pytest.param("a\r\nb\r\n", "@@\n a\n-b\n+B\n+C", "a\r\nB\r\nC\r\n", id="line ends of the file"),
        pytest.param("a\nb", "@@\n a\n-b\n+B", "a\nB", id="no final newline"),
        pytest.param("a\r\nb", "@@\n b\n+C", "a\r\nb\r\nC", id="a line after the last one without newline"),
        pytest.param("a\nb\n", "@@\n+C", "a\nb\nC\n", id="only new lines go to the end"),
        pytest.param("a\nb\n", "@@ a\n+C", "a\nC\nb\n", id="or after the hint"),
        pytest.param("", "@@\n+C", "C\n", id="into an empty file"),
        pytest.param("a\nx\na\nx\n", "@@\n a\n-x\n+X\n*** End of File", "a\nx\na\nX\n", id="at the end of the file"),
        pytest.param("def f():\n  x\ndef g():\n  x\n", "@@ def g():\n def g():\n-  x\n+  y",
                     "def f():\n  x\ndef g():\n  y\n", id="the hint is the first line of the context, too"),
        pytest.param("a\nb\nc\nd\n", "@@\n-a\n@@\n-c\n+C", "b\nC\nd\n", id="two hunks"),
        pytest.param("a\u2028b\nc\n", "@@\n-c\n+C", "a\u2028b\nC\n", id="only a newline ends a line"),
    ],
)  # fmt: skip
def test_a_hunk_finds_its_place(use, workspace: Path, before: str, hunk: str, after: str) -> None:
    (workspace / "f").write_bytes(before.encode())
    answered = use(PATCH, patch=patch("*** Update File: f", hunk))

    assert ("M f", after.encode()) == (answered.result.content, (workspace / "f").read_bytes())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("--- a\n+++ b", "the patch has no line '*** Begin Patch'", id="another format"),
        pytest.param("*** Begin Patch\n*** Add File: x\n+x", "if it was cut off, send it in smaller", id="cut off"),
        pytest.param(patch(), "the patch names no file", id="empty"),
        pytest.param(patch("*** Frobnicate: x"), "patch line 2: expected '*** Add File:'", id="an unknown marker"),
        pytest.param(patch("*** Add File:"), "patch line 2: no path is given", id="no path"),
        pytest.param(patch("*** Add File: x", "text"), "patch line 3: each line of a file that is added begins",
                     id="text in a new file"),
        pytest.param(patch("*** Update File: a.py"), "patch line 2: 'a.py' has no changes", id="no changes"),
        pytest.param(patch("*** Update File: a.py", "@@ class A:"), "hunk 1 has no changes", id="an empty hunk"),
        pytest.param(patch("*** Update File: a.py", "class A:"), "patch line 3: each line of a hunk begins with ' '",
                     id="text in a hunk"),
        pytest.param(patch("*** Add File: a.py", "+x"), "'a.py' is there already", id="a file that is there"),
        pytest.param(patch("*** Delete File: b.py"), "no file 'b.py'; close to it: 'a.py'", id="no such file"),
        pytest.param(patch("*** Delete File: dir"), "'dir' is a folder", id="a folder"),
        pytest.param(patch("*** Update File: bin", "-x"), "'bin' is a binary file", id="a binary file"),
        pytest.param(patch("*** Update File: a.py", "*** Move to: dir/c", "-class A:"), "'dir/c' is there already",
                     id="moved to a file that is there"),
        pytest.param(patch("*** Delete File: a.py", "*** Update File: a.py", "-class A:"),
                     "no file 'a.py': the patch itself deletes or moves it before", id="changed after its end"),
        pytest.param(patch("*** Update File: a.py", "@@", "     def run(self):", "-        return 9"),
                     "a.py: hunk 1 (patch line 3): no line '        return 9'\nclosest to it:\n2 |     def run(self):\n"
                     "3 |         return 1", id="a line that is not there"),
        pytest.param(patch("*** Update File: a.py", "@@ class C:", "-x"),
                     "hunk 1 (patch line 3): no line 'class C:', which '@@' asks for\nclosest to it:\n1 | class A:",
                     id="a hint that is not there"),
        pytest.param(patch("*** Update File: a.py", "-        pass", "@@", "-class A:"),
                     "hunk 2 (patch line 4): its lines stand at line 1, above line 10", id="hunks in the wrong order"),
        pytest.param(patch("*** Update File: a.py", "-class A:", "-class B:"),
                     "its lines are in the file, but not one after the other", id="lines that are not neighbours"),
        pytest.param("hello\n" + patch("*** Add File: x", "+x"), "patch line 1: text outside", id="words before it"),
    ],
)  # fmt: skip
def test_a_patch_that_fails_anywhere_changes_nothing(use, workspace: Path, text: str, reason: str) -> None:
    (workspace / "a.py").write_bytes(SOURCE)
    (workspace / "dir").mkdir()
    (workspace / "dir/c").write_text("")
    (workspace / "bin").write_bytes(b"x\0")
    before = tree(workspace)
    good = "*** Begin Patch\n*** Add File: fine\n+fine\n*** Delete File: dir/c\n"
    answered = use(PATCH, patch=text)

    assert answered.result.is_error
    assert answered.result.content.startswith("nothing was changed: ")
    assert reason in answered.result.content
    assert before == tree(workspace)
    if text.startswith("*** Begin Patch\n*** ") and "dir/c" not in text and text != patch():
        assert use(PATCH, patch=text.replace("*** Begin Patch\n", good)).result.is_error
        assert before == tree(workspace)


@pytest.mark.parametrize("failing", range(4))
def test_a_disk_that_fails_in_the_middle_is_undone(bench: Bench, use, workspace, monkeypatch, failing: int) -> None:
    (workspace / "a").write_text("a\n")
    (workspace / "b").write_text("b\n")
    os.link(workspace / "a", workspace / "a too")
    before = tree(workspace)
    node = (workspace / "a").stat().st_ino
    rename, calls = os.rename, []

    def fail(*arguments, **more) -> None:
        calls.append(arguments)
        if len(calls) == failing + 1:
            raise OSError(5, "Input/output error")
        rename(*arguments, **more)

    monkeypatch.setattr(os, "rename", fail)
    text = patch(
        "*** Update File: a", "-a", "+A", "*** Add File: new", "+n", "*** Delete File: b",
        "*** Add File: last", "+l",
    )  # fmt: skip
    answered = use(PATCH, patch=text)
    monkeypatch.undo()

    assert "nothing was changed: Input/output error" == answered.result.content
    assert before == tree(workspace)
    assert node == (workspace / "a").stat().st_ino


def test_a_file_may_be_changed_twice_and_replaced_by_its_deletion_and_addition(use, workspace: Path) -> None:
    (workspace / "a").write_text("1\n2\n3\n")
    (workspace / "b").write_text("x\n")
    (workspace / "b").chmod(0o700)
    use(
        PATCH,
        patch=patch(
            "*** Update File: a", "-1", "+one", "*** Update File: ./a", "-3", "+three",
            "*** Delete File: b", "*** Add File: b", "+new",
        ),
    )  # fmt: skip

    assert {"a": b"one\n2\nthree\n", "b": b"new\n"} == tree(workspace)
    assert 0o700 == stat.S_IMODE((workspace / "b").stat().st_mode)


def test_a_name_that_begins_with_a_tilde_can_be_patched(use, workspace: Path) -> None:
    (workspace / "~x").write_text("a\n")
    use(PATCH, patch=patch("*** Update File: ./~x", "-a", "+b"))

    assert {"~x": b"b\n"} == tree(workspace)


def v4a(before: Sequence[str], after: Sequence[str], context: int) -> list[str]:
    """Return the changes between two texts as hunks, as a model that errs in nothing would write them."""
    lines: list[str] = []
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(context):
        lines.append("@@")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [f" {line}" for line in before[i1:i2]]
                continue
            lines += [f"-{line}" for line in before[i1:i2]]
            lines += [f"+{line}" for line in after[j1:j2]]
    return lines


words = st.lists(st.sampled_from(["a", "b", "  c", "d ", "", "“e”", "*** End", "@@ x", "+y"]), max_size=12)


@settings(max_examples=400, deadline=None)
@given(before=st.lists(st.integers(0, 10**9), unique=True, max_size=20), edits=st.data())
def test_the_patch_between_two_texts_makes_one_of_the_other(before: list[int], edits: st.DataObject) -> None:
    old = [f"line {number}" for number in before]
    new = [
        line
        for each in old
        for line in edits.draw(st.sampled_from([[each], [each], [each], [], [f"{each}!"], [each, "", "new"]]))
    ]
    hunks = v4a(old, new, context=2)
    if not hunks:
        return
    (section,) = parse_patch(patch("*** Update File: f", *hunks))
    assert isinstance(section, UpdateFile)
    text = "".join(f"{line}\n" for line in old)

    assert "".join(f"{line}\n" for line in new) == patched(text, section.hunks, "f")
    assert "".join(f"{line}\r\n" for line in new) == patched(text.replace("\n", "\r\n"), section.hunks, "f") or not old


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=words.map("\n".join), body=words)
def test_any_patch_is_applied_or_refused(text: str, body: list[str]) -> None:
    for wrapped in (patch("*** Update File: f", *body), patch(*body), "\n".join(body)):
        with suppress(Refusal):
            for section in parse_patch(wrapped):
                if isinstance(section, UpdateFile):
                    patched(text, section.hunks, "f")
