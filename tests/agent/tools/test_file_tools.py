"""read_file, write_file and list_dir on real files."""

import os
import stat
from pathlib import Path

import pytest

from attractor.runtime.agent.tools import list_dir, read_file, write_file

READ, WRITE, LIST = read_file.TOOL, write_file.TOOL, list_dir.TOOL


def said(answered) -> str:
    assert not answered.result.is_error, answered.result.content
    return answered.result.content


def refused(answered) -> str:
    assert answered.result.is_error, answered.result.content
    return answered.result.content


def test_lines_are_numbered_from_one_and_without_their_ends(use, workspace: Path) -> None:
    (workspace / "a.txt").write_bytes("\ufeffone\r\ntwo é\x0bstill two\n\nfour".encode())

    assert "1 | one\n2 | two é\x0bstill two\n3 | \n4 | four" == said(use(READ, file_path="a.txt"))


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"offset": 2, "limit": 1}, "2 | b\n[lines 2-2; 2 more follow: read on with offset=3]"),
        ({"offset": 3}, "3 | c\n4 | d"),
        ({"offset": 0, "limit": 0}, "1 | a\n[lines 1-1; 3 more follow: read on with offset=2]"),
        ({"offset": "4"}, "4 | d"),
    ],
)
def test_offset_and_limit_choose_lines(use, workspace: Path, arguments, shown: str) -> None:
    (workspace / "a.txt").write_text("a\nb\nc\nd\n")

    assert shown == said(use(READ, file_path="a.txt", **arguments))


def test_a_long_file_is_read_in_parts(use, workspace: Path) -> None:
    (workspace / "a.txt").write_text("".join(f"{number}\n" for number in range(1, 5002)))

    lines = said(use(READ, file_path="a.txt")).splitlines()
    assert "[lines 1-2000; 3001 more follow: read on with offset=2001]" == lines[-1]
    assert 2001 == len(lines)


def test_a_long_line_is_cut_and_says_so(use, workspace: Path) -> None:
    (workspace / "a.txt").write_text("é" * 3_000_000 + "\nnext\n" + "y" * 2100)

    first, second, third = said(use(READ, file_path="a.txt")).splitlines()
    assert f"1 | {'é' * 2000} [line cut: {2 * (3_000_000 - 2000)} more bytes]" == first
    assert "2 | next" == second
    assert f"3 | {'y' * 2000} [line cut: 100 more bytes]" == third


def test_what_is_no_utf8_is_still_shown(use, workspace: Path) -> None:
    (workspace / "a.txt").write_bytes(b"caf\xe9\n")

    assert "1 | caf\ufffd" == said(use(READ, file_path="a.txt"))


