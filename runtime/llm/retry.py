"""How long to wait before the same model is asked again, and when not to."""

import hashlib

from ..plan import LlmBackoff

_EXTRA = 0.1  # of what the provider asks for: whoever wakes exactly then wakes with everybody else


def delay_ms(backoff: LlmBackoff, who: str, retry: int, asked_s: float | None) -> int | None:
    """Return how long to wait before retry number `retry` (from 1); None when waiting is not worth it.

    A provider that says how long is obeyed, as long as it asks for no more than `max_ms`. Else the delay grows from
    `base_ms` by `factor`, at most to `max_ms`.

    Args:
        who: what the jitter is derived from, so that a run is repeatable and two do not march in step.
        asked_s: what the provider said, None if nothing.
    """
    share = _share(f"{who}|{retry}") if backoff.jitter else None
    if asked_s is not None:
        if asked_s * 1000 > backoff.max_ms:
            return None
        return round(asked_s * 1000 * (1 if share is None else 1 + _EXTRA * share))
    try:
        delay = min(backoff.base_ms * backoff.factor ** (retry - 1), backoff.max_ms)
    except OverflowError:  # larger than any bound
        delay = backoff.max_ms if backoff.base_ms else 0
    return min(round(delay * (1 if share is None else 0.5 + share)), backoff.max_ms)


def _share(seed: str) -> float:
    """Return a number from 0 to 1 that `seed` alone decides."""
    return int.from_bytes(hashlib.sha256(seed.encode("utf-8", "replace")).digest()[:4], "big") / 0xFFFFFFFF
