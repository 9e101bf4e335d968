"""The HTTP/1.1 server on 127.0.0.1: one thread per connection, all of them gone when it stops."""

import json
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, cast

from . import anthropic_messages, google_generate_content, models, openai_chat_completions, openai_responses
from .chooser import Chooser
from .delivery import Dropped, Stopped, Wire, send_stream
from .recorder import Recorded, Recorder, hidden_key, hidden_query
from .scenario import Answer, ErrorAnswer, read_answer, read_scenario
from .shapes import named
from .turn import Asked, Failure, ServedProtocol, Turn, has_terminal, prepare

_MODULES: Final[Mapping[str, ModuleType]] = {
    "anthropic_messages": anthropic_messages,
    "openai_chat_completions": openai_chat_completions,
    "openai_responses": openai_responses,
    "google_generate_content": google_generate_content,
}
_PLAIN: Final = read_answer({})
_POLL_S: Final = 0.02
_BODY_BYTES: Final = 256_000_000


def protocol_of(path: str) -> str:
    """Return which protocol a path belongs to, "" for none."""
    path = path.partition("?")[0]
    if path.endswith("/messages"):
        return "anthropic_messages"
    if path.endswith("/chat/completions"):
        return "openai_chat_completions"
    if path.endswith("/responses"):
        return "openai_responses"
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return "google_generate_content"
    return ""


