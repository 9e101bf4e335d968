"""Conformance checks 39-48 and what else the transport promises: limits, cancellation, connections, no surprises."""

import gzip
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.runtime.llm.errors import (
    Canceled,
    Configuration,
    InvalidRequest,
    LlmError,
    MalformedStream,
    Network,
    RateLimit,
    StreamTruncated,
    Timeout,
)
from attractor.runtime.llm.messages import Request, StreamEvent, TextDelta, user
from attractor.runtime.llm.transport import Limits, Transport
from attractor.runtime.llm.wire import HttpRequest

from .asking import ANTHROPIC, CHAT, KEY, PROTOCOLS, Cancelable, NotCanceled, ask, endpoint
from .raw_server import DONE, EVENT_STREAM, Answer, RawServer, data, event, waited_s

TEXT = "é, 日本 and 😀"
RECORDS = [
    {"id": "c", "model": "m", "choices": [{"delta": {"content": TEXT[:5]}}]},
    {"choices": [{"delta": {"content": TEXT[5:]}}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
]
PLAIN = b"".join(f"data: {json.dumps(record, ensure_ascii=False)}\n\n".encode() for record in RECORDS) + DONE
SOON_S = 0.1


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert [] == [thread.name for thread in set(threading.enumerate()) - before]


def drip(body: bytes, size: int = 1) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def pretty(records: Sequence[object]) -> bytes:
    lines = ["".join(f"data: {line}\n" for line in json.dumps(each, indent=1).splitlines()) + "\n" for each in records]
    return "".join(lines).encode() + DONE


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until close"])
@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([PLAIN], id="plain"),
        pytest.param([PLAIN.replace(b"\n", b"\r\n")], id="CRLF"),
        pytest.param([PLAIN.replace(b"\n", b"\r")], id="CR"),
        pytest.param(drip(PLAIN.replace(b"\n", b"\r\n")), id="CRLF, byte by byte"),
        pytest.param([PLAIN.replace(b"\n\n", b"\n\r\n", 2)], id="mixed line ends"),
        pytest.param([PLAIN.replace(b"data: ", b"data:")], id="no space"),
        pytest.param([pretty(RECORDS)], id="JSON over many lines"),
        pytest.param(drip(pretty(RECORDS).replace(b"\n", b"\r\n")), id="JSON over many lines, CRLF, byte by byte"),
        pytest.param(drip(PLAIN), id="byte by byte"),
        pytest.param([b"\xef\xbb\xbf" + PLAIN], id="byte order mark"),
        pytest.param(drip(b"\xef\xbb\xbf" + PLAIN), id="byte order mark, byte by byte"),
        pytest.param([PLAIN.removesuffix(b"\n\n")], id="no blank line at the end"),
        pytest.param([b"\n\n\n" + PLAIN.replace(b"\n\n", b"\n\n\n\n")], id="more blank lines"),
        pytest.param([b"id: 1\nretry: 5\n: note\n" + PLAIN], id="other fields"),
    ],
)
def test_check_39_however_the_bytes_come_the_turn_is_the_same(pieces: list[bytes], chunked: bool) -> None:
    with RawServer(Answer(pieces, chunked=chunked)) as server:
        response = ask(endpoint(CHAT, server.url))

    assert TEXT == response.text


@pytest.mark.flaky(reruns=3)
def test_check_40_a_server_that_keeps_the_connection_open_does_not_delay_the_turn() -> None:
    ended: list[float] = []
    answer = Answer([PLAIN, lambda: ended.append(time.monotonic())], chunked=False, end="keep")

    with RawServer(answer) as server:
        ask(endpoint(CHAT, server.url))
        late = waited_s(ended[0])

    assert late < SOON_S


@pytest.mark.flaky(reruns=3)
def test_check_40_neither_does_one_that_goes_on_talking() -> None:
    answer = Answer([PLAIN, *[b": ping\n\n"] * 200], pause_s=0.01, end="keep")

    with RawServer(answer) as server:
        started = time.monotonic()
        ask(endpoint(CHAT, server.url))

    assert waited_s(started) < 1


def timed(answer: Answer, limits: Limits, heard: list[StreamEvent] | None = None) -> tuple[Timeout, float]:
    with RawServer(answer) as server:
        started = time.monotonic()
        with pytest.raises(Timeout) as error:
            ask(endpoint(CHAT, server.url), limits=limits, heard=heard)
        return error.value, waited_s(started)


