"""Everything that can be wrong in run.yaml: its rule, its place, its words; all of it in one run."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.read_run_config import read_run_config
from attractor.compiler.source import Source

HEAD = "version: 1\n"
API_KEY_ENV = "/llm/providers/kimi/api/api_key_env"
PROVIDERS = HEAD + "llm:\n  providers:\n"
LOCAL = "    local: {api: {protocol: openai_chat_completions, base_url: 'http://h'}, failover: []}\n"
KEY = "sk-proj-" + "Ab3" * 12


def _found(text: str, *overrides: str) -> list[Diagnostic]:
    _, found = read_run_config(Source("run.yaml", text), overrides)
    return sorted(found, key=lambda each: each.span.start)


def _place(found: Diagnostic) -> str:
    line, column = found.span.position
    return f"{line}:{column}-{column + found.span.end - found.span.start} {found.rule}"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("graph: g.dot\n", "1:1-6 run_required", '"version" is missing; write `version: 1`'),
        ("version: 2\n", "1:10-11 run_version", '"version" must be 1, the one version of this format'),
        ('version: "1"\n', "1:10-13 run_version", '"version" must be 1, the one version of this format'),
        (HEAD + "grpah: g.dot\n", "2:1-6 run_unknown_key", 'unknown key "grpah"'),
        (HEAD + "human: {mod: fail}\n", "2:9-12 run_unknown_key", 'unknown key "mod" in "human"'),
        (PROVIDERS + "    kimi: {bakend: api}\n", "4:12-18 run_unknown_key",
         'unknown key "bakend" in "llm.providers.kimi"'),
        (HEAD + "goal: 42\n", "2:7-9 run_type", '"goal" must be text, not a whole number'),
        (HEAD + "human: fail\n", "2:8-12 run_type", '"human" must be a mapping, not text'),
        (HEAD + "limits: {max_llm_calls: '3'}\n", "2:25-28 run_type",
         '"max_llm_calls" must be a whole number, not text'),
        (HEAD + "workspace: {mode: }\n", "2:13-17 run_enum", '"mode" must be auto, worktree or directory, not nothing'),
        (HEAD + "setup: {timeout_ms: ~}\n", "2:21-22 run_type",
         '"timeout_ms" has no value; it must be a whole number: give one, or remove the key'),
        (HEAD + "setup: {commands: make}\n", "2:19-23 run_type", '"commands" must be a list, not text'),
        (HEAD + "env: {pass: [OK, A-B]}\n", "2:18-21 run_type",
         'item 2 of "pass" must be the name of an environment variable, such as CARGO_HOME'),
        (HEAD + "inputs: {my seed: 1}\n", "2:10-17 run_type",
         'key "my seed" must be a name of letters, digits and _ other than goal and base_sha, '
         'so that a prompt can say $NAME'),
        (HEAD + "inputs: {seed: 1, goal: x}\n", "2:19-23 run_type",
         'key "goal" must be a name of letters, digits and _ other than goal and base_sha, '
         'so that a prompt can say $NAME'),
        (HEAD + "inputs: {seed: [1]}\n", "2:16-19 run_type",
         '"seed" must be text, a number or true or false, not a list'),
        (HEAD + "workspace: {mode: worktre}\n", "2:19-26 run_enum",
         '"mode" must be auto, worktree or directory, not "worktre"'),
        (HEAD + "preflight: {prompt_probes: {transports: [complete, streem]}}\n", "2:52-58 run_enum",
         'item 2 of "transports" must be complete or stream, not "streem"'),
        (HEAD + "runtime_policy: {max_llm_retries: -1}\n", "2:35-37 run_range",
         '"max_llm_retries" must be at least 0, not -1'),
        (HEAD + "limits: {max_cost_usd: 0}\n", "2:24-25 run_range", '"max_cost_usd" must be above 0, not 0'),
        (HEAD + "graph: ''\n", "2:8-10 run_range", '"graph" must not be empty'),
        (HEAD + "preflight: {prompt_probes: {transports: [stream, stream]}}\n", "2:41-57 run_range",
         '"transports" names a value twice'),
        (HEAD + "runtime_policy:\n  llm_backoff: {base_ms: 9, max_ms: 8}\n", "3:37-38 run_range",
         '"max_ms" must not be shorter than the first wait: 8 < 9'),
        (HEAD + "runtime_policy:\n  llm_backoff: {base_ms: 900000}\n", "3:26-32 run_range",
         '"max_ms" must not be shorter than the first wait: 120000 < 900000'),
        (HEAD + "preflight: {prompt_probes: {base_delay_ms: 6000}}\n", "2:44-48 run_range",
         '"max_delay_ms" must not be shorter than the first wait: 5000 < 6000'),
        (HEAD + "runtime_policy: {stall_check_interval_ms: 0}\n", "2:43-44 run_range",
         '"stall_check_interval_ms" must be above 0 while stall_timeout_ms is; '
         "write stall_timeout_ms: 0 to switch the watchdog off"),
        (HEAD + "runtime_policy: {max_command_timeout_ms: 5}\n", "2:42-43 timeout_default_above_max",
         '"default_command_timeout_ms" is above "max_command_timeout_ms", 60000 > 5; '
         "lower the one, or raise the other"),
        (HEAD + "graph: /tmp/g.dot\n", "2:8-18 run_path_relative",
         '"graph" must be relative to the folder of run.yaml: an absolute path holds on one machine only'),
        (HEAD + "graph: 'a\\g.dot'\n", "2:8-17 run_path_relative", '"graph" must be written with forward slashes'),
        (HEAD + "llm: {defaults: {provider: kimmi}}\n", "2:28-33 provider_not_configured",
         'default provider "kimmi" is not declared under llm.providers'),
        (PROVIDERS + "    local: {failover: []}\n", "4:5-10 run_protocol_required",
         'provider "local" is not built in: say which protocol it speaks, as api.protocol'),
        (PROVIDERS + "    local: {failover: [], api: {protocol: openai_responses}}\n", "4:27-30 run_required",
         'provider "local" is not built in: say where it is, as api.base_url'),
        (PROVIDERS + "    kimi: {backend: cli, failover: []}\n", "4:21-24 run_cli_contract",
         'provider "kimi" has no command line agent; those that have one: openai, anthropic, google'),
        (PROVIDERS + "    kimi: {backend: apii, failover: []}\n", "4:21-25 run_enum",
         '"backend" must be api, cli or scripted, not "apii"'),
        (PROVIDERS + "    moonshot: {failover: []}\n", "4:5-13 provider_alias", '"moonshot" is an alias of "kimi"'),
        (PROVIDERS + "    Kimi: {failover: []}\n", "4:5-9 provider_alias", '"Kimi" is an alias of "kimi"'),
        (PROVIDERS + "    zai: {failover: []}\n    kimi: {failover: [zai, zai]}\n", "5:28-31 failover_duplicate",
         '"zai" stands in this list already'),
        (PROVIDERS + "    kimi: {failover: [kimi]}\n", "4:23-27 failover_self",
         'provider "kimi" cannot fail over to itself'),
        (PROVIDERS + "    kimi: {failover: [zai]}\n", "4:23-26 failover_unknown",
         'failover target "zai" is not declared in run.yaml'),
        (PROVIDERS + "    kimi: {failover: [{provider: kimmmi}]}\n", "4:34-40 failover_unknown",
         'unknown provider "kimmmi"'),
        (PROVIDERS + LOCAL + "    kimi: {failover: [local]}\n", "5:23-28 failover_model_missing",
         'failover target "local" has no model'),
        (PROVIDERS + "    zai: {failover: [], models: [glm-4.7]}\n    kimi: {failover: [{provider: zai, model: m}]}\n",
         "5:34-37 model_not_allowed", '"zai" does not allow model "m"; its models: glm-4.7'),
        (PROVIDERS + "    kimi: {failover: [{model: m}]}\n", "4:23-33 run_required",
         'item 1 of "failover" needs "provider"'),
        (PROVIDERS + "    kimi: {failover: [3]}\n", "4:23-24 run_type",
         'item 1 of "failover" must be text or a mapping, not a whole number'),
        (PROVIDERS + "    kimi: {failover: [], prices: {m: {input: 1}}}\n", "4:35-36 run_required",
         '"m" needs "output"'),
        (PROVIDERS + "    kimi: {failover: [], api: {base_url: 'ftp://x'}}\n", "4:42-51 run_type",
         '"base_url" must begin with http:// or https:// and hold no blanks'),
        (PROVIDERS + "    openai: {backend: cli, failover: [], api: {path: /x}}\n", "4:42-45 run_ignored_key",
         '"api" is ignored: only backend api reads it, and "openai" has backend cli'),
        (HEAD + "- a\n", "2:1-2 run_syntax", "wrongly indented, or no `key: value`"),
        ('{"plan_version": 1, "digest": ""}\n', "1:2-16 run_type",
         "this is a plan, not a run.yaml; `attractor exec PLAN` runs it"),
        ("[1]\n", "1:1-4 run_type", "run.yaml must be a mapping: lines of the form `key: value`"),
        ("", "1:1-1 run_required", '"version" is missing; write `version: 1`'),
    ],
)  # fmt: skip
def test_a_mistake_is_found_at_its_place(text: str, place: str, message: str) -> None:
    found = _found(text)

    assert [(place, message)] == [(_place(each), each.message) for each in found]


@pytest.mark.parametrize(
    ("text", "help_"),
    [
        (HEAD + "grpah: g.dot\n", 'did you mean "graph"?'),
        (HEAD + "max_llm_calls: 3\n", '"max_llm_calls" belongs under limits'),
        (HEAD + "providers: {}\n", '"providers" belongs under llm'),
        (HEAD + "human: {qqqqqq: 1}\n", "known here: mode"),
        (HEAD + "workspace: {mode: dir}\n", ""),
        (HEAD + "human: {mode: consle}\n", 'did you mean "console"?'),
        (PROVIDERS + "    kimi: {failover: [kmi]}\n", 'did you mean "kimi"?'),
        (PROVIDERS + "    kimi: {failover: [zai]}\n", "declare it under llm.providers: `zai: {backend: api}`"),
        (PROVIDERS + "    kmi: {failover: []}\n", 'did you mean "kimi"?'),
    ],
)
def test_help_names_what_was_probably_meant(text: str, help_: str) -> None:
    assert [help_] == [each.help for each in _found(text)]


def test_all_mistakes_are_found_in_one_run() -> None:
    text = """\
