"""A provider in a process of its own that sends prepared streams as fast as they are read."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

EVENTS = 50_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def record(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def message(block: dict[str, Any], deltas: Iterator[dict[str, Any]], reason: str) -> Iterator[bytes]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    yield record({"type": "message_start", "message": {"id": "msg_1", "model": "bench", "usage": usage}})
    yield record({"type": "content_block_start", "index": 0, "content_block": block})
    for delta in deltas:
        yield record({"type": "content_block_delta", "index": 0, "delta": delta})
    yield record({"type": "content_block_stop", "index": 0})
    yield record({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}})
    yield record({"type": "message_stop"})


def text(deltas: int, size: int) -> Iterator[bytes]:
    pieces = ({"type": "text_delta", "text": f"{at:0{size}d}"} for at in range(deltas))
    return message({"type": "text", "text": ""}, pieces, "end_turn")


def argument(size: int, pieces: int) -> Iterator[bytes]:
    """Stream one call whose argument has about `size` bytes, in equal pieces."""
    whole = json.dumps({"path": "a", "content": "a line of a file\n" * (size // 18)})
    step = -(-len(whole) // pieces)
    deltas = (
        {"type": "input_json_delta", "partial_json": whole[at : at + step]} for at in range(0, len(whole), step)
    )  # fmt: skip
    return message({"type": "tool_use", "id": "toolu_1", "name": "write_file", "input": {}}, deltas, "tool_use")


def noise(size: int) -> Iterator[bytes]:
    """Stream a short text, and before it `size` bytes that mean nothing: comments, pings, records of no known kind."""
    ping = record({"type": "ping"}) * 100
    unknown = record({"type": "message_weather", "forecast": "sunny with a chance of tokens " * 30}) * 10
    for kind in (b": keep-alive\n" * 1000, b": keep-alive\n\n" * 500, ping, unknown):
        for _ in range(size // 4 // len(kind)):
            yield kind
    yield b"\n"
    yield from text(1, 9)


def chunks(pieces: Iterator[bytes], together: int = 1) -> Iterator[bytes]:
    waiting: list[bytes] = []
    for piece in pieces:
        waiting.append(piece)
        if len(waiting) == together:
            yield chunk(b"".join(waiting))
            waiting = []
    if waiting:
        yield chunk(b"".join(waiting))
    yield b"0\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def answers() -> dict[str, Callable[[], Iterator[bytes]]]:
    """Return the streams by the first part of the path; what is asked often is prepared once."""
    rate = list(text(EVENTS, 10))
    prepared = {
        "events": CHUNKED + b"".join(chunks(iter(rate))),
        "events-in-large-chunks": CHUNKED + b"".join(chunks(iter(rate), 64)),
        "events-without-chunks": HEAD + b"Connection: close\r\n\r\n" + b"".join(rate),
        "call": CHUNKED + b"".join(chunks(argument(100, 3))),
        "first": CHUNKED + b"".join(chunks(text(3, 10))),
        **{f"argument-{mb}-{pieces}": CHUNKED + b"".join(chunks(argument(mb << 20, pieces)))
           for mb in (1, 4) for pieces in (1, 1000)},
    }  # fmt: skip
    made = {name: (lambda content=content: iter((content,))) for name, content in prepared.items()}
    made["long-text"] = lambda: iter((CHUNKED, *chunks(text(400_000, 50), 64)))
    made["long-argument"] = lambda: iter((CHUNKED, *chunks(argument(20 << 20, 400_000), 64)))
    made["noise"] = lambda: _framed(noise(100 << 20))
    return made


def _framed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield CHUNKED
    yield from chunks(pieces)


def serve() -> None:
    streams = answers()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_serve_connection, args=(connection, streams), daemon=True).start()


def _serve_connection(connection: socket.socket, streams: dict[str, Callable[[], Iterator[bytes]]]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while name := _requested(connection):
            try:
                for piece in streams[name]():
                    connection.sendall(piece)
            except OSError:
                return  # the reader has seen enough
            if name == "events-without-chunks":
                return


def _requested(connection: socket.socket) -> str:
    """Read one request; return the first part of its path, "" when there is none."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return ""
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(connection.recv(65536))
    return head.split(b" ")[1].split(b"/")[1].decode()


class Provider:
    """The server's process; `url` + "/" + the name of a stream is a provider's base address."""

    def __enter__(self) -> "Provider":
        command = [sys.executable, "-m", "bench.provider"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    serve()
