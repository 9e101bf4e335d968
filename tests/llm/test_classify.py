"""From status, body and headers to a typed error, and how long the provider asks to wait."""

import email.utils
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.runtime.llm.classify import in_stream_error, typed_error
from attractor.runtime.llm.errors import (
    AccessDenied,
    Authentication,
    Canceled,
    Configuration,
    ContentFilter,
    ContextLength,
    InvalidRequest,
    LastingServerError,
    LimitReached,
    LlmError,
    MalformedStream,
    ModelNotFound,
    Network,
    Overloaded,
    QuotaExceeded,
    RateLimit,
    ServerError,
    StreamTruncated,
    Timeout,
)
from attractor.runtime.llm.retry_after import retry_after_s
from attractor.runtime.llm.wire import HttpError

from .asking import CHAT, endpoint

TARGET = endpoint(CHAT)


def error_of(status: int, body: object = None, **headers: str) -> LlmError:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return typed_error(
        HttpError(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw), TARGET
    )


def said(message: str = "no", **more: object) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequest),
        (401, Authentication),
        (402, QuotaExceeded),
        (403, AccessDenied),
        (404, ModelNotFound),
        (408, Timeout),
        (409, ServerError),
        (413, ContextLength),
        (418, InvalidRequest),
        (422, InvalidRequest),
        (425, RateLimit),
        (429, RateLimit),
        (500, ServerError),
        (502, ServerError),
        (503, Overloaded),
        (504, ServerError),
        (520, ServerError),
        (524, ServerError),
        (529, Overloaded),
        (599, ServerError),
    ],
)
def test_a_status_alone_decides_when_the_body_says_nothing(status: int, expected: type[LlmError]) -> None:
    for body in (None, b"<html>bad gateway</html>", {}, {"error": {}}, b"\xff\xfe", [], 7):
        assert expected is type(error_of(status, body))