QUICK = Limits(connect_s=0.4, first_byte_s=0.4, idle_s=0.4)


@pytest.mark.flaky(reruns=3)
def test_check_41_silence_after_an_event_is_a_timeout() -> None:
    heard: list[StreamEvent] = []

    error, took_s = timed(Answer([data(RECORDS[0])], end="keep"), QUICK, heard)

    assert ("idle", True) == (error.phase, error.retryable)
    assert 0.3 < took_s < 0.8
    assert any(isinstance(each, TextDelta) for each in heard)


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize(
    "ping", [b": ping\n\n", event("ping", {"type": "ping"}), b"\n"], ids=["comment", "event", "blank"]
)
def test_check_42_pings_are_no_progress(ping: bytes) -> None:
    error, took_s = timed(Answer([data(RECORDS[0]), *[ping] * 100], pause_s=0.1, end="keep"), QUICK)

    assert ("progress", True) == (error.phase, error.retryable)
    assert 0.3 < took_s < 0.9


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize(
    ("answer", "limits", "phase"),
    [
        pytest.param(Answer([], end="keep"), QUICK, "first_byte", id="headers and no body"),
        pytest.param(Answer([lambda: time.sleep(0.6)], end="keep"), QUICK, "first_byte", id="body much later"),
        pytest.param(
            Answer([data(RECORDS[0])] * 50, pause_s=0.05), QUICK._replace(total_s=0.5), "total", id="more and more"
        ),
        pytest.param(
            Answer([b"x"] * 50, pause_s=0.05, status=500), QUICK._replace(total_s=0.5), "total", id="a dripping error"
        ),
    ],
)  # fmt: skip
def test_each_limit_has_its_phase(answer: Answer, limits: Limits, phase: str) -> None:
    error, took_s = timed(answer, limits)

    assert phase == error.phase
    assert took_s < 1


def test_headers_that_never_come_are_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Timeout) as error:
            ask(endpoint(CHAT, url), limits=QUICK)

    assert "first_byte" == error.value.phase


