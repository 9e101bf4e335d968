"""Where a conversation stands in its node's chain, and why it cannot go on."""

from collections.abc import Mapping, Sequence

from ..plan import Model, Provider
from .errors import LlmError
from .wire import Endpoint


def endpoints(chain: Sequence[Model], providers: Mapping[str, Provider]) -> tuple[Endpoint, ...]:
    """Return whom to ask, in order; a model's own flags go before its provider's."""
    return tuple(_endpoint(model, providers[model.provider]) for model in chain)


def _endpoint(model: Model, provider: Provider) -> Endpoint:
    assert provider.api is not None  # noqa: S101 - exec refuses chains that lead to other backends
    flags = {**provider.api.flags, **provider.api.model_flags.get(model.model, {})}
    return Endpoint(model.provider, model.model, provider.api._replace(flags=flags))


class Chain:
    """The finished chain of a node; a switch is for good."""

    def __init__(self, entries: Sequence[Endpoint], first: Provider, place: int = 0) -> None:
        """`first` is the provider whose failover list the chain is; `place` is where to begin."""
        self._entries = entries
        self._failover = first.failover
        self.place = place

    @property
    def entry(self) -> Endpoint:
        return self._entries[self.place]

    def next_after(self, error: LlmError) -> Endpoint | None:
        """Go on to the next entry and return it; None when there is none, or `error` is no reason to ask another."""
        if not error.failover_ok or self.place + 1 >= len(self._entries):
            return None
        self.place += 1
        return self.entry

    def refusal(self, error: LlmError) -> str:
        """Return why nobody else is asked after `error`; "" where nobody would be in any case."""
        if not error.failover_ok:
            return ""
        if self.place:
            return "no failover left after " + ", ".join(f"{each.provider} ({each.model})" for each in self._entries)
        provider = self._entries[0].provider
        if self._failover == "none":
            return f"no failover: run.yaml sets failover: [] for provider {provider}"
        return f"no failover: run.yaml declares no provider that {provider} could fail over to"
