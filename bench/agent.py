"""An agent's loop: what a turn costs beside the model's and the tools' own time, and what a long session needs.

The whole way of a turn is measured: the request is built, sent, written down and answered by a provider in a process of
its own; the response is read, its call of a tool that does nothing is dispatched, and all of it is put on disk.
"""

import io
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from attractor.cli.main import main
from attractor.runtime.agent.inbox import Inbox
from attractor.runtime.agent.profiles import definitions, tools_of
from attractor.runtime.agent.record import NOTHING, Record, Stage
from attractor.runtime.agent.session import Ports, Profile, Rules, Session
from attractor.runtime.agent.tools.contract import Bench, Cut, Result, Tool
from attractor.runtime.agent.tools.dispatch import Toolbox
from attractor.runtime.llm.client import Asker, Conversation
from attractor.runtime.meter import RunMeter
from attractor.runtime.plan import CodergenWork, Hooks, Plan
from attractor.runtime.read_plan import read_plan
from attractor.runtime.real_world import RealClock
from attractor.runtime.session_log import SessionLog
from attractor.runtime.steps.wire_files import WireFiles
from attractor.runtime.world import World

from .measure import Figure, table
from .provider import Provider

TURNS = 206
OUTPUT_CHARS = 2_000  # of the tool, in every turn


class Going:
    """A cancellation that never comes."""

    reason = ""

    def wait(self, _seconds: float) -> bool:
        return False


class Measured(NamedTuple):
    cpu_ms: list[float]  # of this process, turn by turn
    wall_ms: list[float]
    history: int  # bytes of the session's file
    held: int  # bytes that Python had at the end of the session, above what it had before; 0: not measured
    peak: int  # the same, at most


def plan_of(folder: Path, url: str) -> Plan:
    (folder / "p.dot").write_text(
        'digraph p { start [shape=Mdiamond] exit [shape=Msquare] a [prompt="do"] start -> a -> exit }\n'
    )
    (folder / "run.yaml").write_text(
        "version: 1\ngraph: p.dot\nllm:\n  defaults: {provider: anthropic}\n  providers:\n"
        f'    anthropic: {{failover: [], api: {{base_url: "{url}/call"}}}}\n'
    )
    plan = folder / "p.plan.json"
    assert main(["compile", "-q", str(folder / "run.yaml"), "-o", str(plan)], io.StringIO(), io.StringIO()) == 0
    return read_plan(plan.read_bytes(), "plan")


class Ticking:
    """A tool that does nothing, and notes when it was called."""

    def __init__(self) -> None:
        self.called: list[tuple[float, float]] = []
        self.tool = Tool("write_file", "Write.", {"type": "object", "properties": {}}, Cut(9_000, "head"), False, self)

    def __call__(self, _arguments: Mapping[str, Any], _call_id: str, _bench: Bench) -> Result:
        self.called.append((time.process_time(), time.perf_counter()))
        return Result(f"{len(self.called)} {'x' * OUTPUT_CHARS}")


def session(folder: Path, plan: Plan, turns: int, *, memory: bool = False) -> Measured:
    """Run a session of so many turns in `folder`."""
    work = plan.nodes["a"].work
    assert isinstance(work, CodergenWork)
    clock, ticking, stop = RealClock(), Ticking(), Going()
    log = SessionLog(folder, "a-1-1", clock)
    files = WireFiles(folder, log)
    world = World(
        clock=clock, shell=None, workspace=None, people=None, cancellation=stop, emit=lambda _: None,
        meter=RunMeter(clock, plan.limits), keys={"ANTHROPIC_API_KEY": "no-key-but-as-long-as-one-usually-is"},
    )  # type: ignore[arg-type]  # fmt: skip
    bench = Bench(folder, None, stop, {}, 1, 1, folder / "outputs")  # type: ignore[arg-type]
    tools = (*(tool for tool in tools_of("anthropic") if tool.name != ticking.tool.name), ticking.tool)
    profile = Profile("You are an agent. " * 100, definitions(tools), Toolbox(tools, bench, Hooks("", "")))
    path = folder / "session.ndjson"
    if memory:
        tracemalloc.start()
    with (
        Conversation(plan, work.llm.chain, Asker("r", "a", 1, 1), world, files) as talk,
        Record(path, Stage("a", 1, 1), NOTHING, talk.hide) as kept,
    ):
        files.hide = log.hide = talk.hide
        ports = Ports(
            talk, kept, lambda _provider, _model: profile, lambda: False, lambda: False, Inbox(folder / "inbox.ndjson"),
            log.add, lambda _line: None, stop,
        )  # fmt: skip
        Session(ports, Rules(turns, 3, None, None, {})).run("Go.")
        held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ticking.called) == turns, len(ticking.called)
    cpu, wall = zip(*ticking.called, strict=True)
    return Measured(_gaps_ms(cpu), _gaps_ms(wall), path.stat().st_size, held, peak)


def _gaps_ms(seconds: Sequence[float]) -> list[float]:
    return [(after - before) * 1000 for before, after in pairwise(seconds)]


def _median(runs: Sequence[Measured], first: int, last: int) -> tuple[float, float]:
    """Return the medians of the least of all runs: milliseconds of processor and of the clock."""
    cpu = (min(each) for each in zip(*(run.cpu_ms[first:last] for run in runs), strict=True))
    wall = (min(each) for each in zip(*(run.wall_ms[first:last] for run in runs), strict=True))
    return statistics.median(cpu), statistics.median(wall)


def figures() -> list[Figure]:
    with Provider() as provider, tempfile.TemporaryDirectory() as name:
        plan = plan_of(Path(name), provider.url)

        def played(what: str, turns: int, *, memory: bool = False) -> Measured:
            folder = Path(name) / what
            folder.mkdir()
            return session(folder, plan, turns, memory=memory)

        played("warm", 5)
        runs = [played(f"run-{number}", TURNS) for number in range(5)]
        few, few_wall = _median(runs, 5, 15)
        many, many_wall = _median(runs, 195, TURNS)
        long = played("long", 200, memory=True)
    return [
        Figure("a turn of an agent, with 10 turns of history", few, "ms", 5.0,
               note=f"of this process; {few_wall:.1f} ms on the clock, with the provider's share and other work"),
        Figure("a turn of an agent, with 200 turns of history", many, "ms", 10.0,
               note=f"{many_wall:.1f} ms on the clock; {runs[0].history / 1e6:.2f} MB of conversation, sent and kept"),
        Figure("memory that a session of 200 turns holds, against its conversation's JSON",
               long.held / long.history, "x", 3.0,
               note=f"{long.held / 1e6:.2f} MB; {long.peak / long.history:.1f} x while a request is written"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table("agent", figures()))
