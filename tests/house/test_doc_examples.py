"""Every example of the documentation works as it stands there, and every link leads somewhere.

Fenced blocks are taken by their language:

- `dot`, `yaml`: a graph is checked, a file of ours is held against its schema. The page's files are kept for what
  follows: under the name that stands after the language (```yaml bad-day.yaml), else a graph under its own name, the
  rest as run.yaml, scenario.yaml or provider.yaml. `bad` after the language: it must not be accepted.
- `console`: each line after `$ ` is run, in order, in a folder that holds the page's files so far. What is shown after
  it must be what it says, on stdout and stderr together; `…` stands for anything, alone in a line for any lines. A
  command of which nothing is shown must succeed.
- `markdown` with a name is kept, too. `json`, `toml`: they can be read. `sh` is read by bash, not run.
  Others are not looked at.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from jsonschema import Draft7Validator

from attractor.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if path.name != "rules.md"  # its examples are bad on purpose, and run by tests/rules
)  # fmt: skip
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"run": "run.yaml", "scenario": "scenario.yaml", "simulator": "provider.yaml"}


class Block(NamedTuple):
    place: str  # page:line
    language: str
    words: tuple[str, ...]
    text: str


def blocks(page: Path) -> Iterator[Block]:
    content = page.read_text("utf-8")
    for fence in FENCE.finditer(content):
        language, *words = fence["info"].split() or [""]
        line = content.count("\n", 0, fence.start()) + 1
        yield Block(f"{page.relative_to(ROOT)}:{line}", language, tuple(words), fence["text"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_work(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "work")
    for block in blocks(page):
        reader.read(block)


class Reader:
    """Follows a page, as somebody would who tries everything that it shows."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.here = folder  # where the last command left us
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_STATE_HOME": str(folder.parent / "state"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": str(folder.parent),
            "COLUMNS": "80",
        }

    def read(self, block: Block) -> None:
        match block.language:
            case "dot":
                self.graph(block)
            case "yaml":
                self.document(block)
            case "console":
                self.session(block)
            case "json":
                json.loads(block.text)
            case "toml":
                tomllib.loads(block.text)
            case "markdown" if self.named(block):
                (self.here / self.named(block)).write_text(block.text, "utf-8")
            case "sh":
                read = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
                assert "" == read.stderr, block.place

    # Files

    def graph(self, block: Block) -> None:
        """Check a graph alone; what is no whole graph must at least stand inside one without a syntax error."""
        whole = re.search(r"^digraph\s+(\w+)", block.text, re.MULTILINE)
        text = block.text if whole else f"digraph fragment {{\n{block.text}\n}}\n"
        name = self.named(block) or (f"{whole[1]}.dot" if whole else "fragment.dot")
        path = (self.here if whole else self.folder.parent) / name
        path.write_text(text, "utf-8")
        said = io.StringIO()
        main(["compile", "--check", "--format", "json", str(path)], said, said)
        errors = [f for f in json.loads(said.getvalue())["diagnostics"] if f["severity"] == "error"]
        if not whole:
            errors = [found for found in errors if found["rule"].startswith("dot_")]
        assert ("bad" in block.words) == bool(errors), (block.place, errors)

    def document(self, block: Block) -> None:
        values = yaml.safe_load(block.text)
        assert values is not None, block.place
        kind = kind_of(values)
        if kind is None:
            assert values.keys() & {"repos", "jobs"}, f"{block.place}: no file of ours, of pre-commit or of GitHub"
            return
        part = {"version": 1, **values}
        errors = [error.message for error in Draft7Validator(schema(kind)).iter_errors(part)]
        assert ("bad" in block.words) == bool(errors), (block.place, errors)
        if "version" in values or self.named(block):
            (self.here / (self.named(block) or KINDS[kind])).write_text(block.text, "utf-8")

    @staticmethod
    def named(block: Block) -> str:
        return next((word for word in block.words if word != "bad"), "")

    # Commands

    def session(self, block: Block) -> None:
        for command, shown in commands(block.text):
            self.compile_for(command)
            code, said = self.shell(command)
            if shown:
                assert matches(shown, said), f"{block.place}: $ {command}\nshown:\n{shown}\nsaid:\n{said}"
            else:
                assert 0 == code, f"{block.place}: $ {command}\n{said}"

    def compile_for(self, command: str) -> None:
        """Write the plan that a command is about, where the page does not show how."""
        plans = re.findall(r"[\w-]+\.plan\.json", command)
        if plans and not (self.here / plans[0]).exists() and (self.here / "run.yaml").exists():
            self.shell("attractor compile --quiet")

    def shell(self, command: str) -> tuple[int, str]:
        note = self.folder.parent / "here"
        script = f"{command}\ncode=$?\npwd >{note}\nexit $code"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.here, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )  # fmt: skip
        if note.exists():
            self.here = Path(note.read_text().strip())
        return done.returncode, done.stdout


