"""What a plain YAML scalar means.

As YAML 1.1 has it (`yes`, `no`, `on` and `off` are booleans), with exceptions where that surprises people: dates and
`12:30` stay text, `1e3` is a number, and what JSON cannot say (`.inf`, `.nan`, numbers without end) stays text.
"""

import re
from typing import Any

_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULL = {"", "~", "null", "Null", "NULL"}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,29})")
_FLOAT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9_]{0,29})?\.[0-9][0-9_]{0,60}|(?:0|[1-9][0-9_]{0,29})\.?)(?:[eE][-+]?[0-9]{1,4})?"
)
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F]{1,16}")
_OCTAL = re.compile(r"[-+]?0o?[0-7]{1,20}")


def plain_value(text: str) -> Any:
    """Return what a plain scalar means."""
    if text in _NULL:
        return None
    if not text.isascii():
        return text
    low = text.lower()
    if low in _TRUTH and text in {low, low.capitalize(), low.upper()}:
        return _TRUTH[low]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _OCTAL.fullmatch(text):
        return int(text.replace("o", ""), 8)
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        return number if abs(number) < 1e300 else text
    return text
