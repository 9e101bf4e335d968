"""What a scenario can do to an answer on its way, byte by byte over a bare socket."""

import email.utils
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests


class Heard(NamedTuple):
    head: str
    body: bytes  # as it came, chunk frames included
    pieces: list[bytes]  # what each read returned
    ended: str  # closed, reset or silent
    elapsed_s: float

    @property
    def events(self) -> list[str]:
        return [line.partition(b":")[2].strip().decode() for line in self.body.splitlines() if line[:6] == b"event:"]


def hear(simulator: Any, answer: Mapping[str, Any], *, stream: bool = True, wait_s: float = 5.0) -> Heard:
    """Ask once for `answer` over a socket of our own and keep reading until it ends, or says nothing for `wait_s`."""
    simulator.script(answer)
    body = json.dumps({"model": "m", "stream": stream, "messages": []}).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", urlsplit(simulator.url).port or 0), timeout=wait_s) as connection:
        connection.sendall(head.encode() + body)
        pieces: list[bytes] = []
        ended = "closed"
        try:
            while piece := connection.recv(65536):
                pieces.append(piece)
        except ConnectionResetError:
            ended = "reset"
        except TimeoutError:
            ended = "silent"
    before, _, after = b"".join(pieces).partition(b"\r\n\r\n")
    return Heard(before.decode("latin-1"), after, pieces, ended, time.monotonic() - began)


def deliver(**delivery: Any) -> dict[str, Any]:
    return {"text": ["Hé", "llo"], "delivery": delivery}


PLAIN = [
    "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
    "content_block_stop", "message_delta", "message_stop",
]  # fmt: skip


def test_a_plain_answer_is_chunked_and_complete(simulator: Any) -> None:
    heard = hear(simulator, deliver())

    assert (PLAIN, "closed") == (heard.events, heard.ended)
    assert heard.body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("how", "ended", "framed"), [("close", "closed", False), ("end", "closed", True), ("reset", "reset", False)]
)
def test_an_answer_breaks_off_after_some_records(simulator: Any, how: str, ended: str, framed: bool) -> None:
    heard = hear(simulator, deliver(drop={"after_events": 4, "how": how}))

    assert (PLAIN[:4], ended, framed) == (heard.events, heard.ended, heard.body.endswith(b"\r\n0\r\n\r\n"))


def test_an_answer_breaks_off_after_some_bytes(simulator: Any) -> None:
    heard = hear(simulator, deliver(chunked=False, drop={"after_bytes": 30}))
    whole = hear(simulator, deliver(drop={"after_bytes": 10}), stream=False)

    assert b'event: message_start\ndata: {"t' == heard.body
    assert 10 == len(whole.body)
    assert "Content-Length: 4" in whole.head  # hundred and more


def test_the_terminal_record_can_be_missing(simulator: Any) -> None:
    assert PLAIN[:-1] == hear(simulator, deliver(terminal=False)).events


def test_silence_keeps_the_connection_open(simulator: Any) -> None:
    heard = hear(simulator, deliver(silence={"after_events": 1, "s": 60}), wait_s=0.2)

    assert (["message_start"], "silent") == (heard.events, heard.ended)


def test_records_drip(simulator: Any) -> None:
    heard = hear(simulator, deliver(drip_ms=20))

    assert heard.elapsed_s >= 0.02 * len(PLAIN)
    assert len(heard.pieces) > len(PLAIN) - 2


def test_the_status_line_is_late(simulator: Any) -> None:
    assert hear(simulator, deliver(delay_ms=150)).elapsed_s >= 0.15


@pytest.mark.parametrize(
    ("form", "expected"), [("comment", b": keep-alive\n\n"), ("event", b'event: ping\ndata: {"type":"ping"}\n\n')]
)
def test_pings_carry_nothing(simulator: Any, form: str, expected: bytes) -> None:
    heard = hear(simulator, deliver(pings={"form": form, "after_events": 0, "times": 3}))

    assert 3 == heard.body.partition(b"message_start")[0].count(expected)


def test_garbage_stands_between_records(simulator: Any) -> None:
    heard = hear(simulator, deliver(garbage={"after_events": 3, "text": 'data: {"type":\n\n'}))

    assert heard.body.index(b"ping") < heard.body.index(b'data: {"type":\n\n') < heard.body.index("Hé".encode())


