"""Commands that take a run.yaml find it in the current folder, or in the folder that is named."""

import shutil
import subprocess
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


@pytest.fixture
def begun(attractor, tmp_path: Path) -> Path:
    attractor("init")
    attractor("compile")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("compile", "scenario.yaml"), 1, "this is a scenario, not a run.yaml; `attractor run RUN.yaml --simulate="),
        (("compile", "pipeline.plan.json"), 1, "this is a plan, not a run.yaml; `attractor exec PLAN` runs it"),
        (("run", "scenario.yaml"), 2, "this is a scenario, not a run.yaml"),
        (("exec", "run.yaml"), 2, "`attractor run run.yaml` compiles it and runs the plan"),
        (("exec", "pipeline.dot"), 2, "'pipeline.dot' is a graph; `attractor compile RUN.yaml` makes a plan of it"),
        (("exec", "p.plan.json"), 2, "no such file or directory; there is pipeline.plan.json"),
        (("exec",), 2, "name the plan to run, as in: attractor exec PLAN; there is pipeline.plan.json"),
        (("exec", "pipeline.plan.json", "--simulate=run.yaml"), 2, "run.yaml is a run.yaml, not a scenario"),
        (("explain", "run.yaml"), 2, "'run.yaml' is no plan; `attractor compile run.yaml` makes one of a run.yaml"),
        (("explain", "pipeline.dot"), 2, "'pipeline.dot' is a graph"),
        (("diff", "pipeline.plan.json", "p.json"), 2, "cannot read 'p.json': no such file or directory; there is"),
        (("simulate-provider", "--scenario", "run.yaml"), 2, "is a run.yaml, not a scenario; `attractor schema sim"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_the_wrong_file_is_called_by_its_name_and_nothing_else_is_said(
    attractor, begun: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    said = attractor(*arguments)

    assert (code, "") == (said.code, said.stdout)
    assert words in said.stderr
    assert "model_unresolved" not in said.stderr
    assert "unknown key" not in said.stderr


def test_without_git_a_run_in_a_repository_says_how_to_do_without(attractor, begun: Path, tmp_path_factory) -> None:
    tools = tmp_path_factory.mktemp("tools")
    for name in ("bash", "grep"):
        (tools / name).symlink_to(shutil.which(name) or "")
    subprocess.run(["git", "init", "-q", "."], cwd=begun, check=True)

    said = attractor("run", "--quiet", PATH=str(tools))

    assert 1 == said.code
    assert "install git, or set workspace.mode: directory" in said.stdout
