"""`schemas/run.schema.json`: complete, sound, and of one mind with the compiler."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from attractor.compiler.diagnostics import Severity
from attractor.compiler.read_run_config import read_run_config
from attractor.compiler.rules import RULES
from attractor.compiler.schema import resolved
from attractor.compiler.source import Source
from attractor.compiler.yaml_reader import read_yaml

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text("utf-8"))
NO_DEFAULT = {"/version", "/price/input", "/price/output", "/failover_target/provider"}


def _properties(schema: dict[str, Any], at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, part in schema.get("properties", {}).items():
        if "$ref" not in part:
            yield f"{at}/{key}", part
            yield from _properties(part, f"{at}/{key}")


PROPERTIES = dict(
    found
    for root, at in [(SCHEMA, ""), *[(part, f"/{name}") for name, part in SCHEMA["definitions"].items()]]
    for found in _properties(root, at)
)  # fmt: skip
ALL = {**PROPERTIES, **{f"/{name}": SCHEMA["definitions"][name] for name in ("api", "provider")}}


def test_the_schema_is_a_draft_07_schema_with_a_versioned_id() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)

    assert ("http://json-schema.org/draft-07/schema#", "urn:attractor:schema:run:1") == (
        SCHEMA["$schema"],
        SCHEMA["$id"],
    )


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_property_is_explained(name: str) -> None:
    part = ALL[name]

    assert part["title"]
    assert len(part["description"]) > 4
    assert part["description"].endswith((".", "it:"))
    assert part["examples"]
    assert ("default" in part) == (name not in NO_DEFAULT)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_default_and_example_is_valid(name: str) -> None:
    part = {**ALL[name], "definitions": SCHEMA["definitions"]}
    values = [*part["examples"], *([part["default"]] if "default" in part else [])]

    assert [] == [value for value in values if not jsonschema.Draft7Validator(part).is_valid(value)]


def test_objects_take_no_unknown_keys_unless_they_are_maps() -> None:
    maps = {"/inputs", "/llm/providers", "/api/headers", "/provider/prices"}
    objects = {
        name: part["additionalProperties"]
        for name, part in {"": SCHEMA, **ALL}.items()
        if "object" in str(part.get("type")) and "deprecationMessage" not in part
    }

    assert maps == {name for name, others in objects.items() if others is not False}


def test_deprecated_keys_are_not_offered_by_editors() -> None:
    old = {name for name, part in PROPERTIES.items() if "deprecationMessage" in part}

    assert old == {name for name, part in PROPERTIES.items() if part.get("doNotSuggest")} - {"/$schema"}
    assert {"/repo", "/git", "/cxdb", "/modeldb", "/artifact_policy", "/task"} <= old


def test_every_enum_is_explained_word_by_word() -> None:
    for part in PROPERTIES.values():
        if "enum" in part:
            assert len(part["enum"]) == len(part["enumDescriptions"])


def test_editors_offer_snippets_for_what_people_write_most() -> None:
    assert SCHEMA["defaultSnippets"]
    for name in ("/llm/providers", "/provider/failover", "/limits", "/setup"):
        assert PROPERTIES[name]["defaultSnippets"], name


VALID = [
    "version: 1\n",
    "version: 1\n$schema: x\ngraph: g.dot\ngoal: g\ninputs: {seed: 42, name: x, ok: true, none: null}\n",
    "version: 1\nworkspace: {repo: ., mode: worktree, checkpoint_exclude: []}\nsetup: {commands: [x], timeout_ms: 1}\n",
    "version: 1\nllm: {providers: {kimi: {failover: []}, zai: null, x.y: {backend: scripted}}}\n",
    "version: 1\nllm: {providers: {kimi: {failover: [{provider: zai, model: m}]}, zai: {failover: [kimi]}}}\n",
    "version: 1\nlimits: {max_cost_usd: 0.5, max_wall_ms: null}\nhuman: {mode: file}\nenv: {pass: [A]}\n",
    "version: 1\nruntime_policy: {stage_timeout_ms: 0, llm_backoff: {factor: 1}}\n",
    "version: 1\nrepo: {path: x}\ngit: {require_clean: true}\ncxdb: 1\ntask: [x]\n",
]
INVALID = [
    "graph: g.dot\n",
    "version: 2\n",
    "version: '1'\n",
    "version: 1\nx: 1\n",
    "version: 1\ninputs: {a b: 1}\n",
    "version: 1\ninputs: {a: []}\n",
    "version: 1\nworkspace: {mode: x}\n",
    "version: 1\nworkspace: {repo: null}\n",
    "version: 1\nsetup: {commands: x}\n",
    "version: 1\nllm: {providers: {'a b': {}}}\n",
    "version: 1\nllm: {providers: {kimi: {failover: [1]}}}\n",
    "version: 1\nllm: {providers: {kimi: {failover: ['']}}}\n",
    "version: 1\nllm: {providers: {kimi: {failover: [{model: m}]}}}\n",
    "version: 1\nllm: {providers: {kimi: {api: {protocol: x}}}}\n",
    "version: 1\nllm: {providers: {kimi: {api: {api_key_env: a-b}}}}\n",
    "version: 1\nllm: {providers: {kimi: {api: {headers: {a: 1}}}}}\n",
    "version: 1\nllm: {providers: {kimi: {prices: {m: {input: 1}}}}}\n",
    "version: 1\nlimits: {max_llm_calls: 0}\n",
    "version: 1\nlimits: {max_llm_calls: 1.5}\n",
    "version: 1\nlimits: {max_cost_usd: 0}\n",
    "version: 1\nruntime_policy: {max_agent_turns: 0}\n",
    "version: 1\nruntime_policy: {llm_backoff: {factor: 0.5}}\n",
    "version: 1\npreflight: {prompt_probes: {transports: []}}\n",
    "version: 1\nenv: {pass: [A-B]}\n",
    "[]\n",
]


@pytest.mark.parametrize("text", [*VALID, *INVALID])
def test_the_compiler_and_two_validators_agree(text: str) -> None:
    values = read_yaml(Source("run.yaml", text))[0].values
    _, found = read_run_config(Source("run.yaml", text))
    severities = {rule.id: rule.severity for rule in RULES}
    errors = [each for each in found if (each.severity or severities[each.rule]) is Severity.ERROR]

    expected = text in VALID
    assert expected == jsonschema.Draft7Validator(SCHEMA).is_valid(values)
    assert expected == jsonschema_rs.validator_for(SCHEMA).is_valid(values)
    assert expected == (not errors)


def test_references_are_followed() -> None:
    assert (
        "Provider"
        == resolved(SCHEMA["properties"]["llm"]["properties"]["providers"]["properties"]["kimi"], SCHEMA)["title"]
    )
