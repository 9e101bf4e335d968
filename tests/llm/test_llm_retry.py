"""How often and after how long the same model is asked again."""

from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.llm import errors
from attractor.runtime.llm.messages import Finished, StreamEvent, TextDelta
from attractor.runtime.llm.retry import delay_ms
from attractor.runtime.plan import LlmBackoff

from .talking import HELLO, asked, at, plan_of, talking

STEADY = LlmBackoff(base_ms=2000, max_ms=120_000, factor=2.0, jitter=False)
JITTERED = STEADY._replace(jitter=True)


def policy(retries: int, *, jitter: str = "false") -> str:
    backoff = f"{{base_ms: 100, max_ms: 60000, factor: 3.0, jitter: {jitter}}}"
    return f"{{max_llm_retries: {retries}, llm_backoff: {backoff}}}"


def test_delays_grow_up_to_their_bound() -> None:
    assert [2000, 4000, 8000, 16_000, 32_000, 64_000, 120_000, 120_000] == [
        delay_ms(STEADY, "a", retry, None) for retry in range(1, 9)
    ]
    assert 120_000 == delay_ms(STEADY, "a", 100_000, None)
    assert 0 == delay_ms(STEADY._replace(base_ms=0), "a", 3, None)


def test_jitter_spreads_delays_and_is_the_same_in_every_run_of_the_same_id() -> None:
    delays = [delay_ms(JITTERED, f"run-{number}", 1, None) for number in range(50)]

    assert delays == [delay_ms(JITTERED, f"run-{number}", 1, None) for number in range(50)]
    assert len(set(delays)) > 40
    assert all(1000 <= delay <= 3000 for delay in delays if delay is not None)
    assert all((delay_ms(JITTERED, f"run-{number}", 60, None) or 0) <= 120_000 for number in range(50))


@pytest.mark.parametrize(
    ("asked_s", "least", "most"),
    [(0.0, 0, 0), (1.5, 1500, 1650), (120.0, 120_000, 132_000), (120.1, None, None), (7200.0, None, None)],
)
def test_the_providers_word_is_kept_and_never_undercut(asked_s: float, least: int | None, most: int | None) -> None:
    delays = [delay_ms(JITTERED, f"run-{number}", 1, asked_s) for number in range(50)]

    if least is None or most is None:
        assert {None} == set(delays)
    else:
        assert all(delay is not None and least <= delay <= most for delay in delays)
    assert (None if least is None else round(asked_s * 1000)) == delay_ms(STEADY, "run", 1, asked_s)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_a_call_is_retried_as_often_as_the_policy_says(simulator: Any, tmp_path: Path, retries: int) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})

    with (
        talking(plan_of(tmp_path, simulator.url, {"zai": "[]"}, policy=policy(retries))) as talk,
        pytest.raises(errors.ServerError),
    ):
        talk.ask(HELLO)

    assert retries + 1 == len(simulator.requests)
    assert [100, 300, 900, 2700][:retries] == talk.waits_ms
    assert talk.waits_ms == [event["delay_ms"] for event in talk.told("llm_retry")]


def test_each_entry_of_the_chain_has_its_own_retries(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"zai": "[kimi]", "kimi": "[]"}, policy=policy(1))

    with talking(plan) as talk, pytest.raises(errors.ServerError):
        talk.ask(HELLO)

    assert ["zai", "zai", "kimi", "kimi"] == [provider for provider, _ in asked(simulator)]


@pytest.mark.parametrize(
    ("provider", "dialect", "seconds"),
    [
        ("anthropic", "seconds", 7),
        ("anthropic", "http_date", 30),
        ("openai", "milliseconds", 1.25),
        ("openai", "ratelimit_reset", 42),
        ("zai", "seconds", 0.5),
        ("google", "retry_info", 37),
    ],
)
def test_every_dialect_of_retry_after_is_understood(
    simulator: Any, tmp_path: Path, provider: str, dialect: str, seconds: float
) -> None:
    wait = {"dialect": dialect, "s": seconds}
    simulator.script({"error": {"kind": "rate_limit", "retry_after": wait}}, {"text": "found"})

    with talking(plan_of(tmp_path, simulator.url, {provider: "[]"}, policy=policy(2))) as talk:
        assert "found" == talk.ask(HELLO).text

    tolerance_ms = 2500 if dialect == "http_date" else 0
    assert [seconds * 1000] == pytest.approx(talk.waits_ms, abs=tolerance_ms)


