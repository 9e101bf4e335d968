"""Conversations side by side: nothing of one gets into another, and no thread stays."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.llm import errors
from attractor.runtime.llm.messages import Request, Response, TextDelta, user

from .talking import MODELS, NotedWaits, at, plan_of, talking

PROVIDERS = ("anthropic", "openai", "google", "zai")
ONE_EACH = 4


def _answers() -> Iterator[dict[str, Any]]:
    for provider in PROVIDERS:
        for number in range(ONE_EACH):
            name = f"{provider}-{number}"
            answer = {
                "text": [f"<{name}>"] * 30,
                "tool_calls": [{"name": "note", "arguments": {"who": name, "long": name * 200}, "fragments": 20}],
                "usage": {"input": 1000 + number, "output": 10 + number},
                "delivery": {"drip_ms": 2, "segment_bytes": 100},
            }
            made = at(provider, answer)
            yield {**made, "match": {**made["match"], "contains": f"I am {name}."}}


def test_sixteen_streams_at_once_do_not_mix(simulator: Any, tmp_path: Path) -> None:
    simulator.script(*_answers())
    plans = {each: plan_of(tmp_path / each, simulator.url, {each: "[]"}) for each in PROVIDERS}
    start = threading.Barrier(len(PROVIDERS) * ONE_EACH)
    before = set(threading.enumerate())

    def ask(provider: str, number: int) -> tuple[str, Response, str]:
        name = f"{provider}-{number}"
        request = Request(messages=(user(f"I am {name}."),), max_tokens=100)
        with talking(plans[provider], check_threads=False) as talk:
            start.wait(10)
            response = talk.ask(request)
            deltas = "".join(event.delta for event in talk.seen.events if isinstance(event, TextDelta))
        return name, response, deltas

    who = [(provider, number) for provider in PROVIDERS for number in range(ONE_EACH)]
    with ThreadPoolExecutor(len(who)) as pool:
        answered = list(pool.map(lambda one: ask(*one), who))

    for (provider, number), (name, response, deltas) in zip(who, answered, strict=True):
        (call,) = response.calls
        assert (f"<{name}>" * 30, f"<{name}>" * 30) == (response.text, deltas)
        assert {"who": name, "long": name * 200} == call.arguments
        assert (MODELS[provider], 1000 + number, 10 + number) == (
            response.asked, response.usage.input_total, response.usage.output_total
        )  # fmt: skip
    left = [each.name for each in set(threading.enumerate()) - before if each.name.startswith("attractor")]
    assert [] == left


def test_one_that_is_canceled_leaves_the_others_alone(simulator: Any, tmp_path: Path) -> None:
    slow = {"text": ["a"] * 20, "delivery": {"drip_ms": 15}}
    simulator.script({**slow, "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"zai": "[]"})
    request = Request(messages=(user("hi"),))
    found: dict[int, str] = {}
    cancellations: dict[int, NotedWaits] = {}

    def ask(number: int) -> None:
        with talking(plan, check_threads=False) as talk:
            cancellations[number] = talk.cancellation
            try:
                found[number] = talk.ask(request).text
            except errors.Canceled:
                found[number] = "canceled"

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    cancellations[3].reason = "enough"
    for thread in threads:
        thread.join(10)

    assert {number: "canceled" if number == 3 else "a" * 20 for number in range(6)} == found


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cancellation_is_seen_within_a_tenth_of_a_second(simulator: Any, tmp_path: Path, provider: str) -> None:
    simulator.script({"delivery": {"silence": {"after_events": 1, "s": 5}}})

    with talking(plan_of(tmp_path, simulator.url, {provider: "[]"})) as talk:
        canceled_s: list[float] = []

        def cancel() -> None:
            canceled_s.append(time.monotonic())
            talk.cancellation.reason = "enough"

        timer = threading.Timer(0.1, cancel)
        timer.start()
        with pytest.raises(errors.Canceled):
            talk.ask(Request(messages=(user("hi"),)))
        took_s = time.monotonic() - canceled_s[0]
        timer.join()

    assert took_s < 0.1
