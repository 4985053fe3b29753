"""The wire: one connection to a server, plain or with TLS over it.

It is read without waiting, by whoever knows when: asyncio's transports read whatever comes at
once, and cost more each time than the tokens in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import socket
import ssl
import sys
import termios
from collections.abc import Callable

from lrmtest.models.engines.http.route import Hop, Route, connected_socket, tls_context

_READ_BYTES = 256 << 10
_MAX_TUNNEL_BYTES = 64 << 10


class WireError(OSError):
    """The connection is gone, or was never there; its message says why."""


class Wire:
    """A connected socket of an event loop, which must have `add_reader`."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._listener: Callable[[], None] | None = None
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._under: Wire | None = None  # TLS to a proxy, in which there is TLS to the server
        self.closed = False

    @classmethod
    async def to(cls, route: Route, trust_env: bool) -> Wire:
        """Connect to a server: through its proxy, and with TLS where its URL says so.

        Raises:
            WireError: it cannot be reached, or is not whom its certificate names.
        """
        first = route.proxy or route.server
        try:
            wire = cls(await connected_socket(first))
        except OSError as error:
            raise WireError(_words(error, first)) from error
        try:
            if first.tls:
                await wire.secure(first.host, trust_env)
            if route.proxy is not None and route.tunnelled:
                await wire._tunnel(route.proxy, route.server)
                if first.tls:
                    wire = wire._inside()
                await wire.secure(route.server.host, trust_env)
        except BaseException as error:
            wire.close()
            if isinstance(error, OSError) and not isinstance(error, WireError | TimeoutError):
                raise WireError(_words(error, first)) from error
            raise
        return wire

    async def secure(self, host: str, trust_env: bool) -> None:
        """Shake hands; everything is encrypted from here on.

        Raises:
            OSError: the server speaks no TLS, or cannot show that it is `host`.
        """
        tls = tls_context(trust_env).wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                await self._more()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # the alert, that the server may know
                raise
        self._tls = tls
        await self._flush()

    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: the connection is gone.
        """
        if self._tls is None:
            await self._send_raw(data)
            return
        self._tls.write(data)
        await self._flush()

    def receive(self) -> bytes | None:
        """What has come, a few hundred kilobytes at most; nothing (b"") at the end.

        Returns:
            None when nothing has come since.

        Raises:
            OSError: the connection is gone.
        """
        data = self._receive_raw()
        if self._tls is None or data is None:
            return data
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        parts: list[bytes] = []
        try:
            while part := self._tls.read(_READ_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            self._answer_tls()
            return b"".join(parts) or None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass  # of an end that was not told the body's own framing knows
        return b"".join(parts)

    def unread(self) -> int:
        """Bytes that have come and were not received, as they are on the wire; -1 for unknown."""
        try:
            there = fcntl.ioctl(self._socket, termios.FIONREAD, b"\0\0\0\0")
        except (OSError, ValueError):  # it is closed; whoever receives is told so
            return -1
        return int.from_bytes(there, sys.byteorder)

    def listen(self, action: Callable[[], None]) -> None:
        """Have `action` called whenever something has come, until `ignore`."""
        if self._listener != action:
            self._listener = action
            self._loop.add_reader(self._socket.fileno(), action)

    def ignore(self) -> None:
        """Leave in the kernel what comes."""
        if self._listener is not None:
            self._listener = None
            self._loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        """Close the connection; twice is as good as once."""
        if not self.closed:
            self.closed = True
            self.ignore()
            self._socket.close()

    async def _tunnel(self, proxy: Hop, server: Hop) -> None:
        """Ask a proxy to pass bytes on to the server."""
        authorization = (
            f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        )
        head = f"CONNECT {server.name} HTTP/1.1\r\nHost: {server.name}\r\n{authorization}\r\n"
        await self.send(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            await self._readable()
            data = self.receive()
            if data == b"" or len(answer) > _MAX_TUNNEL_BYTES:
                raise WireError("the proxy does not answer as one")
            answer += data or b""
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"]:
            code = b"".join(status)[:3].decode("ascii", "replace")
            raise WireError(f"the proxy refuses to connect: HTTP {code}")

    def _inside(self) -> Wire:
        """A wire whose raw bytes are those of this one's TLS."""
        wire = Wire(self._socket)
        wire._under = self
        return wire

    async def _send_raw(self, data: bytes) -> None:
        if self._under is not None:
            await self._under.send(data)
            return
        with contextlib.suppress(BlockingIOError, InterruptedError):
            data = data[self._socket.send(data) :]
        if data:
            await self._loop.sock_sendall(self._socket, data)

    def _receive_raw(self) -> bytes | None:
        if self._under is not None:
            return self._under.receive()
        try:
            return self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._send_raw(data)

    def _answer_tls(self) -> None:
        """Send what TLS itself has to say in the middle of an answer: a few bytes, very rarely."""
        data = self._outgoing.read()
        if not data:
            return
        if self._under is not None:
            assert self._under._tls is not None
            self._under._tls.write(data)
            self._under._answer_tls()
            return
        with contextlib.suppress(BlockingIOError, InterruptedError):
            self._socket.send(data)

    async def _more(self) -> None:
        """Wait for raw bytes and hand them to TLS."""
        await self._readable()
        data = self._receive_raw()
        if data:
            self._incoming.write(data)
        elif data is not None:
            self._incoming.write_eof()

    async def _readable(self) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        self.listen(lambda: None if waiting.done() else waiting.set_result(None))
        try:
            await waiting
        finally:
            self.ignore()


def _words(error: OSError, hop: Hop) -> str:
    """Why a connection could not be made, and to whom."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            "this process may open no more files, and each request in flight needs one: raise the "
            "limit (ulimit -Hn), or ask less at a time (--concurrency)"
        )
    said = str(error.strerror or error)
    return said if isinstance(error, ssl.SSLError) else f"{said} ({hop.name})"
