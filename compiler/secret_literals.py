"""Keys and tokens that stand in run.yaml itself. What is found is never repeated, not even as a source excerpt."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .diagnostics import Diagnostic
from .source import Source, Span
from .yaml_reader import pointer_part

RULE = "run_secret_literal"

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk|xai|gsk|csk|key)[-_][A-Za-z0-9_-]{16,}|"
    r"AIza[A-Za-z0-9_-]{30,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|"
    r"hf_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|A[KS]IA[A-Z0-9]{16}|"
    r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|[Bb]earer\s+[A-Za-z0-9._~+/-]{16,}|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)
# One character is found in no time, so each is asked for before what keys begin with.
_BEGINNINGS: Mapping[str, tuple[str, ...]] = {
    "-": ("k-", "key-", "xai-", "xox", "glpat-", "PRIVATE KEY-"),
    "_": ("k_", "key_", "xai_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "hf_"),
    "I": ("AIza", "AKIA", "ASIA"),
    "J": ("eyJ",),
    "B": ("Bearer",),
    "b": ("bearer",),
}
_USER_IN_URL = re.compile(r"https?://[^/\s@:]*+:[^/\s@]++@|[?&](?:api_?)?key=[^&\s]{8,}", re.I)
_SECRET_HEADER = re.compile(r"(?:^|[-_])(?:authorization|cookie|key|token|secret|password|apikey)$", re.I)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def looks_like_a_key(text: str) -> bool:
    """Return whether `text` is rather a key than the name of a variable."""
    if _TOKEN.search(text) or (text and not _NAME.fullmatch(text)):
        return True
    small = any("a" <= character <= "z" for character in text)
    large = any("A" <= character <= "Z" for character in text)
    digit = any("0" <= character <= "9" for character in text)
    return len(text) >= 20 and digit and small and (large or "_" not in text)


def may_hold_a_key(text: str) -> bool:
    """Return whether it is worth while to look for keys in `text`: nearly always not, and found out fast."""
    return any(sign in text and any(each in text for each in beginnings) for sign, beginnings in _BEGINNINGS.items())


def secrets_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where in prose or in a command a key stands.

    Words with dashes look like some keys, so it must be of digits and of letters of both sizes:
    `key-value-store-on-disk` and `Bearer authentication/authorization` are not.
    """
    for match in _TOKEN.finditer(text):
        found = match[0]
        mixed = any(map(str.isdigit, found)) and not found.islower() and not found.isupper()
        if mixed or found.startswith(("AKIA", "ASIA", "-----")):
            yield match.span()


def secret_literals(values: Any, spans: Mapping[str, tuple[Span, Span]]) -> Iterator[Diagnostic]:
    """Yield one diagnostic per text of run.yaml that is or holds a secret."""
    waiting: list[tuple[str, str, str, Any]] = [("", "", "", values)]
    while waiting:
        pointer, parent, key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{pointer}/{pointer_part(name)}", key, str(name), below) for name, below in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{pointer}/{index}", parent, key, below) for index, below in enumerate(value)]
        elif isinstance(value, str) and value and (message := _message(parent, key, value)):
            span = spans[pointer][1] if pointer in spans else next(iter(spans.values()))[0]
            yield Diagnostic(RULE, span, message, subject=pointer)


def _message(parent: str, key: str, value: str) -> str:
    if key == "api_key_env":
        if looks_like_a_key(value):
            return 'here stands what looks like a key; "api_key_env" is the name of a variable, such as KIMI_API_KEY'
        return ""
    if parent == "headers" and _SECRET_HEADER.search(key):
        return f'header "{key}" holds a secret; name the variable that holds it with api_key_env'
    if parent == "env" and key == "pass":
        return f'"{key}" lists names of variables; here stands what looks like a key' if _TOKEN.search(value) else ""
    if _TOKEN.search(value) or (key in {"base_url", "path"} and _USER_IN_URL.search(value)):
        return f'"{key}" holds what looks like a key or token; put it into an environment variable'
    return ""


def masked(diagnostics: Iterable[Diagnostic], secrets: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return `diagnostics` with spans into copies of their sources in which every secret is covered with stars.

    A fix needs the real text, so a diagnostic with one keeps its source unless its own lines show a secret.
    """
    hidden: dict[int, list[Span]] = {}
    for secret in secrets:
        hidden.setdefault(id(secret.span.source), []).append(secret.span)
    copies: dict[int, Source] = {}
    shown = []
    for found in diagnostics:
        source = found.span.source
        spans = hidden.get(id(source))
        if spans is not None and (found.fix is None or _touches(found, spans)):
            if id(source) not in copies:
                copies[id(source)] = _covered(source, spans)
            shown.append(found._replace(span=found.span._replace(source=copies[id(source)]), fix=None))
        else:
            shown.append(found)
    return shown


def _touches(found: Diagnostic, spans: Iterable[Span]) -> bool:
    position = found.span.source.position
    first, last = position(found.span.start)[0], position(found.span.end)[0]
    return any(position(span.start)[0] <= last and position(span.end)[0] >= first for span in spans)


def _covered(source: Source, spans: Iterable[Span]) -> Source:
    pieces, at = [], 0
    for span in sorted(spans, key=lambda span: span.start):
        pieces.append(source.text[at : span.start])
        pieces.append(re.sub(r"[^\r\n]", "*", source.text[max(at, span.start) : span.end]))
        at = max(at, span.end)
    return Source(source.path, "".join(pieces) + source.text[at:])
