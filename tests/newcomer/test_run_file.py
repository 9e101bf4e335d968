"""Commands that take a run.yaml find it in the current folder, or in the folder that is named."""

from pathlib import Path

import pytest

RUN = "version: 1\nllm: {defaults: {provider: r, model: m}, providers: {r: {backend: scripted}}}\n"
GRAPH = (
    'digraph g { goal="Done" start [shape=Mdiamond] w [prompt="Do $goal"] exit [shape=Msquare] start -> w -> exit }\n'
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/run.yaml").write_text(RUN)
    (tmp_path / "project/g.dot").write_text(GRAPH)
    return tmp_path / "project"


@pytest.mark.parametrize("command", [("compile",), ("compile", "--check"), ("run", "--quiet"), ("graph",)])
def test_it_is_found_here_and_in_the_folder_that_is_named(attractor, project: Path, command: tuple[str, ...]) -> None:
    here, there = attractor(*command, cwd=project), attractor(*command, "project")

    assert (0, 0) == (here.code, there.code), (here, there)


NONE = "no run.yaml in this folder; name one, or begin with `attractor init`"


@pytest.mark.parametrize("command", [("compile",), ("compile", "--check"), ("run",), ("graph",)])
def test_where_there_is_none_it_says_so_and_how_to_begin(attractor, command: tuple[str, ...]) -> None:
    assert (2, "", f"attractor {command[0]}: {NONE}\n") == attractor(*command)


def test_where_there_is_only_a_graph_it_says_how_to_check_that(attractor, project: Path) -> None:
    (project / "run.yaml").unlink()

    said = attractor("compile", "project")

    assert 2 == said.code
    assert "no run.yaml in project/" in said.stderr
    assert "`attractor compile --check project/g.dot` checks a graph alone" in said.stderr


def test_two_of_them_are_not_chosen_between(attractor, project: Path) -> None:
    (project / "run.yml").write_text(RUN)

    said = attractor("compile", cwd=project)

    assert (2, "attractor compile: there are run.yaml and run.yml in this folder; name the one you mean\n") == (
        said.code, said.stderr
    )  # fmt: skip


def test_a_graph_cannot_be_run_alone(attractor, project: Path) -> None:
    said = attractor("run", "g.dot", cwd=project)

    assert 2 == said.code
    assert "needs a run.yaml that names g.dot" in said.stderr
