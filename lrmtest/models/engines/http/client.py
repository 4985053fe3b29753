"""A client for OpenAI-compatible chat servers: one method, one try of one request.

It knows the protocol and how servers break it; when to try again is the engine's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from lrmtest.masking import masked
from lrmtest.models.engines.http.endpoint import KEY_VARIABLE, Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.retry import retry_after_seconds
from lrmtest.models.engines.http.sse import EventParser, EventTooLargeError, ServerEvent
from lrmtest.models.engines.http.stream import ChatReply, ChatStream


class _MaskedUrls(logging.Filter):
    """Keeps secrets of URLs out of the lines that httpx logs of every request."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                masked(str(part)) if isinstance(part, httpx.URL) else part for part in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_MaskedUrls())

_CONNECT_SECONDS = 15.0
_DRAIN_SECONDS = 1.0
# llama-server hangs up on idle connections after 5 s; leave them before it does.
_KEEPALIVE_SECONDS = 4.0
_MAX_ERROR_BYTES = 64 << 10
_MAX_JSON_BYTES = 32 << 20
_MAX_BEGINNING = 4096
# Beside answers, everything a server is asked is known to it at once.
_FACT_SECONDS = 60.0
_AFTER_END_SECONDS = 10.0
_RETRIED_STATUSES = (408, 409, 425, 429)

QUEUE_SILENCES = 4
"""Before the first piece of text a server that keeps showing that it lives may take this many
times as long as it may be silent."""


