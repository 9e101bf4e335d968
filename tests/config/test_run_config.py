"""What run.yaml comes to: defaults from the schema, providers completed from the catalogue, origins."""

import json
from pathlib import Path

import pytest

from attractor.compiler.read_run_config import read_run_config
from attractor.compiler.run_config import FailoverTarget, Price, RunConfig, Workspace
from attractor.compiler.source import Source

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text("utf-8"))


def _config(text: str, *overrides: str) -> RunConfig:
    config, found = read_run_config(Source("run.yaml", text), overrides)
    assert [] == found
    return config


def test_an_empty_run_has_the_defaults_of_the_schema() -> None:
    config = _config("version: 1\n")
    policy = {key: part["default"] for key, part in SCHEMA["properties"]["runtime_policy"]["properties"].items()}

    assert {**config.policy._asdict(), "llm_backoff": {}} == {**policy, "llm_backoff": {}}
    assert Workspace(
        repo=".", mode="auto", branch_prefix="attractor/run", commit_per_node=True, require_clean=False,
        checkpoint_exclude=("**/target/**", "**/node_modules/**"), push_remote="",
    ) == config.workspace  # fmt: skip
    assert (None, None, {}, (), 300_000) == (
        config.graph, config.goal, config.inputs, config.setup_commands, config.setup_timeout_ms
    )  # fmt: skip
    assert (2000, 120_000, 2.0, True) == config.policy.llm_backoff
    assert (None, None, None, None) == config.limits
    assert (True, ("complete", "stream"), False, 30_000, 2, 500, 5000) == config.probes
    assert ("console", (), {}, True) == (config.human_mode, config.env_pass, config.providers, config.whole)


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nworkspace:\nsetup:\nllm:\nlimits:\nhuman:\nenv:\npreflight:\nruntime_policy:\ninputs:\n",
        "version: 1\nsetup: {commands: }\nenv: {pass: }\nllm: {defaults: , providers: }\ngraph:\ngoal:\n",
        '{"version": 1}',
    ],
    ids=["sections", "keys", "json"],
)
def test_a_key_without_a_value_counts_as_not_given(text: str) -> None:
    assert _config("version: 1\n").workspace == _config(text).workspace
    assert _config("version: 1\n").policy == _config(text).policy


def test_a_built_in_provider_needs_no_more_than_its_name() -> None:
    provider = _config("version: 1\nllm: {providers: {kimi: }}\n").providers["kimi"]
    assert provider.api is not None

    assert ("api", None, "kimi-k2.5", None) == (
        provider.backend, provider.failover, provider.default_model, provider.models
    )  # fmt: skip
    assert {
        "protocol": "anthropic_messages",
        "base_url": "https://api.kimi.com/coding",
        "path": "/v1/messages",
        "api_key_env": "KIMI_API_KEY",
        "headers": {},
        "profile_family": "openai",
        "max_tokens_floor": 16_000,
        "force_stream": True,
        "flags": {"auth": "x-api-key", "cache_control": False, "max_tokens_default": 32_000, "thinking": ""},
    } == provider.api._asdict()


def test_what_is_written_goes_before_the_catalogue() -> None:
    text = """\
version: 1
llm:
  providers:
    kimi:
      failover: []
      default_model: kimi-next
      models: [kimi-next]
      api: {base_url: "http://127.0.0.1:9", api_key_env: "", max_tokens_floor: 0, force_stream: false}
      prices: {kimi-next: {input: 1, output: 2, cache_read: 0.5}, kimi-k2.5: {input: 9, output: 9}}
"""
    provider = _config(text).providers["kimi"]
    assert provider.api is not None

    assert ("http://127.0.0.1:9", "/v1/messages", "", 0, False) == (
        provider.api.base_url, provider.api.path, provider.api.api_key_env, provider.api.max_tokens_floor,
        provider.api.force_stream,
    )  # fmt: skip
    assert ((), "kimi-next", ["kimi-next"]) == (provider.failover, provider.default_model, provider.models)
    assert Price(input=1.0, output=2.0, cache_read=0.5, cache_write=None) == provider.prices["kimi-next"]
    assert 9.0 == provider.prices["kimi-k2.5"].input


def test_another_protocol_takes_its_own_path() -> None:
    text = "version: 1\nllm: {providers: {zai: {api: {protocol: anthropic_messages}}}}\n"
    api = _config(text).providers["zai"].api

    assert api is not None
    assert ("https://api.z.ai", "/v1/messages") == (api.base_url, api.path)