def kind_of(values: Any) -> str | None:
    """Return which of our files this is, or is a part of."""
    for kind, telling in (("scenario", {"nodes"}), ("simulator", {"answers", "otherwise"})):
        if values.keys() & telling:
            return kind
    return "run" if values.keys() & schema("run")["properties"].keys() else None


def schema(name: str) -> Any:
    return json.loads((ROOT / f"schemas/{name}.schema.json").read_text("utf-8"))


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with what is shown after it; a backslash at its end goes on in the next line."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = re.sub(r"\\\n\s*", "", part).partition("\n")
        yield command, shown.strip("\n")


def matches(shown: str, said: str) -> bool:
    """Whether `said` is what is shown, where `…` stands for anything."""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() in {"…", "..."}:
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += "[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + r"[ ]*\n"
    text = "".join(f"{line.rstrip()}\n" for line in said.strip("\n").splitlines())
    return re.fullmatch(pattern, text) is not None


# Links

LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\((?P<to>[^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return what can be linked to in a page: its headings, as they are linked to on the usual hosts."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.finditer(FENCE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link["to"].partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link["to"])

    assert [] == broken


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text("utf-8")
    missing = [
        path.name for path in sorted((ROOT / "docs").glob("*.md"))
        if path.name != "README.md" and f"]({path.name})" not in index
    ]  # fmt: skip

    assert [] == missing, "add the page to docs/README.md, with what it answers"


# The harness itself


@pytest.mark.parametrize(
    ("shown", "said", "is_same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\n", False),
        ("a", "a\nb\n", False),
        ("a…z", "a to z\n", True),
        ("a\n…\nz", "a\nb\nc\nz\n", True),
        ("a\n…\nz", "a\nz\n", True),
        ("a\n…\nz", "a\nb\n", False),
        ("a.c", "abc\n", False),
    ],
)
def test_what_is_shown_is_compared_line_by_line(shown: str, said: str, is_same: bool) -> None:
    assert is_same == matches(shown, said)


@pytest.mark.parametrize(
    "block",
    [
        Block("", "dot", (), "digraph g { a -> b }\n"),
        Block("", "dot", (), "a -> -> b\n"),
        Block("", "dot", ("bad",), 'digraph g { s [shape=Mdiamond] e [shape=Msquare] s -> e }\n'),
        Block("", "yaml", (), "limits: {max_llm_cals: 3}\n"),
        Block("", "yaml", (), "services: {}\n"),
        Block("", "console", (), "$ false\n"),
        Block("", "console", (), "$ echo one\ntwo\n"),
        Block("", "json", (), "{"),
        Block("", "sh", (), "if"),
    ],
    ids=lambda block: f"{block.language} {block.text.strip()}",
)  # fmt: skip
def test_an_example_that_does_not_work_is_found(block: Block, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, ValueError)):
        Reader(tmp_path / "work").read(block)


def test_files_and_the_current_folder_last_to_the_end_of_a_page(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "work")
    reader.read(Block("", "yaml", ("bad-day.yaml",), "version: 1\nnodes: {w: {text: hi}}\n"))
    reader.read(Block("", "console", (), "$ mkdir deep && cd deep\n$ ls ../*.yaml\n../bad-day.yaml\n"))

    assert tmp_path / "work/deep" == reader.here
    shutil.rmtree(reader.folder)
