"""A whole compile against pydot's parse alone, and a cold `attractor compile --check` against Python's own start."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attractor.cli.main import main as attractor

from .measure import Figure, median_command_s, median_s, table

RUN_YAML = "version: 1\ngraph: g.dot\nllm: {providers: {kimi: {failover: []}}}\n"


def pipeline(nodes: int, prompt_chars: int) -> str:
    """Return a chain of LLM stages with prompts of `prompt_chars` characters."""
    prompt = ("Implement the next part as the plan says and run its tests. " * (prompt_chars // 60 + 1))[:prompt_chars]
    stages = "".join(
        f'  n{at} [shape=box, label="Stage {at}", llm_model="kimi-k2.5", prompt="{at}: {prompt}"];\n'
        for at in range(nodes)
    )
    chain = "".join(f"  n{at} -> n{at + 1};\n" for at in range(nodes - 1))
    return (
        f'digraph g {{\n  goal="a goal";\n  start [shape=Mdiamond];\n  exit [shape=Msquare];\n{stages}'
        f"  start -> n0;\n{chain}  n{nodes - 1} -> exit;\n}}\n"
    )


def figures() -> list[Figure]:
    import pydot

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.yaml").write_text(RUN_YAML)
        (folder / "g.dot").write_text(pipeline(1000, 1024))
        run = str(folder / "run.yaml")
        output = str(folder / "plan.json")
        compile_s = median_s(lambda: attractor(["compile", "-q", run, "-o", output]))
        started = time.perf_counter()
        pydot.graph_from_dot_data((folder / "g.dot").read_text())
        pydot_s = time.perf_counter() - started

        small = folder / "small"
        small.mkdir()
        (small / "run.yaml").write_text(RUN_YAML)
        (small / "g.dot").write_text(pipeline(50, 400))
        program = str(Path(sys.executable).with_name("attractor"))
        check = [program, "compile", "--check", str(small / "run.yaml")]
        assert subprocess.run(check, capture_output=True, check=False).returncode == 0
        check_s = median_command_s(check)
        python_s = median_command_s([sys.executable, "-c", "pass"])
        other = [str(Path(sys.executable).with_name("check-jsonschema")), "--check-metaschema", str(_schema(folder))]
        other_s = median_command_s(other)
    return [
        Figure("whole compile of 1,000 nodes, times faster than pydot's parse alone", pydot_s / compile_s, "x", 40,
               at_most=False, note=f"{compile_s * 1000:.0f} ms against {pydot_s * 1000:.0f} ms"),
        Figure("cold `compile --check`, 50 nodes, against `python -c pass`", check_s / python_s, "x", 12,
               note=f"{check_s * 1000:.0f} ms against {python_s * 1000:.1f} ms"),
        Figure("cold `compile --check`, 50 nodes, against check-jsonschema on a small file", check_s / other_s, "x", 0.5,
               note=f"{check_s * 1000:.0f} ms against {other_s * 1000:.0f} ms"),
    ]  # fmt: skip


def _schema(folder: Path) -> Path:
    path = folder / "small.json"
    path.write_text('{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}\n')
    return path


if __name__ == "__main__":
    print(table("compile", figures()))