class ChatClient:
    """Speaks to one server over one connection, which is kept; from one event loop.

    Redirects are not followed. Proxies come from the environment, except for servers on this
    machine. For requests side by side have a client for each: the connection pool of httpx takes
    time quadratic in its connections for every request (at 256 it was 60 % of all time).

    Args:
        endpoint: where the server is.
        timeout: seconds a request may go without progress: without a piece of text once there was
            one, without a byte before; reaching the server has 15 of them.
        on_data: called whenever the server sends part of an answer's text.
    """

    def __init__(
        self, endpoint: Endpoint, *, timeout: float, on_data: Callable[[], None] = lambda: None
    ) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        self._on_data = on_data
        # No compression: a bounded number of bytes must be a bounded number of characters.
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        trust_env = not endpoint.is_loopback
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS), pool=None),
            limits=httpx.Limits(
                max_connections=1,
                max_keepalive_connections=1,
                keepalive_expiry=_KEEPALIVE_SECONDS,
            ),
            verify=_tls_context(trust_env),
            trust_env=trust_env,
        )

    async def chat(self, content: Mapping[str, Any], stream: ChatStream) -> ChatReply:
        """Ask for one completion, once.

        Args:
            content: the request's body.
            stream: collects the answer; its `pieces` can be read meanwhile.

        Raises:
            BrokenAnswerError: the same request may succeed if it is sent again.
            RefusedError: it will not.
        """
        url = f"{self.endpoint.url}/chat/completions"
        async with self._answer("POST", url, content) as response:
            if response.status_code != 200:
                raise await self._refusal(response)
            self._refuse_compression(response)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind.endswith("json"):
                answer = self._checked(await self._whole(response))
                if not (isinstance(answer, dict) and answer.get("choices")):
                    raise BrokenAnswerError(f"no answer in it: {self.endpoint.quote(str(answer))}")
                stream.add(answer)
                stream.ended = True
            elif kind in ("text/event-stream", "text/plain", ""):
                await self._read_events(response, stream)
            else:
                start = self._say(await self._body(response, _MAX_ERROR_BYTES, cut=True))
                raise BrokenAnswerError(
                    f"the server answered with {self.endpoint.quote(kind, 60)}: {start}",
                    shape=kind,
                )
            return self._without_key(stream.reply())

    def _without_key(self, reply: ChatReply) -> ChatReply:
        """`reply`, unless the server has put the key into it: then with asterisks there."""
        text, word = self.endpoint.hide(reply.text), self.endpoint.hide(reply.finish_word)
        same = text == reply.text and word == reply.finish_word
        return reply if same else replace(reply, text=text, finish_word=word)

    async def get(self, url: str) -> Any:
        """The JSON value at `url`; raises as `chat` does."""
        return await self._json("GET", url, None)

    async def post(self, url: str, content: Mapping[str, Any]) -> Any:
        """The JSON value that `url` answers to `content`; raises as `chat` does."""
        return await self._json("POST", url, content)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def _json(self, method: str, url: str, content: Mapping[str, Any] | None) -> Any:
        seconds = min(self._timeout, _FACT_SECONDS)
        try:
            async with asyncio.timeout(seconds), self._answer(method, url, content) as response:
                if response.status_code != 200:
                    raise await self._refusal(response)
                body = await self._body(response, _MAX_JSON_BYTES)
                # A model's name, for instance, is stored: it must not be the key that was sent.
                return _parse(self.endpoint.hide_bytes(body))
        except TimeoutError as error:
            raise BrokenAnswerError(f"no whole answer within {seconds:g} s") from error

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, url: str, content: Mapping[str, Any] | None
    ) -> AsyncIterator[httpx.Response]:
        """The answer's head, with whatever breaks on the wire as a BrokenAnswerError."""
        payload = None if content is None else json.dumps(content).encode()
        try:
            async with self._http.stream(method, url, content=payload) as response:
                yield response
        except httpx.TimeoutException as error:
            what = "no connection" if isinstance(error, httpx.ConnectTimeout) else "not a byte"
            raise BrokenAnswerError(f"{what} within {self._timeout:g} s") from error
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise RefusedError("the request could not be sent", hint="check the URL") from error
        except httpx.HTTPError as error:
            words = self.endpoint.quote(str(error)) or type(error).__name__
            raise BrokenAnswerError(f"connection failed: {words}") from error

    async def _whole(self, response: httpx.Response) -> bytes:
        """The body of a server that does not stream; blanks may tell that it works on it."""
        patience = QUEUE_SILENCES * self._timeout
        try:
            async with asyncio.timeout(patience):
                return await self._body(response, _MAX_JSON_BYTES)
        except TimeoutError as error:
            raise BrokenAnswerError(f"no whole answer within {patience:g} s") from error

    async def _read_events(self, response: httpx.Response, stream: ChatStream) -> None:
        parser = EventParser()
        beginning = b""
        life = _Life(self._timeout)
        received = 0
        chunks = response.aiter_raw()
        try:
            while (chunk := await self._next(chunks, stream)) is not None:
                for event in parser.feed(chunk):
                    self._take(event, stream)
                if stream.looped:
                    return  # leaving closes the connection, which stops the server
                if stream.ended:
                    await _drain(chunks)
                    return
                if life.seen(stream.pieces, parser.lines):
                    self._on_data()
                if not stream.pieces:
                    beginning = (beginning + chunk)[:_MAX_BEGINNING]
                received += len(chunk)
                if received > stream.max_bytes:
                    raise RefusedError("the server's answer does not end")
        except EventTooLargeError as error:
            raise BrokenAnswerError(f"malformed answer: {error}", shape=str(error)) from error
        for event in parser.finish():
            self._take(event, stream)
        if not (stream.pieces or stream.end_told or stream.ended):
            words = f": {self._say(beginning)}" if beginning.strip() else ""
            raise BrokenAnswerError(f"the stream ended before the completion did{words}")

    async def _next(self, chunks: AsyncIterator[bytes], stream: ChatStream) -> bytes | None:
        """The next bytes; None at the end, and when nothing follows the finish reason."""
        if not stream.end_told:
            return await anext(chunks, None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_AFTER_END_SECONDS, self._timeout / 2)):
                return await anext(chunks, None)
        return None

    def _take(self, event: ServerEvent, stream: ChatStream) -> None:
        if event.name.strip().lower() == "error":
            raise self._told_of_error(event.data)
        if event.data.strip() == "[DONE]":
            stream.ended = True
        elif not stream.ended:
            stream.add(self._checked(event.data))

    def _checked(self, data: str | bytes) -> object:
        """The object in `data`, unless it tells of an error in the place of an answer."""
        event = _parse(data)
        if isinstance(event, dict) and _tells_of_error(event):
            raise self._told_of_error(data)
        return event

    def _told_of_error(self, data: str | bytes) -> Exception:
        """What an error amounts to that came with status 200, or in the middle of an answer."""
        words = self._say(data)
        code = _code(data)
        if code is not None and 400 <= code < 500 and code not in _RETRIED_STATUSES:
            return RefusedError(
                f"HTTP {code}: {words}", status=code, hint=_hint(code, words), words=_text(data)
            )
        return BrokenAnswerError(f"the server broke off: {words}", busy=code == 429)

    def _refuse_compression(self, response: httpx.Response) -> None:
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            words = f"compressed ({self.endpoint.quote(encoding, 20)}), which was not asked for"
            raise BrokenAnswerError(f"malformed answer: {words}", shape=words)

    async def _refusal(self, response: httpx.Response) -> Exception:
        """What an answer other than 200 means."""
        status = response.status_code
        words, said = "", b""
        with contextlib.suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(min(self._timeout, _FACT_SECONDS)):
                said = await self._body(response, _MAX_ERROR_BYTES, cut=True)
                words = self._say(said)
        message = f"HTTP {status}: {words}" if words else f"HTTP {status}"
        if status >= 500 or status in _RETRIED_STATUSES:
            return BrokenAnswerError(
                message,
                status=status,
                retry_after=retry_after_seconds(response.headers.get("retry-after")),
                busy=status < 500,
            )
        return RefusedError(message, status=status, hint=_hint(status, words), words=_text(said))

    async def _body(self, response: httpx.Response, limit: int, *, cut: bool = False) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for chunk in response.aiter_raw():
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                if cut:
                    break
                raise BrokenAnswerError(f"malformed answer: more than {limit} bytes")
        return b"".join(parts)[:limit]

    def _say(self, data: str | bytes) -> str:
        """The server's own words in an error, fit to be printed."""
        text = _text(data)
        with contextlib.suppress(BrokenAnswerError):
            event = _parse(data)
            error = event.get("error") or event if isinstance(event, dict) else event
            said = [error.get(key) for key in _WORDS] if isinstance(error, dict) else [error]
            text = next((words for words in said if words and isinstance(words, str)), text)
        return self.endpoint.quote(text)


