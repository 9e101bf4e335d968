"""The sentence of the compiler: which files belong together, what happens when a part of it breaks, what it leaves."""

import gc
import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.disk import Disk
from attractor.cli.main import main
from attractor.compiler import compile as compiling
from attractor.compiler.compile import Request, compile_pipeline
from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.emit import InvalidPlan, emit
from attractor.compiler.plan import COMPILER_VERSION
from attractor.compiler.rules import Project

ROOT = Path(__file__).parents[2]
RUN = "version: 1\n{graph}llm: {{defaults: {{provider: r, model: m}}, providers: {{r: {{backend: scripted}}}}}}\n"
GRAPH = 'digraph {name} {{ goal="g" start [shape=Mdiamond] w [prompt="Do"] exit [shape=Msquare] start -> w -> exit }}\n'
BROKEN = 'digraph {name} {{ start [shape=Mdiamond] w [promt="Do"] exit [shape=Msquare] start -> w -> exit }}\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(**files: str) -> None:
    for name, text in files.items():
        Path(name.replace("__", ".")).write_text(text)


def _check(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(["compile", "--check", "--format", "json", *arguments], stdout, stderr)
    return code, json.loads(stdout.getvalue())["diagnostics"] if stdout.getvalue() else []


def _rules(diagnostics: list[dict[str, Any]]) -> list[str]:
    return [found["rule"] for found in diagnostics if found["severity"] != "info"]


# Which files belong together


def test_a_graph_is_checked_with_the_run_yaml_beside_it_that_names_it() -> None:
    _write(run__yaml=RUN.format(graph="graph: a.dot\n") + "limt: 1\n", a__dot=GRAPH.format(name="a"))
    code, found = _check("a.dot")

    assert (1, ["run_unknown_key"]) == (code, _rules(found))


def test_a_graph_that_no_run_yaml_names_is_checked_alone() -> None:
    _write(run__yaml=RUN.format(graph="graph: a.dot\n") + "limt: 1\n", a__dot=GRAPH.format(name="a"))
    _write(b__dot=GRAPH.format(name="b"))

    assert (0, []) == (_check("b.dot")[0], _rules(_check("b.dot")[1]))


def test_a_run_yaml_and_its_graph_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _write(run__yaml=RUN.format(graph=""), a__dot=BROKEN.format(name="a"))
    requests = []
    real = compile_pipeline

    def counting(request: Request, *rest: Any) -> Any:
        requests.append(request)
        return real(request, *rest)

    monkeypatch.setattr("attractor.cli.compile.compile_pipeline", counting)
    _, found = _check("a.dot", "run.yaml", "./a.dot")

    assert [("run.yaml", None)] == [(request.run, request.graph) for request in requests]
    assert ["a.dot"] == sorted({each["path"] for each in found})


def test_several_pipelines_are_checked_in_one_run() -> None:
    for folder in ("one", "two"):
        Path(folder).mkdir()
        _write(**{f"{folder}/run__yaml": RUN.format(graph=""), f"{folder}/g__dot": BROKEN.format(name="g")})
    _, found = _check("one/run.yaml", "two/g.dot")

    assert {"one/g.dot", "two/g.dot"} == {each["path"] for each in found}


@pytest.mark.parametrize(
    ("run", "arguments", "name"),
    [
        ("graph: b.dot\n", [], "b"),
        ("", ["--graph", "a.dot"], "a"),
        ("graph: b.dot\n", ["--set", "graph=a.dot"], "a"),
    ],
    ids=["named", "--graph", "--set"],
)
def test_the_graph_is_found(run: str, arguments: list[str], name: str) -> None:
    _write(run__yaml=RUN.format(graph=run), a__dot=GRAPH.format(name="a"), b__dot=GRAPH.format(name="b"))

    assert 0 == main(["compile", "run.yaml", "-q", *arguments], io.StringIO(), io.StringIO())
    assert [f"{name}.plan.json"] == [path.name for path in Path().glob("*.json")]


def test_two_graphs_and_no_name_is_an_error_that_lists_them() -> None:
    _write(run__yaml=RUN.format(graph=""), a__dot=GRAPH.format(name="a"), b__dot=GRAPH.format(name="b"))
    _, found = _check("run.yaml")

    assert ["no graph is named, and there are 2 .dot files beside this one: a.dot, b.dot"] == [
        each["message"] for each in found
    ]


# Prompt files and children


@pytest.mark.parametrize("written", ["../secret.md", "{absolute}", "link.md", "sub/../../secret.md"])
def test_a_prompt_file_outside_the_repository_is_refused(tmp_path: Path, written: str) -> None:
    inside = tmp_path / "inside"
    (inside / ".git").mkdir(parents=True)
    (inside / "sub").mkdir()
    (tmp_path / "secret.md").write_text("a private thing")
    (inside / "link.md").symlink_to(tmp_path / "secret.md")
    prompt_file = written.format(absolute=tmp_path / "secret.md")
    (inside / "g.dot").write_text(GRAPH.format(name="g").replace('prompt="Do"', f'prompt_file="{prompt_file}"'))
    _, found = _check("inside/g.dot")

    assert ["prompt_file_unreadable"] == _rules(found)


def test_a_prompt_file_elsewhere_in_the_repository_is_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "do.md").write_text("Do it well")
    graph = GRAPH.format(name="g").replace('prompt="Do"', 'prompt_file="../prompts/do.md"')
    (tmp_path / "pipelines" / "g.dot").write_text(graph)
    (tmp_path / "pipelines" / "run.yaml").write_text(RUN.format(graph=""))
    stdout = io.StringIO()

    assert 0 == main(["compile", "pipelines/run.yaml", "-q", "-o", "-"], stdout, io.StringIO())
    plan = json.loads(stdout.getvalue())
    assert "Do it well" == plan["nodes"][1]["prompt"]["text"]
    assert ["../prompts/do.md", "g.dot", "run.yaml"] == [source["path"] for source in plan["sources"]]


