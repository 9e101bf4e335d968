"""Pipelines played by fake stages in fake time: `play(dot, outcomes)` walks one with the real interpreter."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attractor.cli.main import main
from attractor.runtime import interpreter
from attractor.runtime.failure import parse_class
from attractor.runtime.journal import NO_USAGE
from attractor.runtime.meter import RunMeter
from attractor.runtime.outcome import FailureClass, Outcome, Status, Usage
from attractor.runtime.plan import Kind, Node, Plan
from attractor.runtime.read_plan import plan_of, read_plan
from attractor.runtime.run_dir import Ending, Manifest, RunDir
from attractor.runtime.state import RunState
from attractor.runtime.status import normalise_word, outcome_of_word
from attractor.runtime.steps.contract import Report, RunFacts, Visit
from attractor.runtime.walk import Walk
from attractor.runtime.workspace import FolderWorkspace
from attractor.runtime.world import World

Answer = str | None | Outcome | Report | Callable[[Visit, World], Report]
Answers = Mapping[str, Answer | Sequence[Answer]]

RUN_YAML = """
version: 1
graph: g.dot
workspace: {mode: directory}
llm:
  defaults: {provider: fake, model: fake-1}
  providers: {fake: {backend: scripted, failover: []}}
"""


class FakeClock:
    """Time stands still until something waits."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_s(self) -> float:
        return self.seconds

    def utc(self) -> str:
        minutes, seconds = divmod(int(self.seconds - 1000), 60)
        hours, minutes = divmod(minutes, 60)
        return f"2026-11-22T{hours % 24:02}:{minutes:02}:{seconds:02}.000Z"


class FakeCancellation:
    def __init__(self, clock: FakeClock) -> None:
        self.reason = ""
        self.waits: list[float] = []
        self._clock = clock

    def wait(self, seconds: float) -> bool:
        if not self.reason:
            self.waits.append(seconds)
            self._clock.seconds += seconds
        return bool(self.reason)


