"""Settings, suppressions and fixes as a user meets them: files in a folder, one command, an exit code."""

import json
from pathlib import Path

import pytest

from attractor.cli.main import main

CLEAN = """digraph build {
  goal="Build it"
  start [shape=Mdiamond]
  a [shape=parallelogram, tool_command="make"%s]
  check [shape=diamond]
  exit [shape=Msquare]
  stop [shape=Msquare, exit_status=fail]
  start -> a -> check
  check -> exit [condition="outcome=success"]
  check -> stop [condition="outcome=fail"]
}
"""
WARNING = ", owner=ann"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def _check(text: str, *flags: str) -> int:
    Path("graph.dot").write_bytes(text.encode())
    return main(["compile", "--check", *flags, "graph.dot"])


def _rules(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [found["rule"] for found in json.loads(capsys.readouterr().out)["diagnostics"]]


@pytest.mark.parametrize(
    ("text", "flags", "code"),
    [
        pytest.param(CLEAN % "", (), 0, id="clean"),
        pytest.param(CLEAN % "", ("--strict",), 0, id="clean-strict"),
        pytest.param(CLEAN % WARNING, (), 0, id="warning"),
        pytest.param(CLEAN % WARNING, ("--strict",), 1, id="warning-strict"),
        pytest.param(CLEAN % ", max_retries=x", (), 1, id="error"),
    ],
)
def test_the_exit_code_says_what_counted(text: str, flags: tuple[str, ...], code: int) -> None:
    assert code == _check(text, *flags)


@pytest.mark.parametrize(
    ("settings", "code", "rules"),
    [
        pytest.param("", 0, ["unknown_attribute"], id="none"),
        pytest.param('profile = "strict"', 1, ["unknown_attribute"], id="strict"),
        pytest.param('profile = "spec"', 0, [], id="spec"),
        pytest.param('[rules]\nunknown-attribute = "error"', 1, ["unknown_attribute"], id="error"),
        pytest.param('[rules]\nunknown_attribute = "off"', 0, [], id="off"),
        pytest.param('[rules]\nunknown_attribut = "off"', 0, ["unknown_rule", "unknown_attribute"], id="misspelt"),
        pytest.param("[rules", 1, ["settings_invalid", "unknown_attribute"], id="broken"),
    ],
)
def test_settings_beside_the_pipeline_count(
    settings: str, code: int, rules: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".attractor.toml").write_text(settings)

    assert code == _check(CLEAN % WARNING, "--format", "json")
    assert rules == _rules(capsys)


def test_a_comment_silences_and_a_useless_one_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    line = '  a [shape=parallelogram, tool_command="make", owner=ann]'
    silenced = (CLEAN % WARNING).replace(line, f"{line} // attractor: ignore[unknown-attribute] theirs")

    _check(silenced, "--format", "json")
    assert [] == _rules(capsys)

    _check(silenced.replace(", owner=ann", ""), "--format", "json")
    assert ["unused_suppression"] == _rules(capsys)


def test_comments_in_run_yaml_silence_what_stands_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("graph.dot").write_text(CLEAN % "")
    run = "version: 1\nllm:\n  providers:\n    zai: {failover: []}%s\n"
    graph_with_stage = (CLEAN % "").replace(
        "  start -> a", '  plan [prompt="p", llm_provider=kimi]\n  start -> plan -> a'
    )
    Path("graph.dot").write_text(graph_with_stage)

    Path("run.yaml").write_text(run % "\n    kimi: {failover: []}")
    main(["compile", "--check", "--format", "json", "run.yaml"])
    assert "provider_unused" in _rules(capsys)

    Path("run.yaml").write_text(run % "  # attractor: ignore[provider_unused] soon\n    kimi: {failover: []}")
    main(["compile", "--check", "--format", "json", "run.yaml"])
    found = _rules(capsys)
    assert "provider_unused" not in found
    assert "unused_suppression" not in found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(", timeout=900", ', timeout="900s"', id="plain"),
        pytest.param("\r\n  , timeout=900\r\n", '\r\n  , timeout="900s"\r\n', id="crlf"),
        pytest.param(", max_retris=3, timeout=90", ', max_retris=3, timeout="90s"', id="safe-ones-only"),
    ],
)
def test_fix_writes_what_is_safe_and_nothing_else(before: str, after: str) -> None:
    _check(CLEAN % before, "--fix")

    assert (CLEAN % after).encode() == Path("graph.dot").read_bytes()


def test_unsafe_fixes_write_the_rest_and_a_second_time_nothing() -> None:
    _check(CLEAN % ", max_retris=3", "--unsafe-fixes")
    fixed = Path("graph.dot").read_bytes()

    assert (CLEAN % ", max_retries=3").encode() == fixed
    main(["compile", "--check", "--unsafe-fixes", "graph.dot"])
    assert fixed == Path("graph.dot").read_bytes()


def test_text_goes_to_stderr_without_colour_and_json_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    _check(CLEAN % WARNING)
    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith("graph.dot:4:48: warning[unknown_attribute] ")
    assert "\x1b" not in err

    _check(CLEAN % WARNING, "--format", "json")
    out, err = capsys.readouterr()
    assert "" == err
    assert 1 == json.loads(out)["summary"]["warnings"]
