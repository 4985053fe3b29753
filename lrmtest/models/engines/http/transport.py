"""The transport: HTTP requests over one connection, with the parser of Node.js (llhttp).

An answer's body is handed on in as few parts as its reader likes to have: it says after each how
long it may be left alone, see `pace`. Redirects are not followed, compression is not asked for,
and nothing is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import httptools

from lrmtest.models.engines.http.pace import READ_ON, Pace, Pause
from lrmtest.models.engines.http.route import Route, RouteError, origin_of, route_to, target_of
from lrmtest.models.engines.http.wire import Wire, WireError

# llama-server hangs up on idle connections after 5 s; leave them before it does.
KEEPALIVE_SECONDS = 4.0
_CONNECT_SECONDS = 15.0
_MAX_BESIDE_BODY = 128 << 10

Take = Callable[[bytes], Pause | None]
"""Takes a part of a body as it comes; how the stream may be left alone until the next one, or None
when no more is wanted. What it raises is raised where the body is waited for."""


class SilenceError(TimeoutError):
    """Nothing came for too long; its message says what."""


class Transport:
    """Asks one server, one request at a time; from one event loop.

    The connection is kept for `KEEPALIVE_SECONDS`. Proxies come from the environment if
    `trust_env`, and the certificates to trust, see `route`.

    Args:
        trust_env: whether the environment has a say.
        timeout: seconds in which something must come, always; 15 for the connection at most.
        pace: says when streams are read; shared by all transports of an engine.
    """

    def __init__(self, *, trust_env: bool, timeout: float, pace: Pace) -> None:
        self._trust_env = trust_env
        self._timeout = timeout
        self._pace = pace
        self._routes: dict[str, Route] = {}
        self._kept: tuple[str, Wire, float] | None = None

    @contextlib.asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> AsyncIterator[Answer]:
        """Send a request; the answer, of which the head has come.

        Leaving before its end closes the connection, which stops the server.

        Raises:
            RouteError: the URL or the proxy cannot be used.
            SilenceError: nothing came in time.
            WireError: there is no connection, or it broke.
        """
        route = self._route(url)
        wire = self._take_kept(route.origin) or await self._connect(route)
        answer = Answer(wire, self._timeout, self._pace)
        try:
            with contextlib.suppress(ConnectionError):  # its answer may be there all the same
                async with asyncio.timeout(self._timeout):
                    await wire.send(_head(method, url, route, headers, content))
            await answer.begun()
            yield answer
        except TimeoutError as error:
            if isinstance(error, SilenceError):
                raise
            raise SilenceError(f"not a byte taken within {self._timeout:g} s") from error
        except OSError as error:
            raise error if isinstance(error, WireError) else WireError(_words(error)) from error
        finally:
            if answer.leave():
                now = asyncio.get_running_loop().time()
                self._kept = (route.origin, wire, now + KEEPALIVE_SECONDS)
            else:
                wire.close()

    def close(self) -> None:
        """Close the connection."""
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    def _route(self, url: str) -> Route:
        origin = origin_of(url)
        if origin not in self._routes:
            self._routes[origin] = route_to(url, self._trust_env)
        return self._routes[origin]

    def _take_kept(self, origin: str) -> Wire | None:
        """The connection of before, if it leads there and the server has not ended it."""
        if self._kept is None:
            return None
        kept, wire, until = self._kept
        self._kept = None
        with contextlib.suppress(OSError):
            fresh = asyncio.get_running_loop().time() < until
            if kept == origin and fresh and wire.receive() is None:
                return wire
        wire.close()
        return None

    async def _connect(self, route: Route) -> Wire:
        seconds = min(self._timeout, _CONNECT_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await Wire.to(route, self._trust_env)
        except TimeoutError as error:
            raise SilenceError(f"no connection within {seconds:g} s") from error


class Answer:
    """An answer as it comes.

    Attributes:
        status: the HTTP status, once the head has come.
        headers: its head; names in small letters.
    """

    def __init__(self, wire: Wire, patience: float, pace: Pace) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._wire = wire
        self._patience = patience
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        # What the parser calls.
        self.on_body = self._parts.append
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True,
            lenient_data_after_close=True,
            lenient_optional_cr_before_lf=True,
            lenient_optional_crlf_after_chunk=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._head_is_there = False
        self._whole = False
        self._keepable = False
        self._pauses = 0
        self._beside = 0
        self._take: Take | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._read_at = self._loop.time()
        self._end_if_silent = False
        self._watch: asyncio.TimerHandle | None = None

    # Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a line of the head."""
        if not self._head_is_there:
            field, words = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            before = self.headers.get(field)
            self.headers[field] = words if before is None else f"{before}, {words}"

    def on_headers_complete(self) -> None:
        """The head is there, if it is not one of those that go before it."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._head_is_there = True
            self.status = status
        else:
            self.headers.clear()

    def on_message_complete(self) -> None:
        """The end has come."""
        if self._head_is_there and not self._whole:
            self._whole = True
            self._keepable = self._parser.should_keep_alive()

    # Called by whoever asks

    async def begun(self) -> None:
        """Wait for the head.

        Raises:
            SilenceError: it does not come.
            WireError: the connection broke, or what comes is not HTTP.
        """
        self._wire.listen(self._read)
        await self._wait()

    async def deliver(self, take: Take) -> None:
        """Have `take` called with all parts of the body, until its end or until it wants no more.

        Raises:
            SilenceError: nothing came for too long.
            WireError: the connection broke before the end.
        """
        self._take = take
        self._pace.streams += 1
        try:
            if not self._hand_on():
                await self._wait()
        finally:
            self._pace.streams -= 1
            self._take = None

    def soon_ends(self, seconds: float) -> None:
        """From here on silence of so many seconds is an end like any other."""
        self._end_if_silent = True
        self._patience = seconds
        if self._waiting is not None:
            self._watch_silence()

    async def drain(self, seconds: float) -> None:
        """Read what little follows, so that the connection can be used again."""
        if self._whole:
            return
        with contextlib.suppress(OSError):
            async with asyncio.timeout(seconds):
                await self.deliver(lambda data: READ_ON)

    def leave(self) -> bool:
        """Read no more; whether the connection can be used for another request."""
        self._end(None)
        return self._whole and self._keepable

    async def _wait(self) -> None:
        self._waiting = self._loop.create_future()
        self._watch_silence()
        try:
            await self._waiting
        finally:
            self._waiting = None
            self._wire.ignore()
            if self._watch is not None:
                self._watch.cancel()

    # Reading

    def _read(self) -> None:
        """Read once what has come, and hand it on."""
        if self._waiting is None or self._waiting.done():
            return
        try:
            data = self._wire.receive()
            if data is None:
                self._wire.listen(self._read)
                return
            self._pace.reads += 1
            if data:
                self._parse(data)
            elif not self._ends_with_the_connection():
                raise WireError(
                    "the server closed the connection in the middle of its answer"
                    if self._head_is_there
                    else "the server closed the connection without an answer"
                )
            else:
                self._whole = True
        except OSError as error:
            self._end(error)
            return
        self._go_on()

    def _parse(self, data: bytes) -> None:
        now = self._loop.time()
        self._read_at = now
        held = len(self._parts)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise WireError("the server changes the protocol") from error
        except httptools.HttpParserError as error:
            if not self._whole:
                raise WireError(f"not HTTP: {error}") from error
            self._keepable = False  # something behind the answer
        if len(self._parts) > held or self._whole:
            self._beside = 0
            return
        self._beside += len(data)
        if self._beside > _MAX_BESIDE_BODY:
            raise WireError("a head that does not end")

    def _go_on(self) -> None:
        if self._take is None:
            if self._head_is_there:
                self._done()
        else:
            self._hand_on()

    def _hand_on(self) -> bool:
        """Give on what has come; whether that was the last of it."""
        assert self._take is not None
        pause: Pause | None = READ_ON
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            try:
                pause = self._take(data)
            except Exception as error:
                if self._waiting is None:
                    raise
                self._end(error)
                return True
        if self._whole or pause is None:
            self._done()
            return True
        self._pauses += 1
        if pause.seconds:
            self._wire.ignore()
            this = self._pauses
            self._pace.wake(pause, lambda: self._awake(this), self._wire.unread)
        else:
            self._wire.listen(self._read)
        return False

    def _awake(self, pause: int) -> None:
        if pause == self._pauses:  # else it was cut short
            self._read()

    def _ends_with_the_connection(self) -> bool:
        framed = "content-length" in self.headers or "chunked" in self.headers.get(
            "transfer-encoding", ""
        )
        return self._head_is_there and not framed

    # Ending

    def _watch_silence(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._loop.call_at(self._read_at + self._patience, self._silent)

    def _silent(self) -> None:
        if self._loop.time() < self._read_at + self._patience:
            self._watch_silence()
            return
        read_at = self._read_at
        self._read()  # a pause is no silence
        if self._waiting is None or self._waiting.done():
            return
        if self._read_at > read_at:
            self._watch_silence()
        elif self._end_if_silent:
            self._done()
        else:
            self._end(SilenceError(f"not a byte within {self._patience:g} s"))

    def _done(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _end(self, error: Exception | None) -> None:
        self._wire.ignore()
        if self._watch is not None:
            self._watch.cancel()
        if error is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


def _head(
    method: str,
    url: str,
    route: Route,
    headers: Mapping[str, str],
    content: bytes | None,
) -> bytes:
    """A request as it is sent, body included."""
    parts, server = target_of(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if route.proxy is not None and not route.tunnelled:
        path = f"{parts.scheme}://{server.name}{path}"
        if route.proxy.authorization:
            lines.append(f"Proxy-Authorization: {route.proxy.authorization}")
    if content is not None:
        lines.append(f"Content-Length: {len(content)}")
    try:
        head = "\r\n".join((f"{method} {path} HTTP/1.1", *lines, "", "")).encode("latin-1")
    except UnicodeEncodeError as error:
        raise RouteError("a header or the URL holds what no request can carry") from error
    return head + (content or b"")


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
