"""The table of attributes, and the one reader of their values."""

import json
from pathlib import Path

import jsonschema
import pytest

from attractor.compiler import attributes
from attractor.compiler.attributes import (
    SCOPES,
    Reading,
    aliases,
    graphviz_names,
    read_text_as,
    specs,
)
from attractor.compiler.graph import Kind

EXAMPLES = [(scope, name) for scope in SCOPES for name in specs(scope)]


@pytest.mark.parametrize(("scope", "name"), EXAMPLES, ids=[f"{scope}-{name}" for scope, name in EXAMPLES])
def test_every_attribute_is_described_and_its_examples_can_be_read(scope: str, name: str) -> None:
    spec = specs(scope)[name]

    assert spec.description.endswith(".")
    assert spec.examples
    assert [] == [
        reading.message
        for example in spec.examples
        if (reading := read_text_as(str(example).lower() if isinstance(example, bool) else str(example), spec)).problem
    ]
    assert set(spec.kinds) <= {kind.value for kind in Kind}


def test_the_table_is_a_schema_whose_defaults_and_examples_are_valid() -> None:
    schema = json.loads((Path(attributes.__file__).parent.parent / "schemas" / "graph.schema.json").read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)

    for scope, definition in schema["definitions"].items():
        for name, row in definition["properties"].items():
            values = row["examples"] + ([row["default"]] if row.get("default", "") != "" else [])
            assert [] == [each.message for value in values for each in validator.iter_errors({scope: {name: value}})]


def test_every_kind_can_be_written_as_type() -> None:
    assert {kind.value for kind in Kind} == set(specs("node")["type"].enum)


def test_aliases_lead_to_canonical_names() -> None:
    assert {
        "default_max_retry": "default_max_retries",
        "context_fidelity_default": "default_fidelity",
        "context_thread_default": "default_thread_id",
    } == aliases("graph")
    assert {"llm_prompt": "prompt", "model": "llm_model", "codergen_mode": "agent_mode"} == aliases("node")
    assert {} == aliases("edge")


def test_no_attribute_of_ours_is_hidden_by_its_alias() -> None:
    assert [] == [alias for scope in SCOPES for alias in aliases(scope) if alias in specs(scope)]


def test_graphviz_names_are_known_for_every_place_that_takes_attributes() -> None:
    assert "rankdir" in graphviz_names("graph")
    assert "bgcolor" in graphviz_names("subgraph")
    assert "fillcolor" in graphviz_names("node")
    assert "arrowhead" in graphviz_names("edge")
    assert "prompt" not in graphviz_names("node")


NAP = Reading(None, "enum", 'manager.actions takes observe, steer or wait, not "nap"')
READINGS = [
    ("node", "max_retries", "3", Reading(3)),
    ("node", "max_retries", " 0 ", Reading(0)),
    ("node", "max_retries", "-2", Reading(None, "range", "max_retries is at least 0, not -2")),
    ("node", "max_retries", "many", Reading(None, "type", 'max_retries takes an integer, not "many"')),
    ("node", "max_retries", "", Reading(None, "type", 'max_retries takes an integer, not ""')),
    ("node", "max_retries", "3.0", Reading(None, "type", 'max_retries takes an integer, not "3.0"')),
    ("node", "max_retries", "\u0663", Reading(None, "type", 'max_retries takes an integer, not "\u0663"')),
    ("edge", "weight", "-7", Reading(-7)),
    ("node", "goal_gate", "true", Reading(True)),
    ("node", "goal_gate", "yes", Reading(None, "type", 'goal_gate takes true or false, not "yes"')),
    ("node", "goal_gate", "True", Reading(None, "type", 'goal_gate takes true or false, not "True"')),
    ("node", "quorum_fraction", ".5", Reading(0.5)),
    ("node", "quorum_fraction", "1", Reading(1.0)),
    ("node", "quorum_fraction", "0", Reading(None, "range", "quorum_fraction is more than 0, not 0")),
    ("node", "quorum_fraction", "1.5", Reading(None, "range", "quorum_fraction is at most 1, not 1.5")),
    ("node", "timeout", "15m", Reading(900_000)),
    ("node", "timeout", "250ms", Reading(250)),
    ("node", "timeout", "900", Reading(900_000, unitless=True)),
    (
        "node",
        "timeout",
        "15 minutes",
        Reading(None, "duration", 'timeout takes a duration such as 250ms, 900s, 15m, 2h or 1d, not "15 minutes"'),
    ),
    ("node", "merge", "all", Reading("all")),
    ("node", "merge", "most", Reading(None, "enum", 'merge takes best or all, not "most"')),
    ("node", "fidelity", "", Reading("")),
    ("node", "outputs", " a.txt, b.txt ,", Reading(("a.txt", "b.txt"))),
    ("node", "manager.actions", "nap", NAP),
    ("node", "prompt", " keep my blanks ", Reading(" keep my blanks ")),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "name", "text", "expected"), READINGS, ids=[f"{r[1]}={r[2]}" for r in READINGS])
def test_a_value_is_read_by_the_type_of_its_attribute(scope: str, name: str, text: str, expected: Reading) -> None:
    assert expected == read_text_as(text, specs(scope)[name])


def test_the_defaults_that_the_language_states() -> None:
    stated = {"max_restarts": 50, "loop_restart_signature_limit": 3, "max_node_visits": 50, "default_max_retries": 0}

    assert stated == {name: specs("graph")[name].default for name in stated}
    assert 45_000 == specs("node")["manager.poll_interval"].default
    assert ("observe", "wait") == specs("node")["manager.actions"].default
