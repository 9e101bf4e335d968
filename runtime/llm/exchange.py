"""One request and its response: encoded, sent, decoded; nothing is tried twice here."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ..world import Cancellation
from .errors import LlmError
from .keys import Keys
from .messages import Finished, Request, Response, StreamEvent
from .protocols import protocol
from .transport import Answer, Limits, Transport, written
from .wire import Endpoint, HttpError, HttpRequest, WireProtocol


class Ports(NamedTuple):
    """What an exchange goes through."""

    transport: Transport
    keys: Keys
    limits: Limits
    cancellation: Cancellation


def exchange(
    ports: Ports,
    request: Request,
    endpoint: Endpoint,
    *,
    stream: bool,
    on_sent: Callable[[HttpRequest], None],
    on_event: Callable[[StreamEvent], None],
) -> Response:
    """Return the whole response, streamed or not: `force_stream` endpoints answer a complete request as a stream, too.

    Raises:
        LlmError: with provider and model, and without keys.
    """
    wire = protocol(endpoint.api.protocol)
    stream = stream or endpoint.api.force_stream
    try:
        post = wire.encode(request, endpoint, ports.keys.of(endpoint), stream=stream)
        post = post._replace(content=written(post.body))
        on_sent(post)
        with ports.transport.post(post, ports.limits, ports.cancellation, stream=stream) as answer:
            if not 200 <= answer.status < 300:
                raise wire.error(
                    HttpError(answer.status, answer.headers, ports.keys.hide_bytes(answer.body())), endpoint
                )
            response = _read(wire, answer, request, endpoint, on_event, stream=stream)
            found = answer.headers.get("request-id") or answer.headers.get("x-request-id") or ""
            return ports.keys.cleaned_response(replace(response, request_id=response.request_id or found))
    except LlmError as error:
        error.provider, error.model = endpoint.provider, endpoint.model
        ports.keys.cleaned(error)
        raise


def _read(
    wire: WireProtocol,
    answer: Answer,
    request: Request,
    endpoint: Endpoint,
    on_event: Callable[[StreamEvent], None],
    *,
    stream: bool,
) -> Response:
    if not stream:
        return wire.decode_complete(answer.json(), endpoint, request)
    response: Response | None = None
    for event in wire.decode(answer.events(), endpoint, request):
        if isinstance(event, Finished):
            response = event.response
        else:
            on_event(event)
    assert response is not None  # noqa: S101 - a stream yields `Finished` or raises
    return response
