"""`--set KEY=VALUE`."""

import pytest

from attractor.compiler.diagnostics import Diagnostic
from attractor.compiler.read_run_config import read_run_config
from attractor.compiler.run_config import RunConfig
from attractor.compiler.source import Source

TEXT = """\
version: 1
human: {mode: fail}
setup: {commands: [make]}
llm: {providers: {kimi: {failover: []}, google: {failover: []}}}
"""


def _read(*overrides: str, text: str = TEXT) -> tuple[RunConfig, list[Diagnostic]]:
    return read_run_config(Source("run.yaml", text), overrides)


def test_a_value_replaces_what_run_yaml_says() -> None:
    config, found = _read("human.mode=file", "llm.providers.kimi.api.base_url=http://h", "goal=a: b", "goal=fix = it")

    assert [] == found
    assert ("file", "fix = it") == (config.human_mode, config.goal)
    api = config.providers["kimi"].api
    assert api is not None
    assert "http://h" == api.base_url
    assert {"/human/mode": "human.mode=file"} == {key: text for key, text in config.overrides.items() if "human" in key}


@pytest.mark.parametrize(
    ("override", "commands"),
    [
        ("setup.commands=[a, 'b c']", ("a", "b c")),
        ("setup.commands.0=x", ("x",)),
        ("setup.commands.1=y", ("make", "y")),
    ],
)
def test_lists_are_set_whole_or_item_by_item(override: str, commands: tuple[str, ...]) -> None:
    config, found = _read(override)

    assert [] == found
    assert commands == config.setup_commands


def test_a_whole_section_may_be_set() -> None:
    config, found = _read("limits={max_llm_calls: 3}", "version=1", text="")

    assert [] == found
    assert 3 == config.limits.max_llm_calls
    assert "command line" == config.origin("/limits/max_llm_calls").source


def test_a_part_that_holds_a_dot_is_quoted() -> None:
    config, found = _read('llm.providers.kimi.prices."kimi-k2.5"={input: 1, output: 2}')

    assert [] == found
    assert 1.0 == config.providers["kimi"].prices["kimi-k2.5"].input


def test_a_provider_may_be_called_by_another_of_its_names() -> None:
    config, found = _read("llm.providers.gemini.backend=cli")

    assert [] == found
    assert "cli" == config.providers["google"].backend


@pytest.mark.parametrize(
    ("override", "place", "message", "help_"),
    [
        ("human.mod=fail", "1:7 run_unknown_key", 'unknown key "mod" in "human"', 'did you mean "mode"?'),
        ("llm.provders.kimi.backend=api", "1:5 run_unknown_key", 'unknown key "provders" in "llm"',
         'did you mean "providers"?'),
        ("human.mode=nobody", "1:12 run_enum", '"mode" must be console, auto_approve, file or fail, not "nobody"', ""),
        ("limits.max_llm_calls=-1", "1:22 run_range", '"max_llm_calls" must be at least 1, not -1', ""),
        ("setup.commands.7=x", "1:16 run_range", '"7" is no place in "commands": a number from 0 to 1', ""),
        ("human.mode", "1:1 run_syntax",
         '--set must be KEY=VALUE, with KEY like llm.providers.kimi.backend; quote a part that holds a "."', ""),
        ("=x", "1:1 run_syntax",
         '--set must be KEY=VALUE, with KEY like llm.providers.kimi.backend; quote a part that holds a "."', ""),
        ("goal=[a", "1:6 run_syntax", '"[" is not closed, or a comma is missing in it', ""),
        ("goal=a\x00", "1:7 run_syntax",
         "character U+0000 is not allowed in YAML; remove it, or write it as an escape in double quotes", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_in_the_argument(override: str, place: str, message: str, help_: str) -> None:
    _, (found,) = _read(override)
    line, column = found.span.position

    assert ("--set", override) == (found.span.source.path, found.span.source.text)
    assert (place, message, help_) == (f"{line}:{column} {found.rule}", found.message, found.help)


def test_a_secret_on_the_command_line_is_not_repeated() -> None:
    key = "sk-" + "a1B2" * 10
    _, (found,) = _read(f"llm.providers.kimi.api.api_key_env={key}")

    assert "run_secret_literal" == found.rule
    assert key not in found.span.source.text + found.message
