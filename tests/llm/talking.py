"""Conversations with the simulator, planned by the compiler from a run.yaml; waits are noted, not slept."""

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attractor.cli.main import main
from attractor.runtime.events import EVENTS, Event
from attractor.runtime.llm.client import Asker, Attempt, Conversation
from attractor.runtime.llm.messages import Request, StreamEvent, user
from attractor.runtime.llm.transport import Limits
from attractor.runtime.llm.wire import Endpoint, HttpRequest
from attractor.runtime.meter import RunMeter
from attractor.runtime.plan import CodergenWork, Plan
from attractor.runtime.read_plan import read_plan
from attractor.runtime.real_world import RealClock
from attractor.runtime.world import World

CANARY = "sk-canary-0123456789abcdef"
KEYS = {
    "ANTHROPIC_API_KEY": f"{CANARY}-a", "OPENAI_API_KEY": f"{CANARY}-o", "GEMINI_API_KEY": f"{CANARY}-g",
    "KIMI_API_KEY": f"{CANARY}-k", "ZAI_API_KEY": f"{CANARY}-z",
}  # fmt: skip
HELLO = Request(messages=(user("hi"),), max_tokens=200)
QUICK = Limits(connect_s=2.0, first_byte_s=0.3, idle_s=0.3)
POLICY = "{max_llm_retries: 2, llm_backoff: {base_ms: 100, max_ms: 1000, factor: 2.0, jitter: false}}"
MODELS = {
    "anthropic": "claude-opus-4-6", "openai": "gpt-5.2", "google": "gemini-2.5-pro", "kimi": "kimi-k2.5",
    "zai": "glm-4.7",
}  # fmt: skip
PATHS = {
    "anthropic": "/anthropic/v1/messages", "openai": "/openai/v1/responses", "google": "/google/v1beta/",
    "kimi": "/kimi/v1/messages", "zai": "/zai/api/coding/paas/v4/chat/completions",
}  # fmt: skip


def plan_of(
    folder: Path, url: str, failover: Mapping[str, str], *, policy: str = POLICY, more: str = "", first: str = ""
) -> Plan:
    """Compile a plan whose providers are at `url`/KEY, with the failover lists as YAML; the first one is asked."""
    first = first or next(iter(failover))
    providers = "".join(
        f'    {key}: {{failover: {targets}, api: {{base_url: "{url}/{key}"}}}}\n' for key, targets in failover.items()
    )
    folder.mkdir(exist_ok=True)
    (folder / "p.dot").write_text(
        'digraph p { start [shape=Mdiamond] exit [shape=Msquare] a [prompt="do", agent_mode=one_shot] '
        "start -> a -> exit }\n"
    )
    (folder / "run.yaml").write_text(
        f"version: 1\ngraph: p.dot\nworkspace: {{mode: directory}}\nruntime_policy: {policy}\n{more}"
        f"llm:\n  defaults: {{provider: {first}}}\n  providers:\n{providers}"
    )
    stderr = io.StringIO()
    plan = folder / "p.plan.json"
    assert 0 == main(["compile", "-q", str(folder / "run.yaml"), "-o", str(plan)], io.StringIO(), stderr), (
        stderr.getvalue()
    )
    return read_plan(plan.read_bytes(), "plan")


class NotedWaits:
    """A cancellation that never sleeps; `cancel_at` is the number of the wait that it cancels."""

    def __init__(self, cancel_at: int = 0) -> None:
        self.waits: list[float] = []
        self.reason = ""
        self._cancel_at = cancel_at

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if len(self.waits) == self._cancel_at:
            self.reason = "enough"
        return bool(self.reason)


class Seen:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.posts: list[HttpRequest] = []
        self.events: list[StreamEvent] = []
        self.attempts: list[Attempt] = []

    def sent(self, number: int, endpoint: Endpoint, post: HttpRequest) -> None:
        self.posts.append(post)

    def heard(self, event: StreamEvent) -> None:
        self.events.append(event)

    def ended(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


class Talk:
    """A conversation of node `a`, with all that it leaves behind."""

    def __init__(
        self, plan: Plan, *, keys: Mapping[str, str], limits: Limits, cancel_at: int, place: int, run_id: str
    ) -> None:
        self.cancellation = NotedWaits(cancel_at)
        self.events: list[Event] = []
        self.seen = Seen()
        self.meter = RunMeter(RealClock(), plan.limits)
        work = plan.nodes["a"].work
        assert isinstance(work, CodergenWork)
        world = World(RealClock(), None, None, None, self.cancellation, self.events.append, self.meter, keys)  # type: ignore[arg-type]
        self.conversation = Conversation(
            plan, work.llm.chain, Asker(run_id, "a", 1, 1), world, self.seen, place=place, limits=limits
        )
        self.ask = self.conversation.ask

    @property
    def waits_ms(self) -> list[int]:
        return [round(seconds * 1000) for seconds in self.cancellation.waits]

    def told(self, name: str) -> list[dict[str, Any]]:
        return [event._asdict() for event in self.events if EVENTS[type(event)] == name]


@contextmanager
def talking(
    plan: Plan,
    *,
    keys: Mapping[str, str] = KEYS,
    limits: Limits = QUICK,
    cancel_at: int = 0,
    place: int = 0,
    run_id: str = "run-1",
    check_threads: bool = True,
) -> Iterator[Talk]:
    """Yield a conversation; afterwards none of its threads may be left, and nothing may be lent."""
    before = set(threading.enumerate())
    talk = Talk(plan, keys=keys, limits=limits, cancel_at=cancel_at, place=place, run_id=run_id)
    with talk.conversation:
        yield talk
    assert 0 == talk.meter.usage.llm_calls
    left = [each.name for each in set(threading.enumerate()) - before if each.name.startswith("attractor")]
    assert not check_threads or [] == left


def at(provider: str, answer: Mapping[str, Any], repeat: int | str = 1) -> dict[str, Any]:
    """Return a simulator's answer for requests to `provider`."""
    return {"match": {"path": PATHS[provider]}, "repeat": repeat, **answer}


def asked(simulator: Any) -> Sequence[tuple[str, str]]:
    """Return whom the requests so far went to: the provider and the model, in order."""
    return [(request.path.split("/")[1], request.model) for request in simulator.requests]