def test_an_empty_file_says_so(use, workspace: Path) -> None:
    (workspace / "a.txt").write_text("")

    assert "'a.txt' is empty" == said(use(READ, file_path="a.txt"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"file_path": "src/mian.py"}, "no file 'src/mian.py'; close to it: 'main.py'"),
        ({"file_path": "scr/main.py"}, "no folder 'scr' for 'scr/main.py'; close to it: 'src'"),
        ({"file_path": "src/main.py/x"}, "'src/main.py' is a file, not a folder, so there is no 'src/main.py/x'"),
        ({"file_path": "src"}, "'src' is a folder; list_dir shows what is in it"),
        ({"file_path": "src/main.py", "offset": 9}, "'src/main.py' has only 1 line, so there is nothing at offset 9"),
        ({"file_path": "image"}, "'image' is a binary file of 9 bytes; it has no lines"),
        ({"file_path": "pipe"}, "'pipe' is not a regular file"),
        ({"file_path": " "}, "the path is empty; give one relative to the workspace"),
        ({"file_path": "a\0b"}, "'a\\x00b' is not a path: it holds a NUL character"),
        ({"file_path": "x" * 300}, f"'{'x' * 300}': File name too long"),
        ({"file_path": "loop"}, "'loop': too many symbolic links, one after the other"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_is_there(use, workspace: Path, arguments, reason: str) -> None:
    (workspace / "src").mkdir()
    (workspace / "src/main.py").write_text("pass\n")
    (workspace / "image").write_bytes(b"\x89PNG\0\0\0\0\0")
    (workspace / "loop").symlink_to("loop")
    os.mkfifo(workspace / "pipe")

    assert reason == refused(use(READ, **arguments))


def test_a_saved_output_can_be_read_though_it_lies_elsewhere(use, bench) -> None:
    bench.outputs.mkdir()
    (bench.outputs / "call_7.txt").write_text("all of it\n")

    assert "1 | all of it" == said(use(READ, file_path=str(bench.outputs / "call_7.txt")))
    assert "leads outside" in refused(use(READ, file_path=str(bench.outputs / ".." / "secret")))
    assert "leads outside" in refused(use(WRITE, file_path=str(bench.outputs / "call_7.txt"), content=""))


def test_a_file_is_made_with_its_folders(use, workspace: Path) -> None:
    assert "created new/deep/a.txt: 6 bytes, 2 lines" == said(
        use(WRITE, file_path="new//deep/./a.txt", content="é\nbö")
    )
    assert "é\nbö" == (workspace / "new/deep/a.txt").read_text()


def test_a_file_that_is_replaced_keeps_its_mode_and_its_other_name_its_content(use, workspace: Path) -> None:
    (workspace / "run.sh").write_text("old")
    (workspace / "run.sh").chmod(0o750)
    os.link(workspace / "run.sh", workspace / "other name")

    assert "replaced run.sh: 3 bytes, 1 line" == said(use(WRITE, file_path="run.sh", content="new"))
    assert ("new", "old") == ((workspace / "run.sh").read_text(), (workspace / "other name").read_text())
    assert 0o750 == stat.S_IMODE((workspace / "run.sh").stat().st_mode)
    assert ["other name", "run.sh"] == sorted(os.listdir(workspace))


def test_a_new_file_gets_the_mode_that_the_umask_allows(use, workspace: Path) -> None:
    before = os.umask(0o027)
    try:
        use(WRITE, file_path="a", content="")
    finally:
        os.umask(before)

    assert 0o640 == stat.S_IMODE((workspace / "a").stat().st_mode)


def test_a_link_inside_the_workspace_is_written_through(use, workspace: Path) -> None:
    (workspace / "real").mkdir()
    (workspace / "real/a.txt").write_text("old")
    (workspace / "link").symlink_to(workspace / "real")  # absolute, and inside
    (workspace / "alias.txt").symlink_to("link/../real/a.txt")

    assert "replaced real/a.txt: 3 bytes, 1 line" == said(use(WRITE, file_path="alias.txt", content="new"))
    assert (workspace / "alias.txt").is_symlink()
    assert "1 | new" == said(use(READ, file_path=str(workspace / "link" / "a.txt")))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("src", "'src' is a folder"),
        ("pipe", "'pipe' is not a regular file"),
        (".git/hooks/pre-commit", "'.git/hooks/pre-commit' belongs to git; change it with git's own commands"),
        (".", "'.' is a folder"),
    ],
)
def test_what_cannot_be_written_is_left_as_it_is(use, workspace: Path, path: str, reason: str) -> None:
    (workspace / "src").mkdir()
    os.mkfifo(workspace / "pipe")

    assert reason == refused(use(WRITE, file_path=path, content="x"))


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(use, workspace: Path, monkeypatch) -> None:
    (workspace / "a").write_text("old")

    def full(descriptor: int, text: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("attractor.runtime.agent.tools.write_file.write_all", full)

    assert "'a' could not be written: No space left on device; it is as it was" == refused(
        use(WRITE, file_path="a", content="new")
    )
    assert ({"a"}, "old") == (set(os.listdir(workspace)), (workspace / "a").read_text())


def test_a_folder_is_listed_sorted_with_its_kinds(use, workspace: Path) -> None:
    (workspace / "b").mkdir()
    (workspace / "b/inner").mkdir()
    (workspace / "b/inner/x").write_text("")
    (workspace / ".git").mkdir()
    (workspace / ".git/config").write_text("")
    (workspace / "a").write_text("")
    (workspace / "c").symlink_to("/etc")

    assert ".git/\na\nb/\nc -> /etc" == said(use(LIST))
    assert ".git/\na\nb/\nb/inner/\nb/inner/x\nc -> /etc" == said(use(LIST, depth=3))
    assert "x" == said(use(LIST, path="b/inner"))


def test_a_listing_has_an_end(use, workspace: Path) -> None:
    for number in range(1001):
        (workspace / f"{number:04}").touch()

    lines = said(use(LIST)).splitlines()
    assert ["0999", "[more than 1000 entries; list a folder below, or look with glob]"] == lines[-2:]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("a", "'a' is not a folder"), ("no", "no folder 'no'"), ("c", "'c' leads outside the workspace through")],
)
def test_what_is_no_folder_is_not_listed(use, workspace: Path, path: str, reason: str) -> None:
    (workspace / "a").write_text("")
    (workspace / "c").symlink_to("/etc")

    assert reason in refused(use(LIST, path=path))


def test_an_empty_folder_says_so(use) -> None:
    assert "'.' is empty" == said(use(LIST))