class FakeStages:
    """Answers per node, one per attempt; the last one repeats, a node that is not named succeeds.

    An answer is a word (`fail`, `retry`, `yellow`), `fail:CLASS:REASON`, None (the stage says nothing), an `Outcome`, a
    `Report`, or a function of visit and world.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = {node: [each] if _is_one(each) else list(each) for node, each in answers.items()}  # type: ignore[arg-type]
        self._asked: dict[str, int] = {}
        self.visits: list[Visit] = []

    def __call__(self, visit: Visit, world: World) -> Report:
        self.visits.append(visit._replace(context=dict(visit.context)))
        answers = self._answers.get(visit.node.id, ["success"])
        asked = self._asked.get(visit.node.id, 0)
        self._asked[visit.node.id] = asked + 1
        return _report(answers[min(asked, len(answers) - 1)], visit, world)


def _is_one(answer: object) -> bool:
    return answer is None or isinstance(answer, str | Outcome | Report) or callable(answer)


def _report(answer: Answer, visit: Visit, world: World) -> Report:
    if isinstance(answer, Report):
        return answer
    if answer is None or isinstance(answer, Outcome):
        return Report(answer)
    if callable(answer):
        return answer(visit, world)
    word, _, rest = answer.partition(":")
    failure_class, _, reason = rest.partition(":")
    outcome = outcome_of_word(normalise_word(word))
    if outcome.status is Status.FAIL:
        known = parse_class(failure_class) or FailureClass.DETERMINISTIC
        return Report(Outcome.failed(reason or f"{visit.node.id} broke", known))
    if outcome.status is Status.RETRY and rest:
        outcome = Outcome(
            status=Status.RETRY, word="retry", failure_reason=reason, failure_class=parse_class(failure_class)
        )
    return Report(outcome)


class Played(NamedTuple):
    """A run that is over."""

    plan: Plan
    ending: Ending
    walk: Walk
    stages: FakeStages
    cancellation: FakeCancellation
    folder: Path

    @property
    def trail(self) -> list[str]:
        """The nodes in the order in which they finished, branches included."""
        return [event["node_id"] for event in self.events("stage_finished")]

    @property
    def attempts(self) -> list[str]:
        return [f"{visit.node.id}#{visit.number}.{visit.attempt}" for visit in self.stages.visits]

    def events(self, *names: str) -> list[dict[str, Any]]:
        lines = (self.folder / "progress.ndjson").read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if not names or event["event"] in names]

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


class Stage(NamedTuple):
    """The world of one play, so that a test may look into it while it runs."""

    clock: FakeClock
    cancellation: FakeCancellation
    workspace: Any


Play = Callable[..., Played]


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., Plan]:
    """Compile DOT statements (the braces are added) to a plan; `start` and `done` have their shapes already."""

    def compile_(statements: str, run_yaml: str = "") -> Plan:
        text = f"digraph g {{\n start [shape=Mdiamond]\n done [shape=Msquare]\n {statements}\n}}\n"
        folder = tmp_path / f"pipeline-{len(list(tmp_path.glob('pipeline-*')))}"
        folder.mkdir()
        (folder / "g.dot").write_text(text)
        (folder / "run.yaml").write_text(RUN_YAML + run_yaml)
        out, err = io.StringIO(), io.StringIO()
        code = main(["compile", "-q", str(folder / "run.yaml"), "-o", str(folder / "plan.json")], out, err)
        assert code == 0, err.getvalue()
        return read_plan((folder / "plan.json").read_bytes(), "plan.json")

    return compile_


@pytest.fixture
def play(tmp_path: Path, compiled: Callable[..., Plan]) -> Play:
    """Walk a pipeline (DOT statements, or a plan) with fake stages; `stage` receives the world before the walk."""

    def play_(
        pipeline: str | Plan,
        answers: Answers | None = None,
        *,
        run_yaml: str = "",
        workspace: Any = None,
        prepare: Callable[[Stage], None] | None = None,
        listeners: Sequence[Any] = (),
        kinds: Sequence[Kind] = (Kind.TOOL, Kind.CODERGEN, Kind.HUMAN),
    ) -> Played:
        plan = pipeline if isinstance(pipeline, Plan) else compiled(pipeline, run_yaml)
        number = len(list(tmp_path.glob("run-*")))
        return play_plan(plan, answers or {}, tmp_path, f"run-{number}", workspace, prepare, listeners, kinds)

    return play_


def play_plan(
    plan: Plan,
    answers: Answers,
    tmp_path: Path,
    run_id: str,
    workspace: Any = None,
    prepare: Callable[[Stage], None] | None = None,
    listeners: Sequence[Any] = (),
    kinds: Sequence[Kind] = (Kind.TOOL, Kind.CODERGEN, Kind.HUMAN),
    steps: Mapping[Kind, Any] | None = None,
) -> Played:
    """Walk `plan`; `steps` take the place of the fake stages."""
    clock = FakeClock()
    cancellation = FakeCancellation(clock)
    if workspace is None:
        (tmp_path / "workspace").mkdir(exist_ok=True)
        workspace = FolderWorkspace(tmp_path / "workspace")
    if prepare is not None:
        prepare(Stage(clock, cancellation, workspace))
    records = RunDir.create(tmp_path / run_id, run_id, json.dumps(document_of_plan()).encode(), clock, listeners)
    meter = RunMeter(clock, plan.limits)
    stages = FakeStages(answers)
    world = World(clock, None, workspace, None, cancellation, records.emit, meter)  # type: ignore[arg-type]
    steps = dict.fromkeys(kinds, stages) if steps is None else steps
    records.write_manifest(
        Manifest(
            name=plan.name,
            goal=plan.goal,
            digest=plan.digest,
            plan_path="plan.json",
            workspace=str(workspace.folder),
            mode="directory",
            branch="",
            base_sha="",
            pid=1,
            simulated=True,
        )
    )
    facts = RunFacts(run_id, records.folder, "")
    walk = Walk(plan, facts, RunState(plan.context), world, meter, steps, records)
    ending = interpreter.run(walk)
    records.finish(ending, meter.usage, walk.state.commit, walk.state.restarts)
    records.close()
    return Played(plan, ending, walk, stages, cancellation, records.folder)


# Plans without the compiler: for properties over shapes that it would refuse or that would take long to compile.

COMMON: dict[str, Any] = {
    "label": "",
    "attempts": 1,
    "backoff": {"initial_ms": 200, "factor": 2.0, "max_ms": 60_000, "jitter": False},
    "timeouts": {"stage_ms": 0, "command_ms": 0, "command_default_ms": 0, "command_max_ms": 0},
    "max_visits": 50,
    "goal_gate": False,
    "allow_partial": False,
    "auto_status": False,
    "on_fail": [],
    "catch": None,
    "outcomes": ["success", "partial_success", "retry", "fail", "skipped"],
    "fidelity": "compact",
    "thread": "",
    "hooks": {"pre": "", "post": ""},
    "edges": [],
}
OF_KIND: dict[str, dict[str, Any]] = {
    "start": {},
    "conditional": {},
    "exit": {"exit_status": "success"},
    "tool": {"command": "true", "outputs": []},
    "parallel": {
        "join": "",
        "join_policy": "wait_all",
        "error_policy": "continue",
        "max_parallel": 4,
        "k": 1,
        "quorum_fraction": 0.5,
    },
    "parallel.fan_in": {"merge": "best", "prompt": None, "llm": None},
    "codergen": {
        "mode": "agent_loop",
        "prompt": {"text": "do it", "engine": "plain", "holes": []},
        "llm": {
            "chain": [{"provider": "fake", "model": "fake-1"}],
            "reasoning_effort": None,
            "max_tokens": None,
            "max_agent_turns": 10,
        },
        "outputs": [],
    },
}


def node_document(node_id: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {**COMMON, **OF_KIND[kind], "id": node_id, "kind": kind, **fields}


def edge_document(to: str, kind: str = "then", **fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "when": [],
        "label": "",
        "match": "",
        "weight": 0,
        "restart": None,
        "fidelity": None,
        "thread": None,
        "accelerator": "",
    }
    return {"to": to, "kind": kind, **plain, **fields}


def document_of_plan(nodes: Sequence[dict[str, Any]] = (), **limits: Any) -> dict[str, Any]:
    """Return a plan document; without nodes: start and exit."""
    from attractor.runtime.read_plan import digest

    nodes = nodes or (
        node_document("start", "start", edges=[edge_document("done")]),
        node_document("done", "exit"),
    )
    unlimited = dict.fromkeys(("max_llm_calls", "max_total_tokens", "max_cost_usd", "max_wall_ms"))
    document: dict[str, Any] = {
        "plan_version": 1,
        "digest": "",
        "compiler": "0.0.0",
        "name": "g",
        "label": "",
        "goal": "",
        "inputs": {},
        "sources": [],
        "start": "start",
        "exits": [node["id"] for node in nodes if node["kind"] == "exit"],
        "workspace": {
            "repo": ".",
            "mode": "directory",
            "branch_prefix": "attractor/run",
            "commit_per_node": True,
            "require_clean": False,
            "checkpoint_exclude": [],
            "push_remote": "",
        },
        "setup": {"commands": [], "timeout_ms": 0},
        "limits": {**unlimited, "max_restarts": 50, "signature_limit": 3, **limits},
        "policy": {
            "stall_timeout_ms": 0,
            "stall_check_interval_ms": 0,
            "max_llm_retries": 0,
            "llm_backoff": {"base_ms": 0, "max_ms": 0, "factor": 1.0, "jitter": False},
            "malformed_tool_call_limit": 3,
            "persist_keys": ["kept"],
        },
        "env": {"pass": []},
        "human": {"mode": "fail"},
        "providers": {},
        "preflight": {
            "env": [],
            "executables": [],
            "probes": [],
            "timeout_ms": 0,
            "retries": 0,
            "base_delay_ms": 0,
            "max_delay_ms": 0,
        },
        "context": {"graph.goal": ""},
        "nodes": list(nodes),
        "provenance": {},
    }
    document["digest"] = digest(document)
    return document


class Builder(NamedTuple):
    """Hands the helpers above to tests, which cannot import this file."""

    node: Callable[..., dict[str, Any]] = node_document
    edge: Callable[..., dict[str, Any]] = edge_document
    document: Callable[..., dict[str, Any]] = document_of_plan
    plan: Callable[[Mapping[str, Any]], Plan] = plan_of
    play: Callable[..., Played] = play_plan

    def one(self, node_id: str = "a", kind: str = "tool", **fields: Any) -> Node:
        """Return one node with edges that need not lead anywhere."""
        nodes = [node_document("start", "start"), node_document("done", "exit"), node_document(node_id, kind, **fields)]
        targets = {edge["to"] for edge in nodes[-1]["edges"]} | set(nodes[-1]["on_fail"]) | {nodes[-1]["catch"]}
        nodes += [node_document(to, "tool") for to in sorted(targets - {None, "done", "start", node_id})]
        return plan_of(document_of_plan(nodes)).nodes[node_id]


@pytest.fixture(scope="session")
def build() -> Builder:
    return Builder()


USAGE = Usage(llm_calls=1, input_tokens=10, output_tokens=5, cost_usd=0.01)
assert NO_USAGE != USAGE
