"""HTTP connections that another thread can break off: at once, in every phase, before headers too.

`Response.close()` from another thread does not wake a blocked reader; shutting the socket down does. So every
connection tells its `Line` which socket it uses.
"""

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

_SLICE_S = 0.05


class Line:
    """The one socket a call is using, and whether it was broken off."""

    def __init__(self) -> None:
        self.broken = False
        self._socket: socket.socket | None = None
        self._copy: socket.socket | None = None

    def begin(self) -> None:
        """Start a call: nothing is broken yet."""
        self.broken = False

    def use(self, sock: socket.socket | None) -> None:
        self._socket = sock
        if self.broken:
            self.shut()

    def use_copy(self, sock: socket.socket) -> None:
        """Use `sock` although somebody else is about to take it over: TLS does."""
        self._copy = sock.dup()
        self.use(self._copy)

    def drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def shut(self) -> None:
        """Break the call off; whoever reads or writes wakes at once."""
        self.broken = True
        sock = self._socket
        if sock is None:
            return
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not that of TLS, which would end the encryption first
        except OSError:  # closed already: nothing to wake
            return


def session(line: Line) -> requests.Session:
    """Return a session whose connections report to `line`.

    It reads neither `.netrc` (an entry would replace our own authorization) nor proxy variables; redirects and retries
    are the caller's business.
    """
    made = requests.Session()
    made.trust_env = False
    made.headers.clear()
    adapter = _adapter(line)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


def _adapter(line: Line) -> HTTPAdapter:
    """Return an adapter whose pools make connections that report to `line`.

    The classes are made here because urllib3 makes connections itself and hands them nothing of ours.
    """

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, line)

        def request(self, *arguments: Any, **keywords: Any) -> None:
            line.use(self.sock)
            super().request(*arguments, **keywords)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sock = _connect(self, line)
            line.use_copy(sock)
            return sock

        def connect(self) -> None:
            try:
                super().connect()
                line.use(self.sock)
            finally:
                line.drop_copy()

        def request(self, *arguments: Any, **keywords: Any) -> None:
            line.use(self.sock)
            super().request(*arguments, **keywords)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
            super().init_poolmanager(*arguments, **keywords)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *arguments: Any, **keywords: Any) -> Any:
            manager = super().proxy_manager_for(*arguments, **keywords)
            manager.pool_classes_by_scheme = pools
            return manager

    pools = {"http": PlainPool, "https": SecurePool}
    return Adapter(max_retries=0)


def _connect(connection: HTTPConnection, line: Line) -> socket.socket:
    """Open the connection's socket in slices, so that a broken line ends the attempt."""
    timeout = connection.timeout if isinstance(connection.timeout, int | float) else 10.0
    deadline = time.monotonic() + timeout
    try:
        addresses = _addresses(connection.host, connection.port, deadline, lambda: line.broken)
    except OSError as error:
        raise NameResolutionError(connection.host, connection, error) from error  # type: ignore[arg-type]
    problem = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            code = _connect_in_slices(sock, address, deadline, lambda: line.broken)
        except BaseException:
            sock.close()
            raise
        if code == 0:
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.use(sock)
            return sock
        sock.close()
        if code == errno.ETIMEDOUT:
            raise ConnectTimeoutError(connection, f"no connection within {timeout:g} s")
        problem = OSError(code, os.strerror(code))
    raise NewConnectionError(connection, str(problem)) from problem


def _addresses(host: str, port: int, deadline: float, broken: Callable[[], bool]) -> list[Any]:
    """Look the name up in a thread of its own, which nobody waits for when the line breaks: a lookup cannot be stopped.

    Raises:
        OSError: the name is unknown, or nobody answered in time.
    """
    if host.replace(".", "").isdigit() or ":" in host:  # an address: nobody is asked
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[Any] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)
        except UnicodeError:
            failed.append(OSError(errno.EINVAL, "not a host name"))

    thread = threading.Thread(target=look_up, name="attractor-llm-lookup", daemon=True)
    thread.start()
    while thread.is_alive() and not broken():
        if time.monotonic() >= deadline:
            raise OSError(errno.ETIMEDOUT, "the name lookup takes too long")
        thread.join(_SLICE_S)
    if failed:
        raise failed[0]
    return found


def _connect_in_slices(sock: socket.socket, address: Any, deadline: float, broken: Callable[[], bool]) -> int:
    """Connect; return 0 or the errno that says why not."""
    sock.setblocking(False)
    poll = select.poll()  # select() knows no descriptor from 1024 on
    poll.register(sock, select.POLLOUT)
    code = sock.connect_ex(address)
    while code in {errno.EINPROGRESS, errno.EWOULDBLOCK}:
        if broken():
            return errno.ECANCELED
        if time.monotonic() >= deadline:
            return errno.ETIMEDOUT
        if poll.poll(_SLICE_S * 1000):
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code
