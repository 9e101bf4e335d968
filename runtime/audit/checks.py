"""The table of checks, and what comes of holding a run against it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..files import write_json
from ..outcome import Json
from . import models, papers, results, sessions, ways
from .evidence import Checked, Evidence, Finding


class Check(NamedTuple):
    id: str
    says: str  # what holds when it passes
    look: Callable[[Evidence], Checked]


CHECKS: tuple[Check, ...] = (
    Check("files", "every file is there and fits its schema", papers.whole),
    Check("order", "lines are numbered without gaps and end with the run", papers.in_order),
    Check("plan", "the plan is unchanged, and the run is of this plan", papers.of_this_plan),
    Check("attempts", "each attempt left its files", papers.attempts_left_their_files),
    Check("ways", "the walk went where the plan leads", ways.as_planned),
    Check("restarts", "a restart edge restarts, and nothing else does", ways.restarts_restart),
    Check("toolchain", "no model was asked before the toolchain was checked", ways.toolchain_before_models),
    Check("models", "only models of the node's chain were asked", models.in_chain),
    Check("failovers", "each failover is one that the plan allows", models.failovers_allowed),
    Check("turn_limits", "a turn limit ended its session", models.no_failover_at_turn_limits),
    Check("tool_results", "each tool call has exactly one result", sessions.one_result_per_call),
    Check("malformed_calls", "malformed calls stayed within their limit", sessions.malformed_calls_bounded),
    Check("result", "the result is what the run did", results.add_up),
    Check("secrets", "no key stands in any file", results.no_secrets),
)


class Result(NamedTuple):
    """What a check found, in the run and in those of its child pipelines."""

    id: str
    says: str
    looked_at: int
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        return not self.findings


class Audit(NamedTuple):
    run_id: str
    runs: int  # children included
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def to_json(self) -> dict[str, Json]:
        return {
            "run_id": self.run_id,
            "passed": self.passed,
            "runs": self.runs,
            "checks": [
                {
                    "check": result.id,
                    "says": result.says,
                    "passed": result.passed,
                    "looked_at": result.looked_at,
                    "findings": [finding._asdict() for finding in result.findings],
                }
                for result in self.results
            ],
        }


def audit(folder: Path) -> Audit:
    """Hold the run in `folder` against its plan, and the runs of its child pipelines against theirs."""
    runs = [(Evidence(child), child.relative_to(folder).as_posix()) for child in _runs(folder)]
    found = [
        Result(
            check.id,
            check.says,
            sum(checked.looked_at for checked, _ in looked),
            tuple(_placed(finding, place) for checked, place in looked for finding in checked.findings),
        )
        for check in CHECKS
        for looked in [[(check.look(evidence), place) for evidence, place in runs]]
    ]
    events = runs[0][0].events
    run_id = str(events[0].value.get("run_id", "")) if events else ""
    return Audit(run_id, len(runs), found)


def write(folder: Path, done: Audit) -> None:
    write_json(folder / "audit.json", done.to_json())


def _runs(folder: Path) -> Iterator[Path]:
    """Yield the run directory, then those of child pipelines inside it."""
    yield folder
    yield from sorted(
        path.parent
        for path in folder.rglob("journal.ndjson")
        if path.parent != folder and "worktree" not in path.relative_to(folder).parts
    )


def _placed(finding: Finding, place: str) -> Finding:
    return finding if place == "." else finding._replace(file=f"{place}/{finding.file}")
