"""The plan is written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.cli.disk import write_atomically

RUN = "version: 1\nllm: {defaults: {provider: r, model: m}, providers: {r: {backend: scripted}}}\n"
GOOD = 'digraph g { goal="Done" start [shape=Mdiamond] w [prompt="Do"] exit [shape=Msquare] start -> w -> exit }\n'
BAD = 'digraph g { start [shape=Mdiamond] w [prompt="Do"] exit [shape=Msquare] start -> w -> nowhere }\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "run.yaml").write_text(RUN)
    (tmp_path / "g.dot").write_text(GOOD)
    return tmp_path


def _compile(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "attractor.cli.main", "compile", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_plan_is_named_after_the_graph_and_lies_beside_run_yaml(project: Path) -> None:
    result = _compile(project.parent, f"{project.name}/run.yaml")

    assert (0, "") == (result.returncode, result.stdout)
    assert ["g.dot", "g.plan.json", "run.yaml"] == sorted(path.name for path in project.iterdir())
    assert result.stderr.splitlines()[-1].startswith(f"{project.name}/g.plan.json: 3 nodes, 1 asks a model, sha256:")


def test_a_dash_puts_the_plan_and_nothing_else_on_stdout(project: Path) -> None:
    _compile(project, "run.yaml", "-o", "file.json")
    result = _compile(project, "run.yaml", "-o", "-")

    assert (project / "file.json").read_text() == result.stdout


def test_errors_leave_the_old_plan_as_it_was(project: Path) -> None:
    (project / "g.plan.json").write_text("the old plan")
    (project / "g.dot").write_text(BAD)
    result = _compile(project, "run.yaml")

    assert 1 == result.returncode
    assert "the old plan" == (project / "g.plan.json").read_text()
    assert ["g.dot", "g.plan.json", "run.yaml"] == sorted(path.name for path in project.iterdir())


def test_warnings_with_strict_write_no_plan(project: Path) -> None:
    (project / "g.dot").write_text(GOOD.replace("[prompt=", "[colour_of_paint=red, prompt="))

    assert (0, True) == (_compile(project, "run.yaml").returncode, (project / "g.plan.json").exists())
    (project / "g.plan.json").unlink()
    assert (1, False) == (_compile(project, "run.yaml", "--strict").returncode, (project / "g.plan.json").exists())


def test_check_writes_nothing(project: Path) -> None:
    result = _compile(project, "--check", "-q", "run.yaml")

    assert (0, "", "") == (result.returncode, result.stdout, result.stderr)
    assert ["g.dot", "run.yaml"] == sorted(path.name for path in project.iterdir())


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("missing/plan.json", "no such file or directory"),
        (".", "it is a folder"),
        ("/dev/full", "no space left on device"),
        ("/proc/plan.json", ""),
    ],
)
def test_a_plan_that_cannot_be_written_is_one_clear_error(project: Path, output: str, reason: str) -> None:
    result = _compile(project, "run.yaml", "-o", output)

    assert (2, "") == (result.returncode, result.stdout)
    assert f"cannot write '{output}': {reason}" in result.stderr
    assert "Traceback" not in result.stderr
    assert ["g.dot", "run.yaml"] == sorted(path.name for path in project.iterdir())


@pytest.mark.parametrize("output", ["run.yaml", "./g.dot"])
def test_a_source_is_never_overwritten(project: Path, output: str) -> None:
    before = {path.name: path.read_bytes() for path in project.iterdir()}
    result = _compile(project, "run.yaml", "-o", output)

    assert 2 == result.returncode
    assert "it is made from that file" in result.stderr
    assert before == {path.name: path.read_bytes() for path in project.iterdir()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder_is_one_clear_error(project: Path) -> None:
    project.chmod(0o555)
    result = _compile(project, "run.yaml")
    project.chmod(0o755)

    assert 2 == result.returncode
    assert "cannot write './g.plan.json': permission denied" in result.stderr.replace("'g.plan", "'./g.plan")


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """The limit on the size of files ends the write in its middle, as a full disk would."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from attractor.cli.disk import write_atomically\n"
        "write_atomically('plan.json', b'x' * 5000)\n"
    )
    (tmp_path / "plan.json").write_text("the old plan")
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "File too large" in result.stderr
    assert {"plan.json": "the old plan"} == {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_a_link_is_written_through_and_the_mode_is_kept(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "real.json").chmod(0o640)
    (tmp_path / "link.json").symlink_to("real.json")
    write_atomically(str(tmp_path / "link.json"), b"new")

    assert "new" == (tmp_path / "real.json").read_text()
    assert (True, 0o640) == ((tmp_path / "link.json").is_symlink(), (tmp_path / "real.json").stat().st_mode & 0o777)


@pytest.mark.parametrize(
    "arguments", [["compile", "run.yaml", "-q", "-o", "-"], ["schema", "plan"], ["schema"]], ids=" ".join
)
def test_a_reader_that_has_gone_away_is_no_error_of_ours(project: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "attractor.cli.main", *arguments]
    result = subprocess.run(command, cwd=project, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (141, "") == (result.returncode, result.stderr)
