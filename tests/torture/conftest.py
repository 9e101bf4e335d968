"""A pipeline to be killed: 40 nodes with tools, agents, branches, nested branches and a restart."""

from pathlib import Path

STAGES_PER_BRANCH = 3
HEAD = """digraph torture {
  start [shape=Mdiamond]; done [shape=Msquare]
  graph [default_max_retry=0, loop_restart_persist_keys="kept"]
"""


def write(folder: Path, marks: Path) -> None:
    """Write run.yaml, its graph and the scenario of its agents; each tool appends its name to `marks` as it starts."""
    lines = [HEAD]
    names = [f"t{number:02}" for number in range(1, 13)]
    lines += [tool(name, marks) for name in names]
    lines += [f'  a{number} [shape=box, prompt="work on it"]' for number in range(1, 5)]
    lines += ["  fan [shape=component]; join [shape=tripleoctagon, merge=all]"]
    for branch in "lmr":
        lines += [tool(f"{branch}{number}", marks) for number in range(1, STAGES_PER_BRANCH + 1)]
        inside = " -> ".join(f"{branch}{number}" for number in range(1, STAGES_PER_BRANCH + 1))
        lines.append(f"  fan -> {inside} -> {'inner' if branch == 'r' else 'join'}")
    lines += ["  inner [shape=component]; meet [shape=tripleoctagon, merge=all]; meet -> join"]
    for branch in "xy":
        lines += [tool(f"{branch}{number}", marks) for number in range(1, 3)]
        lines.append(f"  inner -> {branch}1 -> {branch}2 -> meet")
    lines.append(tool("once", marks, "test -e seen || { touch seen; exit 1; }"))
    lines.append("  check [shape=diamond]")
    lines += [tool(f"z{number}", marks) for number in range(1, 4)]
    lines.append("  start -> a1 -> t01 -> t02 -> t03 -> t04 -> a2 -> once -> check")
    lines.append('  check -> t05 [condition="outcome=success"]')
    lines.append('  check -> a1 [condition="outcome=fail", loop_restart=true]')
    lines.append("  t05 -> t06 -> t07 -> a3 -> t08 -> fan")
    lines.append("  join -> t09 -> t10 -> a4 -> t11 -> t12 -> z1 -> z2 -> z3 -> done")
    (folder / "torture.dot").write_text("\n".join([*lines, "}\n"]))
    (folder / "run.yaml").write_text(RUN_YAML)
    (folder / "scenario.yaml").write_text(SCENARIO)


def tool(name: str, marks: Path, command: str = "") -> str:
    work = command or f"test ! -e {name}.half && touch {name}.half && sleep 0.02 && mv {name}.half {name}.txt"
    again = f"rm -f {name}.txt; " if not command else ""  # the restart runs it once more, on its own commits
    return f"  {name} [shape=parallelogram, tool_command=\"echo {name} >> '{marks}'; {again}{work}\"]"


RUN_YAML = """version: 1
graph: torture.dot
workspace: {mode: worktree}
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, script: scenario.yaml, failover: []}}
"""
SCENARIO = """version: 1
nodes:
  a1: {usage: {input_tokens: 11, output_tokens: 1, cost_usd: 0.25}, delay_ms: 30, context_updates: {kept: 1}}
  a2: {usage: {input_tokens: 22, output_tokens: 2, cost_usd: 0.5}, delay_ms: 30}
  a3: {usage: {input_tokens: 33, output_tokens: 3, cost_usd: 0.125}, delay_ms: 30}
  a4: {usage: {llm_calls: 2, input_tokens: 44, cost_usd: 1.0}, delay_ms: 30}
"""
