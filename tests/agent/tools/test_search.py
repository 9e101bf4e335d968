"""grep and glob: with ripgrep and without it the same lines, in the same order."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.runtime.agent.tools import globbing, grep, search
from attractor.runtime.agent.tools.contract import Bench
from attractor.runtime.agent.tools.search import alike, candidates, glob_matcher, matching_lines, walk
from attractor.runtime.shell import RealShell

GREP, GLOB = grep.TOOL, globbing.TOOL
needs_ripgrep = pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep (rg) is not installed")


@pytest.fixture(params=["with ripgrep", "without ripgrep"])
def use_either(request: pytest.FixtureRequest, bench: Bench, use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`use`, with a PATH that has `rg` on it, and with one that has not."""
    if request.param == "with ripgrep":
        if shutil.which("rg") is None:
            pytest.skip("ripgrep (rg) is not installed")
        return use
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    monkeypatch.setattr(bench.shell, "_base", RealShell({"PATH": str(programs)}, ())._base)
    return use


@pytest.fixture
def project(workspace: Path) -> Path:
    files = {
        "src/main.py": b"import os\n\ndef main() -> None:\n    print('TODO: nothing')\n",
        "src/deep/util.ts": b"export const todo = 1;\r\n// TODO later\r\n",
        "README.md": "# Über\nTODO: schön\n".encode(),
        "latin.txt": b"caf\xe9 TODO\n",
        "image.png": b"\x89PNG\0TODO\n",
        ".hidden/notes": b"TODO hidden\n",
        ".gitignore": b"ignored\n",
        "ignored/x.py": b"TODO ignored by git, but there\n",
        ".git/config": b"TODO\n",
        "node_modules/m/index.js": b"TODO\n",
        "empty": b"",
        "a file:with 'odd' name": b"TODO\n",
        "long": b"x" * 5000 + b"TODO" + b"y" * 5000,
    }
    for name, text in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(text)
    (workspace / "link").symlink_to("README.md")
    (workspace / "pipe-less").symlink_to("/etc/passwd")
    os.mkfifo(workspace / "fifo")
    return workspace


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param({"pattern": "TODO"}, [
            "README.md:2:TODO: schön", "a file:with 'odd' name:1:TODO", "latin.txt:1:caf\ufffd TODO",
            f"long:1:…{'x' * 100}TODO{'y' * 396}…", ".hidden/notes:1:TODO hidden",
            "ignored/x.py:1:TODO ignored by git, but there", "src/main.py:4:    print('TODO: nothing')",
            "src/deep/util.ts:2:// TODO later"], id="a word"),
        pytest.param({"pattern": "todo", "case_insensitive": True, "path": "src"},
                     ["src/main.py:4:    print('TODO: nothing')", "src/deep/util.ts:1:export const todo = 1;",
                      "src/deep/util.ts:2:// TODO later"], id="in any case, in a folder"),
        pytest.param({"pattern": r"^def \w+\(.*:$", "path": "src/main.py"},
                     ["src/main.py:3:def main() -> None:"], id="in a file"),
        pytest.param({"pattern": ";$"}, ["src/deep/util.ts:1:export const todo = 1;"], id="at any line end"),
        pytest.param({"pattern": "TODO", "glob_filter": "*.{py,ts}"},
                     ["ignored/x.py:1:TODO ignored by git, but there", "src/main.py:4:    print('TODO: nothing')",
                      "src/deep/util.ts:2:// TODO later"], id="in files by name"),
        pytest.param({"pattern": "TODO", "glob_filter": "src/*.py"},
                     ["src/main.py:4:    print('TODO: nothing')"], id="in files by path"),
        pytest.param({"pattern": "TODO", "path": "node_modules"}, ["node_modules/m/index.js:1:TODO"],
                     id="in a folder that is otherwise left out"),
        pytest.param({"pattern": "(?<=caf). TODO"}, ["latin.txt:1:caf\ufffd TODO"], id="what only Python reads"),
        pytest.param({"pattern": "^.ber|^# .ber"}, ["README.md:1:# Über"], id="a character that is no byte"),
        pytest.param({"pattern": "-> None", "max_results": 5}, ["src/main.py:3:def main() -> None:"],
                     id="a pattern like an option"),
        pytest.param({"pattern": "TODO", "max_results": 1}, [
            "README.md:2:TODO: schön", "[more than 1 lines match; narrow the search or raise max_results]"],
            id="no more than are wanted"),
        pytest.param({"pattern": "a\nb"}, ["no line in '.' matches 'a\\nb'"], id="nothing"),
    ],
)  # fmt: skip
def test_lines_are_found(use_either, project: Path, arguments, lines: list[str]) -> None:
    answered = use_either(GREP, **arguments)

    assert (lines, False) == (answered.result.content.split("\n"), answered.result.is_error)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"pattern": "("}, "'(' is not a regular expression: missing ), unterminated subpattern at position 0"),
        ({"pattern": "x", "path": "nowhere"}, "no file 'nowhere'"),
        ({"pattern": "x", "path": "fifo"}, "'fifo' is not a regular file"),
        ({"pattern": "x", "glob_filter": "../*"}, "glob_filter '../*' must be relative to path, without '..'"),
    ],
)
def test_a_search_that_cannot_be_made_is_told(use_either, project: Path, arguments, reason: str) -> None:
    answered = use_either(GREP, **arguments)

    assert (reason, True) == (answered.result.content, answered.result.is_error)


