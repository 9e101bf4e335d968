"""The skills tell an agent what holds: every graph in them compiles, or is wrong in just the way that is said."""

import io
import re
from pathlib import Path

import pytest
import yaml

from attractor.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
SKILLS = sorted((ROOT / "skills").glob("*/SKILL.md"))
FENCE = re.compile(r"^```(dot|yaml|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"(?://|#) file: (\S+)\n")
WRONG = re.compile(r"// finds: (\w+)\n")
RUN_YAML = "version: 1\ngraph: graph.dot\nllm: {providers: {anthropic: {failover: []}}}\n"
FINDING = re.compile(r"(error|warning|info)\[(\w+)\]")


def _fences(skill: Path) -> list[tuple[str, str]]:
    return [(language, text) for language, text in FENCE.findall(skill.read_text("utf-8"))]


GRAPHS = [
    pytest.param(skill, text, id=re.search(r"digraph (\w+)", text)[1])  # type: ignore[index]
    for skill in SKILLS
    for language, text in _fences(skill)
    if language == "dot"
]


def _findings(path: Path) -> set[tuple[str, str]]:
    said = io.StringIO()
    main(["compile", "--check", str(path)], io.StringIO(), said)
    return set(FINDING.findall(said.getvalue()))


@pytest.mark.parametrize(("skill", "text"), GRAPHS)
def test_a_graph_is_clean_or_wrong_as_it_says(skill: Path, text: str, tmp_path: Path) -> None:
    wrong, named = WRONG.match(text), NAMED.match(text)
    assert (wrong is None) != (named is None), "a graph begins with `// finds: RULE` or with `// file: NAME`"
    name = named[1] if named else "graph.dot"
    (tmp_path / name).write_text(text)
    if wrong:
        (tmp_path / "run.yaml").write_text(RUN_YAML)
    for language, other in _fences(skill):
        beside = NAMED.match(other)
        if named and language == "yaml" and beside and f"graph: {name}" in other:
            (tmp_path / beside[1]).write_text(other)

    found = _findings(tmp_path / name)

    if wrong:
        assert wrong[1] in {rule for _, rule in found}
    else:
        assert set() == {rule for severity, rule in found if severity != "info"}


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.parent.name)
def test_a_skill_says_what_it_is_and_when_to_use_it(skill: Path) -> None:
    head = yaml.safe_load(skill.read_text("utf-8").split("---\n")[1])

    assert skill.parent.name == head["name"]
    assert "Use it when" in head["description"]


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.parent.name)
def test_every_command_in_a_skill_exists(skill: Path) -> None:
    named = set(re.findall(r"\battractor ([a-z-]+)\b", skill.read_text("utf-8")))

    assert set() == {command for command in named if command not in COMMANDS}
