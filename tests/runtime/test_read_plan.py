"""Reading plan.json: everything that is not a plan of ours is refused with one sentence that says what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.plan import Kind
from attractor.runtime.read_plan import PlanError, digest, plan_of, read_plan, stale_sources


def refusal(text: bytes, **options: Any) -> str:
    with pytest.raises(PlanError) as caught:
        read_plan(text, "p.json", **options)
    return str(caught.value)


def changed(document: dict[str, Any], **fields: Any) -> bytes:
    """Return the document with other fields and a digest that fits."""
    document = {**document, **fields}
    document["digest"] = digest(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "p.json is not a plan: line 1, column 1: the file ends too early; compile it again"),
        (b"\x00\x01", "p.json is not a plan: line 1, column 1:"),
        (b"\xff\xfe{", "p.json is not a plan: byte 0 is not UTF-8"),
        (b"[1]", "p.json is not a plan: it holds no JSON object"),
        (b"{}", "p.json is not a plan: it has no plan_version"),
        (b'{"plan_version": true}', "p.json is not a plan: it has no plan_version"),
        (b'{"plan_version": "1"}', "p.json is not a plan: it has no plan_version"),
        (b'{"plan_version": 2}', "p.json has plan_version 2, this attractor knows 1; update with `pip install"),
        (b'{"plan_version": 0}', "p.json has plan_version 0, which is no longer supported"),
        (b'{"plan_version": 1}', "p.json is not a valid plan: "),
        (b"{" * 1_000_000, "p.json is not a plan: line 1, column 2:"),
        (b"[" * 1_000_000, "p.json is not a plan: "),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_is_not_a_plan_is_refused(text: bytes, expected: str) -> None:
    assert expected in refusal(text)


def test_a_run_yaml_in_place_of_its_plan_is_told_how_to_run() -> None:
    with pytest.raises(PlanError, match=r"run.yaml is not a plan; `attractor run run.yaml` compiles it"):
        read_plan(b"version: 1\n", "run.yaml")


def test_a_newer_version_is_told_before_anything_else_is_judged(build: Any) -> None:
    assert "plan_version 7" in refusal(changed(build.document(), plan_version=7, nodes="something new"))


def test_a_truncated_plan_says_where_it_ends(build: Any) -> None:
    text = json.dumps(build.document(), indent=1).encode()

    message = refusal(text[: len(text) // 2].rsplit(b"\n", 1)[0] + b"\n")

    assert "the file ends too early" in message or "line " in message


def test_an_edited_plan_is_refused_unless_that_is_allowed(build: Any) -> None:
    text = json.dumps(build.document()).encode().replace(b'"goal": ""', b'"goal": "x"', 1)

    assert "was changed since it was compiled" in refusal(text)
    assert "x" == read_plan(text, "p.json", allow_edited=True).goal


def test_a_wrong_value_is_explained_with_its_place(build: Any) -> None:
    message = refusal(changed(build.document(), limits={**build.document()["limits"], "max_restarts": -1}))

    assert "p.json is not a valid plan: limits/max_restarts: -1 is less than the minimum of 0" in message


def test_an_unknown_key_is_refused(build: Any) -> None:
    assert "surprise" in refusal(changed(build.document(), surprise=1))


@pytest.mark.parametrize("field", ["edge", "on_fail", "catch", "join", "start", "exits"])
def test_a_plan_that_names_a_missing_node_is_refused(build: Any, field: str) -> None:
    node = {
        "edge": build.node("a", "tool", edges=[build.edge("gone")]),
        "on_fail": build.node("a", "tool", on_fail=["gone"]),
        "catch": build.node("a", "tool", catch="gone"),
        "join": build.node("a", "parallel", join="gone"),
    }.get(field, build.node("a", "tool"))
    top = {"start": {"start": "gone"}, "exits": {"exits": ["gone"]}}.get(field, {})
    document = build.document([build.node("start", "start"), build.node("done", "exit"), node])

    assert "'gone', which is not one of its nodes" in refusal(changed(document, **top))


def test_a_node_that_stands_twice_is_refused(build: Any) -> None:
    nodes = [build.node("start", "start"), build.node("done", "exit"), build.node("done", "exit")]

    assert "holds node 'done' twice" in refusal(changed(build.document(nodes)))


def test_every_kind_of_node_is_read(compiled: Any) -> None:
    plan = compiled(
        """a [prompt="x"]; t [shape=parallelogram, tool_command="true", outputs="o"]; h [shape=hexagon]
        c [shape=diamond]; f [shape=component]; j [shape=tripleoctagon]; b [prompt="y"]; b2 [prompt="z"]
        start -> a -> t -> h -> c; c -> f [condition="outcome=success"]; c -> t [condition="outcome=fail"]
        f -> b -> j; f -> b2 -> j; j -> done"""
    )

    assert {
        Kind.START,
        Kind.EXIT,
        Kind.CODERGEN,
        Kind.TOOL,
        Kind.HUMAN,
        Kind.CONDITIONAL,
        Kind.PARALLEL,
        Kind.FAN_IN,
    } == ({node.kind for node in plan.nodes.values()})


def test_the_compilers_digest_is_ours(compiled: Any, tmp_path: Path) -> None:
    compiled('goal="grüße 🚀"; a [prompt="x"]; start -> a -> done')

    document = json.loads((tmp_path / "pipeline-0" / "plan.json").read_text())
    assert document["digest"] == digest(document)


def test_sources_that_changed_are_told(compiled: Any, tmp_path: Path) -> None:
    plan = compiled('a [prompt="x"]; start -> a -> done')
    folder = tmp_path / "pipeline-0"
    fresh = stale_sources(plan, folder)
    (folder / "g.dot").write_text("digraph other {}")
    (folder / "run.yaml").unlink()

    assert [] == fresh
    assert [
        "plan is stale: g.dot changed since it was compiled",
        "could not check whether the plan is fresh: run.yaml not found beside it",
    ] == list(stale_sources(plan, folder))


def test_values_are_read_as_they_are(build: Any) -> None:
    node = build.node(
        "a",
        "codergen",
        attempts=3,
        edges=[build.edge("done", "if", when=[["outcome", "=", "success"]], restart={"on": "any", "log_dir": "again"})],
    )
    plan = plan_of(build.document([build.node("start", "start"), build.node("done", "exit"), node]))

    read = plan.nodes["a"]
    assert (3, "any", "again", ("outcome", "=", "success")) == (
        read.attempts,
        read.edges[0].restart.on if read.edges[0].restart else "",
        read.edges[0].restart.log_dir if read.edges[0].restart else "",
        tuple(read.edges[0].when[0]),
    )
