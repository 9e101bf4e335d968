"""From an unsuccessful answer to a typed error: the status and the body decide together.

Codes are read before words, because words lie: "quota" in a rate limit is not an empty account, and an invalid key is
a 400 at one vendor.
"""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .errors import (
    AccessDenied,
    Authentication,
    Configuration,
    ContentFilter,
    ContextLength,
    InvalidRequest,
    LlmError,
    ModelNotFound,
    Overloaded,
    QuotaExceeded,
    RateLimit,
    ServerError,
    Timeout,
)  # fmt: skip
from .wire import Endpoint, HttpError

_MESSAGE_CHARS: Final = 600

# What a body's code or type means, whatever the status.
_BY_CODE: Final[Mapping[str, type[LlmError]]] = {
    "context_length_exceeded": ContextLength,
    "model_context_window_exceeded": ContextLength,
    "request_too_large": ContextLength,
    "string_above_max_length": ContextLength,
    "insufficient_quota": QuotaExceeded,
    "credit_balance_exhausted": QuotaExceeded,
    "billing_error": QuotaExceeded,
    "billing_hard_limit_reached": QuotaExceeded,
    "exceeded_current_quota_error": QuotaExceeded,
    "1113": QuotaExceeded,  # z.ai: balance exhausted
    "invalid_api_key": Authentication,
    "authentication_error": Authentication,
    "api_key_invalid": Authentication,
    "unauthenticated": Authentication,
    "permission_error": AccessDenied,
    "permission_denied": AccessDenied,
    "unsupported_country_region_territory": AccessDenied,
    "not_found_error": ModelNotFound,
    "model_not_found": ModelNotFound,
    "not_found": ModelNotFound,
    "content_filter": ContentFilter,
    "content_policy_violation": ContentFilter,
    "invalid_prompt": ContentFilter,
    "sensitive": ContentFilter,
    "overloaded_error": Overloaded,
    "server_is_overloaded": Overloaded,
    "slow_down": Overloaded,
    "unavailable": Overloaded,
    "insufficient_system_resource": Overloaded,
    "rate_limit_error": RateLimit,
    "rate_limit_exceeded": RateLimit,
    "resource_exhausted": RateLimit,
    "api_error": ServerError,
    "server_error": ServerError,
    "internal_error": ServerError,
    "internal": ServerError,
    "vector_store_timeout": ServerError,
    "network_error": ServerError,
    "conflict_error": ServerError,
}
_SPENT: Final = re.compile(r"(?:_spend_limit|_usage_limit)_exceeded$")

# What a client error's words mean when its code says nothing more exact.
_BY_WORDS: Final[tuple[tuple[type[LlmError], tuple[str, ...]], ...]] = (
    (
        ContextLength,
        (
            "context length",
            "context_length",
            "prompt is too long",
            "too many tokens",
            "maximum context",
            "input token count exceeds",
            "context window",
        ),
    ),
    (
        QuotaExceeded,
        (
            "insufficient_quota",
            "credit balance",
            "insufficient balance",
            "billing",
            "spend limit",
            "exceeded your current quota",
        ),
    ),
    (ContentFilter, ("content policy", "content filter", "safety", "moderation", "sensitive")),
    (
        Authentication,
        ("api key not valid", "invalid api key", "incorrect api key", "invalid x-api-key", "unauthorized"),
    ),
)
_NO_MODEL: Final = re.compile(r"model\b.{0,120}?(?:not found|does not exist|not exist)", re.DOTALL)


class Said(NamedTuple):
    """What a body says of its error."""

    message: str
    codes: tuple[str, ...]  # lower case, the most exact first


def typed_error(answer: HttpError, endpoint: Endpoint) -> LlmError:
    """Return the typed error that `answer` means."""
    body = _json(answer.body)
    said = read_error(body) or Said(_plain(answer.body), ())
    kind = _kind(answer.status, said, body)
    fields: dict[str, Any] = {
        "provider": endpoint.provider,
        "model": endpoint.model,
        "status": answer.status,
        "code": said.codes[0] if said.codes else "",
        "retry_after_s": retry_after_s(answer.headers, body),
        "request_id": answer.headers.get("request-id") or answer.headers.get("x-request-id") or "",
    }
    message = f"{endpoint.provider} answered {answer.status}" + (f": {said.message}" if said.message else "")
    return _made(_overruled(kind, answer.headers.get("x-should-retry", "")), message, fields)


def in_stream_error(body: object, endpoint: Endpoint, request_id: str = "") -> LlmError:
    """Return the typed error for an error that arrived inside a successful answer."""
    said = read_error(body) or Said("", ())
    status = next((int(code) for code in said.codes if re.fullmatch("[45][0-9]{2}", code)), 0)
    kind = _kind(status, said, body) if status or said.codes else ServerError
    message = f"{endpoint.provider} reported an error in its answer: {said.message or 'without a message'}"
    fields: dict[str, Any] = {
        "provider": endpoint.provider,
        "model": endpoint.model,
        "status": status,
        "code": said.codes[0] if said.codes else "",
        "retry_after_s": retry_after_s({}, body),
        "request_id": request_id,
    }
    return _made(kind, message, fields)