grpah: g.dot
goal: 42
workspace: {mode: worktre, require_clean: 3}
llm:
  providers:
    gemini: {failover: [kimi, kimi, google, nobody]}
    kimi: {backend: cli}
limits: {max_llm_calls: 0, max_wall_ms: '5'}
"""
    assert [
        "1:1-6 run_required",
        "1:1-6 run_unknown_key",
        "2:7-9 run_type",
        "3:19-26 run_enum",
        "3:43-44 run_type",
        "6:5-11 provider_alias",
        "6:31-35 failover_duplicate",
        "6:37-43 failover_self",
        "6:45-51 failover_unknown",
        "7:21-24 run_cli_contract",
        "8:25-26 run_range",
        "8:41-44 run_type",
    ] == sorted(map(_place, _found(text)), key=lambda place: [int(n) for n in place.split("-")[0].split(":")])


def test_two_names_of_one_provider_are_an_error_that_shows_both() -> None:
    (found,) = _found(PROVIDERS + "    z-ai: {failover: []}\n    zai: {failover: []}\n")[1:]

    assert '"z-ai" and "zai" are the same provider, "zai"; keep one' == found.message
    assert ((5, 5), [(4, 5)]) == (found.span.position, [each.span.position for each in found.related])


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (PROVIDERS + f"    kimi: {{failover: [], api: {{api_key_env: {KEY}}}}}\n", API_KEY_ENV),
        (PROVIDERS + "    kimi: {failover: [], api: {api_key_env: 'my key!'}}\n", API_KEY_ENV),
        (PROVIDERS + "    kimi: {failover: [], api: {api_key_env: Ab3dEf6hIj9lMn2pQr5t}}\n",
         API_KEY_ENV),
        (PROVIDERS + "    kimi: {failover: [], api: {headers: {Authorization: hunter22}}}\n",
         "/llm/providers/kimi/api/headers/Authorization"),
        (PROVIDERS + "    kimi: {failover: [], api: {headers: {x-team-token: hunter22}}}\n",
         "/llm/providers/kimi/api/headers/x-team-token"),
        (PROVIDERS + "    kimi: {failover: [], api: {base_url: 'https://ann:hunter22@host'}}\n",
         "/llm/providers/kimi/api/base_url"),
        (HEAD + f"inputs: {{token: {KEY}}}\n", "/inputs/token"),
        (HEAD + f"setup:\n  commands:\n    - |\n      export A_KEY={KEY}\n", "/setup/commands/0"),
        (HEAD + f"goal: 'use {KEY} please'\nunknown: 1\n", "/goal"),
        (HEAD + f"cxdb: {{key: {KEY}}}\n", "/cxdb/key"),
    ],
    ids=["prefix", "not_a_name", "mixed", "authorization", "token_header", "url", "input",
         "command", "goal", "ignored"],
)  # fmt: skip
def test_a_secret_is_an_error_that_never_repeats_it(text: str, pointer: str) -> None:
    found = _found(text)
    secret = next(word for word in (KEY, "my key!", "Ab3dEf6hIj9lMn2pQr5t", "hunter22") if word in text)

    assert [pointer] == [each.subject for each in found if each.rule == "run_secret_literal"]
    for each in found:
        shown = (
            each.message,
            each.help,
            each.span.text,
            each.span.source.text,
            *[near.message for near in each.related],
        )
        assert not [part for part in shown if secret in part]


@pytest.mark.parametrize(
    "text",
    [
        PROVIDERS + "    kimi: {failover: [], api: {api_key_env: MY_TEAM_KEY_2, headers: {x-team: compilers}}}\n",
        PROVIDERS + "    kimi: {failover: [], api: {api_key_env: kimi_api_key}}\n",
        PROVIDERS + "    kimi: {failover: [], api: {api_key_env: ''}}\n",
        HEAD + "goal: sketch-a-very-long-plan-of-everything\nenv: {pass: [OPENAI_API_KEY]}\n",
        HEAD + "inputs: {commit: 0123456789abcdef0123456789abcdef01234567}\n",
    ],
    ids=["variable", "small_variable", "no_key", "words", "commit"],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert [] == _found(text)


def test_nothing_is_said_to_be_missing_from_a_file_that_cannot_be_read() -> None:
    assert {"run_syntax"} == {each.rule for each in _found("version: [1\nhuman: {mode: fail}\n")}


@given(st.text(alphabet=st.sampled_from("abcv:-[]{}&*|>'\" \n12😀"), max_size=80))
@example("version: 1\nllm: {providers: {a: }}")
@example("version: 1\nllm: {providers: {kimi: {failover: [{}]}}}")
@example("version: 1\n1: 2\n")
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_configuration_and_positioned_errors(text: str) -> None:
    config, found = read_run_config(Source("run.yaml", text))

    assert "auto" == config.workspace.mode
    assert all(0 <= each.span.start <= each.span.end <= len(text) for each in found)


_WORDS = """version graph goal inputs workspace repo mode setup commands timeout_ms llm defaults provider model
providers kimi gemini local backend failover api protocol headers prices limits max_cost_usd runtime_policy llm_backoff
base_ms preflight prompt_probes transports human env pass git path cxdb models default_model x"""
_KEYS = st.sampled_from(_WORDS.split())
_LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | _KEYS
    | st.sampled_from(["api", "cli", "scripted", "", "1", "zai"])
)  # fmt: skip
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5))


@given(st.dictionaries(_KEYS, _VALUES, max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_values_give_a_configuration_and_positioned_errors(values: dict[str, object]) -> None:
    text = json.dumps(values)
    config, found = read_run_config(Source("run.yaml", text))

    assert config.policy.max_agent_turns >= 1
    assert all(each.span.start < each.span.end or text == "{}" for each in found)
