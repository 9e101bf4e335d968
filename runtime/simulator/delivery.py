"""From records to bytes on a socket, with everything a network and a careless server can do to them."""

import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from .scenario import Delivery, Drop, Pings
from .turn import DONE, TERMINAL, Frame

_BOM: Final = b"\xef\xbb\xbf"
_SPLIT_PAUSE_S: Final = 0.002  # so that both halves of a letter do not arrive in one read
_PINGS: Final = {"comment": ": keep-alive", "event": 'event: ping{end}data: {{"type":"ping"}}'}


class Stopped(Exception):
    """The server is stopping: leave the connection as it is."""


class Dropped(Exception):
    """The scenario breaks off here; `how` says how the connection ends."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Wire:
    """The writing side of one answer: framing, segments, and the bytes after which it breaks off."""

    def __init__(self, connection: socket.socket, stopping: threading.Event, delivery: Delivery) -> None:
        self._connection = connection
        self._stopping = stopping
        self._delivery = delivery
        self._left = delivery.drop.after_bytes if delivery.drop is not None else None
        self.framed = False  # chunks; else bytes up to the end of the connection, or as many as announced

    def head(self, status: int, reason: str, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._connection.sendall("\r\n".join(lines).encode("latin-1"))

    def send(self, content: bytes) -> None:
        """Send a piece of the body. Raises Dropped at the scenario's last byte."""
        kept = content if self._left is None else content[: self._left]
        for piece, pause_s in self._pieces(kept):
            self.whole(b"%x\r\n%s\r\n" % (len(piece), piece) if self.framed else piece)
            self.pause(pause_s)
        if self._left is not None:
            self._left -= len(kept)
            if self._left <= 0 and self._delivery.drop is not None:
                raise Dropped(self._delivery.drop.how)

    def whole(self, content: bytes) -> None:
        self._connection.sendall(content)

    def end(self) -> None:
        """Say that the body is complete."""
        if self.framed:
            self.whole(b"0\r\n\r\n")

    def pause(self, seconds: float) -> None:
        if seconds > 0 and self._stopping.wait(seconds):
            raise Stopped
        if self._stopping.is_set():
            raise Stopped

    def _pieces(self, content: bytes) -> Iterator[tuple[bytes, float]]:
        """Cut the content into segments, each with a pause after it."""
        if self._delivery.split_utf8 and not content.isascii():
            yield from ((piece, _SPLIT_PAUSE_S) for piece in _split_letters(content))
        elif self._delivery.segment_bytes:
            size = self._delivery.segment_bytes
            yield from ((content[at : at + size], 0.0) for at in range(0, len(content), size))
        elif content:
            yield content, 0.0


def _split_letters(content: bytes) -> Iterator[bytes]:
    """Yield the content in pieces that end inside each letter of several bytes, after its first byte."""
    begin = 0
    for at, byte in enumerate(content):
        if byte >= 0xC0:
            yield content[begin : at + 1]
            begin = at + 1
    yield content[begin:]


def send_stream(
    wire: Wire, frames: Iterable[Frame], delivery: Delivery, failing: tuple[int | None, Frame] | None
) -> None:
    """Send the records.

    Args:
        failing: the record that reports an error, and after how many records it comes; None: before the terminal one.

    Raises:
        Dropped, Stopped, OSError.
    """
    if delivery.bom:
        wire.send(_BOM)
    _after(wire, 0, delivery)
    sent = 0
    for frame in frames:
        due = failing is not None and (frame.place != "live" if failing[0] is None else sent >= failing[0])
        if failing is not None and due:
            wire.send(record(failing[1], delivery))
            return
        if not _wanted(frame, delivery):
            continue
        wire.pause(delivery.drip_ms / 1000)
        wire.send(record(frame, delivery))
        sent += 1
        _after(wire, sent, delivery)
    if failing is not None:
        wire.send(record(failing[1], delivery))


def _wanted(frame: Frame, delivery: Delivery) -> bool:
    if frame.place == TERMINAL:
        return delivery.terminal
    return frame.place != DONE or (delivery.terminal and delivery.done)


def _after(wire: Wire, sent: int, delivery: Delivery) -> None:
    """Do what the scenario wants after so many records."""
    if delivery.pings is not None and delivery.pings.after_events == sent:
        _ping(wire, delivery.pings, delivery.line_end)
    if delivery.garbage is not None and delivery.garbage.after_events == sent:
        wire.send(delivery.garbage.content)
    if delivery.silence is not None and delivery.silence.after_events == sent:
        wire.pause(delivery.silence.s)
    _drop(delivery.drop, sent)


def _drop(drop: Drop | None, sent: int) -> None:
    if drop is not None and drop.after_events == sent:
        raise Dropped(drop.how)


def _ping(wire: Wire, pings: Pings, end: str) -> None:
    text = _PINGS[pings.form].format(end=end) + end + end
    for _ in range(pings.times):
        wire.send(text.encode())
        wire.pause(pings.every_ms / 1000)


def record(frame: Frame, delivery: Delivery) -> bytes:
    """Return one record of a stream as it is sent."""
    space = " " if delivery.space else ""
    lines = [f"event:{space}{frame.event}"] if frame.event else []
    if isinstance(frame.data, str):
        lines.append(f"data:{space}{frame.data}")
    else:
        # Unlike splitlines, this leaves the rare line ends inside strings alone; JSON escapes the common ones.
        text = json.dumps(frame.data, ensure_ascii=False, indent=1 if delivery.pretty else None)
        lines += [f"data:{space}{line}" for line in text.split("\n")]
    end = "" if frame.cut else delivery.line_end * 2
    return (delivery.line_end.join(lines) + end).encode("utf-8", "backslashreplace")
