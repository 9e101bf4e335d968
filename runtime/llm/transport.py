"""One POST and what comes back: bytes as they arrive, cut into events, bounded in time, broken off when asked.

A watch thread per call enforces the limits and the cancellation by shutting the socket down; the reading thread then
finds out why it woke. Messages name the host, never the URL's query, a header or a body that was sent.
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from types import TracebackType
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
import sseclient
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import SSLError as Urllib3SslError

from ..world import Cancellation
from .body import Body
from .classify import read_error
from .connections import Line, session
from .errors import Canceled, Configuration, InvalidRequest, LlmError, MalformedStream, Network, Timeout
from .event_pieces import EventPieces
from .wire import HttpRequest, SseEvent

_BODY_BYTES: Final = 1_000_000  # of an answer that is no stream of events
_COMPLETE_BYTES: Final = 64_000_000  # of an unstreamed answer
_SHOWN_CHARS: Final = 500
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_TICK_S: Final = 0.02  # how soon a cancellation is seen
_DRAIN_S: Final = 0.05  # after the terminal event: the connection is kept only if the rest comes at once
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_NO_URL: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
_NO_HEADER: Final = (requests.exceptions.InvalidHeader, UnicodeError)


class Limits(NamedTuple):
    """Seconds; `total_s` 0 = none.

    `first_byte_s` runs until the first byte of the body; `idle_s` from then on, between payload events: comments and
    pings do not count.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 120.0
    total_s: float = 0.0


class Transport:
    """One session and the line it uses: for one thread, one call at a time."""

    def __init__(self) -> None:
        self._line = Line()
        self._session = session(self._line)

    def post(self, request: HttpRequest, limits: Limits, cancellation: Cancellation, *, stream: bool) -> "Answer":
        """Send `request` and return the answer once its headers are here; use it in a `with` block.

        Raises:
            LlmError: Network, Timeout, Configuration, InvalidRequest or Canceled.
        """
        if cancellation.reason:
            raise Canceled(f"canceled: {cancellation.reason}")
        body = request.content or written(request.body)
        verify = _certificates()
        self._line.begin()
        watch = _Watch(self._line, limits, cancellation)
        watch.start()
        try:
            response = self._session.post(
                request.url,
                data=body,
                headers={
                    "User-Agent": "attractor",
                    "Content-Type": "application/json",
                    "Accept": "text/event-stream" if stream else "application/json",
                    "Accept-Encoding": "identity",
                    **request.headers,
                },
                timeout=(limits.connect_s, None),
                allow_redirects=False,
                stream=True,
                proxies=_proxies(request.url),
                verify=verify,
            )
        except (requests.RequestException, Urllib3Error, OSError, AttributeError, ValueError) as error:
            raise _translated(error, watch, request.url) from None
        except BaseException:
            watch.stop()
            raise
        watch.headers_arrived()
        answer = Answer(response, watch, request.url)
        if 300 <= response.status_code < 400:
            with answer:
                raise Configuration(
                    f"{_host(request.url)} answered with a redirect ({response.status_code}); check base_url and path",
                    status=response.status_code,
                )
        return answer

    def close(self) -> None:
        self._session.close()


class Answer:
    """An answer whose headers are here. Leaving the `with` block returns or closes the connection."""

    def __init__(self, response: requests.Response, watch: "_Watch", url: str) -> None:
        self._response = response
        self._body = Body(response.raw)
        self._watch = watch
        self._url = url
        self._ended = False
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    def __enter__(self) -> "Answer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._ended:
            self._drain()
        self._watch.stop()
        self._response.close()

    def body(self, *, limit: int = _BODY_BYTES) -> bytes:
        """Return the whole body, cut after `limit` bytes. Raises LlmError."""
        pieces: list[bytes] = []
        size = 0
        for piece in self._pieces():
            self._watch.progress()
            pieces.append(piece)
            size += len(piece)
            if size >= limit:
                break
        return b"".join(pieces)[:limit]

    def json(self) -> Any:
        """Return the body of an unstreamed answer. Raises LlmError."""
        body = self.body(limit=_COMPLETE_BYTES)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedStream(
                f"{_host(self._url)} answered with something that is not JSON: {_quoted(body)}"
            ) from None

    def events(self) -> Iterator[SseEvent]:
        """Yield the payload events as they arrive.

        Raises:
            LlmError: MalformedStream when what comes is no event stream; Network, Timeout or Canceled.
        """
        kind = self.headers.get("content-type", "")
        if not kind.lower().startswith("text/event-stream"):
            yield self._instead(self.body(), kind or "no content type")
            return
        pieces = EventPieces(self._pieces())
        delivered = False
        try:
            for event in sseclient.SSEClient(iter(pieces)).events():
                if not event.data:
                    continue
                delivered = True
                if event.event != "ping":
                    self._watch.progress()
                yield SseEvent(event.event, event.data, not pieces.cut)
        except UnicodeDecodeError:
            raise MalformedStream(f"{_host(self._url)} sent an event that is not UTF-8") from None
        if not delivered and pieces.head:
            yield self._instead(pieces.head, "no event")

    def _instead(self, body: bytes, kind: str) -> SseEvent:
        """Return the error that came instead of events, for the protocol to read. Raises MalformedStream."""
        text = body.decode("utf-8", "replace").strip()
        for candidate in (text, text.partition("\n")[0]):
            try:
                said = read_error(json.loads(candidate))
            except (ValueError, RecursionError):
                continue
            if said is not None:
                return SseEvent("error", candidate)
        raise MalformedStream(f"{_host(self._url)} answered with {kind}: {_quoted(body)}")

    def _pieces(self) -> Iterator[bytes]:
        """Yield bytes as soon as there are any."""
        while True:
            try:
                piece = self._body.read()
            except (Urllib3Error, OSError, AttributeError, ValueError) as error:
                raise _translated(error, self._watch, self._url) from None
            if self._watch.cause is not None:
                raise self._watch.cause
            if not piece:
                self._ended = True
                return
            self._watch.bytes_arrived()
            yield piece

    def _drain(self) -> None:
        """Read what is left for a moment, so that the connection can serve the next call."""
        self._watch.drain()
        try:
            for _ in self._pieces():
                pass
        except LlmError:
            return