def google(reason: str, status: str) -> dict[str, Any]:
    return said("Invalid", code=400, status=status, details=[{"reason": reason}])


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(400, said("x", code="context_length_exceeded"), ContextLength, id="code: context length"),
        pytest.param(400, said("prompt is too long: 2 tokens > 1"), ContextLength, id="words: prompt is too long"),
        pytest.param(400, said("This model's maximum context length is 5"), ContextLength, id="words: maximum context"),
        pytest.param(
            400,
            said("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
            ContextLength,
            id="words: input token count",
        ),
        pytest.param(
            400,
            said("input length and `max_tokens` exceed context limit: 2 + 3 > 4"),
            ContextLength,
            id="words: context limit",
        ),
        pytest.param(400, said("an unexpected token"), InvalidRequest, id="the word token proves nothing"),
        pytest.param(400, said("Your credit balance is too low"), QuotaExceeded, id="words: credit balance"),
        pytest.param(
            400, said("You have reached your specified API usage limits."), QuotaExceeded, id="words: usage limits"
        ),
        pytest.param(400, said("rejected by our content policy"), ContentFilter, id="words: content policy"),
        pytest.param(
            400, said("API key not valid. Please pass a valid API key."), Authentication, id="words: key not valid"
        ),
        pytest.param(400, said("The model `x` does not exist"), ModelNotFound, id="words: no model"),
        pytest.param(400, google("API_KEY_INVALID", "INVALID_ARGUMENT"), Authentication, id="google: key"),
        pytest.param(400, google("OTHER", "FAILED_PRECONDITION"), InvalidRequest, id="google: precondition"),
        pytest.param(403, said("x", status="PERMISSION_DENIED"), AccessDenied, id="google: permission"),
        pytest.param(500, [said("x", code=500, status="INTERNAL")], ServerError, id="google: in a list"),
        pytest.param(504, said("x", code=504, status="DEADLINE_EXCEEDED"), ServerError, id="google: deadline"),
        pytest.param(401, said("no", code="invalid_api_key"), Authentication, id="openai: key"),
        pytest.param(
            429,
            said("x", type="insufficient_quota", code="credit_balance_exhausted"),
            QuotaExceeded,
            id="openai: credit",
        ),
        pytest.param(
            429,
            said("x", type="insufficient_quota", code="project_spend_limit_exceeded"),
            QuotaExceeded,
            id="openai: spend limit",
        ),
        pytest.param(429, said("x", code="monthly_usage_limit_exceeded"), QuotaExceeded, id="openai: usage limit"),
        pytest.param(
            429,
            said("Rate limit reached; add a payment method under account/billing", code="rate_limit_exceeded"),
            RateLimit,
            id="openai: billing is only advice",
        ),
        pytest.param(429, said("You exceeded your current quota, check billing"), QuotaExceeded, id="words: quota"),
        pytest.param(503, said("x", code="server_is_overloaded"), Overloaded, id="openai: overloaded"),
        pytest.param(
            429,
            {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}},
            RateLimit,
            id="anthropic: rate",
        ),
        pytest.param(
            429,
            {"type": "error", "error": {"type": "rate_limit_error", "message": "over the spend limit"}},
            QuotaExceeded,
            id="anthropic: spend limit",
        ),
        pytest.param(404, said("model: x", type="not_found_error"), ModelNotFound, id="anthropic: model"),
        pytest.param(413, said("x", type="request_too_large"), ContextLength, id="anthropic: size"),
        pytest.param(429, said("balance", code="1113"), QuotaExceeded, id="z.ai: balance"),
        pytest.param(429, said("slow", code="1302"), RateLimit, id="z.ai: concurrency"),
        pytest.param(429, said("reset at noon", code="1308"), QuotaExceeded, id="z.ai: window"),
        pytest.param(400, said("unsafe", code="1301"), ContentFilter, id="z.ai: unsafe"),
        pytest.param(400, said("long", code="1261"), ContextLength, id="z.ai: too long"),
        pytest.param(429, said("x", type="exceeded_current_quota_error"), QuotaExceeded, id="moonshot: balance"),
        pytest.param(429, said("x", type="engine_overloaded_error"), Overloaded, id="moonshot: overloaded"),
        pytest.param(402, said("Insufficient Balance"), QuotaExceeded, id="deepseek: balance"),
        pytest.param(403, said("flagged by moderation", code=403), ContentFilter, id="openrouter: moderation"),
        pytest.param(404, {"error": "model 'x' not found"}, ModelNotFound, id="ollama: text"),
        pytest.param(
            422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, InvalidRequest, id="fastapi: detail"
        ),
        pytest.param(
            400,
            {"object": "error", "message": "maximum context length is 9", "code": 400},
            ContextLength,
            id="vllm: bare",
        ),
    ],
)
def test_a_body_makes_the_class_more_exact(status: int, body: object, expected: type[LlmError]) -> None:
    assert expected is type(error_of(status, body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (said("Overloaded", type="overloaded_error"), Overloaded),
        (said("x", type="api_error"), ServerError),
        (said("x", type="timeout_error"), ServerError),
        (said("bad", type="invalid_request_error"), InvalidRequest),
        (said("prompt is too long", type="invalid_request_error"), ContextLength),
        (said("x", type="authentication_error"), Authentication),
        (said("up", code=502), ServerError),
        (said("slow", code=429), RateLimit),
        (said("no credits", code=402), QuotaExceeded),
        (said("x", code="vector_store_timeout"), ServerError),
        (said("x", code="invalid_prompt"), ContentFilter),
        (said("x", code="bio_policy"), ContentFilter),
        (said("x", code="image_parse_error"), InvalidRequest),
        ({"error": "context length exceeded"}, ContextLength),
        ({"error": "something"}, ServerError),
        ({}, ServerError),
        (None, ServerError),
    ],
    ids=str,
)
def test_an_error_inside_an_answer_counts_as_if_it_had_had_a_status(body: object, expected: type[LlmError]) -> None:
    assert expected is type(in_stream_error(body, TARGET))


@pytest.mark.parametrize(
    ("status", "word", "expected"),
    [
        (400, "true", ServerError),
        (500, "false", LastingServerError),
        (429, "false", QuotaExceeded),
        (400, "false", InvalidRequest),
        (503, "true", Overloaded),
    ],
)
def test_the_providers_own_word_on_retrying_is_obeyed(status: int, word: str, expected: type[LlmError]) -> None:
    error = error_of(status, x_should_retry=word)

    assert expected is type(error)
    assert (word == "true") is error.retryable