def _parent(name: str, child: str) -> str:
    return (
        f'digraph {name} {{ goal="g" stack.child_dotfile="{child}" start [shape=Mdiamond] exit [shape=Msquare]\n'
        'm [shape=house, prompt="watch"] start -> m -> exit }\n'
    )


def test_children_that_are_each_others_parents_are_an_error() -> None:
    _write(a__dot=_parent("a", "b.dot"), b__dot=_parent("b", "./a.dot"))
    _, found = _check("a.dot")

    assert [("b.dot", "child_pipeline_endless")] == [
        (each["path"], each["rule"]) for each in found if each["severity"] == "error"
    ]


def test_children_may_not_be_nested_without_end() -> None:
    for number in range(20):
        _write(**{f"g{number}__dot": _parent(f"g{number}", f"g{number + 1}.dot")})
    _, found = _check("g0.dot")

    assert ["g8.dot"] == [each["path"] for each in found if each["rule"] == "child_pipeline_endless"]


def test_a_mistake_in_a_child_is_found_through_its_parent() -> None:
    _write(a__dot=_parent("a", "b.dot"), b__dot=BROKEN.format(name="b"))
    _, found = _check("a.dot")

    assert ("b.dot", "unknown_attribute") in [(each["path"], each["rule"]) for each in found]


def test_a_child_that_is_missing_is_reported_where_it_is_named() -> None:
    _write(a__dot=_parent("a", "b.dot"))
    _, found = _check("a.dot")

    assert ["a.dot:1:42"] == [
        f"{each['path']}:{each['span']['start']['line']}:{each['span']['start']['column']}"
        for each in found
        if each["severity"] == "error"
    ]


# When a part breaks


def test_a_check_that_breaks_is_reported_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_check(project: Project) -> Iterator[Diagnostic]:
        raise ZeroDivisionError("two by none")
        yield

    monkeypatch.setattr(compiling, "CHECKS", (broken_check, *compiling.CHECKS))
    _write(a__dot=BROKEN.format(name="a"))
    code, found = _check("a.dot")
    (own,) = [each for each in found if each["rule"] == "internal_error"]

    assert 2 == code
    assert "ZeroDivisionError: two by none at test_compile.py:" in own["message"]
    assert "unknown_attribute" in _rules(found)


