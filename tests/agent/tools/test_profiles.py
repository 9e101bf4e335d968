"""The tools that each family of models is given."""

import json

import jsonschema
import pytest

from attractor.runtime.agent.profiles import FAMILIES, definitions, tools_of

COMMON = ["glob", "grep", "list_dir", "read_file", "shell", "write_file"]


@pytest.mark.parametrize(
    ("family", "editing"), [("openai", "apply_patch"), ("anthropic", "edit_file"), ("google", "edit_file")]
)
def test_a_family_gets_its_way_of_editing_and_what_all_get(family: str, editing: str) -> None:
    assert sorted([*COMMON, editing]) == [tool.name for tool in tools_of(family)]


def test_the_families_are_those_that_a_plan_may_name() -> None:
    assert ("openai", "anthropic", "google") == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_definition_is_a_closed_schema_with_described_arguments(family: str) -> None:
    for definition in definitions(tools_of(family)):
        schema = dict(definition.parameters)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert ("object", False) == (schema["type"], schema["additionalProperties"])
        assert set(schema["required"]) <= set(schema["properties"])  # type: ignore[arg-type]
        assert all(spec["description"] for spec in schema["properties"].values())  # type: ignore[union-attr]
        assert definition.description


@pytest.mark.parametrize("family", FAMILIES)
def test_definitions_are_the_same_bytes_every_time(family: str) -> None:
    """A prefix of requests that changes is a cache that is lost."""
    assert json.dumps(definitions(tools_of(family))) == json.dumps(definitions(tools_of(family)))


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("read_file", (50_000, "head_tail", None)),
        ("shell", (30_000, "head_tail", 256)),
        ("grep", (20_000, "head", 200)),
        ("glob", (20_000, "head", 500)),
        ("list_dir", (20_000, "head", None)),
        ("edit_file", (10_000, "tail", None)),
        ("apply_patch", (10_000, "tail", None)),
        ("write_file", (1_000, "tail", None)),
    ],
)
def test_outputs_are_cut_at_these_lengths(name: str, cut: tuple[int, str, int | None]) -> None:
    tools = {tool.name: tool for family in FAMILIES for tool in tools_of(family)}

    assert cut == tools[name].cut
