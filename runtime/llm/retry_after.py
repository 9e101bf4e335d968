"""How long a provider asks to wait, in the dialects they say it."""

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EPOCH_S: Final = 1e9  # from here on a bare number is a moment, not a duration
_EPOCH_MS: Final = 1e12


def retry_after_s(headers: Mapping[str, str], body: object) -> float | None:
    """Return how long the provider asks to wait; None when it does not say.

    Args:
        headers: names in lower case.
        body: the answer's JSON value, None when it is none.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    written = headers.get("retry-after", "")
    for wait in (_number(written), _until(written), _retry_delay(body)):
        if wait is not None:
            return wait
    resets = [
        _duration_s(value)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-reset") and headers.get(name.replace("reset", "remaining")) in {None, "0"}
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def error_details(body: object) -> list[Mapping[str, Any]]:
    """Return the details of Google's error object."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []


def _retry_delay(body: object) -> float | None:
    """Return Google's `RetryInfo.retryDelay` ("37s")."""
    for detail in error_details(body):
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            return _duration_s(str(detail.get("retryDelay", "")))
    return None


def _duration_s(text: str) -> float | None:
    """Read `37s`, `6m0s`, `120ms`, `1.5`; a bare number that is too large for a duration is a moment."""
    at = 0
    total = 0.0
    text = text.strip()[:40]
    while at < len(text):
        match = _DURATION.match(text, at)
        if match is None:
            return None
        total += float(match[1]) * _UNIT_S[match[2] or "s"]
        at = match.end()
    if total >= _EPOCH_S:
        total = max(0.0, (total / 1000 if total >= _EPOCH_MS else total) - time.time())
    return total if text else None


def _number(text: str) -> float | None:
    """Read seconds; less than none is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if -_EPOCH_S < value < _EPOCH_S else None


def _until(text: str) -> float | None:
    """Read an HTTP date as seconds from now."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