def test_line_ends_blanks_marks_and_layout_vary(simulator: Any) -> None:
    heard = hear(simulator, deliver(line_end="crlf", space=False, bom=True, pretty=True, chunked=False))
    old = hear(simulator, deliver(line_end="cr", chunked=False))

    assert heard.body.startswith(b'\xef\xbb\xbfevent:message_start\r\ndata:{\r\ndata: "type": "message_start",\r\n')
    assert b"\n" not in old.body


def test_letters_are_split_between_segments(simulator: Any) -> None:
    heard = hear(simulator, deliver(split_utf8=True, chunked=False))

    assert any(piece.endswith(b"H\xc3") for piece in heard.pieces)
    assert "Hé".encode() in heard.body


def test_segments_are_small(simulator: Any) -> None:
    heard = hear(simulator, deliver(segment_bytes=5))

    assert heard.body.startswith(b"5\r\nevent\r\n5\r\n: mes\r\n")


def test_without_chunks_the_connection_is_the_frame_and_may_stay_open(simulator: Any) -> None:
    heard = hear(simulator, deliver(chunked=False, keep_open_s=60), wait_s=0.2)

    assert (PLAIN, "silent") == (heard.events, heard.ended)
    assert "Connection: close" in heard.head
    assert "Transfer-Encoding" not in heard.head


def test_status_type_and_headers_are_free(simulator: Any) -> None:
    html = {"content_type": "text/html", "raw": {"text": "<p>Log in"}, "headers": {"x-portal": "1"}}
    heard = hear(simulator, {"delivery": html})

    assert heard.head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/html")
    assert "x-portal: 1" in heard.head
    assert b"9\r\n<p>Log in\r\n0\r\n\r\n" == heard.body


def test_a_redirect_leads_elsewhere(simulator: Any) -> None:
    simulator.script({"delivery": {"redirect": "http://127.0.0.1:9/"}})
    answer = requests.post(simulator.url + "/v1/messages", json={}, allow_redirects=False, timeout=10)

    assert (302, "http://127.0.0.1:9/") == (answer.status_code, answer.headers["location"])


def test_raw_bytes_stand_for_everything(simulator: Any) -> None:
    heard = hear(simulator, {"delivery": {"raw": {"text": "not HTTP at all", "whole": True}}})

    assert (b"not HTTP at all", "closed") == (heard.pieces[0], heard.ended)


def test_an_error_comes_after_some_records(simulator: Any) -> None:
    error = {"kind": "overloaded", "in_stream": "event", "after_events": 2}
    heard = hear(simulator, {"text": "x", "error": error})

    assert ["message_start", "content_block_start", "error"] == heard.events


@pytest.mark.parametrize(
    ("dialect", "path", "header", "value"),
    [
        ("seconds", "/v1/messages", "retry-after", "90"),
        ("milliseconds", "/v1/responses", "retry-after-ms", "90000"),
        ("ratelimit_reset", "/v1/chat/completions", "x-ratelimit-reset-requests", "1m30s"),
    ],
)
def test_each_dialect_says_how_long_to_wait(simulator: Any, dialect: str, path: str, header: str, value: str) -> None:
    simulator.script({"error": {"kind": "rate_limit", "retry_after": {"dialect": dialect, "s": 90}}})
    answer = requests.post(simulator.url + path, json={"model": "m"}, timeout=10)

    assert (429, value) == (answer.status_code, answer.headers[header])


def test_dates_say_it_too(simulator: Any) -> None:
    errors = [
        {"error": {"kind": "rate_limit", "retry_after": {"dialect": dialect, "s": 90}}}
        for dialect in ("http_date", "ratelimit_reset")
    ]
    simulator.script(*errors)
    first, second = (requests.post(simulator.url + "/v1/messages", json={}, timeout=10) for _ in errors)

    moment = email.utils.parsedate_to_datetime(first.headers["retry-after"])
    assert 85 < moment.timestamp() - time.time() <= 91
    reset = second.headers["anthropic-ratelimit-requests-reset"]
    assert reset.endswith("Z")
    assert moment.strftime("%Y-%m-%dT%H:%M") <= reset