def test_a_pattern_that_takes_for_ever_is_ended_with_what_was_found(use, workspace: Path, monkeypatch) -> None:
    monkeypatch.setattr(grep, "TIMEOUT_MS", 700)
    (workspace / "a").write_text("aab\n")
    (workspace / "b").write_text("a" * 60 + "!\n")
    answered = use(GREP, pattern="(a|aa)+b(?!c)")

    assert answered.result.is_error
    assert answered.result.content.startswith("a:1:aab\n[ERROR: the search was ended after 700 ms; narrow it by path")


@pytest.mark.flaky(reruns=3)
def test_a_search_ends_at_once_when_the_session_is_stopped(use, workspace: Path, stop) -> None:
    (workspace / "b").write_text("a" * 60 + "!\n")
    threading.Timer(0.3, stop.press).start()
    started = time.monotonic()
    answered = use(GREP, pattern="(a|aa)+b(?!c)")

    assert "canceled (stopped by the test)" == answered.result.content
    assert time.monotonic() - started < 0.3 + 0.5


def test_a_saved_output_can_be_searched(use, bench: Bench) -> None:
    bench.outputs.mkdir()
    (bench.outputs / "c1.txt").write_text("one\ntwo\n")
    path = str(bench.outputs / "c1.txt")

    assert f"{path}:2:two" == use(GREP, pattern="tw", path=path).result.content


@pytest.mark.parametrize("name", ["", "src/", "src/main.py"])
def test_the_child_needs_nothing_but_python(name: str) -> None:
    """It is started without the user's packages: what it imports must be there without them."""
    imported = {
        line.split()[1].partition(".")[0] for line in Path(search.__file__).read_text().splitlines()
        if line.startswith(("import ", "from "))
    }  # fmt: skip

    assert imported <= sys.stdlib_module_names


PIECES = ["a", "b", ".", r"\.", r"\d", r"\w", r"\s", r"\b", "[ab]", "[^a]", "[a-c]", "(", ")", "|", "*", "+", "?",
          "^", "$", "{2}", " ", "(?:", r"\S", "-", "{", "é"]  # fmt: skip
LINES = st.lists(st.sampled_from(["a", "b", "c", " ", "1", ".", "-", "é", "\t", "\r", "\x1d", "\xa0", "A"]), max_size=6)