def test_a_pass_that_breaks_is_reported_and_no_plan_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_pass(graph: object, config: object) -> None:
        raise KeyError("nobody")

    monkeypatch.setattr(compiling, "PASSES", (compiling.PASSES[0], broken_pass))
    _write(run__yaml=RUN.format(graph="") + "limt: 1\n", a__dot=BROKEN.format(name="a"))
    code, found = _check("run.yaml")

    assert 2 == code
    assert [1, 1, 1] == [
        _rules(found).count(rule) for rule in ("internal_error", "run_unknown_key", "unknown_attribute")
    ]
    assert 2 == main(["compile", "run.yaml"], io.StringIO(), io.StringIO())
    assert [] == list(Path().glob("*.json"))


def test_a_plan_that_the_schema_refuses_is_not_written() -> None:
    _write(run__yaml=RUN.format(graph=""), a__dot=GRAPH.format(name="a"))
    plan = compiling.plan_of(compile_pipeline(Request("run.yaml"), Disk(), None))
    plan["nodes"][1]["attempts"] = 0

    with pytest.raises(InvalidPlan, match=r"/nodes/1.*minimum"):
        emit(plan)


def test_syntax_errors_do_not_make_an_avalanche() -> None:
    """The statement that could not be read held the only way to the exit: nothing is said about that."""
    _write(a__dot='digraph a { start [shape=Mdiamond] w [prompt="Do" exit [shape=Msquare] start -> w -> exit }\n')
    code, found = _check("a.dot")
    errors = [each["rule"] for each in found if each["severity"] == "error"]

    assert 1 == code
    assert all(rule.startswith("dot_") for rule in errors), errors


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    _write(run__yaml=RUN.format(graph=""), a__dot=GRAPH.format(name="a"))
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        compiling.plan_of(compile_pipeline(Request("run.yaml"), Disk(), None))
        assert enabled == gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()


def test_an_interrupted_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attractor.cli.compile.compile_pipeline", interrupted)
    stderr = io.StringIO()

    assert 130 == main(["compile", "--check", "x.dot"], io.StringIO(), stderr)
    assert "attractor compile: interrupted\n" == stderr.getvalue()


# Fixes


def test_fix_repairs_the_files_and_the_rest_is_reported() -> None:
    _write(a__dot='digraph a { goal="g" start [shape=Mdiamond] w [prompt="Do" max_retries=1,]\n'
                  'exit [shape=Msquare] start -> w w -> exit [condition="outcome==success"] }\n')  # fmt: skip
    assert 1 == _check("a.dot")[0]
    code, found = _check("--fix", "a.dot")

    assert (0, []) == (code, [each for each in found if each["severity"] == "error"])
    assert 'prompt="Do", max_retries=1' in Path("a.dot").read_text()
    assert 'condition="outcome=success"' in Path("a.dot").read_text()
    after = Path("a.dot").read_bytes()
    _check("--fix", "a.dot")
    assert after == Path("a.dot").read_bytes()


def test_without_fix_nothing_is_changed() -> None:
    _write(a__dot='digraph a { w [prompt="Do" max_retries=1] }\n')
    before = Path("a.dot").read_bytes()
    _check("a.dot")

    assert before == Path("a.dot").read_bytes()


# Versions


def test_the_plan_names_the_version_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == COMPILER_VERSION


def test_an_undeclared_node_is_reported_once(tmp_path: Path) -> None:
    """What else could be said of it follows from the misspelling."""
    (tmp_path / "g.dot").write_text(
        "digraph g { start [shape=Mdiamond] build [prompt=p] exit [shape=Msquare]\n"
        '  start -> build -> exit\n  build -> biuld [condition="outcome=fail"]\n}\n'
    )
    out = io.StringIO()

    main(["compile", "--check", "--format", "json", str(tmp_path / "g.dot")], out, io.StringIO())

    about = [found["rule"] for found in json.loads(out.getvalue())["diagnostics"] if "biuld" in found["message"]]
    assert ["edge_target_exists"] == about


def test_an_undeclared_start_or_exit_is_declared_as_such(tmp_path: Path) -> None:
    place = tmp_path / "g.dot"
    place.write_text('digraph g {\n  Start -> build -> END\n  build [prompt="Build it."]\n}\n')
    out = io.StringIO()

    main(["compile", "--check", "--format", "json", "--unsafe-fixes", str(place)], out, io.StringIO())

    assert "  Start [shape=Mdiamond]\n  END [shape=Msquare]\n  Start -> build -> END\n" in place.read_text()
