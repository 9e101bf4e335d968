"""The table of retries and failover, row by row, over real sockets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.llm import errors
from attractor.runtime.llm.errors import LlmError
from attractor.runtime.llm.messages import Message, Origin, Request, Role, Text, Thinking, ToolCall, ToolResult, user
from attractor.runtime.outcome import Usage

from .talking import HELLO, MODELS, asked, at, plan_of, talking

ASKED_3_TIMES, ASKED_ONCE = 3, 1  # the policy of these plans retries twice
Kind = type[LlmError] | tuple[type[LlmError], ...]
NO_MONEY = (errors.QuotaExceeded, errors.AccessDenied)  # one vendor refuses access to those who do not pay
TABLE: Mapping[str, tuple[dict[str, Any], Kind, int, bool]] = {
    # case: (what the provider does, the error, how often it is asked, whether somebody else is)
    "server error": ({"error": {"kind": "server_error"}}, errors.ServerError, ASKED_3_TIMES, True),
    "overloaded": ({"error": {"kind": "overloaded"}}, errors.Overloaded, ASKED_3_TIMES, True),
    "529": ({"error": {"kind": "overloaded", "status": 529}}, errors.Overloaded, ASKED_3_TIMES, True),
    "rate limit": ({"error": {"kind": "rate_limit"}}, errors.RateLimit, ASKED_3_TIMES, True),
    "server's timeout": ({"error": {"kind": "timeout", "status": 408}}, errors.TransientError, ASKED_3_TIMES, True),
    "no first byte": ({"delivery": {"delay_ms": 500}}, errors.Timeout, ASKED_3_TIMES, True),
    "silence": ({"delivery": {"silence": {"after_events": 1, "s": 0.6}}}, errors.Timeout, ASKED_3_TIMES, True),
    "dropped": ({"delivery": {"drop": {"after_events": 2}}}, errors.Network, ASKED_3_TIMES, True),
    "reset": ({"delivery": {"drop": {"after_events": 2, "how": "reset"}}}, errors.Network, ASKED_3_TIMES, True),
    "cut off": ({"delivery": {"terminal": False}}, errors.StreamTruncated, ASKED_3_TIMES, True),
    "broken record": (
        {"delivery": {"garbage": {"after_events": 2, "text": 'data: {"type":\n\n'}}},
        errors.MalformedStream, ASKED_3_TIMES, True,
    ),
    "error in the stream": (
        {"error": {"kind": "overloaded", "in_stream": "event", "after_events": 1}}, errors.Overloaded,
        ASKED_3_TIMES, True,
    ),
    "quota": ({"error": {"kind": "quota"}}, errors.QuotaExceeded, ASKED_ONCE, True),
    "billing": ({"error": {"kind": "billing"}}, NO_MONEY, ASKED_ONCE, True),
    "model not found": ({"error": {"kind": "model_not_found"}}, errors.ModelNotFound, ASKED_ONCE, True),
    "access denied": ({"error": {"kind": "permission"}}, errors.AccessDenied, ASKED_ONCE, True),
    "authentication": ({"error": {"kind": "authentication"}}, errors.Authentication, ASKED_ONCE, False),
    "invalid request": ({"error": {"kind": "invalid_request"}}, errors.InvalidRequest, ASKED_ONCE, False),
    "context length": ({"error": {"kind": "context_length"}}, errors.ContextLength, ASKED_ONCE, False),
    "too large": ({"error": {"kind": "request_too_large"}}, errors.ContextLength, ASKED_ONCE, False),
    "redirect": ({"delivery": {"redirect": "http://127.0.0.1:9/"}}, errors.Configuration, ASKED_ONCE, False),
}  # fmt: skip
ONLY_OPENAI = {"content filter": ({"error": {"kind": "content_filter"}}, errors.ContentFilter, ASKED_ONCE, False)}
CASES = [
    pytest.param(provider, *row, id=f"{provider} {case}")
    for provider in ("anthropic", "openai", "google", "zai")
    for case, row in {**TABLE, **(ONLY_OPENAI if provider == "openai" else {})}.items()
]


@pytest.mark.parametrize(("provider", "answer", "error", "times", "fails_over"), CASES)
def test_each_class_of_error_is_retried_and_handed_on_as_the_table_says(
    simulator: Any,
    tmp_path: Path,
    provider: str,
    answer: dict[str, Any],
    error: Kind,
    times: int,
    fails_over: bool,
) -> None:
    simulator.script(at(provider, {"text": "lost", **answer}, "always"), at("kimi", {"text": "found"}, "always"))
    plan = plan_of(tmp_path, simulator.url, {provider: "[kimi]", "kimi": "[]"})
    first = [(provider, MODELS[provider])] * times

    with talking(plan) as talk:
        if fails_over:
            response = talk.ask(HELLO)
            assert ("found", "kimi", MODELS["kimi"]) == (response.text, response.provider, response.model)
            assert [*first, ("kimi", MODELS["kimi"])] == asked(simulator)
            (event,) = talk.told("llm_failover")
            assert (provider, MODELS[provider], "kimi", MODELS["kimi"], "a", 1, 1) == tuple(
                event[key] for key in ("from_provider", "from_model", "to_provider", "to_model", "node_id", "visit",
                                       "attempt")
            )  # fmt: skip
            assert event["reason"]
        else:
            with pytest.raises(error) as raised:
                talk.ask(HELLO)
            assert "failover" not in raised.value.message
            assert first == asked(simulator)
            assert [] == talk.told("llm_failover")

        assert [100, 200][: times - 1] == talk.waits_ms
        found = [attempt.error for attempt in talk.conversation.attempts if attempt.error is not None]
        assert [True] * times == [isinstance(each, error) for each in found], found
        assert len(asked(simulator)) == talk.conversation.usage.llm_calls


def test_a_provider_that_cannot_be_reached_is_left_for_the_next(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"text": "found"})
    plan = plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"})
    api = plan.providers["anthropic"].api
    assert api is not None
    gone = plan.providers["anthropic"]._replace(api=api._replace(base_url="http://127.0.0.1:1"))
    plan = plan._replace(providers={**plan.providers, "anthropic": gone})

    with talking(plan) as talk:
        assert "found" == talk.ask(HELLO).text
        assert [("network", "anthropic", MODELS["anthropic"])] * 3 == [
            (each.error.kind, each.error.provider, each.error.model)
            for each in talk.conversation.attempts
            if each.error
        ]
        assert [1, 2, 3, 4] == [event["request"] for event in talk.told("llm_request")]


def test_no_failover_says_so_with_the_original_error(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "quota"}, "repeat": "always"})

    with (
        talking(plan_of(tmp_path, simulator.url, {"zai": "[]"})) as talk,
        pytest.raises(errors.QuotaExceeded) as raised,
    ):
        talk.ask(HELLO)

    assert raised.value.message.startswith("zai answered 429: ")
    assert raised.value.message.endswith("; no failover: run.yaml sets failover: [] for provider zai")
    assert raised.value.message == str(raised.value)


def test_an_implied_chain_without_targets_says_so_too(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})

    with (
        talking(plan_of(tmp_path, simulator.url, {"zai": "null"})) as talk,
        pytest.raises(errors.ServerError) as raised,
    ):
        talk.ask(HELLO)

    assert "; asked 3 times; no failover: run.yaml declares no provider that zai could fail over to" in str(
        raised.value
    )


def test_a_chain_that_is_exhausted_names_everybody_who_was_asked(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "model_not_found"}, "repeat": "always"})
    chain = {"anthropic": "[{provider: zai, model: glm-4.6}, kimi]", "zai": "[anthropic]", "kimi": "[]"}

    with talking(plan_of(tmp_path, simulator.url, chain)) as talk, pytest.raises(errors.ModelNotFound) as raised:
        talk.ask(HELLO)

    assert "kimi" == raised.value.provider
    assert raised.value.message.endswith(
        "no failover left after anthropic (claude-opus-4-6), zai (glm-4.6), kimi (kimi-k2.5)"
    )
    assert [("anthropic", "claude-opus-4-6"), ("zai", "glm-4.6"), ("kimi", "kimi-k2.5")] == asked(simulator)


def test_the_plans_model_is_asked_of_a_target_and_no_other(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "quota"}}, {"text": "found"})
    chain = {"kimi": "[{provider: anthropic, model: claude-haiku-4-5}]", "anthropic": "[]"}

    with talking(plan_of(tmp_path, simulator.url, chain)) as talk:
        talk.ask(HELLO)

    assert [("kimi", "kimi-k2.5"), ("anthropic", "claude-haiku-4-5")] == asked(simulator)


def test_a_failover_is_for_good_and_takes_the_conversation_along(simulator: Any, tmp_path: Path) -> None:
    history = (
        user("first"),
        Message(
            Role.ASSISTANT,
            (Thinking("hm", "SIGNATURE"), Text("well"), ToolCall("toolu.1", "look", '{"a": 1}', {"a": 1})),
            Origin("anthropic", MODELS["anthropic"]),
        ),
        Message(Role.TOOL, (ToolResult("toolu.1", "look", "seen"),)),
    )
    simulator.script(
        at("anthropic", {"error": {"kind": "overloaded"}}, "always"), at("zai", {"text": "found"}, "always")
    )

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[anthropic]"})) as talk:
        first = talk.ask(Request(messages=history))
        second = talk.ask(Request(messages=(*history, first.message, user("more"))))

        assert 1 == talk.conversation.place
    assert ["anthropic"] * 3 + ["zai"] * 2 == [provider for provider, _ in asked(simulator)]
    assert ("found", "zai") == (second.text, second.provider)
    before, after = simulator.requests[0].body, simulator.requests[3].body
    assert "SIGNATURE" in str(before)
    assert "SIGNATURE" not in str(after)
    assert ["user", "assistant", "tool"] == [message["role"] for message in after["messages"]]
    call, result = after["messages"][1]["tool_calls"][0], after["messages"][2]
    assert call["id"] == result["tool_call_id"]
    assert 1 == len(talk.told("llm_failover"))


def test_a_stage_may_begin_where_its_last_attempt_was_answered(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"text": "found"})

    with talking(plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"}), place=1) as talk:
        talk.ask(HELLO)

    assert [("zai", MODELS["zai"])] == asked(simulator)


GUARDS = [errors.LimitReached, errors.Canceled]


@pytest.mark.parametrize("kind", GUARDS)
def test_what_our_own_guards_stop_never_goes_to_somebody_else(kind: type[LlmError]) -> None:
    assert (False, False) == (kind.retryable, kind.failover_ok)


def test_a_limit_of_the_run_is_no_reason_to_ask_somebody_else(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})
    plan = plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"}, more="limits: {max_llm_calls: 2}\n")

    with talking(plan) as talk, pytest.raises(errors.LimitReached) as raised:
        talk.ask(HELLO)

    assert (
        "limit reached: max_llm_calls is 2, used 2; raise limits.max_llm_calls in run.yaml to allow more"
        == raised.value.message
    )
    assert ["anthropic"] * 2 == [provider for provider, _ in asked(simulator)]
    assert "budget_exhausted" == raised.value.failure_class


def test_cancellation_is_no_reason_to_ask_somebody_else(simulator: Any, tmp_path: Path) -> None:
    simulator.script({"error": {"kind": "server_error"}, "repeat": "always"})

    with (
        talking(plan_of(tmp_path, simulator.url, {"anthropic": "[zai]", "zai": "[]"}), cancel_at=1) as talk,
        pytest.raises(errors.Canceled),
    ):
        talk.ask(HELLO)

    assert ["anthropic"] == [provider for provider, _ in asked(simulator)]
    assert Usage(llm_calls=1) == talk.conversation.usage


def test_classes_have_the_properties_that_the_specification_gives_them() -> None:
    both = {"network", "server_error", "overloaded", "rate_limit", "timeout", "stream_truncated", "malformed_stream"}
    only_failover = {"quota_exceeded", "model_not_found", "access_denied"}
    lasting = {errors.LastingServerError}  # by the server's own word
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, LlmError) and kind.kind != LlmError.kind
    ]

    assert len(kinds) > 15
    for kind in kinds:
        expected = (kind.kind in both and kind not in lasting, kind.kind in both | only_failover)
        assert expected == (kind.retryable, kind.failover_ok), kind