def test_a_wait_of_zero_is_none(simulator: Any, tmp_path: Path) -> None:
    wait = {"dialect": "seconds", "s": 0}
    simulator.script({"error": {"kind": "overloaded", "retry_after": wait}}, {"text": "found"})

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[]"})) as talk:
        assert "found" == talk.ask(HELLO).text

    assert [] == talk.waits_ms


TOO_LONG = {"error": {"kind": "rate_limit", "retry_after": {"dialect": "seconds", "s": 7200}}}


def test_a_provider_that_asks_for_too_much_is_not_asked_again(simulator: Any, tmp_path: Path) -> None:
    simulator.script(TOO_LONG, {"text": "never"})

    with (
        talking(plan_of(tmp_path, simulator.url, {"anthropic": "[]"})) as talk,
        pytest.raises(errors.RateLimit) as raised,
    ):
        talk.ask(HELLO)

    assert 7200 == raised.value.retry_after_s
    assert "; it asks to wait 7200 s, and llm_backoff.max_ms is 1000; no failover: " in raised.value.message
    assert (1, []) == (len(simulator.requests), talk.waits_ms)


def test_it_is_left_for_the_next_entry_if_there_is_one(simulator: Any, tmp_path: Path) -> None:
    simulator.script(at("anthropic", TOO_LONG, "always"), at("zai", {"text": "found"}))

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"})) as talk:
        assert "found" == talk.ask(HELLO).text

    assert (["anthropic", "zai"], []) == ([provider for provider, _ in asked(simulator)], talk.waits_ms)


def test_a_broken_stream_is_asked_for_again_as_a_whole(simulator: Any, tmp_path: Path) -> None:
    broken = {"text": ["once ", "upon"], "delivery": {"drop": {"after_events": 4, "how": "reset"}}}
    simulator.script(broken, {"text": ["a ", "tale"]})

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[]"})) as talk:
        response = talk.ask(HELLO)

    assert "a tale" == response.text
    first, second = simulator.requests
    assert first.body == second.body
    deltas = [event.delta for event in talk.seen.events if isinstance(event, TextDelta)]
    assert ["a ", "tale"] == deltas[-2:]
    assert "once " in deltas  # shown as it grew, and then of no account


def test_nothing_that_is_shown_before_the_end_is_a_result(simulator: Any, tmp_path: Path) -> None:
    simulator.script(
        {"tool_calls": [{"name": "f", "arguments": {"a": 1}}], "delivery": {"terminal": False}}, {"text": "b"}
    )

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[]"})) as talk:
        response = talk.ask(HELLO)

    assert ((), "b") == (response.calls, response.text)
    kinds: set[type[StreamEvent]] = {type(event) for event in talk.seen.events}
    assert Finished not in kinds


def test_a_cancellation_ends_the_wait(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})

    with (
        talking(plan_of(tmp_path, simulator.url, {"zai": "[]"}), cancel_at=2) as talk,
        pytest.raises(errors.Canceled, match="enough"),
    ):
        talk.ask(HELLO)

    assert (2, [100, 200]) == (len(simulator.requests), talk.waits_ms)


def test_a_complete_request_is_a_stream_where_the_plan_forces_it(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"text": "one", "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"kimi": "[]", "anthropic": "[]"})

    with talking(plan) as talk:
        assert "one" == talk.ask(HELLO, stream=False).text
    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[]", "kimi": "[]"})) as talk:
        assert "one" == talk.ask(HELLO, stream=False).text

    assert [("kimi", True, 16_000), ("anthropic", False, 200)] == [
        (request.path.split("/")[1], request.body["stream"], request.body["max_tokens"])
        for request in simulator.requests
    ]


def test_one_connection_serves_a_conversation(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"text": "yes", "repeat": "always"})

    with talking(plan_of(tmp_path, simulator.url, {"zai": "[]"})) as talk:
        for _ in range(20):
            talk.ask(HELLO)

    assert simulator.connections <= 2
