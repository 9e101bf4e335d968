"""Chunked bodies: however they are framed and however they arrive, what comes out is the content."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from attractor.runtime.llm.body import Body


class Raw:
    """A response of urllib3, and the one of the standard library in it, whose bytes arrive in the given segments."""

    chunked = True
    closed = False

    def __init__(self, segments: Sequence[bytes], coding: str = "identity") -> None:
        self.headers = {"content-encoding": coding}
        self.fp = self._fp = self
        self.released = False
        self._segments = [segment for segment in segments if segment]

    def read1(self, _size: int, **_: Any) -> bytes:
        if self.closed:
            self.released = True
            return b""
        return self._segments.pop(0) if self._segments else b""

    def close(self) -> None:
        self.closed = True


def content(body: Body) -> bytes:
    return b"".join(iter(body.read, b""))


def framed(chunks: Sequence[bytes], size_line: str, trailer: bytes) -> bytes:
    lines = [size_line.format(size=len(chunk)).encode() + b"\r\n" + chunk + b"\r\n" for chunk in chunks if chunk]
    return b"".join(lines) + b"0\r\n" + trailer + b"\r\n"


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.lists(st.binary(max_size=40) | st.sampled_from((b"0\r\n\r\n", b"\r\n", b"\n" * 20)), max_size=8),
    st.sampled_from(("{size:x}", "{size:X}", "000{size:x}", "{size:x};name=value", "{size:x} ; name")),
    st.sampled_from((b"", b"Digest: x\r\n", b"A: 1\r\nB: 2\r\n")),
    st.lists(st.integers(0, 500), max_size=12),
)
def test_any_framing_that_arrives_in_any_segments(
    chunks: list[bytes], size_line: str, trailer: bytes, places: list[int]
) -> None:
    wire = framed(chunks, size_line, trailer)
    bounds = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    raw = Raw([wire[begin:end] for begin, end in pairwise(bounds)])
    body = Body(raw)  # type: ignore[arg-type]

    assert b"".join(chunks) == content(body)
    assert raw.released
    assert b"" == body.read()


def test_what_has_arrived_is_handed_out_without_waiting_for_more() -> None:
    raw = Raw([b"5\r\nhe", b"llo\r\n3\r\nyou\r\n4", b"\r\nmore\r\n", b"0\r\n\r\n"])
    body = Body(raw)  # type: ignore[arg-type]

    assert [b"he", b"lloyou", b"more", b""] == [body.read() for _ in range(4)]


@pytest.mark.parametrize(
    "wire", [b"", b"5\r\nhe", b"2\r\nhe\r\n", b"2\r\nhe\r\n0\r\n", b"2\r\nhe\r\n0\r\nA: 1\r\n", b"12"]
)
def test_a_body_without_its_end_is_an_error(wire: bytes) -> None:
    with pytest.raises(ProtocolError, match="closed inside the answer"):
        content(Body(Raw([wire])))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wire", [b"x\r\n", b"-5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"\r\n", b"5" * 9000, b"2\r\nhello\r\n"]
)
def test_what_is_no_chunk_is_an_error(wire: bytes) -> None:
    with pytest.raises(ProtocolError, match="no chunk begins with"):
        content(Body(Raw([wire])))  # type: ignore[arg-type]


def test_a_compressed_body_is_left_to_the_library() -> None:
    assert b"as it comes" == content(Body(Raw([b"as it ", b"comes"], coding="gzip")))  # type: ignore[arg-type]
