"""What kind of failure it was, and when two failures are the same one.

A class comes from an explicit word, else from the error's type (the step knows), else from the reason's text, matched
on whole words. Bare digits never decide: 502 is a status code only beside "http" or "status", else it is a line number.
"""

import re
from collections.abc import Mapping

from .outcome import FailureClass

SIGNATURE_CHARS = 240
READ_CHARS = 8_000  # of a reason; the rest cannot change what kind of failure it was

ALIASES: Mapping[str, FailureClass] = {
    "transient_infra": FailureClass.TRANSIENT_INFRA,
    "transient": FailureClass.TRANSIENT_INFRA,
    "infra_transient": FailureClass.TRANSIENT_INFRA,
    "infrastructure_transient": FailureClass.TRANSIENT_INFRA,
    "infra": FailureClass.TRANSIENT_INFRA,
    "retryable": FailureClass.TRANSIENT_INFRA,
    "toolchain_workspace_io": FailureClass.TRANSIENT_INFRA,
    "toolchain_or_dependency_registry_unavailable": FailureClass.TRANSIENT_INFRA,
    "deterministic": FailureClass.DETERMINISTIC,
    "non_transient": FailureClass.DETERMINISTIC,
    "permanent": FailureClass.DETERMINISTIC,
    "logic": FailureClass.DETERMINISTIC,
    "product": FailureClass.DETERMINISTIC,
    "canceled": FailureClass.CANCELED,
    "cancelled": FailureClass.CANCELED,
    "budget_exhausted": FailureClass.BUDGET_EXHAUSTED,
    "budget": FailureClass.BUDGET_EXHAUSTED,
    "structural": FailureClass.STRUCTURAL,
    "structure": FailureClass.STRUCTURAL,
    "scope_violation": FailureClass.STRUCTURAL,
    "write_scope_violation": FailureClass.STRUCTURAL,
}

_CANCELED = re.compile(r"\bcancell?ed\b")
_TRANSIENT = re.compile(
    r"\b(?:"
    r"timeout|timed out|time-out|deadline exceeded"
    r"|connection (?:refused|reset|aborted|closed)|broken pipe|econnrefused|econnreset|etimedout"
    r"|no route to host|network is unreachable|could not resolve (?:host|hostname)|name resolution"
    r"|temporary failure|temporarily unavailable|try again|rate limit(?:ed|s)?|too many requests|overloaded"
    r"|service unavailable|bad gateway|gateway timeout|internal server error"
    r"|dial tcp|transport is closing|stream (?:disconnected|closed before)|invalid cross-device link"
    r"|(?:http|status)(?:/[0-9.]+)?(?: code)?[ :=]{0,3}(?:408|429|500|502|503|504|529)"
    r")\b"
)
_BUDGET = re.compile(
    r"\b(?:turn limit|max[_ ](?:agent[_ ])?turns|max[_ ]tokens|token limit|budget exhausted"
    r"|context (?:length|window) exceeded)\b"
)
_STRUCTURAL = re.compile(r"\b(?:write )?scope violation\b")

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_HEX = re.compile(r"\b(?:0x[0-9a-f]+|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,64})\b")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def parse_class(word: str) -> FailureClass | None:
    """Return the class that a stage named: None for no word, deterministic for a word that nobody knows."""
    key = word.strip().lower().replace("-", "_").replace(" ", "_")
    return ALIASES.get(key, FailureClass.DETERMINISTIC) if key else None


def classify(reason: str) -> FailureClass:
    """Return the class that the text of a reason speaks of; deterministic when it speaks of none."""
    text = reason[:READ_CHARS].lower()
    if _CANCELED.search(text):
        return FailureClass.CANCELED
    if _TRANSIENT.search(text):
        return FailureClass.TRANSIENT_INFRA
    if _BUDGET.search(text):
        return FailureClass.BUDGET_EXHAUSTED
    if _STRUCTURAL.search(text):
        return FailureClass.STRUCTURAL
    return FailureClass.DETERMINISTIC


def signature(node_id: str, failure_class: FailureClass, reason: str) -> str:
    """Return `node|class|reason` without what differs between two occurrences of one failure."""
    return f"{node_id}|{failure_class}|{normalise(reason) or 'no reason'}"


def normalise(reason: str) -> str:
    text = " ".join(reason[:READ_CHARS].lower().split())
    text = _NUMBER.sub("<n>", _HEX.sub("<hex>", _UUID.sub("<hex>", text)))
    return text[:SIGNATURE_CHARS]
