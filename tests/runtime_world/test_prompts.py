"""What a stage's model is given to read."""

import subprocess
from pathlib import Path

import pytest

from attractor.runtime.steps.prompt import nested


def prompt_of(done, node: str = "a") -> str:
    return (done.folder / f"stages/{node}/1-1/prompt.md").read_text()


def jinja(prompt: str) -> str:
    return f'  prompt_engine=jinja\n  goal="a boat"\n  a [label="Builder", prompt="{prompt}"]\n  start -> a -> exit'


def test_a_prompt_begins_with_how_to_report(pipeline) -> None:
    done = pipeline('  a [prompt="Build it."]\n  start -> a -> exit').exec("--quiet")

    text = prompt_of(done)
    assert text.startswith("# How to report\n")
    assert ".attractor/status/a-1-1.json" in text
    assert text.endswith("\n\nBuild it.\n")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("{{ goal }}", "a boat", id="goal"),
        pytest.param("{{ inputs.seed + 1 }}", "43", id="inputs keep their types"),
        pytest.param("{{ run.id }} {{ run.name }} {{ run.restarts }}", "r-1 p 0", id="run"),
        pytest.param("{{ node.id }} {{ node.label }} {{ node.visit }}", "a Builder 1", id="node"),
        pytest.param("{{ context.current_node }} {{ context.graph.goal }}", "a a boat", id="context"),
        pytest.param("{{ context['inputs.seed'] }}", "42", id="a dotted key as it is written"),
        pytest.param("{{ previous.node }}: {{ previous.outcome }}", "start: success", id="previous"),
        pytest.param("[{{ previous.failure_reason }}]", "[]", id="no failure to tell of"),
        pytest.param("{% if 'done' in context %}x{% else %}y{% endif %}", "y", id="asking for a key"),
        pytest.param("{{ '<&>' }}", "<&>", id="nothing is escaped"),
    ],
)  # fmt: skip
def test_a_template_sees_the_run(pipeline, template: str, text: str) -> None:
    done = pipeline(jinja(template), "inputs: {seed: 42}\n").exec("--quiet", "--run-id", "r-1")

    assert prompt_of(done).endswith(f"\n\n{text}\n")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        pytest.param(
            "{{ context.nothing }}", "there is no 'nothing'; there is current_node, graph, ", id="a key nobody set"
        ),
        pytest.param(
            "{{ inputs['z' ~ 'ed'] }}",
            "there is no 'zed'; there is seed",
            id="an input that the compiler cannot foresee",
        ),
        pytest.param("{{ goal.zed }}", "has no attribute 'zed'", id="no such attribute"),
        pytest.param("{{ 1 // 0 }}", "division", id="arithmetic"),
        pytest.param("{{ goal.__class__.__mro__ }}", "unsafe", id="out of the sandbox"),
    ],
)
def test_a_template_that_cannot_be_rendered_fails_the_stage(pipeline, template: str, reason: str) -> None:
    done = pipeline(jinja(template), "inputs: {seed: 42}\n").exec("--quiet")

    assert 1 == done.code
    assert "the prompt of 'a' could not be rendered" in done.final["reason"]
    assert reason in done.final["reason"]


def test_base_sha_is_filled_in_at_run_time(pipeline) -> None:
    yaml = """version: 1
graph: p.dot
llm:
  defaults: {provider: local, model: any}
  providers: {local: {backend: scripted, failover: []}}
"""
    made = pipeline('  a [prompt="See git diff $base_sha, then $base_sha."]\n  start -> a -> exit', yaml)
    head = commit_all(made.folder)

    assert prompt_of(made.exec("--quiet")).endswith(f"See git diff {head}, then {head}.\n")


def commit_all(folder: Path) -> str:
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_dotted_keys_nest_and_keep_values_apart() -> None:
    context = {"a": 1, "b.c": 2, "b.d.e": 3, "a.f": 4, "g": {"h": 5}, "g.i": 6}

    tree = nested(context)

    assert {"c": 2, "d": {"e": 3}} == tree["b"]
    assert (1, {"h": 5}) == (tree["a"], tree["g"])
    assert (4, 6) == (tree["a.f"], tree["g.i"])
    assert {"h": 5} == context["g"]
