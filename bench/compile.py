"""A whole compile against pydot's parse alone, how it grows, and a cold `compile --check` against a bare Python."""

import sys
import tempfile
from pathlib import Path

from attractor.cli.main import main as attractor

from .measure import Figure, Work, exponent, least_command_s, least_cpu_s, peak_bytes, table
from .pipelines import RUN_YAML, pipeline

NODES = 1_000
GROWN = 20_000
COLD_NODES = 50


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return [_against_pydot(Path(folder)), *_growth(Path(folder)), *_cold(Path(folder))]


def _project(folder: Path, nodes: int, prompt_chars: int) -> Path:
    """Write a pipeline of `nodes` stages; return its run.yaml."""
    folder.mkdir()
    (folder / "run.yaml").write_text(RUN_YAML)
    (folder / "g.dot").write_text(pipeline(nodes, prompt_chars))
    return folder / "run.yaml"


def _compiling(run: Path) -> Work:
    def compile_it() -> None:
        assert attractor(["compile", "-q", str(run), "-o", str(run.with_name("plan.json"))]) == 0

    return compile_it


def _against_pydot(folder: Path) -> Figure:
    import pydot

    run = _project(folder / "whole", NODES, 1024)
    text = (run.parent / "g.dot").read_text()
    compile_s, *again, pydot_s = least_cpu_s(*[_compiling(run)] * 3, lambda: pydot.graph_from_dot_data(text), rounds=3)
    compile_s = min(compile_s, *again)
    note = f"{compile_s * 1000:.0f} ms against {pydot_s * 1000:.0f} ms of processor time; prompts of 1 KB"
    what = f"whole compile of {NODES:,} nodes, times faster than pydot's parse alone"
    return Figure(what, pydot_s / compile_s, "x", 40, at_most=False, note=note)


def _growth(folder: Path) -> list[Figure]:
    works = [_compiling(_project(folder / str(nodes), nodes, 200)) for nodes in (NODES, GROWN)]
    small_s, large_s = least_cpu_s(*works, rounds=2)
    small, large = map(peak_bytes, works)
    sizes, what = (NODES, GROWN), f"{NODES:,} to {GROWN:,} nodes, whole compile, prompts of 200 bytes"
    return [
        Figure(f"growth exponent of time, {what}", exponent(sizes, (small_s, large_s)), "", 1.1,
               note=f"{small_s * 1000:.0f} ms to {large_s * 1000:.0f} ms"),
        Figure("growth exponent of memory, likewise", exponent(sizes, (small, large)), "", 1.1,
               note=f"{small / 1e6:.1f} MB to {large / 1e6:.1f} MB at the peak"),
    ]  # fmt: skip


def _cold(folder: Path) -> list[Figure]:
    run = _project(folder / "cold", COLD_NODES, 400)
    assert attractor(["compile", "--check", "-q", str(run)]) == 0
    schema = folder / "small.json"
    schema.write_text('{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}\n')
    check_s, python_s, other_s = least_command_s(
        [_program("attractor"), "compile", "--check", str(run)],
        [sys.executable, "-c", "pass"],
        [_program("check-jsonschema"), "--check-metaschema", str(schema)],
    )
    what = f"cold `compile --check`, {COLD_NODES} nodes, against"
    return [
        Figure(f"{what} `python -c pass`", check_s / python_s, "x", 12,
               note=f"{check_s * 1000:.0f} ms against {python_s * 1000:.1f} ms"),
        Figure(f"{what} check-jsonschema on a small file", check_s / other_s, "x", 0.5,
               note=f"{check_s * 1000:.0f} ms against {other_s * 1000:.0f} ms"),
    ]  # fmt: skip


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    print(table("compile", figures()))