class Simulator:
    """The provider's side of a test. Use it in a `with` block, or `start` and `stop` it."""

    def __init__(self, scenario: Mapping[str, Any] | None = None, *, port: int = 0, record: Path | None = None) -> None:
        """Bind the port; `scenario` is a document that the schema has accepted, `record` a file for the requests.

        Raises:
            OSError: the port is taken, or `record` cannot be written.
        """
        self.recorder = Recorder(record)
        self.chooser = Chooser(read_scenario(scenario or {}))
        self.stopping = threading.Event()
        self.bugs: list[BaseException] = []
        self._server = _Server(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def load(self, scenario: Mapping[str, Any]) -> None:
        """Answer by another scenario from now on."""
        self.chooser = Chooser(read_scenario(scenario))

    @property
    def requests(self) -> list[Recorded]:
        return self.recorder.all()

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return self._server.accepted

    def start(self) -> "Simulator":
        thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="simulator")
        self._thread = thread
        thread.start()
        return self

    def stop(self) -> None:
        """End every connection and wait for every thread."""
        self.stopping.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> "Simulator":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined when the server closes
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self.accepted = 0
        self._open: set[socket.socket] = set()
        self.to_reset: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without asking DNS for our name

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self.accepted += 1
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        if request in self.to_reset:  # a proper goodbye would come before the reset
            self.to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it is gone already

    def handle_error(self, *_: object) -> None:
        """Keep what went wrong for whoever runs the simulator; a client that left is none of it."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.simulator.bugs.append(error)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.simulator = cast(_Server, self.server).simulator
        self.connection_number = cast(_Server, self.server).accepted

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (Stopped, ConnectionError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self._record(Asked("", stream=False, user_texts=(), body={}), "", "", None)
        self._send_json(200, {}, {}, body=False)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/_simulator/requests":
            self._send_json(200, self.simulator.recorder.document(), {})
            return
        self._record(Asked("", stream=False, user_texts=(), body={}), "", "", None)
        found = models.answer(path, {name.lower(): value for name, value in self.headers.items()})
        self._send_json(404 if found is None else 200, found or _no_such_path(path), {})

    def do_DELETE(self) -> None:
        if self.path == "/_simulator/requests":
            self.simulator.recorder.clear()
            self._send_json(200, {}, {})
        else:
            self._send_json(404, _no_such_path(self.path), {})

    def do_POST(self) -> None:
        try:
            body = self._body()
        except ValueError:  # of a length
            self.close_connection = True
            self.send_error(400)
            return
        protocol = protocol_of(self.path)
        if not protocol:
            self._record(Asked("", stream=False, user_texts=(), body={}), "", "", body)
            if self.path.partition("?")[0].endswith("/messages/count_tokens"):
                self._send_json(200, {"input_tokens": 25}, {})
            else:
                self._send_json(404, _no_such_path(self.path), {})
            return
        served = cast(ServedProtocol, _MODULES[protocol])
        path = self.path.partition("?")[0]
        asked = served.asked(path, body if isinstance(body, dict) else {})
        chosen = self.simulator.chooser.choose(protocol, path, self._key(), asked)
        number = self._record(asked, protocol, chosen.label, body)
        self._answer(served, asked, chosen.answer, number)

    def _body(self) -> Any:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            content = self._chunked_body()
        else:
            content = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _BODY_BYTES))
        try:
            return json.loads(content) if content else None
        except (ValueError, RecursionError):
            return content.decode("utf-8", "backslashreplace")

    def _chunked_body(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(pieces)

    def _key(self) -> str:
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or bearer

    def _record(self, asked: Asked, protocol: str, label: str, body: Any) -> int:
        headers = {name.lower(): hidden_key(name.lower(), value) for name, value in self.headers.items()}
        request = Recorded(0, self.connection_number, self.command, hidden_query(self.path), headers, body,
                           protocol, asked.model, asked.stream, label)  # fmt: skip
        return self.simulator.recorder.add(request)

    def _answer(self, served: ServedProtocol, asked: Asked, answer: Answer | None, number: int) -> None:
        if answer is None:
            self._fail(served, asked, _exhausted(asked), number, _PLAIN)
            return
        refused = _refused_shape(served, answer)
        if refused:
            self._fail(served, asked, _invalid(refused), number, _PLAIN)
            return
        if any(named(getattr(block, "shape", "")) == "split_utf8" for block in answer.blocks):
            answer = answer._replace(delivery=answer.delivery._replace(split_utf8=True))
        wire = Wire(self.connection, self.simulator.stopping, answer.delivery)
        wire.pause(answer.delivery.delay_ms / 1000)
        try:
            if answer.delivery.raw is not None and answer.delivery.raw.whole:
                self.close_connection = True
                wire.whole(answer.delivery.raw.content)
            elif answer.delivery.redirect:
                headers = {"Location": answer.delivery.redirect, "Content-Length": "0"}
                wire.head(answer.delivery.status if answer.delivery.status != 200 else 302, "Found", headers)
            elif answer.error is not None and not (answer.error.in_stream and asked.stream):
                self._fail(served, asked, answer.error, number, answer)
            else:
                self._succeed(wire, served, prepare(answer, asked, number), answer)
        except Dropped as drop:
            self._break_off(wire, drop.how)

    def _succeed(self, wire: Wire, served: ServedProtocol, turn: Turn, answer: Answer) -> None:
        delivery = answer.delivery
        streamed = turn.asked.stream
        headers = {
            "Content-Type": delivery.content_type
            if delivery.content_type is not None
            else ("text/event-stream; charset=utf-8" if streamed else "application/json"),
            "Cache-Control": "no-cache",
            **delivery.headers,
        }
        raw = delivery.raw.content if delivery.raw is not None else None
        if not streamed:
            body = raw if raw is not None else _json_bytes(served.complete(turn))
            wire.head(delivery.status, _reason(delivery.status), headers | {"Content-Length": str(len(body))})
            if delivery.silence is not None:
                wire.pause(delivery.silence.s)
            wire.send(body)
            return
        wire.framed = delivery.chunked
        framing = {"Transfer-Encoding": "chunked"} if delivery.chunked else {"Connection": "close"}
        self.close_connection = self.close_connection or not delivery.chunked
        wire.head(delivery.status, _reason(delivery.status), headers | framing)
        if raw is not None:
            wire.send(raw)
        else:
            error = answer.error
            failing = None if error is None else (error.after_events, served.error_frame(error, turn))
            if not has_terminal(turn):
                delivery = delivery._replace(terminal=False)
            send_stream(wire, served.frames(turn), delivery, failing)
        if delivery.drop is not None and delivery.drop.after_events is None and delivery.drop.after_bytes is None:
            raise Dropped(delivery.drop.how)
        wire.pause(delivery.keep_open_s)
        wire.end()

    def _fail(self, served: ServedProtocol, asked: Asked, error: ErrorAnswer, number: int, answer: Answer) -> None:
        failure: Failure = served.failure(error, asked, number)
        body = failure.body if error.body is None else error.body
        status = error.status or failure.status
        self._send_json(status, body, {**failure.headers, **error.headers, **answer.delivery.headers},
                        content_type=answer.delivery.content_type or "application/json")  # fmt: skip

    def _send_json(
        self,
        status: int,
        document: Any,
        headers: Mapping[str, str],
        *,
        content_type: str = "application/json",
        body: bool = True,
    ) -> None:
        encoded = document.encode("utf-8", "backslashreplace") if isinstance(document, str) else _json_bytes(document)
        wire = Wire(self.connection, self.simulator.stopping, _PLAIN.delivery)
        wire.head(status, _reason(status), {
            "Content-Type": content_type, "Content-Length": str(len(encoded)), **headers
        })  # fmt: skip
        if body:
            wire.whole(encoded)

    def _break_off(self, wire: Wire, how: str) -> None:
        """End the connection as asked: `end` closes the body properly, `close` does not, `reset` is a TCP reset."""
        self.close_connection = True
        if how == "end":
            wire.end()
        elif how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            cast(_Server, self.server).to_reset.add(self.connection)


def _json_bytes(document: Any) -> bytes:
    """Return JSON; half a surrogate pair, which UTF-8 cannot hold, stays an escape."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"


def _no_such_path(path: str) -> dict[str, Any]:
    message = f"the simulator has nothing at {hidden_query(path)}"
    return {"type": "error", "error": {"type": "not_found_error", "message": message}}


def _invalid(message: str) -> ErrorAnswer:
    return ErrorAnswer("invalid_request", None, message, None, {}, None, "", None)


def _exhausted(asked: Asked) -> ErrorAnswer:
    return _invalid(f'the simulator\'s scenario has no answer left for this request (model "{asked.model}")')


def _refused_shape(served: ServedProtocol, answer: Answer) -> str:
    for block in answer.blocks:
        shape = named(getattr(block, "shape", "normal"))
        if shape in served.REFUSED_SHAPES:
            return f'the simulator cannot send a call in the shape "{shape}" over this protocol'
    return ""
