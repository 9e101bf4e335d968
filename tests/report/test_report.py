"""`attractor report`: a page about a run that needs nothing else, whatever the run wrote."""

import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.main import main
from attractor.runtime.report.facts import MOST_BARS, MOST_VISITS, facts_of, plain
from attractor.runtime.report.render import html, markdown
from attractor.runtime.run_files import RunFiles

NASTY = "</pre><script>alert(1)</script>|`*&"
GRAPH = """digraph p {
  goal="<b>bold</b> & | more"
  start [shape=Mdiamond]
  exit [shape=Msquare]
  good [shape=parallelogram, tool_command="true"]
  bad [shape=parallelogram, label="<i>bad</i>", max_retries=0, tool_command="cat nasty >&2; exit 3"]
  start -> good -> bad
  bad -> exit [condition="outcome=success"]
}
"""
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def said(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return main(arguments, out, err), out.getvalue(), err.getvalue()


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """A run that failed, and wrote what a page must not take for its own."""
    (tmp_path / "p.dot").write_text(GRAPH)
    (tmp_path / "nasty").write_text(f"\x1b[31m{NASTY}\x1b[0m\a\n```\nlast line\n")
    (tmp_path / "run.yaml").write_text("version: 1\ngraph: p.dot\nworkspace: {mode: directory}\n")
    code, _, err = said("run", str(tmp_path / "run.yaml"), "--run-dir", str(tmp_path / "run"), "--quiet")
    assert 1 == code, err
    return tmp_path / "run"


class Page(HTMLParser):
    """The tags of a page, its links to elsewhere and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.outside: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "img", "br", "polygon", "path", "polyline", "ellipse"):
            self.open.append(tag)
        self.outside += [str(value) for key, value in attributes if key in ("src", "href", "xlink:href", "action")]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_is_one_page_without_scripts_and_links_that_shows_what_went_wrong(ran: Path) -> None:
    code, out, err = said("report", str(ran))
    page = Page((ran / "report.html").read_text())

    assert (0, "", f"{ran / 'report.html'}\n{ran / 'report.md'}\n") == (code, err, out)
    assert ([], [], 0) == (page.open, page.outside, page.tags.count("script"))
    assert "url(" not in (ran / "report.html").read_text()
    assert "svg" in page.tags
    for text in (
        "<b>bold</b> & | more",
        f"{NASTY}\N{REPLACEMENT CHARACTER}\n```\nlast line",
        "failed with exit code 3",
    ):
        assert text in page.text
    assert "\x1b" not in page.text
    assert "--retry-failed" in page.text


def test_the_markdown_says_the_same_and_shows_what_was_written_letter_for_letter(ran: Path) -> None:
    said("report", str(ran))
    text = (ran / "report.md").read_text()

    assert text.startswith("# p: fail\n\n\\<b\\>bold\\</b\\> &amp; \\| more\n")
    assert f"````text\n{NASTY}\N{REPLACEMENT CHARACTER}\n```\nlast line\n````\n" in text
    tables = re.split(r"\n(?!\|)", re.sub(r"(`{3,})text\n.*?\n\1", "", text, flags=re.DOTALL))
    for table in tables:
        rows = [len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines() if row.startswith("|")]
        assert len(set(rows)) <= 1, table


def test_without_graphviz_the_ways_are_a_table(ran: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert 0 == said("report", str(ran))[0]

    page = Page((ran / "report.html").read_text())
    assert "svg" not in page.tags
    assert "With Graphviz installed this is a picture." in page.text
    assert "fail" in page.text


def test_a_report_can_lie_elsewhere_and_says_why_it_cannot(ran: Path, tmp_path: Path) -> None:
    there, nowhere = tmp_path / "a" / "b", tmp_path / "nasty" / "c"

    assert 0 == said("report", str(ran), "-o", str(there))[0]
    refused = said("report", str(ran), "-o", str(nowhere))

    assert {"report.html", "report.md"} == {path.name for path in there.iterdir()}
    assert not (ran / "report.html").exists()
    assert (2, f"attractor report: cannot write to {str(nowhere)!r}: not a directory\n") == (refused[0], refused[2])


@pytest.mark.broken_run_dir
def test_a_run_that_was_cut_off_has_a_report_too(ran: Path) -> None:
    read = (ran / "progress.ndjson").read_text().splitlines(keepends=True)
    started = next(at for at, line in enumerate(read) if json.loads(line).get("node_id") == "bad")
    (ran / "progress.ndjson").write_text("".join(read[: started + 1]) + read[started + 1][:30])
    (ran / "final.json").unlink()
    manifest = json.loads((ran / "manifest.json").read_text())
    (ran / "manifest.json").write_text(json.dumps(manifest | {"pid": 0}))

    assert 0 == said("report", str(ran))[0]

    page = Page((ran / "report.html").read_text())
    assert "interrupted" in page.text
    assert "died" in page.text


def test_an_audit_is_part_of_the_report(ran: Path) -> None:
    manifest = json.loads((ran / "manifest.json").read_text())
    (ran / "manifest.json").write_text(json.dumps(manifest | {"pid": 0}))
    assert 0 == said("audit", str(ran))[0]
    said("report", str(ran))

    assert "nothing deviates from the plan" in (ran / "report.html").read_text()
    assert "nothing deviates from the plan" in (ran / "report.md").read_text()


@pytest.mark.broken_run_dir
def test_a_run_of_twenty_thousand_visits_makes_a_page_of_bounded_size(ran: Path) -> None:
    events = [json.loads(line) for line in (ran / "progress.ndjson").read_text().splitlines()]
    of_good = [event for event in events if event.get("node_id") == "good"]
    made: list[dict[str, Any]] = events[:1]
    for visit in range(1, 20_001):
        made += ({**event, "visit": visit} for event in of_good if "visit" in event)
    made += events[-1:]
    (ran / "progress.ndjson").write_text("".join(json.dumps(event) + "\n" for event in made))

    facts = facts_of(RunFiles(ran), NOW)
    page, text = html(facts, "", NOW), markdown(facts, NOW)

    assert (MOST_VISITS, 20_000 - MOST_VISITS) == (len(facts.visits), facts.left_out["visits"])
    assert sum(len(row.bars) for row in facts.rows) <= MOST_BARS
    assert len(page) < 2_000_000
    assert len(text) < 1_000_000
    assert "19,000 more earlier visits; progress.ndjson holds them all." in page


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m\r\nnext", "red\nnext"),
        ("\x1b]0;title\x07text", "text"),
        ("bell\a, tab\t", "bell\N{REPLACEMENT CHARACTER}, tab\t"),
    ],
)
def test_commands_to_a_terminal_are_taken_out(written: str, shown: str) -> None:
    assert shown == plain(written)
