"""A server that says exactly the bytes it is told to: chunked or not, dripping, keeping open, breaking off."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

EVENT_STREAM = "text/event-stream"


class Received(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Answer(NamedTuple):
    """One answer: `pieces` are written one by one, `pause_s` apart; a callable piece is called instead."""

    pieces: Sequence[bytes | Callable[[], None]]
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    content_type: str = EVENT_STREAM
    chunked: bool = True
    pause_s: float = 0.0
    end: str = "whole"  # whole | close | keep | reset: what comes after the pieces


class RawServer:
    """Answers requests in order, one answer each; the last one again and again."""

    def __init__(self, *answers: Answer, wrap: Callable[[socket.socket], socket.socket] | None = None) -> None:
        self.answers = list(answers)
        self.received: list[Received] = []
        self.connections = 0
        self.stopped = threading.Event()
        self.problems: list[BaseException] = []
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> "RawServer":
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)
        assert [] == [thread.name for thread in self._threads if thread.is_alive()]
        if error is None and self.problems:
            raise self.problems[0]

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name="raw-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._wrap is not None:
                connection = self._wrap(connection)
            with connection:
                file = connection.makefile("rb")
                while (received := _read_request(file)) is not None:
                    self.received.append(received)
                    answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
                    if not self._answer(connection, answer):
                        return
        except OSError:
            return
        except BaseException as error:
            self.problems.append(error)

    def _answer(self, connection: socket.socket, answer: Answer) -> bool:
        """Say `answer`; return whether the connection may serve another request."""
        framing = ("Transfer-Encoding", "chunked") if answer.chunked else ("Connection", "close")
        head = [f"HTTP/1.1 {answer.status} Said"]
        if answer.content_type:
            head.append(f"Content-Type: {answer.content_type}")
        head += [f"{name}: {value}" for name, value in (framing, *answer.headers)]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        for number, piece in enumerate(answer.pieces):
            if number and answer.pause_s:
                self.stopped.wait(answer.pause_s)
            if not isinstance(piece, bytes):
                piece()
            elif answer.chunked:
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if piece else b"")
            else:
                connection.sendall(piece)
        match answer.end:
            case "keep":
                self.stopped.wait(30)
                return False
            case "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case "close":
                return False
            case _:
                if answer.chunked:
                    connection.sendall(b"0\r\n\r\n")
                return answer.chunked


def _read_request(file: Any) -> Received | None:
    line = file.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while (line := file.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Received(method, path, headers, file.read(int(headers.get("content-length", 0))))


def event(name: str, record: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(record)}\n\n".encode()


def data(record: Any) -> bytes:
    return f"data: {json.dumps(record)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def waited_s(since: float) -> float:
    return time.monotonic() - since