class _Watch:
    """Enforces one call's limits from a thread of its own."""

    def __init__(self, line: Line, limits: Limits, cancellation: Cancellation) -> None:
        self.cause: LlmError | None = None
        self._line = line
        self._limits = limits
        self._cancellation = cancellation
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attractor-llm-watch", daemon=True)
        self._started = self._progressed = self._heard = time.monotonic()
        self._phase = "headers"
        self._quiet = True
        self._advanced = False

    def start(self) -> None:
        self._thread.start()

    def headers_arrived(self) -> None:
        self._phase = "body"

    def bytes_arrived(self) -> None:
        self._heard = time.monotonic()
        if self._quiet:
            self._quiet = False
            self._progressed = self._heard

    def progress(self) -> None:
        self._advanced = True  # when, the watching thread finds out: an event must not cost a look at the clock

    def drain(self) -> None:
        self._progressed = time.monotonic()
        self._phase = "drain"

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_TICK_S):
            self.cause = self._trouble()
            if self.cause is not None:
                self._line.shut()
                return

    def _trouble(self) -> LlmError | None:
        now = time.monotonic()
        if self._advanced:
            self._advanced = False
            self._progressed = now
        limits = self._limits
        if self._cancellation.reason:
            return Canceled(f"canceled: {self._cancellation.reason}")
        if limits.total_s and now - self._started >= limits.total_s:
            return Timeout(f"no complete answer within {limits.total_s:g} s", phase="total")
        waited = now - self._progressed
        match self._phase:
            case "drain":
                if waited >= _DRAIN_S:
                    return Timeout("the connection was kept open after the last event", phase="drain")
            case _ if self._quiet:
                if waited >= limits.first_byte_s:
                    return Timeout(f"no answer within {limits.first_byte_s:g} s", phase="first_byte")
            case _:
                if waited >= limits.idle_s and now - self._heard >= limits.idle_s:
                    return Timeout(f"silent for {limits.idle_s:g} s", phase="idle")
                if waited >= limits.idle_s:
                    return Timeout(f"only pings for {limits.idle_s:g} s", phase="progress")
        return None


def written(body: Mapping[str, Any]) -> bytes:
    """Return a body as it is sent, each element of its lists in a line of its own: it is also kept for people.

    Raises:
        InvalidRequest: it cannot be written.
    """
    content = BytesIO()  # grows in place: a long body is there once
    try:
        for at, (key, value) in enumerate(body.items()):
            _write(content, f"{',' if at else '{'}{_encode(key)}:")
            _write_value(content, value)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}") from None
    _write(content, "}" if body else "{}")
    return content.getvalue()


def _write_value(content: BytesIO, value: Any) -> None:
    if not isinstance(value, list) or not value:
        _write(content, _encode(value))
        return
    for at, element in enumerate(value):
        _write(content, ",\n" if at else "[\n")
        _write(content, _encode(element))
    _write(content, "]\n")


def _write(content: BytesIO, text: str) -> None:
    content.write(text.encode("utf-8", "replace"))


def _certificates() -> str | bool:
    """Return whom to trust, as the environment says. Raises Configuration."""
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if path and not os.path.exists(path):
        raise Configuration(f"there are no certificates at {path!r}; see REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE")
    return path or True


def _translated(error: Exception, watch: _Watch, url: str) -> LlmError:
    """Return what `error` means; a call that the watch broke off failed for the watch's reason."""
    watch.stop()
    host = _host(url)
    if watch.cause is not None:
        return watch.cause
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Timeout(f"no connection to {host}", phase="connect")
    if isinstance(error, requests.exceptions.SSLError | Urllib3SslError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Configuration(f"the certificate of {host} cannot be verified")
        return Network(f"no secure connection to {host}: {type(error).__name__}")
    if isinstance(error, _NO_URL):
        return Configuration(f"the address of the provider is not a URL: {host!r}")
    if isinstance(error, _NO_HEADER):
        return Configuration(f"a header for {host} cannot be sent; is the key one line of plain letters?")
    return Network(f"the connection to {host} failed: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """Return the plainest words for what went wrong: the innermost system error, without any URL."""
    inner: BaseException | None = error
    words = type(error).__name__
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        reason = getattr(inner, "reason", None)
        following = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__
        if following is None and inner.args and isinstance(inner.args[0], BaseException):
            following = inner.args[0]
        words = type(inner).__name__
        inner = following
    return words


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return parts.hostname or parts.path if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]


def _proxies(url: str) -> dict[str, str]:
    """Return the proxies of the environment for `url`; none for this machine itself."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError as error:
        raise requests.exceptions.InvalidURL(str(error)) from None
    return {} if host in _LOOPBACK or host.startswith("127.") else dict(get_environ_proxies(url))


def _quoted(body: bytes) -> str:
    text = body[: 4 * _SHOWN_CHARS].decode("utf-8", "replace").strip()
    return repr(text[:_SHOWN_CHARS]) if text else "an empty body"
