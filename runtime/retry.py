"""Whether another attempt is made, and after how long."""

import hashlib
from dataclasses import replace
from enum import StrEnum

from .outcome import FailureClass, Outcome, Status
from .plan import Backoff, Kind, Node


class Decision(StrEnum):
    KEEP = "keep"  # the outcome stands
    AGAIN = "again"  # another attempt
    BLOCKED = "blocked"  # attempts are left, but none of them could cure this
    SPENT = "spent"  # would be tried again, but no attempt is left


def decide(node: Node, outcome: Outcome, attempt: int) -> Decision:
    """Return what follows attempt number `attempt` (from 1) of a stage.

    transient_infra and a tool's failure are always tried again, `retry` as asked, cancellation never, every other
    failure never: an LLM stage that failed deterministically would spend the same money on the same failure.
    """
    match outcome.status:
        case Status.SUCCESS | Status.PARTIAL_SUCCESS | Status.SKIPPED | Status.CUSTOM:
            return Decision.KEEP
        case Status.RETRY:
            curable = outcome.failure_class is not FailureClass.CANCELED
        case Status.FAIL:
            curable = outcome.failure_class is FailureClass.TRANSIENT_INFRA or (
                node.kind is Kind.TOOL and outcome.failure_class is not FailureClass.CANCELED
            )
    if curable:
        return Decision.AGAIN if attempt < node.attempts else Decision.SPENT
    return Decision.BLOCKED if attempt < node.attempts else Decision.KEEP


def spent(node: Node, outcome: Outcome) -> Outcome:
    """Return what a `retry` becomes when no attempt is left: partial_success if allowed, else fail."""
    if outcome.status is not Status.RETRY:
        return outcome
    if node.allow_partial and outcome.failure_class is not FailureClass.CANCELED:
        notes = (
            f"attempts spent, partial result accepted: {outcome.failure_reason or outcome.notes or 'no reason given'}"
        )
        return replace(
            outcome,
            status=Status.PARTIAL_SUCCESS,
            word="partial_success",
            notes=notes,
            failure_reason="",
            failure_class=None,
            failure_signature="",
        )
    reason = outcome.failure_reason or f"asked for another attempt {node.attempts} times and gave no reason"
    return replace(outcome, status=Status.FAIL, word="fail", failure_reason=reason)


def delay_ms(backoff: Backoff, run_id: str, node_id: str, visit: int, retry: int) -> int:
    """Return how long to wait before retry number `retry` (from 1), at most `max_ms`.

    Jitter multiplies by 0.5 to 1.5, derived from who asks, so that a run is repeatable and two runs do not march in
    step.
    """
    try:
        delay = min(backoff.initial_ms * backoff.factor ** (retry - 1), backoff.max_ms)
    except OverflowError:  # larger than any bound
        delay = backoff.max_ms if backoff.initial_ms else 0
    if backoff.jitter:
        seed = hashlib.sha256(f"{run_id}|{node_id}|{visit}|{retry}".encode()).digest()
        delay *= 0.5 + int.from_bytes(seed[:4], "big") / 0xFFFFFFFF
    return min(round(delay), backoff.max_ms)
