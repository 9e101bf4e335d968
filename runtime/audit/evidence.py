"""What there is to judge: the plan and the artifacts of one run, each line with its place."""

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..files import folder_name
from ..plan import CodergenWork, FanInWork, ManagerWork, Model, Node, Plan
from ..read_plan import PlanError, read_plan
from ..schema import complaint

NOT_OURS = ("worktree",)  # folders in which stages work


class Finding(NamedTuple):
    """A deviation."""

    file: str  # relative to the run directory
    line: int  # 0: the file as a whole
    message: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Checked(NamedTuple):
    """What a check came to: how much there was to look at, and what was wrong with it."""

    looked_at: int
    findings: list[Finding]


class Line(NamedTuple):
    file: str
    number: int
    value: dict[str, Any]

    def finding(self, message: str) -> Finding:
        return Finding(self.file, self.number, message)


class Attempt(NamedTuple):
    """The folder of one attempt."""

    folder: Path
    name: str  # relative to the run directory
    node: Node | None  # None: the plan has no such node
    visit: int
    attempt: int


class Evidence:
    """What is not as its schema says is left out here: it is a finding of the check of papers, and of no other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def plan(self) -> Plan | None:
        try:
            return read_plan((self.folder / "plan.json").read_bytes(), "plan.json", allow_edited=True)
        except (OSError, PlanError):
            return None

    @cached_property
    def events(self) -> list[Line]:
        return [line for line in self.lines("progress.ndjson") if not complaint("event", line.value)]

    @cached_property
    def journal(self) -> list[Line]:
        return [line for line in self.lines("journal.ndjson") if not complaint("journal", line.value)]

    def session(self, name: str) -> list[Line]:
        return [line for line in self.lines(name) if not complaint("session_event", line.value)]

    def document(self, name: str, schema: str = "") -> dict[str, Any] | None:
        """Return a JSON object, as `schema` says if one is given; None when there is none."""
        try:
            read = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return read if isinstance(read, dict) and not (schema and complaint(schema, read)) else None

    def lines(self, name: str) -> list[Line]:
        """Return the JSON objects of a file of lines."""
        found = []
        try:
            text = (self.folder / name).read_bytes()
        except OSError:
            return []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                found.append(Line(name, number, value))
        return found

    @cached_property
    def files(self) -> list[Path]:
        """All files of the run, without workspaces and without the runs of child pipelines."""
        found: list[Path] = []
        for at, folders, names in os.walk(self.folder):
            here = Path(at)
            folders[:] = sorted(
                name for name in folders if name not in NOT_OURS and not (here / name / "journal.ndjson").exists()
            )
            found += (here / name for name in sorted(names))
        return found

    def named(self, *names: str) -> Iterator[tuple[Path, str]]:
        """Yield the files of these names, and what they are called relative to the run directory."""
        for path in self.files:
            if path.name in names:
                yield path, self.relative(path)

    def relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @cached_property
    def attempts(self) -> dict[str, Attempt]:
        """The folders of attempts by name."""
        nodes = {folder_name(node_id): node for node_id, node in self.plan.nodes.items()} if self.plan else {}
        found = {}
        for path in self.files:
            folder = path.parent
            visit, _, attempt = folder.name.partition("-")
            if folder.parent.parent.name == "stages" and visit.isdecimal() and attempt.isdecimal():
                name = self.relative(folder)
                found[name] = Attempt(folder, name, nodes.get(folder.parent.name), int(visit), int(attempt))
        return found


def where_of(event: dict[str, Any]) -> tuple[str, str, int, int]:
    """Return which attempt an event is of."""
    return event.get("in_branch", ""), event["node_id"], event["visit"], event["attempt"]


def chain_of(node: Node) -> tuple[Model, ...]:
    """Return whom the plan lets a node ask; nobody, where it asks no model."""
    match node.work:
        case CodergenWork():
            return node.work.llm.chain
        case FanInWork() | ManagerWork():
            return node.work.llm.chain if node.work.llm else ()
        case _:
            return ()


def shown(chain: tuple[Model, ...]) -> str:
    return ", ".join(f"{model.provider} {model.model}" for model in chain) or "nobody"
