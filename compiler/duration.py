"""Durations as people write them: `250ms 900s 15m 2h 1d`."""

import re

_DURATION = re.compile(r"([0-9]{1,12}+)(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_duration_ms(text: str) -> int | None:
    """Return the milliseconds of one whole number with one unit, and None for anything else.

    A bare integer is None too: what it means depends on where it stands.
    """
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNIT_MS[match[2]] if match else None
