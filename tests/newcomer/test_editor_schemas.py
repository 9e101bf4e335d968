"""`attractor schema --install`: schemas for editors, and the lines by which they find them."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

SCHEMAS = Path(__file__).parents[2] / "schemas"
RUN = "version: 1\ngraph: g.dot\n"
SCENARIO = "version: 1\nnodes: {w: {text: hi}}\n"
SIMULATOR = "version: 1\nanswers: [{text: hi}]\n"
MODELINES = "# yaml-language-server: $schema={0}\n# $schema: {0}\n"


def modelines(folder: str, kind: str) -> str:
    return MODELINES.format(f"{folder}.attractor/schemas/{kind}.schema.json")


def schema(folder: Path, kind: str) -> Any:
    return json.loads((folder / f"{kind}.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["run", "scenario", "simulator"])
def test_the_schemas_say_what_those_of_the_package_say(attractor, tmp_path: Path, kind: str) -> None:
    """But for `default: null`, at which editors stumble, and for what is there only to be shown."""
    said = attractor("schema", "--install")

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(each) for each in part]
        if not isinstance(part, dict):
            return part
        shown = ("markdownDescription", "x-intellij-enum-metadata", "default")
        return {key: plain(value) for key, value in part.items() if key not in shown}

    written = schema(tmp_path / ".attractor/schemas", kind)
    assert (0, "") == (said.code, said.stderr)
    assert plain(schema(SCHEMAS, kind)) == plain(written)
    assert "http://json-schema.org/draft-07/schema#" == written["$schema"]
    Draft7Validator.check_schema(written)


def test_editors_are_told_the_default_and_not_a_default_of_nothing(attractor, tmp_path: Path) -> None:
    attractor("schema", "--install")

    text = (tmp_path / ".attractor/schemas/run.schema.json").read_text("utf-8")
    turns = json.loads(text)["properties"]["runtime_policy"]["properties"]["max_agent_turns"]
    assert '"default": null' not in text
    assert turns["markdownDescription"].endswith("\n\nDefault: `200`")


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("run.yaml", RUN, "run"),
        ("run.yml", "version: 1\nlimits: {max_llm_cals: 3}\n", "run"),  # a mistake is when an editor helps
        ("fast.yaml", "version: 1\nllm: {providers: {r: {backend: scripted}}}\n", "run"),
        ("happy.yaml", SCENARIO, "scenario"),
        ("overload.yaml", SIMULATOR, "simulator"),
    ],
)
def test_each_kind_of_file_learns_where_its_schema_is(
    attractor, tmp_path: Path, name: str, text: str, kind: str
) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er" / name).write_text(text)

    said = attractor("schema", "--install")

    assert f"changed    deep/er/{name}: names its schema now" in said.stdout.splitlines()
    assert modelines("../../", kind) + text == (tmp_path / "deep/er" / name).read_text()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.yaml", "steps: [make]\n"),
        ("run.yaml", "version: 1\nsteps: [make]\n"),
        ("compose.yaml", "version: 1\nservices: {}\n"),
        ("inventory.yaml", "version: 1\nnodes: [a, b]\n"),
        ("release.yaml", "version: 1\nenv: {A: b}\n"),
        ("broken.yaml", "version: 1\nnodes: {w: [\n"),
        ("node_modules/x/run.yaml", RUN),
        (".hidden/run.yaml", RUN),
        ("venv/run.yaml", RUN),
    ],
)
def test_the_files_of_others_are_left_alone(attractor, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)

    said = attractor("schema", "--install")

    assert 0 == said.code
    assert text == (tmp_path / name).read_text()


def test_a_second_time_changes_nothing(attractor, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    attractor("schema", "--install")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    said = attractor("schema", "--install", str(tmp_path))

    assert {"unchanged"} == {line.split()[0] for line in said.stdout.splitlines()}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_it_works_from_elsewhere_as_from_within(attractor, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/run.yaml").write_text(RUN)

    attractor("schema", "--install", "project")

    assert modelines("", "run") + RUN == (tmp_path / "project/run.yaml").read_text()


def test_a_line_that_names_our_schema_where_it_is_no_more_is_mended(attractor, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("# mine\n# yaml-language-server: $schema=../old/run.schema.json\n" + RUN)

    said = attractor("schema", "--install")

    assert "changed    run.yaml: names its schema where it is now" in said.stdout.splitlines()
    wanted = "# mine\n# yaml-language-server: $schema=.attractor/schemas/run.schema.json\n" + RUN
    assert wanted == (tmp_path / "run.yaml").read_text()


@pytest.mark.parametrize("named", ["https://example.com/run.schema.json", "mine.json", "kept/run.schema.json", "none"])
def test_a_line_that_names_another_schema_is_kept(attractor, tmp_path: Path, named: str) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/run.schema.json").write_text("{}")
    text = f"# yaml-language-server: $schema={named}\n" + RUN
    (tmp_path / "run.yaml").write_text(text)

    said = attractor("schema", "--install")

    assert f"kept       run.yaml: names {named}" in said.stdout.splitlines()
    assert text == (tmp_path / "run.yaml").read_text()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"version: 1\r\ngraph: g.dot\r\n", b"%s\r\n%s\r\nversion: 1\r\ngraph: g.dot\r\n"),
        (b"\xef\xbb\xbfversion: 1\ngraph: g.dot", b"\xef\xbb\xbf%s\n%s\nversion: 1\ngraph: g.dot"),
        (b"# ours\n\n---\nversion: 1\ngraph: g.dot\n", b"%s\n%s\n# ours\n\n---\nversion: 1\ngraph: g.dot\n"),
        ("version: 1\ngraph: ü.dot  # \u2028\n".encode(), "%s\n%s\nversion: 1\ngraph: ü.dot  # \u2028\n".encode()),
    ],
    ids=["carriage returns", "byte order mark", "comments and a document mark", "letters of all kinds"],
)
def test_every_byte_of_the_user_stays(attractor, tmp_path: Path, before: bytes, after: bytes) -> None:
    (tmp_path / "run.yaml").write_bytes(before)
    os.chmod(tmp_path / "run.yaml", 0o640)

    attractor("schema", "--install")

    lines = modelines("", "run").encode().splitlines()
    assert after.replace(b"%s", lines[0], 1).replace(b"%s", lines[1], 1) == (tmp_path / "run.yaml").read_bytes()
    assert 0o640 == stat.S_IMODE((tmp_path / "run.yaml").stat().st_mode)
    assert 0 == attractor("compile", "--check", "run.yaml").stderr.count("syntax")


def test_a_place_that_cannot_be_written_is_said_and_the_rest_is_done(attractor, tmp_path: Path) -> None:
    (tmp_path / ".attractor").write_text("a file")

    said = attractor("schema", "--install")

    assert (2, "") == (said.code, said.stdout)
    assert "attractor schema: cannot make the folder './.attractor/schemas': " in said.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--install", "nowhere"), "'nowhere' is not a folder; name the one that holds your pipelines"),
        (("run", "--install"), "--install takes a folder and writes all schemas that editors read; drop NAME"),
    ],
)
def test_what_cannot_be_is_explained(attractor, arguments: tuple[str, ...], words: str) -> None:
    assert (2, "", f"attractor schema: {words}\n") == attractor("schema", *arguments)
