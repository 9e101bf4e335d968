"""OpenAI's errors, the same for Responses and Chat Completions."""

from collections.abc import Mapping
from typing import Any, Final

from .scenario import ErrorAnswer
from .turn import Failure
from .waiting import wait_headers

_ERRORS: Final[Mapping[str, tuple[int, str, str | None, str]]] = {  # status, type, code, message
    "invalid_request": (400, "invalid_request_error", None, "Invalid value for parameter."),
    "context_length": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 210000 tokens. "
        "Please reduce the length of the messages.",
    ),
    "content_filter": (
        400,
        "invalid_request_error",
        "content_policy_violation",
        "Your request was rejected as a result of our safety system.",
    ),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "billing": (402, "insufficient_quota", "credit_balance_exhausted", "Your credit balance is exhausted."),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-***."),
    "permission": (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    "model_not_found": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "conflict": (409, "conflict", None, "The request conflicts with one in progress."),
    "request_too_large": (413, "invalid_request_error", None, "Request entity too large"),
    "rate_limit": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3, Requested 1.",
    ),
    "server_error": (
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    "timeout": (504, "server_error", None, "Gateway timeout"),
    "overloaded": (
        503,
        "server_error",
        "server_is_overloaded",
        "The engine is currently overloaded, please try again later",
    ),
}


def failure(error: ErrorAnswer, model: str, number: int) -> Failure:
    headers = {"x-request-id": f"req_sim{number:06}", **wait_headers(error.retry_after, "x-ratelimit")}
    return Failure(_ERRORS[error.kind][0], {"error": record(error, model)}, headers)


def record(error: ErrorAnswer, model: str) -> dict[str, Any]:
    _, kind, code, message = _ERRORS[error.kind]
    return {
        "message": error.message or message.replace("{model}", model),
        "type": kind,
        "param": None,
        "code": code,
    }
