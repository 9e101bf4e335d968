"""Asking along a chain: retries, then failover, within the run's limits, each step told.

No tool runs before a response is complete, so whatever breaks off is asked again as a whole.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from ..breakers import spending
from ..events import LlmFailedOver, LlmRequestSent, LlmResponseReceived, LlmRetryScheduled, Warned
from ..outcome import NO_USAGE, Usage
from ..plan import Model, Plan
from ..world import Pulse, World
from .cost import usage_of, usage_of_failure
from .errors import Canceled, LimitReached, LlmError
from .exchange import Ports, exchange
from .failover import Chain, endpoints
from .keys import Keys
from .messages import Request, Response, StreamEvent, TokenUsage, UsageSnapshot
from .retry import delay_ms
from .transport import Limits, Transport
from .wire import Endpoint, HttpRequest

RequestFor = Request | Callable[[Endpoint], Request]


class Asker(NamedTuple):
    """On whose behalf models are asked: one attempt of a stage."""

    run_id: str
    node_id: str
    visit: int
    attempt: int


class Attempt(NamedTuple):
    """One HTTP request and how it went. `error` is None for an answer, `response` for a failure."""

    number: int  # from 1, over the whole conversation
    endpoint: Endpoint
    duration_ms: int
    usage: Usage
    response: Response | None
    error: LlmError | None


class Observer(Protocol):
    """Who is shown what goes over the wire, keys taken out."""

    def sent(self, number: int, endpoint: Endpoint, post: HttpRequest) -> None:
        """See a request before it leaves; its headers hold the key."""
        ...

    def heard(self, event: StreamEvent) -> None:
        """See a response grow; it counts for nothing before it is whole."""
        ...

    def ended(self, attempt: Attempt) -> None: ...


class Conversation:
    """The calls of one stage, one after another; a `with` block closes its connections.

    It remembers its place in the chain: after a failover the next call goes where the last one was answered.
    """

    def __init__(
        self,
        plan: Plan,
        chain: Sequence[Model],
        asker: Asker,
        world: World,
        observer: Observer,
        *,
        place: int = 0,
        limits: Limits | None = None,
    ) -> None:
        """Look up the keys of the whole chain; nothing is sent. Raises Configuration."""
        entries = endpoints(chain, plan.providers)
        self._plan = plan
        self._asker = asker
        self._world = world
        self._observer = observer
        self._limits = limits or Limits()
        self._chain = Chain(entries, plan.providers[chain[0].provider], place)
        self._keys = Keys(world.keys)
        self._keys.check(entries)
        self._transport = Transport()
        self.attempts: list[Attempt] = []
        self.usage = NO_USAGE

    @property
    def place(self) -> int:
        """Where in the chain it stands; 0 is the node's own model."""
        return self._chain.place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()
        self._world.meter.running(self, NO_USAGE)

    def hide(self, text: str) -> str:
        """Return `text` without the keys of the chain."""
        return self._keys.hide(text)

    def ask(self, request: RequestFor, *, stream: bool = True) -> Response:
        """Return the response of the first entry of the chain that gives one.

        Args:
            request: the same for everybody, or what to ask whom: tools and prompts may differ by vendor.

        Raises:
            LlmError: the last error, saying why nobody else was asked; LimitReached or Canceled at any time.
        """
        while True:
            try:
                return self._ask_entry(request, stream=stream)
            except LlmError as error:
                given_up = self._chain.entry
                taken = self._chain.next_after(error)
                if taken is None:
                    raise _with_reason(error, self._chain.refusal(error)) from None
                self._world.emit(
                    LlmFailedOver(
                        *self._asker[1:], given_up.provider, given_up.model, taken.provider, taken.model, error.message
                    )
                )

    def _ask_entry(self, request_for: RequestFor, *, stream: bool) -> Response:
        """Ask one entry, and again while that may help. Raises LlmError."""
        endpoint, policy = self._chain.entry, self._plan.policy
        request = request_for if isinstance(request_for, Request) else request_for(endpoint)
        retry = 0
        while True:
            error = self._ask_once(request, endpoint, stream=stream)
            if not isinstance(error, LlmError):
                return error
            retry += 1
            if not error.retryable or retry > policy.max_llm_retries:
                raise _with_reason(error, f"asked {retry} times" if retry > 1 else "")
            delay = delay_ms(policy.llm_backoff, self._seed(endpoint), retry, error.retry_after_s)
            if delay is None:
                most = f"llm_backoff.max_ms is {policy.llm_backoff.max_ms}"
                raise _with_reason(error, f"it asks to wait {error.retry_after_s:g} s, and {most}")
            self._world.emit(
                LlmRetryScheduled(
                    *self._asker[1:], endpoint.provider, endpoint.model, len(self.attempts), delay, error.message
                )
            )
            if delay:
                with self._world.pulse.still():
                    self._world.cancellation.wait(delay / 1000)

    def _ask_once(self, request: Request, endpoint: Endpoint, *, stream: bool) -> Response | LlmError:
        """Make one HTTP request; return the response, or what went wrong. Raises LimitReached or Canceled before it."""
        self._check()
        number, clock = len(self.attempts) + 1, self._world.clock
        counted = _Counted(self._observer, self._world.pulse)
        self._world.emit(LlmRequestSent(*self._asker[1:], endpoint.provider, endpoint.model, number))
        started_s = clock.now_s()
        response: Response | None = None
        failed: LlmError | None = None
        try:
            response = exchange(
                Ports(self._transport, self._keys, self._limits, self._world.cancellation),
                request,
                endpoint,
                stream=stream,
                on_sent=lambda post: self._observer.sent(number, endpoint, post),
                on_event=counted,
            )
        except LlmError as error:
            failed = error
        price = self._plan.providers[endpoint.provider].prices.get(endpoint.model)
        usage = usage_of(response.usage, price) if response else usage_of_failure(counted.tokens, price)
        attempt = Attempt(number, endpoint, round((clock.now_s() - started_s) * 1000), usage, response, failed)
        self._record(attempt)
        result = response or failed
        assert result is not None  # noqa: S101 - `exchange` returns or raises
        return result

    def _check(self) -> None:
        """Raise if the run is to stop, or if one more call would go over one of its limits."""
        reason = self._world.cancellation.reason
        if reason:
            raise Canceled(f"canceled: {reason}")
        self._world.meter.running(self, self.usage)
        trip = spending(self._plan.limits, self._world.meter.usage)
        if trip is not None:
            raise LimitReached(trip.reason)

    def _record(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.usage += attempt.usage
        self._world.meter.running(self, self.usage)
        self._observer.ended(attempt)
        response, endpoint = attempt.response, attempt.endpoint
        if response is None:
            return
        self._world.emit(
            LlmResponseReceived(
                *self._asker[1:],
                endpoint.provider,
                endpoint.model,
                attempt.number,
                response.finish,
                attempt.usage.input_tokens,
                attempt.usage.output_tokens,
                attempt.usage.cache_read_tokens,
                attempt.usage.cache_write_tokens,
                attempt.usage.cost_usd,
                attempt.duration_ms,
            )
        )
        if attempt.usage.cost_usd is None and self._plan.limits.max_cost_usd is not None:
            who = f"{endpoint.provider} ({endpoint.model})"
            self._world.emit(Warned(f"{who} did not say what it used; limits.max_cost_usd cannot count this call"))

    def _seed(self, endpoint: Endpoint) -> str:
        asker = self._asker
        return f"{asker.run_id}|{asker.node_id}|{asker.visit}|{asker.attempt}|{endpoint.provider}|{len(self.attempts)}"


class _Counted:
    """Passes events on and remembers the last usage: a stream that breaks off has cost that."""

    def __init__(self, observer: Observer, pulse: Pulse) -> None:
        self._pass_on: Callable[[StreamEvent], None] = observer.heard
        self._beat = pulse.beat
        self.tokens = TokenUsage()

    def __call__(self, event: StreamEvent) -> None:
        self._beat()
        if isinstance(event, UsageSnapshot):
            self.tokens = event.usage
        self._pass_on(event)


def _with_reason(error: LlmError, reason: str) -> LlmError:
    """Return `error` itself, `reason` added to its message."""
    if reason:
        error.message = f"{error.message}; {reason}"
        error.args = (error.message,)
    return error