@pytest.fixture
def full_backlog() -> Iterator[str]:
    """The URL of a server that takes no connection any more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for each in waiting:
            each.close()


def test_a_connection_that_is_never_made_is_a_timeout(full_backlog: str) -> None:
    with pytest.raises(Timeout) as error:
        ask(endpoint(CHAT, full_backlog), limits=QUICK._replace(first_byte_s=5))

    assert ("connect", True) == (error.value.phase, error.value.retryable)


def canceled_after(seconds: float, url: str, heard: list[StreamEvent] | None = None) -> float:
    """Ask, cancel after a while, and return how long the call went on after that."""
    cancellation = Cancelable()
    moments: list[float] = []

    def cancel() -> None:
        moments.append(time.monotonic())
        cancellation.reason = "somebody said so"

    timer = threading.Timer(seconds, cancel)
    timer.start()
    try:
        with pytest.raises(Canceled) as error:
            ask(endpoint(CHAT, url), cancellation=cancellation, heard=heard)
        late_s = waited_s(moments[0])
    finally:
        timer.join()
    assert (False, False) == (error.value.retryable, error.value.failover_ok)
    return late_s


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer([], end="keep"), id="before the body"),
        pytest.param(Answer([data(RECORDS[0])], end="keep"), id="in the body"),
        pytest.param(Answer([data(RECORDS[0])], chunked=False, end="keep"), id="in a body without chunks"),
        pytest.param(Answer([data(RECORDS[0])] * 1000, pause_s=0.002), id="while events come"),
        pytest.param(Answer([b"{"], status=500, end="keep"), id="in the body of an error"),
    ],
)
def test_check_43_a_cancellation_ends_the_call_at_once(answer: Answer) -> None:
    with RawServer(answer) as server:
        assert canceled_after(0.15, server.url) < SOON_S


@pytest.mark.flaky(reruns=3)
def test_check_43_a_cancellation_ends_the_wait_for_headers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert canceled_after(0.15, f"http://127.0.0.1:{listener.getsockname()[1]}") < SOON_S


@pytest.mark.flaky(reruns=3)
def test_check_43_a_cancellation_ends_the_attempt_to_connect(full_backlog: str) -> None:
    assert canceled_after(0.15, full_backlog) < SOON_S


@pytest.mark.flaky(reruns=3)
def test_check_43_a_cancellation_ends_the_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert canceled_after(0.15, f"https://127.0.0.1:{listener.getsockname()[1]}") < SOON_S


@pytest.mark.flaky(reruns=3)
def test_check_43_a_cancellation_ends_the_lookup_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up, found = threading.Event(), threading.Event()

    def slow(*arguments: object, **keywords: object) -> list[object]:
        looked_up.set()
        found.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        assert canceled_after(0.15, "http://vendor.invalid") < SOON_S
    finally:
        found.set()
        for thread in threading.enumerate():
            if thread.name == "attractor-llm-lookup":
                thread.join()
    assert looked_up.is_set()


def test_a_cancellation_while_the_connection_is_drained_loses_nothing() -> None:
    cancellation = Cancelable()

    def cancel() -> None:
        cancellation.reason = "somebody said so"

    with RawServer(Answer([PLAIN, cancel], end="keep")) as server:
        assert TEXT == ask(endpoint(CHAT, server.url), cancellation=cancellation).text


def test_nothing_is_sent_after_a_cancellation() -> None:
    cancellation = Cancelable()
    cancellation.reason = "somebody said so"

    with RawServer(Answer([PLAIN])) as server:
        with pytest.raises(Canceled):
            ask(endpoint(CHAT, server.url), cancellation=cancellation)

        assert 0 == server.connections


def test_a_canceled_transport_serves_the_next_call() -> None:
    transport = Transport()
    cancellation = Cancelable()
    with RawServer(Answer([data(RECORDS[0])], end="keep"), Answer([PLAIN])) as server:
        timer = threading.Timer(0.1, lambda: setattr(cancellation, "reason", "stop"))
        timer.start()
        with pytest.raises(Canceled):
            ask(endpoint(CHAT, server.url), transport=transport, cancellation=cancellation)
        timer.join()

        assert TEXT == ask(endpoint(CHAT, server.url), transport=transport).text
        transport.close()


def test_check_44_a_page_of_html_is_quoted() -> None:
    with (
        RawServer(Answer([b"<html>log in first</html>"], content_type="text/html; charset=utf-8")) as server,
        pytest.raises(MalformedStream, match="log in first") as error,
    ):
        ask(endpoint(CHAT, server.url))

    assert error.value.retryable


@pytest.mark.parametrize("content_type", ["application/json", EVENT_STREAM, ""])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_error_that_comes_instead_of_events_is_typed(protocol: str, content_type: str) -> None:
    body = json.dumps({"error": {"code": "rate_limit_exceeded", "message": "slow"}}).encode()

    with RawServer(Answer([body], content_type=content_type)) as server, pytest.raises(RateLimit):
        ask(endpoint(protocol, server.url))


def test_check_45_a_broken_record_is_an_error_and_not_skipped() -> None:
    with (
        RawServer(Answer([data(RECORDS[0]), b'data: {"type":\n\n', PLAIN])) as server,
        pytest.raises(MalformedStream) as error,
    ):
        ask(endpoint(CHAT, server.url))

    assert error.value.retryable


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_record_that_the_end_cuts_is_truncated_and_not_broken(protocol: str) -> None:
    with (
        RawServer(Answer([b'data: {"type":"x"}\n\ndata: {"type":'], chunked=False)) as server,
        pytest.raises(StreamTruncated),
    ):
        ask(endpoint(protocol, server.url))


def test_text_that_is_not_utf_8_is_an_error() -> None:
    with RawServer(Answer([b'data: {"x": "\xff"}\n\n'])) as server, pytest.raises(MalformedStream, match="UTF-8"):
        ask(endpoint(CHAT, server.url))


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize(
    "piece", [pytest.param(b"data: x\n" * 5000, id="many lines"), pytest.param(b"x" * 1_000_000, id="many bytes")]
)
def test_one_event_has_its_bounds(piece: bytes) -> None:
    began = time.monotonic()
    with (
        RawServer(Answer([piece] * 200, chunked=False)) as server,
        pytest.raises(MalformedStream, match="an event of more than"),
    ):
        ask(endpoint(CHAT, server.url))

    assert waited_s(began) < 5


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until close"])
def test_a_connection_that_breaks_off_is_worth_another_try(end: str, chunked: bool) -> None:
    with RawServer(Answer([data(RECORDS[0])], chunked=chunked, end=end)) as server, pytest.raises(LlmError) as error:
        ask(endpoint(CHAT, server.url))

    assert isinstance(error.value, StreamTruncated if end == "close" and not chunked else Network)
    assert error.value.retryable


def test_nobody_there_is_a_network_error() -> None:
    with pytest.raises(Network, match=r"127\.0\.0\.1:9 failed: connection refused"):
        ask(endpoint(CHAT, "http://127.0.0.1:9"))


def test_a_name_that_nobody_knows_is_a_network_error() -> None:
    with pytest.raises(Network):
        ask(endpoint(CHAT, "http://nobody.invalid"))


def test_check_46_twenty_turns_need_at_most_two_connections() -> None:
    transport = Transport()
    with RawServer(Answer(drip(PLAIN, 40))) as server:
        for _ in range(20):
            ask(endpoint(CHAT, server.url), transport=transport)

        assert (20, True) == (len(server.received), server.connections <= 2)
    transport.close()


def test_a_connection_serves_on_after_an_error() -> None:
    transport = Transport()
    with RawServer(Answer([b"{}"], status=500), Answer([PLAIN])) as server:
        with pytest.raises(LlmError):
            ask(endpoint(CHAT, server.url), transport=transport)
        ask(endpoint(CHAT, server.url), transport=transport)

        assert 1 == server.connections
    transport.close()


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    transport = Transport()
    with RawServer(Answer([PLAIN, lambda: None], headers=[("Connection", "close")], end="whole")) as server:
        for _ in range(3):
            ask(endpoint(CHAT, server.url), transport=transport)
            time.sleep(0.01)
    transport.close()


@pytest.mark.parametrize(("protocol", "header"), [(CHAT, "authorization"), (ANTHROPIC, "x-api-key")])
def test_check_47_netrc_does_not_touch_the_key(
    protocol: str, header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    with RawServer(Answer([b"{}"], status=500)) as server, pytest.raises(LlmError):
        ask(endpoint(protocol, server.url))

    assert server.received[0].headers[header].endswith(KEY)
    assert "secret" not in str(server.received)
    assert "Basic" not in str(server.received)


def test_proxies_are_not_asked_about_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with RawServer(Answer([PLAIN])) as server:
        assert TEXT == ask(endpoint(CHAT, server.url)).text


def test_proxies_of_the_environment_are_asked_about_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with RawServer(Answer([PLAIN])) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)

        assert TEXT == ask(endpoint(CHAT, "http://vendor.invalid")).text
        assert "http://vendor.invalid/v1/chat/completions" == proxy.received[0].path


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_check_48_a_redirect_is_refused_and_not_followed(status: int) -> None:
    with (
        RawServer(Answer([b""], status=status, headers=[("Location", "/elsewhere")])) as server,
        pytest.raises(Configuration, match="redirect") as error,
    ):
        ask(endpoint(CHAT, server.url))

    assert ["POST"] == [each.method for each in server.received]
    assert (False, False) == (error.value.retryable, error.value.failover_ok)


def test_compressed_bodies_are_read_as_they_come() -> None:
    squeezed = gzip.compress(PLAIN)

    with RawServer(Answer(drip(squeezed, 7), headers=[("Content-Encoding", "gzip")])) as server:
        assert TEXT == ask(endpoint(CHAT, server.url)).text
    assert "identity" == server.received[0].headers["accept-encoding"]


def test_a_compressed_body_that_is_damaged_is_a_network_error() -> None:
    squeezed = gzip.compress(PLAIN)[:20] + b"damage" + gzip.compress(PLAIN)[26:]

    with (
        RawServer(Answer([squeezed], headers=[("Content-Encoding", "gzip")])) as server,
        pytest.raises(LlmError) as error,
    ):
        ask(endpoint(CHAT, server.url))

    assert error.value.retryable


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "-", "-out", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    path.write_bytes(made.stdout)
    return path


@pytest.fixture
def secured(certificate: Path) -> Callable[[socket.socket], socket.socket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return lambda connection: context.wrap_socket(connection, server_side=True)


def test_a_certificate_that_nobody_vouches_for_is_a_configuration_error(secured: Any) -> None:
    with (
        RawServer(Answer([PLAIN]), wrap=secured) as server,
        pytest.raises(Configuration, match="certificate of localhost"),
    ):
        ask(endpoint(CHAT, f"https://localhost:{server.port}"))


@pytest.mark.flaky(reruns=3)
def test_certificates_of_the_environment_count_and_a_read_over_tls_is_broken_off(
    secured: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with RawServer(Answer([PLAIN]), Answer([data(RECORDS[0])], end="keep"), wrap=secured) as server:
        url = f"https://localhost:{server.port}"

        assert TEXT == ask(endpoint(CHAT, url)).text
        assert canceled_after(0.15, url) < SOON_S


def test_certificates_that_are_not_there_are_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with pytest.raises(Configuration, match="REQUESTS_CA_BUNDLE"):
        ask(endpoint(CHAT, "https://127.0.0.1:9"))


@pytest.mark.parametrize("key", ["two\nlines", "two\r\nlines", "clé”"])
def test_a_key_that_no_header_can_carry_is_a_configuration_error_without_the_key(key: str) -> None:
    with RawServer(Answer([PLAIN])) as server, pytest.raises(Configuration) as error:
        ask(endpoint(CHAT, server.url), key=key)

    assert [] == server.received
    assert "two" not in str(error.value)
    assert "clé" not in str(error.value)


@pytest.mark.parametrize("url", ["127.0.0.1:80", "http://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://[::1"])
def test_an_address_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(Configuration):
        ask(endpoint(CHAT, url))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_request_that_is_no_json_is_typed_too(value: float) -> None:
    transport = Transport()
    post = HttpRequest("http://127.0.0.1:9/", {}, {"x": value})

    with pytest.raises(InvalidRequest):
        transport.post(post, QUICK, NotCanceled(), stream=True)


def test_lone_surrogates_do_not_break_the_body() -> None:
    with RawServer(Answer([PLAIN])) as server:
        ask(endpoint(CHAT, server.url), Request(messages=(user("a\ud83db é"),)))

    assert "a?b é" == server.received[0].body["messages"][0]["content"]


def test_a_key_is_in_no_message() -> None:
    answers = [Answer([b"{"], status=status) for status in (400, 401, 500)]
    with RawServer(*answers) as server:
        for _ in answers:
            with pytest.raises(LlmError) as error:
                ask(endpoint(CHAT, server.url + "/?token=" + KEY))
            assert KEY not in str(error.value)


def test_a_large_answer_is_read_to_its_bound() -> None:
    with (
        RawServer(Answer([b"x" * 100_000] * 20, status=500, content_type="text/plain")) as server,
        pytest.raises(LlmError) as error,
    ):
        ask(endpoint(CHAT, server.url))

    assert len(str(error.value)) < 1000


@pytest.mark.flaky(reruns=3)
def test_first_events_do_not_wait_for_later_ones() -> None:
    moments: list[float] = []
    went: list[float] = []
    pieces: list[bytes | Callable[[], None]] = []
    for _ in range(20):
        pieces += [lambda: went.append(time.monotonic()), data(RECORDS[0])]

    class Heard(list[StreamEvent]):
        def append(self, each: StreamEvent) -> None:
            if isinstance(each, TextDelta):
                moments.append(time.monotonic())

    with RawServer(Answer([*pieces, DONE], pause_s=0.005, chunked=False)) as server:
        ask(endpoint(CHAT, server.url), heard=Heard())

    late = sorted(came - left for came, left in zip(moments, went, strict=True))
    assert late[len(late) // 2] < 0.02


def test_pings_take_no_memory() -> None:
    import tracemalloc

    pings = (b": " + b"ping" * 250 + b"\n\n") * 50
    tracemalloc.start()
    with RawServer(Answer([*[pings] * 400, PLAIN])) as server:
        ask(endpoint(CHAT, server.url))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3_000_000


def test_sixteen_streams_at_once_do_not_mix() -> None:
    def one(number: int) -> None:
        word = f"<{number}>"
        records = [{"choices": [{"delta": {"content": word}}]}] * 50
        with RawServer(Answer([*map(data, records), DONE], pause_s=0.001)) as server:
            texts[number] = ask(endpoint(CHAT, server.url)).text

    texts: dict[int, str] = {}
    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: f"<{number}>" * 50 for number in range(16)} == texts
