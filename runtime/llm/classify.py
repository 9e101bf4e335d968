"""From an unsuccessful answer to a typed error: the status and the body decide together.

Codes are read before words, because words lie: "quota" in a rate limit is not an empty account, and an invalid key is
a 400 at one vendor.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .errors import (
    AccessDenied,
    Authentication,
    Configuration,
    ContentFilter,
    ContextLength,
    InvalidRequest,
    LastingServerError,
    LlmError,
    ModelNotFound,
    Overloaded,
    QuotaExceeded,
    RateLimit,
    ServerError,
    Timeout,
)  # fmt: skip
from .messages import whole_characters
from .retry_after import error_details, retry_after_s
from .wire import Endpoint, HttpError

_MESSAGE_CHARS: Final = 600
_CODE_CHARS: Final = 100

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
    "1304": QuotaExceeded,  # for today
    "1308": QuotaExceeded,  # until the plan's window is over
    "1309": QuotaExceeded,  # the plan has ended
    "1310": QuotaExceeded,  # for the week or month
    "1211": ModelNotFound,
    "1311": AccessDenied,
    "1261": ContextLength,
    "1300": ContentFilter,
    "1301": ContentFilter,
    "1302": RateLimit,
    "1303": RateLimit,
    "1305": RateLimit,
    "1312": Overloaded,
    "1234": ServerError,
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
    "engine_overloaded_error": Overloaded,
    "server_is_overloaded": Overloaded,
    "slow_down": Overloaded,
    "unavailable": Overloaded,
    "insufficient_system_resource": Overloaded,
    "rate_limit_error": RateLimit,
    "rate_limit_exceeded": RateLimit,
    "rate_limit_reached_error": RateLimit,
    "resource_exhausted": RateLimit,
    "api_error": ServerError,
    "server_error": ServerError,
    "internal_error": ServerError,
    "internal": ServerError,
    "vector_store_timeout": ServerError,
    "network_error": ServerError,
    "conflict_error": ServerError,
}
_SPENT: Final = re.compile(r"(?:spend|usage)_limit_exceeded$")
_POLICY: Final = re.compile(r"_policy(?:_violation)?$")
_STATUSES: Final = re.compile(r"[45][0-9]{2}")

# What an error inside a successful answer would have had for a status.
_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "badrequesterror": 400,
    "timeout_error": 504,
    "deadline_exceeded": 504,
}

# What a client error's words mean when its code says nothing more exact.
_BY_WORDS: Final[tuple[tuple[type[LlmError], re.Pattern[str]], ...]] = (
    (
        ContextLength,
        re.compile(
            r"context[ _]length|context[ _]window|prompt is too long|prompt exceeds max length|too many tokens"
            r"|maximum context|exceed context limit|input token count.{0,60}exceeds"
        ),
    ),
    (
        QuotaExceeded,
        re.compile(
            r"insufficient_quota|credit balance|insufficient (?:account )?balance|insufficient credits|billing"
            r"|spend limit|api usage limits|exceeded your current quota"
        ),
    ),
    (ContentFilter, re.compile(r"content policy|content filter|safety|moderation|sensitive")),
    (
        Authentication,
        re.compile(
            r"api[ _]key not valid|(?:invalid|incorrect) (?:x-)?api[ -]?key|api key (?:has )?expired|unauthorized"
        ),
    ),
    (ModelNotFound, re.compile(r"model\b.{0,120}?(?:not found|does not exist|not exist)", re.DOTALL)),
)
_SPENT_IN_WORDS: Final = re.compile(r"spend limit|credit balance|insufficient (?:account )?balance|usage limit")
_WORDS_COUNT: Final = frozenset({0, 400, 403, 404, 413, 422})


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
    status = next((int(code) for code in said.codes if _STATUSES.fullmatch(code)), 0)
    status = status or next((_STATUS_OF_CODE[code] for code in said.codes if code in _STATUS_OF_CODE), 0)
    message = f"{endpoint.provider} reported an error in its answer: {said.message or 'without a message'}"
    fields: dict[str, Any] = {
        "provider": endpoint.provider,
        "model": endpoint.model,
        "status": status,
        "code": said.codes[0] if said.codes else "",
        "retry_after_s": retry_after_s({}, body),
        "request_id": request_id,
    }
    return _made(_kind(status, said, body), message, fields)


def _made(kind: type[LlmError], message: str, fields: dict[str, Any]) -> LlmError:
    if issubclass(kind, Timeout):
        return kind(message, phase="server", **fields)
    return kind(message, **fields)


def _kind(status: int, said: Said, body: object) -> type[LlmError]:
    for code in said.codes:
        kind = _by_code(code)
        if kind is RateLimit and _is_spent(code, said.message, body):
            return QuotaExceeded
        if kind is not None:
            return kind
    words = _by_words(said.message)
    if words is not None and (status in _WORDS_COUNT or (status == 429 and words is QuotaExceeded)):
        return words
    return _by_status(status)


def _by_code(code: str) -> type[LlmError] | None:
    if _SPENT.search(code):
        return QuotaExceeded
    kind = _BY_CODE.get(code)
    if kind is None and _POLICY.search(code):
        return ContentFilter
    if kind is None and "image" in code:
        return InvalidRequest
    return kind


def _is_spent(code: str, message: str, body: object) -> bool:
    """Say whether a rate limit is one that waiting does not lift.

    Words say little: one vendor speaks of quota and billing in every rate limit, and only a quota per day is spent.
    """
    if code == "resource_exhausted":
        return any(
            "perday" in str(violation.get("quotaId", "")).lower()
            for detail in error_details(body)
            for violation in _entries(detail.get("violations"))
        )
    return code == "rate_limit_error" and bool(_SPENT_IN_WORDS.search(message.lower()))


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
    return next((kind for kind, words in _BY_WORDS if words.search(text)), None)


def _overruled(kind: type[LlmError], should_retry: str) -> type[LlmError]:
    """Obey the provider's own word on retrying."""
    if should_retry == "true" and not kind.retryable:
        return ServerError
    if should_retry == "false" and kind.retryable:
        return QuotaExceeded if issubclass(kind, RateLimit) else LastingServerError
    return kind


def read_error(body: object) -> Said | None:
    """Return what `body` says, in any of the vendors' dialects; None when it says nothing of an error."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    if isinstance(inner, str) and inner:
        return Said(_cut(inner), _codes(body))
    if not isinstance(inner, Mapping):
        inner = body if _message(body) else None
    if inner is None:
        return None
    message = _message(inner)
    if not isinstance(message, str):
        message = _dumps(message)
    reasons = [detail["reason"] for detail in _entries(inner.get("details")) if isinstance(detail.get("reason"), str)]
    return Said(_cut(message), tuple(reason.lower() for reason in reasons) + _codes(inner))


def _message(said: Mapping[str, Any]) -> Any:
    return said.get("message") or said.get("detail") or said.get("msg") or ""


def _codes(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the code, type and status of an error, those that are words or numbers."""
    words = (said.get(key) for key in ("code", "type", "status"))
    return tuple(
        str(word).lower()[:_CODE_CHARS] for word in words if isinstance(word, str | int) and word not in {"", "error"}
    )


def _entries(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _dumps(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _plain(body: bytes) -> str:
    text = body[:4096].decode("utf-8", "replace").strip()
    return "a page of HTML" if text[:1] == "<" else _cut(text)


def _cut(text: str) -> str:
    text = " ".join(whole_characters(text[: _MESSAGE_CHARS * 4]).split())
    return text if len(text) <= _MESSAGE_CHARS else text[:_MESSAGE_CHARS] + " …"
