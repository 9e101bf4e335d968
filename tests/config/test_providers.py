"""The catalogue of providers and models."""

import json
from pathlib import Path

import pytest

from attractor.compiler.providers import (
    builtin_failover,
    canonical_model,
    canonical_provider,
    default_model,
    infer_provider,
    known_model,
    known_models,
    known_protocols,
    known_providers,
    model_flags,
    suggest_provider,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("written", "key"),
    [("gemini", "google"), ("google_ai_studio", "google"), ("moonshot", "kimi"), ("MoonshotAI", "kimi"),
     ("z-ai", "zai"), ("z.ai", "zai"), ("cerebras-ai", "cerebras"), ("minimax-ai", "minimax"),
     ("inceptionlabs", "inception"), (" OpenAI ", "openai"), ("MyServer", "myserver")],
)  # fmt: skip
def test_aliases_lead_to_one_key(written: str, key: str) -> None:
    assert key == canonical_provider(written)


@pytest.mark.parametrize(
    ("provider", "chain"),
    [("openai", "google"), ("anthropic", "google"), ("google", "anthropic"), ("kimi", "zai"), ("zai", "kimi"),
     ("cerebras", "zai"), ("minimax", "cerebras"), ("inception", ""), ("local", "")],
)  # fmt: skip
def test_built_in_chains_are_cut_down_to_what_is_declared(provider: str, chain: str) -> None:
    everyone = set(known_providers())

    assert tuple(chain.split()) == builtin_failover(provider, everyone)
    assert () == builtin_failover(provider, {provider})


@pytest.mark.parametrize(
    ("model", "provider"),
    [("claude-opus-4-6", "anthropic"), ("claude-next", "anthropic"), ("gpt-9", "openai"), ("o3-mini", "openai"),
     ("gemini-4", "google"), ("kimi-k2.5", "kimi"), ("glm-4.7", "zai"), ("zai-glm-4.7", "cerebras"),
     ("minimax-m2.1", "minimax"), ("mercury-2", "inception"), ("qwen3", None), ("", None)],
)  # fmt: skip
def test_a_models_name_tells_its_provider_where_only_one_is_possible(model: str, provider: str | None) -> None:
    assert provider == infer_provider(model)


@pytest.mark.parametrize(
    ("provider", "written", "model"),
    [("anthropic", "claude-opus-4.6", "claude-opus-4-6"), ("openai", "gpt-5-2", "gpt-5.2"),
     ("kimi", "Kimi-K2.5", "kimi-k2.5"), ("zai", "gpt-5-2", "gpt-5-2"), ("zai", "glm-9", "glm-9")],
)  # fmt: skip
def test_a_known_model_has_one_spelling(provider: str, written: str, model: str) -> None:
    assert model == canonical_model(provider, written)


def test_defaults_of_failover_targets_are_those_of_the_specification() -> None:
    assert ("glm-4.7", "kimi-k2.5", None) == (default_model("zai"), default_model("kimi"), default_model("local"))


def test_the_catalogue_is_consistent() -> None:
    providers = known_providers()
    aliases = [alias for known in providers.values() for alias in (known.key, *known.aliases)]

    assert len(aliases) == len(set(aliases))
    for known in providers.values():
        protocol = known_protocols()[known.protocol]
        assert {*known.flags}.union(*known.models.values()) <= {*protocol.flags}
        assert set(known.failover) <= set(providers) - {known.key}
        if known.default_model:
            assert known_model(known.key, known.default_model) is not None
            assert known.key == infer_provider(known.default_model)
    for model in known_models().values():
        assert model.provider in providers
        assert model.max_output <= model.context
    assert list(providers) == list(SCHEMA["properties"]["llm"]["properties"]["providers"]["properties"])


def test_a_models_flags_are_those_of_the_longest_beginning_of_its_id() -> None:
    assert {"thinking": "budget"} == model_flags("anthropic", "anthropic_messages", "claude-haiku-4-5-20251001")
    assert {} == model_flags("anthropic", "anthropic_messages", "claude-opus-4-6")
    assert {} == model_flags("anthropic", "openai_chat_completions", "claude-haiku-4-5")
    assert {"effort_key": ""} == model_flags("openai", "openai_responses", "gpt-4.1")
    assert {} == model_flags("local", "openai_chat_completions", "qwen3")


def test_a_near_provider_is_suggested() -> None:
    assert 'did you mean "kimi"?' == suggest_provider("kimmi")
    assert 'did you mean "my_box"?' == suggest_provider("mybox", ["my_box"])
