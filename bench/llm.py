"""Reading a provider's stream, against a bare `requests` + `sseclient` loop that parses each event's JSON, and no more.

The provider runs in a process of its own. Rates are medians of ratios of interleaved runs: the machine's other work
then troubles both sides alike.
"""

import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests
import sseclient

from attractor.runtime.llm.exchange import Ports, exchange
from attractor.runtime.llm.keys import Keys
from attractor.runtime.llm.messages import Request, Response, StreamEvent, TextDelta, user
from attractor.runtime.llm.transport import Limits, Transport
from attractor.runtime.llm.wire import Endpoint
from attractor.runtime.plan import Api

from .measure import Figure, table
from .provider import EVENTS, Provider

REQUEST = Request(messages=(user("go"),))
FLAGS = {"auth": "x-api-key", "cache_control": False, "max_tokens_default": 16000, "thinking": ""}


class Going:
    """A cancellation that never comes."""

    reason = ""

    def wait(self, _seconds: float) -> bool:
        return False


class Client:
    def __init__(self, url: str) -> None:
        self._url = url
        self._transport = Transport()
        self._ports = Ports(
            self._transport, Keys({"BENCH_KEY": "no-key-but-as-long-as-one-usually-is"}), Limits(), Going()
        )

    def ask(self, name: str, on_event: Callable[[StreamEvent], None] = lambda _: None) -> Response:
        api = Api(
            protocol="anthropic_messages", base_url=f"{self._url}/{name}", path="/v1/messages", api_key_env="BENCH_KEY",
            headers={}, profile_family="anthropic", max_tokens_floor=0, force_stream=False, flags=FLAGS, model_flags={},
        )  # fmt: skip
        endpoint = Endpoint("bench", "bench", api)
        return exchange(self._ports, REQUEST, endpoint, stream=True, on_sent=lambda _: None, on_event=on_event)

    def close(self) -> None:
        self._transport.close()


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def read_bare(url: str) -> None:
    """Read a stream as the shortest program does."""
    count = 0
    with requests.post(url, json={}, stream=True, timeout=60) as response:
        for event in sseclient.SSEClient(response).events():
            json.loads(event.data)
            count += 1
    assert count >= EVENTS


def rates(provider: Provider, name: str, runs: int = 7) -> tuple[float, float]:
    """Return our rate as a share of the bare loop's, and ours in events a second."""
    client = Client(provider.url)
    shares, ours = [], []
    for _ in range(runs):
        bare_s = seconds(lambda: read_bare(f"{provider.url}/{name}/"))
        our_s = seconds(lambda: client.ask(name))
        shares.append(bare_s / our_s)
        ours.append(EVENTS / our_s)
    client.close()
    return statistics.median(shares), statistics.median(ours)


def first_delta_ms(provider: Provider, rounds: int = 300) -> tuple[float, float]:
    """Return the medians of milliseconds from asking to the first delta: ours, and through a raw socket."""
    client = Client(provider.url)
    ours, raw = [], []
    asked = b"POST /first/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", provider.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(rounds):
            raw.append(_raw_first_s(connection, asked) * 1000)
            ours.append(_our_first_s(client) * 1000)
    client.close()
    return statistics.median(ours), statistics.median(raw)


def _raw_first_s(connection: socket.socket, asked: bytes) -> float:
    started = time.perf_counter()
    connection.sendall(asked)
    received = b""
    while b"text_delta" not in received:
        received += connection.recv(65536)
    first_s = time.perf_counter() - started
    while not received.endswith(b"0\r\n\r\n"):
        received += connection.recv(65536)
    return first_s


def _our_first_s(client: Client) -> float:
    seen: list[float] = []
    started = time.perf_counter()
    client.ask("first", lambda event: seen.append(time.perf_counter()) if isinstance(event, TextDelta) else None)
    return seen[0] - started


def argument_s(provider: Provider, megabytes: int, pieces: int, runs: int = 9) -> float:
    """Return the median seconds for a call with one argument of so many megabytes."""
    client = Client(provider.url)

    def ask() -> None:
        (call,) = client.ask(f"argument-{megabytes}-{pieces}").calls
        assert call.arguments is not None

    ask()
    taken = statistics.median(seconds(ask) for _ in range(runs))
    client.close()
    return taken


def grown_bytes(provider: Provider, name: str) -> tuple[int, int]:
    """Return by how much a process grows at most while it reads a stream, and how much it has read in the end."""
    code = f"from bench.llm import grow; grow({provider.url!r}, {name!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, size = map(int, done.stdout.split())
    return grown, size


def grow(url: str, name: str) -> None:
    client = Client(url)
    client.ask("first")
    before = _peak_bytes()
    response = client.ask(name)
    size = len(response.text) + sum(len(call.raw) for call in response.calls)
    print(_peak_bytes() - before, size)
    client.close()


def _peak_bytes() -> int:
    """Return the most memory that this process has had; the system's usage counts what its parent had, too."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def figures() -> list[Figure]:
    with Provider() as provider:
        share, rate = rates(provider, "events")
        large, _ = rates(provider, "events-in-large-chunks", runs=5)
        plain, _ = rates(provider, "events-without-chunks", runs=5)
        our_ms, raw_ms = first_delta_ms(provider)
        whole = {megabytes: argument_s(provider, megabytes, 1) for megabytes in (1, 4)}
        cut = {megabytes: argument_s(provider, megabytes, 1000) for megabytes in (1, 4)}
        text = grown_bytes(provider, "long-text")
        argument = grown_bytes(provider, "long-argument")
        noise, _ = grown_bytes(provider, "noise")
    slower = max(whole, cut, key=lambda taken: taken[4])
    return [
        Figure(f"rate of {EVENTS:,} events, against requests + sseclient + json.loads", share, "x", 0.8, at_most=False,
               note=f"{rate:,.0f} events/s, each an HTTP chunk; 64 in a chunk {large:.2f} x, no chunks {plain:.2f} x"),
        Figure("from asking to the first delta, above a raw socket, median", our_ms - raw_ms, "ms", 2.0,
               note=f"{our_ms:.2f} ms against {raw_ms:.2f} ms"),
        Figure("a call with one argument of 4 MB", slower[4], "s", 0.3,
               note=f"in one delta {whole[4]:.3f} s, in a thousand {cut[4]:.3f} s"),
        Figure("the same against 1 MB", slower[4] / slower[1], "x", 6.0),
        Figure("memory for 20 MB of text in deltas of 50 letters, against the text", text[0] / text[1], "x", 3.0),
        Figure("memory for an argument of 20 MB, against its text", argument[0] / argument[1], "x", 3.0),
        Figure("memory for 100 MB of comments, pings and unknown events", noise / (1 << 20), "MB", 4.0),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table("llm", figures()))
