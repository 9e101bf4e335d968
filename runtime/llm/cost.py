"""What a call used and what that cost."""

from ..outcome import Usage
from ..plan import Price
from .messages import TokenUsage

_PER = 1_000_000  # prices are USD per million tokens


def usage_of(tokens: TokenUsage, price: Price | None) -> Usage:
    """Return the usage of one request that was answered."""
    return Usage(
        llm_calls=1,
        input_tokens=tokens.input_total or 0,
        output_tokens=tokens.output_total or 0,
        cache_read_tokens=tokens.cache_read or 0,
        cache_write_tokens=tokens.cache_write or 0,
        cost_usd=cost_usd(tokens, price),
    )


def usage_of_failure(seen: TokenUsage, price: Price | None) -> Usage:
    """Return the usage of a request that failed: what it had reported until then.

    What a broken stream cost beyond its last report nobody knows; to call the whole run's cost unknown for it would
    switch `max_cost_usd` off.
    """
    if seen.input_total is None and seen.output_total is None:
        return Usage(llm_calls=1)
    known = seen._replace(input_total=seen.input_total or 0, output_total=seen.output_total or 0)
    return usage_of(known, price)


def cost_usd(tokens: TokenUsage, price: Price | None) -> float | None:
    """Return what the tokens cost; None where the price or a count is not known, which is not the same as nothing.

    Counts are inclusive: cached input is charged at its own prices, only the rest at the input's. A price that the
    vendor does not list for cached tokens is the input's.
    """
    if price is None or tokens.input_total is None or tokens.output_total is None:
        return None
    read, written = tokens.cache_read or 0, tokens.cache_write or 0
    plain = max(0, tokens.input_total - read - written)
    return (
        plain * price.input
        + read * (price.input if price.cache_read is None else price.cache_read)
        + written * (price.input if price.cache_write is None else price.cache_write)
        + tokens.output_total * price.output
    ) / _PER
