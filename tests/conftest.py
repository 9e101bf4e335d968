"""What all tests share: the flag that rewrites golden files, and a look at every run directory that a test leaves."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

SCHEMAS = Path(__file__).parent.parent / "schemas"
LINES_OF = {"progress.ndjson": "event", "journal.ndjson": "journal"}
LINES_OF_STAGES = {
    "stages/**/events.ndjson": "session_event",
    "stages/**/session.ndjson": "session",
    "threads/*.ndjson": "session",
}
DOCUMENTS = {
    "plan.json": "plan",
    "manifest.json": "manifest",
    "lock.json": "lock",
    "scenario.json": "scenario",
    "checkpoint.json": "checkpoint",
    "final.json": "final",
    "status.json": "status",
    "provider_used.json": "provider_used",
    "preflight_report.json": "preflight_report",
}


LOOKED_AT: set[Path] = set()  # folders of single tests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of tests/golden")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session", autouse=True)
def state_folder_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the runs of tests out of the user's own list; look at those that several tests have shared, too."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder / "attractor"
    for journal in sorted(tmp_path_factory.getbasetemp().rglob("journal.ndjson")):
        if LOOKED_AT.isdisjoint(journal.parents):
            complaints = complaints_about(journal.parent)
            assert [] == complaints, journal.parent


@pytest.fixture(autouse=True)
def run_directories_are_valid(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that has a folder of its own: every run directory in it fits the schemas and ended properly.

    A test that means to leave a broken or unfinished one is marked `broken_run_dir`.
    """
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        LOOKED_AT.add(folder)
    if folder is not None and request.node.get_closest_marker("broken_run_dir") is None:
        for journal in sorted(folder.rglob("journal.ndjson")):
            complaints = complaints_about(journal.parent)
            assert [] == complaints


def complaints_about(run: Path) -> list[str]:
    """Return what is wrong with the files of a run directory."""
    found: list[str] = []
    for name, schema in LINES_OF.items():
        lines = (run / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            document = json.loads(line)
            found += _judge(schema, document, f"{name}:{number}")
            if document["seq"] != number:
                found.append(f"{name}:{number}: seq is {document['seq']}")
    for name, schema in DOCUMENTS.items():
        for path in run.rglob(name):
            if "worktree" not in path.relative_to(run).parts:
                found += _judge(schema, json.loads(path.read_text(encoding="utf-8")), str(path.relative_to(run)))
    for pattern, schema in LINES_OF_STAGES.items():
        for path in run.rglob(pattern):
            if "worktree" not in path.relative_to(run).parts:
                for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                    found += _judge(schema, json.loads(line), f"{path.relative_to(run)}:{number}")
    for kind in ("question", "answer"):
        for path in (run / f"{kind}s").glob("*.json"):
            found += _judge(kind, json.loads(path.read_text(encoding="utf-8")), str(path.relative_to(run)))
    found += [f"left over: {path.relative_to(run)}" for path in run.rglob("*.tmp") if "worktree" not in path.parts]
    events = [json.loads(line)["event"] for line in (run / "progress.ndjson").read_text().splitlines()]
    ends = [event for event in events if event in ("run_completed", "run_failed", "run_canceled")]
    resumed = json.loads((run / "manifest.json").read_text())["resumed"]
    if not 1 <= len(ends) <= 1 + len(resumed) or events[-1] != ends[-1]:
        found.append(f"progress.ndjson: the last line is {events[-1:]}, terminal events are {ends}")
    if not (run / "final.json").exists():
        found.append("final.json is missing")
    return found


def _judge(schema: str, document: Any, place: str) -> list[str]:
    if _validator(schema).is_valid(document):
        return []
    from jsonschema import Draft7Validator

    errors = Draft7Validator(json.loads((SCHEMAS / f"{schema}.schema.json").read_text())).iter_errors(document)
    return [f"{place}: {error.message[:300]} at {list(error.absolute_path)}" for error in errors]


@lru_cache
def _validator(schema: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{schema}.schema.json").read_text()))
