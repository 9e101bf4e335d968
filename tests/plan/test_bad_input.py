"""Bad files give one clear error each: no traceback, no output, exit code 1 or 2."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.cli.main import main

RUN = "version: 1\ngraph: g.dot\nllm: {defaults: {provider: r, model: m}, providers: {r: {backend: scripted}}}\n"
GRAPH = 'digraph g { start [shape=Mdiamond] w [prompt="Do"] exit [shape=Msquare] start -> w -> exit }\n'
GOLDEN_PLAN = Path(__file__).parents[1] / "golden" / "every-kind" / "plan.json"

Spoil = Callable[[Path], object]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "run.yaml").write_text(RUN)
    (tmp_path / "g.dot").write_text(GRAPH)
    return tmp_path


def _attractor(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "attractor.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _in_this_process(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The same without the start of an interpreter, for the long tables."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder):
        code = main(arguments, stdout, stderr)
    return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())


SPOILT: dict[str, tuple[Spoil, str]] = {
    "missing": (Path.unlink, "no such file or directory"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "a folder": (_folder, "it is a folder"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "it is not a regular file"),
    "binary": (lambda path: path.write_bytes(b"\x7fELF\x02\x01\xff\xfe"), "byte 0xff is not UTF-8 text"),
    "NUL": (lambda path: path.write_bytes(b"ab\0cd"), "a NUL byte"),
    "UTF-16": (lambda path: path.write_text("version: 1", "utf-16"), "byte 0xff is not UTF-8 text"),
    "too large": (lambda path: path.write_bytes(b" " * (16 * 1024 * 1024 + 1)), "larger than 16 MiB"),
    "a loop of links": (lambda path: (path.unlink(), path.symlink_to(path)), "too many levels of symbolic links"),
}


@pytest.mark.parametrize("name", ["run.yaml", "g.dot"])
@pytest.mark.parametrize("spoil", SPOILT, ids=str)
def test_a_file_that_cannot_be_read_is_one_error(project: Path, name: str, spoil: str) -> None:
    change, reason = SPOILT[spoil]
    change(project / name)
    for run, arguments in ((_attractor, ["run.yaml"]), (_in_this_process, ["--check", name])):
        result = run(project, "compile", *arguments)

        assert (1, "") == (result.returncode, result.stdout)
        assert f"error[source_unreadable] cannot read '{name}': {reason}" in result.stderr
        assert "1 error" == result.stderr.splitlines()[-1]
    assert ["g.dot", "run.yaml"] == sorted({"g.dot", "run.yaml"} | {path.name for path in project.iterdir()})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_error(project: Path) -> None:
    (project / "g.dot").chmod(0)
    result = _attractor(project, "compile", "run.yaml")

    assert 1 == result.returncode
    assert "cannot read 'g.dot': permission denied" in result.stderr


@pytest.mark.parametrize(
    ("content", "place"),
    [(b'digraph g {\n  a [label="\xc3\xa9\xff"]\n}', "g.dot:2:14"), (b"digraph g {\n \0", "g.dot:2:2")],
)
def test_a_byte_that_is_no_text_is_shown_at_its_place(project: Path, content: bytes, place: str) -> None:
    (project / "g.dot").write_bytes(content)
    result = _attractor(project, "compile", "--check", "--format", "json", "run.yaml")
    (found,) = json.loads(result.stdout)["diagnostics"]
    start = found["span"]["start"]

    assert place == f"{found['path']}:{start['line']}:{start['column']}"
    assert ["run.yaml"] == [other["path"] for other in found["related"]]


def test_a_missing_graph_is_reported_where_run_yaml_names_it(project: Path) -> None:
    (project / "g.dot").unlink()
    result = _attractor(project, "compile", "run.yaml")

    assert "run.yaml:2:8: error[source_unreadable] cannot read 'g.dot'" in result.stderr


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"{" * 10_000_000, 1, id="10 MB of braces"),
        pytest.param(b"digraph g {" + b"subgraph {" * 20_000, 1, id="deep nesting"),
        pytest.param(b"\xef\xbb\xbf" + GRAPH.encode(), 1, id="BOM"),
        pytest.param(GRAPH.replace("] ", "]\r\n").encode(), 0, id="CRLF"),
        pytest.param(b'digraph g { a [label="' + b"x" * 5_000_000, 1, id="a string without end"),
    ],
)
def test_an_odd_graph_ends_soon_with_clear_words(project: Path, content: bytes, code: int) -> None:
    (project / "g.dot").write_bytes(content)
    result = _attractor(project, "compile", "run.yaml")

    assert code == result.returncode, result.stderr[-500:]
    assert "Traceback" not in result.stderr
    assert "internal" not in result.stderr
    assert len(result.stderr) < 60_000
    assert (code == 0) == (project / "g.plan.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("a: &a [*a]\n", id="cyclic alias"),
        pytest.param("[" * 100_000, id="deep nesting"),
        pytest.param("{" * 10_000_000, id="10 MB of braces"),
        pytest.param("&x " * 10, id="anchors only"),
        pytest.param("\n\n", id="blank"),
        pytest.param("- a\n- b\n", id="a list"),
        pytest.param("just words", id="words"),
        pytest.param('version: 1\ngoal: "\\ud800"\n', id="half a surrogate pair"),
        pytest.param("version: 1\ninputs: {x: .nan}\n", id="not a number"),
    ],
)
def test_an_odd_run_yaml_ends_soon_with_clear_words(project: Path, content: str) -> None:
    (project / "run.yaml").write_text(content)
    result = _attractor(project, "compile", "run.yaml")

    assert result.returncode == 1, result.stderr[-500:]
    assert "Traceback" not in result.stderr
    assert "internal" not in result.stderr
    assert not (project / "g.plan.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.yaml", "b.yaml"], "one run.yaml at a time"),
        (["g.dot"], "a plan needs a run.yaml"),
        (["--check", "-o", "x", "run.yaml"], "--check writes nothing"),
        (["--format", "json", "-o", "-", "run.yaml"], "cannot both go to stdout"),
        (["--graph", "g.dot", "--check", "run.yaml", "other.yaml"], "--graph goes with one run.yaml"),
        (["--chekc", "run.yaml"], 'did you mean "--check"?'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_answered_with_2_and_one_reason(project: Path, arguments: list[str], message: str) -> None:
    result = _attractor(project, "compile", *arguments)

    assert (2, "") == (result.returncode, result.stdout)
    assert message in result.stderr
    assert ["g.dot", "run.yaml"] == sorted(path.name for path in project.iterdir())


def test_a_name_or_a_value_that_is_not_utf_8_is_one_error(project: Path) -> None:
    odd = os.fsdecode(b"od\xff.yaml")
    (project / odd).write_text(RUN)
    for arguments in (["compile", odd], ["compile", "run.yaml", "--set", os.fsdecode(b"goal=\xff")]):
        result = _attractor(project, *arguments)

        assert (1, "") == (result.returncode, result.stdout), result.stderr
        assert "error[" in result.stderr
        assert not (project / "g.plan.json").exists()


def test_two_graphs_for_one_run_are_an_error_where_run_yaml_names_its_own(project: Path) -> None:
    (project / "other.dot").write_text(GRAPH)
    result = _attractor(project, "compile", "--check", "--graph", "other.dot", "run.yaml")

    assert 1 == result.returncode
    assert 'run.yaml:2:8: error[graph_not_found] this names another graph than --graph "other.dot"' in result.stderr
    assert 0 == _attractor(project, "compile", "--check", "--graph", "./g.dot", "run.yaml").returncode


def _edited(plan: bytes) -> bytes:
    return plan.replace(b'"max_visits": 7', b'"max_visits": 8', 1)


def _newer(plan: bytes) -> bytes:
    return plan.replace(b'"plan_version": 1', b'"plan_version": 2', 1)


PLANS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "truncated": (lambda plan: plan[: len(plan) // 2], "is not JSON, or was cut off"),
    "binary": (lambda _: b"\x80\x02\xff", "is not JSON: byte 0 is not UTF-8 text"),
    "edited": (_edited, "was edited: its digest does not match"),
    "newer": (_newer, "plan_version 2 is newer than this attractor knows (1)"),
    "older": (lambda plan: plan.replace(b'"plan_version": 1', b'"plan_version": 0', 1), "is older than"),
    "not a plan": (lambda _: b'{"a": 1}', "it has no plan_version"),
    "a list": (lambda _: b"[]", "it holds no object"),
    "deep nesting": (lambda _: b"[" * 100_000, "is not a plan"),
    "a field missing": (lambda plan: plan.replace(b'"start": "start"', b'"begin": "start"', 1), "is not a plan that"),
}


@pytest.mark.parametrize("spoil", PLANS, ids=str)
def test_a_plan_that_is_none_is_one_error_for_every_command_that_reads_plans(tmp_path: Path, spoil: str) -> None:
    change, reason = PLANS[spoil]
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(GOLDEN_PLAN.read_bytes())
    bad.write_bytes(change(good.read_bytes()))
    for arguments in (["explain", "bad.json"], ["diff", "good.json", "bad.json"], ["graph", "bad.json", "-o", "g.dot"]):
        result = _in_this_process(tmp_path, *arguments)

        assert (2, "") == (result.returncode, result.stdout)
        assert f"attractor {arguments[0]}: 'bad.json'" in result.stderr
        assert reason in result.stderr
        assert 1 == len(result.stderr.splitlines())
    assert ["bad.json", "good.json"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(("path", "reason"), [("missing.json", "no such file"), (".", "folder")])
@pytest.mark.parametrize("command", ["explain", "graph"])
def test_a_plan_that_cannot_be_read_is_one_error(tmp_path: Path, command: str, path: str, reason: str) -> None:
    result = _in_this_process(tmp_path, command, path)

    assert 0 != result.returncode
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr


def test_an_edited_plan_may_be_looked_at_on_request(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(_edited(GOLDEN_PLAN.read_bytes()))

    assert 0 == _in_this_process(tmp_path, "explain", "plan.json", "--allow-edited").returncode
