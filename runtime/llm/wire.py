"""What passes between protocols and transport: HTTP requests out, server-sent events in."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from ..outcome import Json
from ..plan import Api
from .errors import LlmError
from .messages import Request, Response, StreamEvent


class Endpoint(NamedTuple):
    """Whom a request goes to: one entry of a chain with its provider's settings."""

    provider: str
    model: str
    api: Api


class HttpRequest(NamedTuple):
    """A POST. `headers` hold the key: they are never logged, and neither is the URL's query."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Json]
    content: bytes = b""  # the body as it is sent, once it has been written


class SseEvent(NamedTuple):
    """One payload event; comments never get this far."""

    name: str  # the `event:` field; "message" when there was none
    data: str
    whole: bool = True  # False: the stream ended inside it, or right after it


class HttpError(NamedTuple):
    """An answer that is no success."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # at most 1 MB


class WireProtocol(Protocol):
    """One protocol, four pure functions; `protocols.PROTOCOLS` says which is which."""

    def encode(self, request: Request, endpoint: Endpoint, key: str, *, stream: bool) -> HttpRequest:
        """Return the POST that asks `request`; `key` is "" where the endpoint needs none."""
        ...

    def decode(self, events: Iterator[SseEvent], endpoint: Endpoint, request: Request) -> Iterator[StreamEvent]:
        """Yield what a stream says, `Finished` last.

        Raises:
            LlmError: the stream reports an error, breaks the protocol, or ends without its terminal event.
        """
        ...

    def decode_complete(self, body: Json, endpoint: Endpoint, request: Request) -> Response:
        """Return the response that an unstreamed answer holds. Raises LlmError."""
        ...

    def error(self, answer: HttpError, endpoint: Endpoint) -> LlmError:
        """Return the typed error that an unsuccessful answer means: status and body decide."""
        ...