@pytest.mark.parametrize(
    ("kinds", "retryable", "failover_ok"),
    [
        ((Network, ServerError, Overloaded, RateLimit, Timeout, StreamTruncated, MalformedStream), True, True),
        ((LastingServerError, QuotaExceeded, ModelNotFound, AccessDenied), False, True),
        ((Authentication, InvalidRequest, ContextLength, ContentFilter, Configuration), False, False),
        ((LimitReached, Canceled), False, False),
    ],
)
def test_each_class_says_whether_to_retry_and_to_fail_over(
    kinds: tuple[type[LlmError], ...], retryable: bool, failover_ok: bool
) -> None:
    assert {(retryable, failover_ok)} == {(kind.retryable, kind.failover_ok) for kind in kinds}


def test_an_error_says_who_what_and_for_whom() -> None:
    error = error_of(429, said("slow\n  down", code="slow_down"), request_id="req_1", retry_after="3")

    assert ("vendor answered 429: slow down", "vendor", "model-1", 429, "slow_down", 3.0, "req_1") == (
        str(error), error.provider, error.model, error.status, error.code, error.retry_after_s, error.request_id
    )  # fmt: skip


def test_a_long_message_is_cut() -> None:
    assert len(str(error_of(400, said("x" * 100_000)))) < 700


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        pytest.param({}, None, None, id="nothing"),
        pytest.param({"retry-after": "7200"}, None, 7200, id="seconds"),
        pytest.param({"retry-after": "0"}, None, 0, id="none"),
        pytest.param({"retry-after": "1.5"}, None, 1.5, id="a fraction"),
        pytest.param({"retry-after": "-4"}, None, 0, id="less than none"),
        pytest.param({"retry-after-ms": "250", "retry-after": "9"}, None, 0.25, id="milliseconds first"),
        pytest.param({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None, 0, id="date in the past"),
        pytest.param({"retry-after": "soon"}, None, None, id="no number"),
        pytest.param({"retry-after": "nan"}, None, None, id="not a number"),
        pytest.param({"retry-after": "inf"}, None, None, id="for ever"),
        pytest.param(
            {}, {"error": {"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "37s"}]}}, 37, id="RetryInfo"
        ),
        pytest.param(
            {},
            [{"error": {"details": [{"@type": "x.RetryInfo", "retryDelay": "0.5s"}]}}],
            0.5,
            id="RetryInfo in a list",
        ),
        pytest.param({"x-ratelimit-reset-requests": "6m0s"}, None, 360, id="reset: minutes"),
        pytest.param({"x-ratelimit-reset-tokens": "120ms"}, None, 0.12, id="reset: milliseconds"),
        pytest.param({"x-ratelimit-reset-requests": "1h2m3.5s"}, None, 3723.5, id="reset: all units"),
        pytest.param(
            {"x-ratelimit-reset-requests": "5s", "x-ratelimit-remaining-requests": "3"},
            None,
            None,
            id="reset of what is not used up",
        ),
        pytest.param({"x-ratelimit-reset": "whenever"}, None, None, id="reset: no time"),
    ],
)
def test_each_dialect_of_waiting_is_understood(
    headers: Mapping[str, str], body: object, expected: float | None
) -> None:
    assert expected == retry_after_s(headers, body)


def test_a_moment_is_as_far_away_as_it_is() -> None:
    moment = time.time() + 100
    dialects = (
        {"retry-after": email.utils.formatdate(moment, usegmt=True)},
        {"x-ratelimit-reset": str(int(moment))},
        {"x-ratelimit-reset": str(int(moment * 1000))},
    )

    assert [pytest.approx(100, abs=5)] * 3 == [retry_after_s(headers, None) for headers in dialects]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "details", "violations", "reason", "@type", "detail"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.integers(400, 599),
    JSON | st.binary(max_size=30),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset"]), st.text(max_size=12)),
)
def test_whatever_a_body_holds_is_a_typed_error(status: int, body: Any, headers: dict[str, str]) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    error = typed_error(HttpError(status, headers, raw), TARGET)

    assert isinstance(error, LlmError)
    assert error.retry_after_s is None or error.retry_after_s >= 0
    assert isinstance(in_stream_error(body, TARGET), LlmError)
    str(error).encode()
