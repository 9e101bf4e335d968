"""What a call costs, and the limits that hold spending down."""

from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.llm import errors
from attractor.runtime.llm.cost import cost_usd, usage_of, usage_of_failure
from attractor.runtime.llm.messages import TokenUsage
from attractor.runtime.outcome import NO_USAGE, Usage
from attractor.runtime.plan import Price

from .talking import HELLO, at, plan_of, talking

PRICE = Price(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("tokens", "price", "cost"),
    [
        pytest.param(TokenUsage(MILLION, 0), PRICE, 3.0, id="input"),
        pytest.param(TokenUsage(0, MILLION), PRICE, 15.0, id="output"),
        pytest.param(TokenUsage(0, MILLION, reasoning=900_000), PRICE, 15.0, id="reasoning is output already"),
        pytest.param(TokenUsage(MILLION, 0, cache_read=MILLION), PRICE, 0.3, id="all from the cache"),
        pytest.param(TokenUsage(MILLION, 0, cache_write=MILLION), PRICE, 3.75, id="all into the cache"),
        pytest.param(TokenUsage(MILLION, 0, 400_000, 100_000), PRICE, 1.5 + 0.12 + 0.375, id="some of each"),
        pytest.param(TokenUsage(MILLION, 0, 500_000), PRICE._replace(cache_read=None), 3.0, id="no cache price"),
        pytest.param(TokenUsage(10, 0, 20), PRICE, 20 * 0.3 / MILLION, id="more cached than read"),
        pytest.param(TokenUsage(MILLION, MILLION), Price(0.0, 0.0, None, None), 0.0, id="free"),
        pytest.param(TokenUsage(1, 1), None, None, id="no price"),
        pytest.param(TokenUsage(None, 1), PRICE, None, id="input not told"),
        pytest.param(TokenUsage(1, None), PRICE, None, id="output not told"),
    ],
)
def test_cost_is_counted_by_kind_of_token_and_unknown_is_not_nothing(
    tokens: TokenUsage, price: Price | None, cost: float | None
) -> None:
    assert cost == (None if cost is None else pytest.approx(cost_usd(tokens, price)))
    assert (cost is None) == (cost_usd(tokens, price) is None)


def test_usage_adds_up_and_an_unknown_cost_stays_unknown() -> None:
    known = usage_of(TokenUsage(100, 10, 50, 5), PRICE)
    unknown = usage_of(TokenUsage(1, 1), None)

    assert (1, 100, 10, 50, 5) == (
        known.llm_calls, known.input_tokens, known.output_tokens, known.cache_read_tokens, known.cache_write_tokens
    )  # fmt: skip
    assert (known + unknown).cost_usd is None
    assert NO_USAGE + known == known


def test_a_failure_costs_what_it_had_reported() -> None:
    assert Usage(llm_calls=1) == usage_of_failure(TokenUsage(), PRICE)
    assert 3.0 == usage_of_failure(TokenUsage(MILLION), PRICE).cost_usd


def test_each_call_is_charged_with_the_price_of_whom_it_went_to(simulator: Any, tmp_path: Path) -> None:
    usage = {"input": 1000, "output": 100, "cache_read": 400}
    simulator.script(
        at("anthropic", {"error": {"kind": "quota"}}, "always"), at("zai", {"text": "a", "usage": usage}, "always")
    )

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"})) as talk:
        talk.ask(HELLO)
        talk.ask(HELLO)

    once = (600 * 0.6 + 400 * 0.11 + 100 * 2.2) / MILLION
    assert (3, 2000, 200, 800) == (
        talk.conversation.usage.llm_calls, talk.conversation.usage.input_tokens,
        talk.conversation.usage.output_tokens, talk.conversation.usage.cache_read_tokens,
    )  # fmt: skip
    assert 2 * once == pytest.approx(talk.conversation.usage.cost_usd)
    assert [(1000, 100, pytest.approx(once), "stop")] * 2 == [
        (event["input_tokens"], event["output_tokens"], event["cost_usd"], event["finish_reason"])
        for event in talk.told("llm_response")
    ]


@pytest.mark.parametrize(
    ("limits", "name", "limit", "answered"),
    [
        ("{max_llm_calls: 2}", "max_llm_calls", "2, used 2", 2),
        ("{max_total_tokens: 2000}", "max_total_tokens", "2000, used 2200", 2),
        ("{max_cost_usd: 0.001}", "max_cost_usd", "0.001, used 0.00164", 2),
    ],
)
def test_a_limit_is_looked_at_before_each_call(
    simulator: Any, tmp_path: Path, limits: str, name: str, limit: str, answered: int
) -> None:
    simulator.script({"text": "a", "usage": {"input": 1000, "output": 100}, "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"zai": "[]"}, more=f"limits: {limits}\n")

    with talking(plan) as talk:
        for _ in range(answered):
            talk.ask(HELLO)
        with pytest.raises(errors.LimitReached) as raised:
            talk.ask(HELLO)

    assert raised.value.message.startswith(f"limit reached: {name} is {limit}")
    assert raised.value.message.endswith(f"; raise limits.{name} in run.yaml to allow more")
    assert answered == len(simulator.requests)


def test_what_the_run_and_other_branches_spent_counts_too(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"text": "a", "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"zai": "[]"}, more="limits: {max_llm_calls: 5}\n")

    with talking(plan) as talk:
        other = object()
        talk.meter.charge(Usage(llm_calls=2))
        talk.meter.running(other, Usage(llm_calls=2))
        talk.ask(HELLO)
        with pytest.raises(errors.LimitReached):
            talk.ask(HELLO)
        talk.meter.running(other, NO_USAGE)
        talk.ask(HELLO)
        talk.meter.charge(Usage(llm_calls=-2))

    assert 2 == len(simulator.requests)


def test_a_provider_that_does_not_say_what_it_used_is_told_of_where_cost_is_limited(
    simulator: Any, tmp_path: Path
) -> None:
    simulator.script({"text": "a", "dialect": {"usage": "none"}})
    plan = plan_of(tmp_path, simulator.url, {"zai": "[]"}, more="limits: {max_cost_usd: 1.0}\n")

    with talking(plan) as talk:
        talk.ask(HELLO)

    assert talk.conversation.usage.cost_usd is None
    assert ["zai (glm-4.7) did not say what it used; limits.max_cost_usd cannot count this call"] == [
        event["message"] for event in talk.told("warning")
    ]