@needs_ripgrep
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join),
    texts=st.lists(st.lists(LINES.map("".join), max_size=3).map("\n".join), min_size=1, max_size=4),
    ignore_case=st.booleans(),
)
def test_ripgrep_leaves_out_no_file_that_has_a_match(tmp_path: Path, pattern, texts, ignore_case) -> None:
    import re

    try:
        regex = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except re.error:
        return
    for old in tmp_path.glob("f*"):
        old.unlink()
    for number, text in enumerate(texts):
        (tmp_path / f"f{number}").write_bytes(text.encode())
    chosen = candidates(str(tmp_path), pattern, ignore_case)
    matching = {name for name, _ in walk(str(tmp_path)) if list(matching_lines(str(tmp_path / name), regex))}

    assert chosen is None or matching <= chosen


@pytest.mark.parametrize("pattern", ["TODO|FIXME", r"def \w+\(", r"^import .*$", r"foo\.bar", "[a-z]{2,3} x", r"\bx\b"])
def test_common_patterns_are_left_to_ripgrep(pattern: str) -> None:
    assert alike(pattern)


@pytest.mark.parametrize(
    "pattern", [r"(?<=a)b", r"(a)\1", "[[:alpha:]]", "[a&&b]", "[a--b]", "a*+", "a{,3}", "x{", r"\Z", "é", "a**", "^*"]
)
def test_patterns_that_the_two_read_differently_are_left_to_python(pattern: str) -> None:
    assert not alike(pattern)


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("*.py", ["a.py", ".py"], ["a/b.py", "a.pyc"]),
        ("**/*.py", ["a.py", "a/b/c.py"], ["a.txt"]),
        ("src/**", ["src/a", "src/a/b"], ["srcx/a"]),
        ("src/**/test_*.py", ["src/test_a.py", "src/x/y/test_b.py"], ["test_a.py"]),
        ("**/a/**/b", ["a/b", "x/a/y/z/b"], ["b", "a/bb"]),
        ("*.{ts,tsx}", ["a.ts", "a.tsx"], ["a.js"]),
        ("{src,lib}/{a,b}?.c", ["src/a1.c", "lib/b2.c"], ["src/c1.c"]),
        ("[!a]*", ["b"], ["a"]),
        ("a{b", ["a{b"], ["ab"]),
        ("*" * 40 + "b", ["b", "aab"], ["a" * 200]),
        ("**/" * 30 + "x", ["x", "/".join("a" * 40) + "/x"], ["/".join("a" * 200)]),
    ],
)  # fmt: skip
def test_a_glob_fits_whole_paths(pattern: str, fitting: list[str], other: list[str]) -> None:
    matcher = glob_matcher(pattern)

    assert [] == [path for path in fitting if not matcher(path)]
    assert [] == [path for path in other if matcher(path)]


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ({"pattern": "**/*.py"}, ["src/main.py", "ignored/x.py"]),
        ({"pattern": "./src/**/*.{ts,py}"}, ["src/deep/util.ts", "src/main.py"]),
        ({"pattern": "{workspace}/src/*.py"}, ["src/main.py"]),
        ({"pattern": "*.ts", "path": "src/deep"}, ["src/deep/util.ts"]),
        ({"pattern": "node_modules/**/*.js"}, ["node_modules/m/index.js"]),
        ({"pattern": "*.js"}, ["no file in '.' matches '*.js'; '**/*.js' looks into the folders below, too"]),
        ({"pattern": "**/*.js"}, ["no file in '.' matches '**/*.js'"]),
    ],
)
def test_files_are_found_newest_first(use, project: Path, arguments, files: list[str]) -> None:
    for age, name in enumerate(["src/deep/util.ts", "src/main.py", "ignored/x.py"]):
        os.utime(project / name, (1_000_000 - age, 1_000_000 - age))
    arguments = {
        name: value.format(workspace=project) if "workspace" in value else value for name, value in arguments.items()
    }

    assert files == use(GLOB, **arguments).result.content.split("\n")


def test_a_glob_shows_so_many_files_and_counts_the_rest(use, workspace: Path) -> None:
    for number in range(503):
        (workspace / f"{number:03}").touch()

    lines = use(GLOB, pattern="*").result.content.splitlines()
    assert "[3 more files match; narrow the pattern]" in lines[-1] or "truncated" in lines[-1]
