"""demo/rogue over HTTP, as `make demo-rogue` runs it: what happened there, told by the run and by the providers."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.runtime.audit.checks import CHECKS

ROOT = Path(__file__).parents[2]


class Ran(NamedTuple):
    folder: Path  # the run directory
    asked: list[dict[str, Any]]  # what the providers were asked, as they recorded it
    said: str
    page: str  # of checks and residual risks

    def told(self, *names: str) -> list[dict[str, Any]]:
        lines = (self.folder / "progress.ndjson").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] in names]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the second part of the demo in a copy of the project's demo folder."""
    place = tmp_path_factory.mktemp("rogue")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'demo/rogue')!r})\n"
        f"sys.argv = ['demo.py', {str(place / 'page.md')!r}]\n"
        f"import demo; from pathlib import Path; demo.SCRATCH = Path({str(place / 'scratch')!r})\n"
        "demo._lay_out(); wrong = demo.compile_strictly() or demo.run_over_http(); print(wrong); sys.exit(bool(wrong))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=200)
    assert 0 == done.returncode, done.stdout + done.stderr
    record = (place / "scratch/requests.ndjson").read_text().splitlines()
    return Ran(place / "scratch/runs/http", [*map(json.loads, record)], done.stdout, (place / "page.md").read_text())


def test_it_ends_in_success_past_everything_that_goes_wrong(ran: Ran) -> None:
    final = json.loads((ran.folder / "final.json").read_text())
    failed = Counter(
        (event["node_id"], event["failure_class"])
        for event in ran.told("stage_finished")
        if event["kind"] == "tool" and event["status"] == "fail"
    )

    assert ("success", 1) == (final["status"], final["restarts"])
    assert {("verify_scaffold", "transient_infra"): 1, ("verify_integration", "deterministic"): 2} == dict(failed)


def test_it_fails_over_once_and_asks_nobody_but_the_chain(ran: Ran) -> None:
    (told,) = ran.told("llm_failover")
    asked = {(request["path"].split("/")[1], request["body"]["model"]) for request in ran.asked if request["body"]}

    assert ("impl_analysis", "kimi", "zai", "glm-4.7") == tuple(
        told[key] for key in ("node_id", "from_provider", "to_provider", "to_model")
    )
    assert "529" in told["reason"]
    assert {("kimi", "kimi-k2.5"), ("zai", "glm-4.7")} == asked


def test_kimis_doubled_arguments_are_read_once(ran: Ran) -> None:
    sessions = [path.read_text() for path in ran.folder.rglob("events.ndjson") if "worktree" not in path.parts]
    ends = [json.loads(line)["data"] for text in sessions for line in text.splitlines() if "TOOL_CALL_END" in line]

    assert {"ran"} == {end["ending"] for end in ends}
    assert len(ends) > 30
    assert "## Levels" in (ran.folder / "worktree/docs/spec.md").read_text()


def test_the_ports_are_walked_in_worktrees_of_their_own_and_merged(ran: Ran) -> None:
    joined = [event["branch_id"] for event in ran.told("branch_finished")]
    command = ["git", "log", "--merges", "--format=%s"]
    log = subprocess.run(command, cwd=ran.folder / "worktree", capture_output=True, text=True, check=True)

    assert {"impl_dungeon", "impl_creatures", "impl_items", "impl_interface"} == set(joined)
    assert 3 == len(log.stdout.splitlines())


def test_the_audit_finds_nothing_and_the_page_names_every_check_and_stand_in(ran: Ran) -> None:
    assert "nothing deviates" in ran.said
    assert [check.id for check in CHECKS] == re.findall(r"^\| (\w+) \| (?:pass|-) \|", ran.page, re.MULTILINE)
    risks = ran.page.partition("## Residual risks")[2]
    assert "bin/cargo, bin/rustup, bin/wasm-pack" in risks
    assert "no vendor was asked: kimi, zai" in risks
    assert str(ROOT) not in ran.page


def test_the_committed_page_is_of_such_a_run() -> None:
    """`make validation` writes it anew."""
    page = (ROOT / "docs/validation/rogue.md").read_text("utf-8")

    assert [check.id for check in CHECKS] == re.findall(r"^\| (\w+) \| (?:pass|-) \|", page, re.MULTILINE)
    assert "| ended | success |" in page
    assert "bin/cargo, bin/rustup, bin/wasm-pack" in page
