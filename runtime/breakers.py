"""The bounds on repetition and spending: each answers with a `Trip` or None; the walk ends at the first trip.

Every reason names the limit, its value and what to change to raise it.
"""

from typing import NamedTuple

from .outcome import Dossier, FailureClass, Outcome, Status, Usage
from .plan import PASSIVE_KINDS, Limits, Node


class Trip(NamedTuple):
    breaker: str  # max_node_visits | loop_restart_signature_limit | max_restarts | max_llm_calls | ...
    limit: float
    value: float
    reason: str
    failure_class: FailureClass
    signature: str = ""


def visits(node: Node, visit: int) -> Trip | None:
    """Trip when visit number `visit` of the node, from 1, is more than it is allowed."""
    if not node.max_visits or visit <= node.max_visits:
        return None
    reason = (
        f"node {node.id!r} has been visited {node.max_visits} times, which is its limit; a loop does not end: "
        f"mend it, or raise max_visits on the node or max_node_visits on the graph"
    )
    return Trip("max_node_visits", node.max_visits, visit, reason, FailureClass.STRUCTURAL)


def counted_signature(node: Node, outcome: Outcome) -> str:
    """Return the signature that this visit adds to the breaker's counts; "" for none.

    A conditional passes a failure on and does not fail itself; a canceled stage was not at fault.
    """
    failed = outcome.status is Status.FAIL and outcome.failure_class is not FailureClass.CANCELED
    return outcome.failure_signature if failed and node.kind not in PASSIVE_KINDS else ""


def signatures(limits: Limits, node: Node, signature: str, count: int, outcome: Outcome) -> Trip | None:
    """Trip when the same failure of `node` occurred `signature_limit` times."""
    if not signature or count < limits.signature_limit:
        return None
    reason = (
        f"{node.id!r} failed in the same way {count} times, which is the limit "
        f"(raise the graph attribute loop_restart_signature_limit to allow more): {outcome.failure_reason}"
    )
    failure_class = outcome.failure_class or FailureClass.DETERMINISTIC
    return Trip("loop_restart_signature_limit", limits.signature_limit, count, reason, failure_class, signature)


def restarts(limits: Limits, restart: int, last: Dossier | None) -> Trip | None:
    """Trip when restart number `restart`, from 1, is more than the run may make; `last`: the failure before it."""
    if restart <= limits.max_restarts:
        return None
    reason = (
        f"an edge asks for restart number {restart}, the limit is {limits.max_restarts} "
        f"(raise the graph attribute max_restarts to allow more)"
    )
    if last is not None:
        reason += f"; {last.node!r} failed: {last.reason}"
    return Trip("max_restarts", limits.max_restarts, restart, reason, FailureClass.STRUCTURAL)


def spending(limits: Limits, usage: Usage) -> Trip | None:
    """Trip when one more LLM call would go over a limit. An unknown cost cannot: the compiler sees to that."""
    tokens = usage.input_tokens + usage.output_tokens
    spent: tuple[tuple[str, float | None, float | None], ...] = (
        ("max_llm_calls", limits.max_llm_calls, usage.llm_calls),
        ("max_total_tokens", limits.max_total_tokens, tokens),
        ("max_cost_usd", limits.max_cost_usd, usage.cost_usd),
    )
    for name, limit, value in spent:
        if limit is not None and value is not None and value >= limit:
            return _limit(name, limit, value)
    return None


def wall(limits: Limits, elapsed_ms: float) -> Trip | None:
    """Trip when the run's time is up; `elapsed_ms` leaves out the time spent waiting for people."""
    if limits.max_wall_ms is None or elapsed_ms < limits.max_wall_ms:
        return None
    return _limit("max_wall_ms", limits.max_wall_ms, round(elapsed_ms))


def _limit(name: str, limit: float, value: float) -> Trip:
    reason = f"limit reached: {name} is {limit}, used {value}; raise limits.{name} in run.yaml to allow more"
    return Trip(name, limit, value, reason, FailureClass.BUDGET_EXHAUSTED)