def test_a_local_server_needs_no_key() -> None:
    text = """\
version: 1
llm:
  providers:
    local:
      default_model: qwen3
      api: {protocol: openai_chat_completions, base_url: "http://127.0.0.1:11434"}
"""
    api = _config(text).providers["local"].api

    assert api is not None
    assert ("/v1/chat/completions", "", "openai") == (api.path, api.api_key_env, api.profile_family)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{backend: scripted}", ("scripted", None, "", None)),
        ("{backend: scripted, script: s.yaml}", ("scripted", None, "", "s.yaml")),
        ("{backend: scripted, default_model: m}", ("m", None, "", None)),
    ],
)
def test_a_scripted_provider_needs_neither_key_nor_model(entry: str, expected: object) -> None:
    provider = _config(f"version: 1\nllm: {{providers: {{fake: {entry}}}}}\n").providers["fake"]

    assert expected == (provider.default_model, provider.api, provider.executable, provider.script)


@pytest.mark.parametrize(("name", "program"), [("openai", "codex"), ("anthropic", "claude"), ("google", "gemini")])
def test_a_cli_provider_starts_its_vendors_program(name: str, program: str) -> None:
    provider = _config(f"version: 1\nllm: {{providers: {{{name}: {{backend: cli}}}}}}\n").providers[name]

    assert (program, None) == (provider.executable, provider.api)


@pytest.mark.parametrize(
    ("failover", "targets"),
    [
        ("", None),
        ("failover: ", None),
        ("failover: ~", None),
        ("failover: []", []),
        ("failover: [zai]", [("zai", "zai", None)]),
        (
            "failover: [{provider: zai, model: glm-9}, cerebras]",
            [("zai", "zai", "glm-9"), ("cerebras", "cerebras", None)],
        ),
    ],
    ids=["omitted", "no_value", "null", "none", "one", "two"],
)
def test_failover_has_three_states(failover: str, targets: list[object] | None) -> None:
    text = f"version: 1\nllm: {{providers: {{zai: , cerebras: , kimi: {{{failover}}}}}}}\n"
    found = _config(text).providers["kimi"].failover

    assert targets == (None if found is None else [target[:3] for target in found])


def test_aliases_are_canonical_and_their_values_keep_their_place() -> None:
    text = (
        "version: 1\nllm:\n  defaults: {provider: z.ai}\n  providers:\n    z-ai: {failover: [moonshot]}\n    kimi: {}\n"
    )
    config, found = read_run_config(Source("run.yaml", text))
    zai = config.providers["zai"]

    assert ["provider_alias"] * 3 == [each.rule for each in found]
    assert (["zai", "kimi"], "zai", "z-ai") == (list(config.providers), config.default_provider, zai.written)
    assert [FailoverTarget("kimi", "moonshot", None, config.source.span(80, 88))] == list(zai.failover or ())
    assert (5, 12) == config.key_span("/llm/providers/zai/failover").position


def test_probes_know_whether_the_transports_were_named() -> None:
    assert _config("version: 1\npreflight: {prompt_probes: {transports: [complete]}}\n").probes.transports_named
    assert _config("version: 1\n", "preflight.prompt_probes.transports=[stream]").probes.transports_named
    assert not _config("version: 1\npreflight: {prompt_probes: {retries: 1}}\n").probes.transports_named


def test_an_only_allowed_model_is_the_default() -> None:
    text = (
        "version: 1\nllm: {providers: {kimi: {models: [kimi-x]}, zai: {models: [a, b]}, openai: {models: [gpt-5.2]}}}\n"
    )
    providers = _config(text).providers

    assert ["kimi-x", None, "gpt-5.2"] == [provider.default_model for provider in providers.values()]


def test_every_value_says_where_it_came_from() -> None:
    config = _config("version: 1\nhuman: {mode: fail}\n", "limits.max_llm_calls=3")

    assert ("run.yaml", "human.mode") == config.origin("/human/mode")[::2]
    assert ("command line", "--set limits.max_llm_calls=3") == config.origin("/limits/max_llm_calls")[::2]
    assert "built-in" == config.origin("/limits/max_wall_ms").source


def test_a_wrong_value_leaves_its_default_in_force() -> None:
    text = """\
version: 1
human: {mode: nobody}
runtime_policy: {max_llm_retries: -3, max_agent_turns: 7}
env: {pass: [A, 3, B]}
"""
    config, found = read_run_config(Source("run.yaml", text))

    assert 3 == len(found)
    assert ("console", 6, 7, ("A", "B")) == (
        config.human_mode, config.policy.max_llm_retries, config.policy.max_agent_turns, config.env_pass
    )  # fmt: skip