def test_status_body_and_headers_of_an_error_can_be_replaced(simulator: Any) -> None:
    simulator.script(
        {"error": {"kind": "rate_limit", "status": 418, "body": {"detail": "tea"}, "headers": {"x-should-retry": "no"}}}
    )
    answer = requests.post(simulator.url + "/v1/chat/completions", json={"model": "m"}, timeout=10)

    assert (418, {"detail": "tea"}, "no") == (answer.status_code, answer.json(), answer.headers["x-should-retry"])


def test_answers_are_chosen_by_what_a_request_says(simulator: Any) -> None:
    simulator.script(
        {"match": {"contains": "weather"}, "text": "sunny", "repeat": "always"},
        {"match": {"model": "big"}, "text": "by model"},
        {"match": {"key": "k2"}, "text": "by key"},
        {"match": {"stream": True}, "text": "streamed"},
        otherwise={"text": "none of them"},
    )

    def ask(model: str = "m", key: str = "k", text: str = "hi") -> str:
        body = {"model": model, "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}
        answer = requests.post(simulator.url + "/v1/messages", json=body, headers={"x-api-key": key}, timeout=10)
        return str(answer.json()["content"][0]["text"])

    assert ["by model", "none of them"] == [ask(model="big"), ask(model="big")]
    assert ["by key", "sunny", "sunny"] == [ask(key="k2"), ask(text="the weather?"), ask(text="weather!")]
    assert [3] == simulator.chooser.unused()


def _messages(*texts: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


PATHS_AND_BODIES: Mapping[str, Any] = {
    "/v1/messages": _messages,
    "/v1/chat/completions": _messages,
    "/v1/responses": lambda *texts: {"input": [{"role": "user", "content": text} for text in texts]},
    "/v1beta/models/m:generateContent": lambda *texts: {
        "contents": [{"role": "user", "parts": [{"text": text}]} for text in texts]
    },
}


@pytest.mark.parametrize("path", PATHS_AND_BODIES)
def test_a_stage_is_known_by_what_it_was_asked_at_first(simulator: Any, path: str) -> None:
    simulator.script({"match": {"said": "Port the items"}, "text": "<items>", "repeat": "always"})

    def ask(*texts: str) -> int:
        body = {"model": "m"} | PATHS_AND_BODIES[path](*texts)
        return requests.post(simulator.url + path, json=body, timeout=10).status_code

    assert [200, 400] == [ask("Port the items", "and then?"), ask("Port", "the items")]


def test_each_model_can_have_a_pass_of_its_own(simulator: Any) -> None:
    simulator.script({"text": "1"}, {"text": "2"}, per="model")

    def ask(model: str) -> str:
        answer = requests.post(simulator.url + "/v1/messages", json={"model": model}, timeout=10)
        return str(answer.json()["content"][0]["text"])

    assert ["1", "1", "2", "2"] == [ask("a"), ask("b"), ask("a"), ask("b")]


def test_a_kept_connection_serves_many_requests(simulator: Any) -> None:
    with requests.Session() as session:
        for _ in range(5):
            session.post(simulator.url + "/v1/messages", json={"model": "m", "stream": True}, timeout=10).close()

    assert (1, 5) == (simulator.connections, len(simulator.requests))


def test_sixteen_streams_at_once_do_not_mix(simulator: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    answers = [{"match": {"model": f"m{n}"}, "text": [f"<{n}>"] * 40, "delivery": {"drip_ms": 1}} for n in range(16)]
    simulator.script(*answers)

    def ask(n: int) -> str:
        body = {"model": f"m{n}", "stream": True}
        return requests.post(simulator.url + "/v1/messages", json=body, timeout=20).text

    with ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(ask, range(16)))

    assert [40] * 16 == [text.count(f'"<{n}>"') for n, text in enumerate(texts)]


def test_a_chunked_request_is_read(simulator: Any) -> None:
    pieces = iter([b'{"model": ', b'"m"}'])
    answer = requests.post(simulator.url + "/v1/messages", data=pieces, timeout=10)

    assert (200, {"model": "m"}) == (answer.status_code, simulator.requests[0].body)


def test_a_client_that_leaves_does_no_harm(simulator: Any) -> None:
    simulator.script({"text": ["x" * 1000] * 2000})
    port = urlsplit(simulator.url).port or 0
    body = b'{"stream": true}'
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    simulator.script({"text": "still here"})
    assert "still here" in requests.post(simulator.url + "/v1/messages", json={}, timeout=10).text
