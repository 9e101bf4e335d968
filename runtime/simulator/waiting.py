"""How providers say how long to wait: one header, or place in the body, per dialect."""

import datetime
import email.utils
import time
from collections.abc import Mapping

from .scenario import RetryAfter


def wait_headers(wait: RetryAfter | None, limits: str) -> Mapping[str, str]:
    """Return the headers that ask to wait; `limits` is the prefix of the vendor's headers about limits."""
    if wait is None:
        return {}
    match wait.dialect:
        case "seconds":
            return {"retry-after": f"{wait.s:g}"}
        case "milliseconds":
            return {"retry-after-ms": f"{wait.s * 1000:.0f}"}
        case "http_date":
            return {"retry-after": email.utils.formatdate(time.time() + wait.s, usegmt=True)}
        case "ratelimit_reset":
            return _reset(wait.s, limits)
        case _:  # retry_info: in the body
            return {}


def _reset(seconds: float, limits: str) -> Mapping[str, str]:
    if limits.startswith("anthropic"):
        moment = datetime.datetime.fromtimestamp(time.time() + seconds, datetime.UTC)
        shown = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {f"{limits}-requests-remaining": "0", f"{limits}-requests-reset": shown}
    minutes, rest = divmod(seconds, 60)
    shown = f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s" if rest >= 1 else f"{rest * 1000:.0f}ms"
    return {f"{limits}-remaining-requests": "0", f"{limits}-reset-requests": shown}
