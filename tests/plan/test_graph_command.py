"""`attractor graph` and `attractor schema`: drawings that Graphviz accepts, schemas byte for byte."""

import html
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.cli.main import main

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCHEMAS = sorted(path.name.removesuffix(".schema.json") for path in (ROOT / "schemas").glob("*.schema.json"))
needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def _graph(*arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    return main(["graph", *arguments], stdout, stderr), stdout.getvalue(), stderr.getvalue()


@needs_graphviz
@pytest.mark.parametrize(
    ("form", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("dot", b"digraph")]
)
def test_a_plan_is_drawn_in_each_form(tmp_path: Path, form: str, magic: bytes) -> None:
    picture = tmp_path / f"g.{form}"

    assert (0, "", "") == _graph(str(GOLDEN / "every-kind" / "plan.json"), "-o", str(picture))
    assert picture.read_bytes().startswith(magic)


@needs_graphviz
def test_the_picture_shows_kinds_conditions_and_restarts(tmp_path: Path) -> None:
    _graph(str(GOLDEN / "every-kind" / "plan.json"), "-o", str(tmp_path / "g.svg"))
    svg = (tmp_path / "g.svg").read_text("utf-8")
    plain = html.unescape(re.sub(r"<[^>]*>", " ", svg)).replace("\xa0", " ")

    assert 11 == svg.count('class="node"')
    assert 14 == svg.count('class="edge"')
    assert 1 == svg.count("stroke-dasharray")
    for words in (
        "Release it?",
        "goal gate",
        "outcome=success",
        "restart",
        "[S] Split builds",
        "kimi-k2.5",
        "Every kind",
    ):
        assert words in plain


def test_a_plan_a_run_yaml_and_a_graph_give_the_same_drawing() -> None:
    folder = GOLDEN / "every-kind"
    drawings = {_graph(str(folder / name))[:2] for name in ("plan.json", "run.yaml", "graph.dot")}

    assert 1 == len(drawings)


def test_a_pipeline_with_mistakes_is_drawn_as_far_as_it_can_be_read() -> None:
    code, text, words = _graph(str(GOLDEN / "edge-to-nowhere" / "graph.dot"))

    assert 0 == code
    assert '"work" -> "repair"' in text
    assert "drawn with one error" in words


def test_a_pipeline_that_cannot_be_read_is_not_drawn() -> None:
    code, text, words = _graph(str(GOLDEN / "mistakes-in-both-files" / "graph.dot"))

    assert (1, "") == (code, text)
    assert "error[dot_missing_comma]" in words


@needs_graphviz
def test_labels_that_look_like_graphviz_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "g.dot").write_text(
        'digraph g { s [shape=Mdiamond] w [prompt="x", label="a \\"b\\" <i> \\\\N {x|y} &amp; \\n end"] '
        "e [shape=Msquare] s -> w -> e }\n"
    )
    code, _, _ = _graph(str(tmp_path / "g.dot"), "-o", str(tmp_path / "g.svg"))

    assert 0 == code
    svg = (tmp_path / "g.svg").read_text("utf-8")
    assert 'a "b" <i> \\N {x|y} &amp;' in html.unescape(re.sub(r"<[^>]*>", " ", svg)).replace("\xa0", " ")


def test_without_graphviz_the_package_to_install_is_named(tmp_path: Path) -> None:
    plan = str(GOLDEN / "every-kind" / "plan.json")
    command = [sys.executable, "-m", "attractor.cli.main", "graph", plan, "-o", "g.svg"]
    result = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert 2 == result.returncode
    assert "install the package graphviz" in result.stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("output", ["g.bmp", "g", "svg/"])
def test_a_form_that_is_not_known_is_an_error(tmp_path: Path, output: str) -> None:
    code, text, words = _graph(str(GOLDEN / "every-kind" / "plan.json"), "-o", str(tmp_path / output))

    assert (2, "") == (code, text)
    assert "end it in .svg, .png, .pdf, .dot" in words


def test_a_drawing_never_overwrites_its_pipeline(tmp_path: Path) -> None:
    graph = tmp_path / "g.dot"
    graph.write_text("digraph g { s [shape=Mdiamond] e [shape=Msquare] s -> e }\n")
    before = graph.read_bytes()
    code, _, words = _graph(str(graph), "-o", str(graph))

    assert (2, before) == (code, graph.read_bytes())
    assert "it is made from that file" in words


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_printed_byte_for_byte(name: str) -> None:
    command = [sys.executable, "-m", "attractor.cli.main", "schema", name]
    result = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})

    assert (ROOT / "schemas" / f"{name}.schema.json").read_bytes() == result.stdout


def test_the_schemas_are_listed_with_their_titles() -> None:
    stdout = io.StringIO()

    assert 0 == main(["schema"], stdout, io.StringIO())
    assert SCHEMAS == [line.split()[0] for line in stdout.getvalue().splitlines()]
    assert "Attractor plan" in stdout.getvalue()


def test_an_unknown_schema_gets_the_near_one() -> None:
    stderr = io.StringIO()

    assert 2 == main(["schema", "pln"], io.StringIO(), stderr)
    assert 'attractor schema: there is no schema "pln"; did you mean "plan"?\n' == stderr.getvalue()
