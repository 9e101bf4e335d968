"""`attractor diff`: what changed in meaning, node by node."""

import io
import json
import shutil
from pathlib import Path

import pytest

from attractor.cli.main import main

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(GOLDEN / "every-kind", tmp_path / "project")


def _compile(project: Path) -> str:
    plan = project.parent / "new.json"
    stderr = io.StringIO()
    code = main(["compile", str(project / "run.yaml"), "-q", "-o", str(plan)], io.StringIO(), stderr)
    assert 0 == code, stderr.getvalue()
    return str(plan)


def _diff(project: Path, *arguments: str) -> tuple[int, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(["diff", str(project / "plan.json"), _compile(project), *arguments], stdout, stderr)
    assert "" == stderr.getvalue()
    return code, stdout.getvalue()


def _edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def test_text_that_moved_is_no_difference(project: Path) -> None:
    _edit(
        project / "graph.dot", ("  start ", "  // a comment\n\n  start "), ('"90s"', '"90000ms"'), (", k=1,", ",k=1 ,")
    )
    _edit(
        project / "run.yaml",
        ("limits: {max_llm_calls: 100, max_cost_usd: 5}", "limits: {max_cost_usd: 5.0, max_llm_calls: 100}"),
    )

    assert (0, "") == _diff(project)


def test_a_value_that_changed_is_named_with_old_and_new(project: Path) -> None:
    _edit(project / "graph.dot", ('timeout="90s"', 'timeout="2m"'))
    _edit(project / "run.yaml", ("max_llm_calls: 100", "max_llm_calls: 200"))

    assert (1, "limits.max_llm_calls: 100 -> 200\n~ node build\n    timeouts.command_ms: 90000 -> 120000\n") == _diff(
        project
    )


def test_a_prompt_that_changed_is_shown_as_an_excerpt(project: Path) -> None:
    _edit(project / "graph.dot", ('prompt="Write the notes', 'prompt="First line\nof several.\nWrite the notes'))
    old = _compile(project)
    shutil.copy(old, project / "plan.json")
    _edit(project / "graph.dot", ("of several.", "of very many."))
    code, text = _diff(project)
    lines = text.splitlines()
    at = lines.index("    prompt.text:")

    assert 1 == code
    assert [
        "      @@ -1,3 +1,3 @@",
        "       First line",
        "      -of several.",
        "      +of very many.",
    ] == lines[at + 1 : at + 5]


def test_nodes_that_came_and_went_are_named(project: Path) -> None:
    _edit(project / "graph.dot", ("mac [", "windows ["), ("-> mac ->", "-> windows ->"), ("make mac", "make windows"))
    code, text = _diff(project)

    assert 1 == code
    assert [
        "- node mac",
        "+ node windows",
        "~ node split",
        "    - edge -> mac",
        "    + edge -> windows",
    ] == text.splitlines()


def test_edges_that_changed_came_or_went_are_named(project: Path) -> None:
    _edit(
        project / "graph.dot",
        ("weight=2]", "weight=3]"),
        ('  built -> write [condition="outcome=success"]', '  built -> write [condition="outcome!=fail"]'),
        ('  ask -> done [label="Y) Yes, as it is"]\n', ""),
        ("human.default_choice=done", "human.default_choice=split"),
    )
    code, text = _diff(project)

    assert 1 == code
    assert [
        "~ node built",
        '    ~ edge -> failed [outcome=fail && context.failure_class!=transient_infra, "broken"]',
        "        weight: 2 -> 3",
        "    ~ edge -> write [outcome!=fail]",
        '        when: [["outcome", "=", "success"]] -> [["outcome", "!=", "fail"]]',
        "~ node ask",
        '    default_choice: "done" -> "split"',
        '    - edge -> done ["Y) Yes, as it is"]',
    ] == text.splitlines()


def test_another_order_of_the_same_edges_is_a_difference(project: Path) -> None:
    _edit(project / "graph.dot", ('label="[S] Split builds"]', 'label="[S] Split builds", weight=1]'))
    code, text = _diff(project)

    assert 1 == code
    assert (
        '    edges are now tried in this order: -> split ["[S] Split builds"], -> done ["Y) Yes, as it is"], '
        '-> write ["No - again"]'
    ) in text.splitlines()


def test_a_change_in_a_child_is_shown_under_its_manager(tmp_path: Path) -> None:
    project = shutil.copytree(GOLDEN / "child-pipeline", tmp_path / "project")
    _edit(project / "child" / "child.dot", ("max_retries=1", "max_retries=2"))

    assert (1, "~ node supervise\n    child pipeline:\n        ~ node work\n            attempts: 2 -> 3\n") == _diff(
        project
    )


def test_json_says_the_same_to_programs(project: Path) -> None:
    assert {"version": 1, "equal": True, "run": [], "added": [], "removed": [], "changed": []} == json.loads(
        _diff(project, "--format", "json")[1]
    )
    _edit(project / "graph.dot", ('timeout="90s"', 'timeout="2m"'))
    code, text = _diff(project, "--format", "json")

    assert 1 == code
    assert [
        {
            "id": "build",
            "fields": [{"field": "timeouts.command_ms", "old": 90000, "new": 120000}],
            "edges": [],
            "child": None,
        }
    ] == json.loads(text)["changed"]


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["diff", "--help"])
    assert "exit codes: 0 they mean the same; 1 they differ; 2 one of them is no plan" in capsys.readouterr().out