@functools.cache
def _tls_context(trust_env: bool) -> ssl.SSLContext:
    """Shared by all clients: reading the certificates takes longer than many a request."""
    return httpx.create_ssl_context(trust_env=trust_env)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read what little follows the last event, so that the connection can be used again."""
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in chunks:
                pass


class _Life:
    """Whether a stream is alive: text makes progress, anything else only before it begins.

    Drops that never make a line are no better than silence; nor are comments, blank lines and
    empty pieces once there was text. Before, they may tell of a queue, which takes a while.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._pieces, self._lines = 0, 0
        self._last_line = self._last_piece = clock()

    def seen(self, pieces: int, lines: int) -> bool:
        """Note what has come so far; whether there is new text.

        Raises:
            BrokenAnswerError: the server has only pretended to live for too long.
        """
        now = self._clock()
        if pieces > self._pieces:
            self._pieces, self._lines = pieces, lines
            self._last_line = self._last_piece = now
            return True
        if lines > self._lines:
            self._lines, self._last_line = lines, now
        elif now - self._last_line > self._timeout:
            raise BrokenAnswerError(f"not a line within {self._timeout:g} s")
        patience = self._timeout if self._pieces else QUEUE_SILENCES * self._timeout
        if now - self._last_piece > patience:
            raise BrokenAnswerError(f"no text within {patience:g} s, though signs of life")
        return False


def _parse(data: str | bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenAnswerError("malformed answer: no valid JSON", shape="no valid JSON") from None


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


_WORDS = ("message", "detail", "msg", "error", "error_msg", "error_message", "reason", "title")


def _tells_of_error(event: Mapping[str, Any]) -> bool:
    """Whether an object is a server's word of trouble, in any of the forms that servers have."""
    if event.get("error") or event.get("object") == "error" or event.get("type") == "error":
        return True
    choices = event.get("choices")
    if isinstance(choices, list) and choices:
        return isinstance(choices[0], dict) and bool(choices[0].get("error"))
    return not event.get("usage") and any(event.get(key) for key in (*_WORDS, "errors", "code"))


def _code(data: str | bytes) -> int | None:
    """The HTTP status in an error's own words; None without one."""
    with contextlib.suppress(BrokenAnswerError):
        event = _parse(data)
        places = (event.get("error"), event) if isinstance(event, dict) else ()
        for place in (place for place in places if isinstance(place, dict)):
            for key in ("code", "status", "status_code"):
                code = place.get(key)
                if isinstance(code, int) and not isinstance(code, bool):
                    return code
                if isinstance(code, str) and code.isdecimal() and len(code) == 3:
                    return int(code)
    return None


def _hint(status: int, words: str) -> str | None:
    if status in (401, 403):
        return (
            f"set {KEY_VARIABLE}, or {KEY_VARIABLE}_NAME for the model called NAME, "
            "in the environment"
        )
    if status == 404:
        return "check the URL, and the model's name with --served-model"
    if 300 <= status < 400:
        return "redirects are not followed; give the URL it redirects to"
    if "context" in words.lower():
        return "lower --max-tokens, or serve the model with a longer context"
    return None