def _made(kind: type[LlmError], message: str, fields: dict[str, Any]) -> LlmError:
    if issubclass(kind, Timeout):
        return kind(message, phase="server", **fields)
    return kind(message, **fields)


def _kind(status: int, said: Said, body: object) -> type[LlmError]:
    for code in said.codes:
        if _SPENT.search(code):
            return QuotaExceeded
        kind = _BY_CODE.get(code)
        if kind is RateLimit and _per_day(body):
            return QuotaExceeded
        # A vague code does not outrank what a client error says in words.
        if kind is not None and not (kind is RateLimit and _by_words(said.message) is QuotaExceeded):
            return kind
    if 400 <= status < 500:
        words = _by_words(said.message)
        if words is not None and not (status == 429 and words is not QuotaExceeded):
            return words
    return _by_status(status)


def _by_status(status: int) -> type[LlmError]:
    match status:
        case 401:
            return Authentication
        case 402:
            return QuotaExceeded
        case 403:
            return AccessDenied
        case 404:
            return ModelNotFound
        case 408:
            return Timeout
        case 409:
            return ServerError
        case 413:
            return ContextLength
        case 425 | 429:
            return RateLimit
        case 503 | 529:
            return Overloaded
        case _ if status >= 500 or status == 0:
            return ServerError
        case _ if 300 <= status < 400:
            return Configuration
        case _:
            return InvalidRequest


def _by_words(message: str) -> type[LlmError] | None:
    text = message.lower()
    for kind, words in _BY_WORDS:
        if any(word in text for word in words):
            return kind
    return ModelNotFound if _NO_MODEL.search(text) else None


def _overruled(kind: type[LlmError], should_retry: str) -> type[LlmError]:
    """Obey the provider's own word on retrying."""
    if should_retry == "true" and not kind.retryable:
        return ServerError
    if should_retry == "false" and kind.retryable:
        return QuotaExceeded if issubclass(kind, RateLimit) else InvalidRequest
    return kind


def read_error(body: object) -> Said | None:
    """Return what `body` says, in any of the vendors' dialects; None when it says nothing of an error."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    if isinstance(inner, str):
        return Said(_cut(inner), ())
    if not isinstance(inner, Mapping):
        message = body.get("message") or body.get("detail") or body.get("msg")
        inner = body if message else None
    if inner is None:
        return None
    message = inner.get("message") or inner.get("detail") or inner.get("msg") or ""
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False)
    reasons = [
        str(detail["reason"])
        for detail in inner.get("details") or ()
        if isinstance(detail, Mapping) and detail.get("reason")
    ]
    codes = [
        *reasons,
        *(str(inner[key]) for key in ("code", "type", "status") if inner.get(key) not in (None, "", "error")),
    ]
    return Said(_cut(message), tuple(code.lower() for code in codes))


def retry_after_s(headers: Mapping[str, str], body: object) -> float | None:
    """Return how long the provider asks to wait, in any of the dialects; None when it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    written = headers.get("retry-after")
    if written is not None:
        seconds = _number(written)
        return seconds if seconds is not None else _until(written)
    delay = _retry_delay(body)
    if delay is not None:
        return delay
    resets = [
        _duration_s(value)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-reset") and headers.get(name.replace("reset", "remaining")) in {None, "0"}
    ]
    known = [reset for reset in resets if reset is not None]
    return max(known) if known else None


def _retry_delay(body: object) -> float | None:
    """Return Google's `RetryInfo.retryDelay` ("37s")."""
    for detail in _details(body):
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            return _duration_s(str(detail.get("retryDelay", "")))
    return None


def _per_day(body: object) -> bool:
    """Say whether a Google quota is spent for the day: waiting does not help."""
    return any(
        "perday" in str(violation.get("quotaId", "")).lower()
        for detail in _details(body)
        for violation in detail.get("violations") or ()
        if isinstance(violation, Mapping)
    )


def _details(body: object) -> list[Mapping[str, Any]]:
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []


_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def _duration_s(text: str) -> float | None:
    """Read `37s`, `6m0s`, `120ms`, `1.5`."""
    at = 0
    total = 0.0
    text = text.strip()
    while at < len(text):
        match = _DURATION.match(text, at)
        if match is None:
            return None
        total += float(match[1]) * _UNIT_S[match[2] or ""]
        at = match.end()
    return total if text else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is None or 0 <= value < 1e9 else None


def _until(text: str) -> float | None:
    """Read an HTTP date as seconds from now."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, moment.timestamp() - time.time())


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _plain(body: bytes) -> str:
    text = body[:4096].decode("utf-8", "replace").strip()
    return "a page of HTML" if text[:1] == "<" else _cut(text)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_CHARS else text[:_MESSAGE_CHARS] + " …"
