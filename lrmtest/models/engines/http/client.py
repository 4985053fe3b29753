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
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.http.endpoint import KEY_VARIABLE, Endpoint
from lrmtest.models.engines.http.retry import retry_after_seconds
from lrmtest.models.engines.http.sse import EventParser, EventTooLargeError
from lrmtest.models.engines.http.stream import (
    BrokenAnswerError,
    ChatReply,
    ChatStream,
    RefusedError,
)


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
_MAX_BYTES_PER_TOKEN = 8192
_RETRIED_STATUSES = (408, 409, 425, 429)


class ChatClient:
    """Speaks to one server over one connection, which is kept; from one event loop.

    Redirects are not followed. Proxies come from the environment, except for servers on this
    machine. For requests side by side have a client for each: the connection pool of httpx takes
    time quadratic in its connections for every request (at 256 it was 60 % of all time).

    Args:
        endpoint: where the server is.
        timeout: seconds a request may go without a byte; reaching the server has 15 of them.
        on_data: called whenever the server sends part of an answer.
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

    async def chat(
        self, request: Request, body: Mapping[str, Any], stream: ChatStream
    ) -> ChatReply:
        """Ask for one completion, once.

        Args:
            request: whose conversation and sampling to send.
            body: further fields of the request: the model, parameters of this kind of server.
            stream: collects the answer; its `pieces` can be read meanwhile.

        Raises:
            BrokenAnswerError: the same request may succeed if it is sent again.
            RefusedError: it will not.
        """
        content = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            "max_tokens": request.sampling.max_tokens,
            "temperature": request.sampling.temperature,
            "top_p": request.sampling.top_p,
            "seed": request.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
            **body,
        }
        url = f"{self.endpoint.url}/chat/completions"
        async with self._answer("POST", url, content) as response:
            if response.status_code != 200:
                raise await self._refusal(response)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind.endswith("json"):
                stream.add(self._checked(await self._body(response, _MAX_JSON_BYTES)))
                stream.ended = True
            elif kind in ("text/event-stream", "text/plain", ""):
                limit = (32 << 20) + request.sampling.max_tokens * _MAX_BYTES_PER_TOKEN
                await self._read_events(response, stream, limit)
            else:
                start = self._say(await self._body(response, _MAX_ERROR_BYTES, cut=True))
                raise RefusedError(
                    f"the server answered with {self.endpoint.quote(kind, 60)}: {start}",
                    hint="is this URL the API's, or a web page's?",
                )
            return self._without_key(stream.reply())

    def _without_key(self, reply: ChatReply) -> ChatReply:
        """`reply`, unless the server has put the key into it: then with asterisks there."""
        text = self.endpoint.hide(reply.text)
        return reply if text == reply.text else replace(reply, text=text)

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
        async with self._answer(method, url, content) as response:
            if response.status_code != 200:
                raise await self._refusal(response)
            return _parse(await self._body(response, _MAX_JSON_BYTES))

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

    async def _read_events(
        self, response: httpx.Response, stream: ChatStream, max_bytes: int
    ) -> None:
        parser = EventParser()
        chunks = response.aiter_raw()
        received, lines, last_line = 0, 0, time.monotonic()
        try:
            async for chunk in chunks:
                for data in parser.feed(chunk):
                    self._take(data, stream)
                self._on_data()
                if stream.looped:
                    return  # leaving closes the connection, which stops the server
                if stream.ended:
                    await _drain(chunks)
                    return
                # Drops that never make a line are no better than silence.
                if parser.lines > lines:
                    lines, last_line = parser.lines, time.monotonic()
                elif time.monotonic() - last_line > self._timeout:
                    raise BrokenAnswerError(f"not a line within {self._timeout:g} s")
                received += len(chunk)
                if received > max_bytes:
                    raise RefusedError("the server's answer does not end")
        except EventTooLargeError as error:
            raise BrokenAnswerError(f"malformed answer: {error}") from error
        for data in parser.finish():
            self._take(data, stream)

    def _take(self, data: str, stream: ChatStream) -> None:
        if data.strip() == "[DONE]":
            stream.ended = True
        elif not stream.ended:
            stream.add(self._checked(data))

    def _checked(self, data: str | bytes) -> object:
        """The object in `data`, unless it tells of an error in the middle of an answer."""
        event = _parse(data)
        error = event.get("error") if isinstance(event, dict) else None
        if not error:
            return event
        code = error.get("code") if isinstance(error, dict) else None
        words = self._say(data)
        if isinstance(code, int) and 400 <= code < 500 and code not in _RETRIED_STATUSES:
            raise RefusedError(f"HTTP {code}: {words}", hint=_hint(code, words))
        raise BrokenAnswerError(f"the server broke off: {words}")

    async def _refusal(self, response: httpx.Response) -> Exception:
        """What an answer other than 200 means."""
        status = response.status_code
        words = ""
        with contextlib.suppress(httpx.HTTPError):
            words = self._say(await self._body(response, _MAX_ERROR_BYTES, cut=True))
        message = f"HTTP {status}: {words}" if words else f"HTTP {status}"
        if status >= 500 or status in _RETRIED_STATUSES:
            return BrokenAnswerError(
                message,
                status=status,
                retry_after=retry_after_seconds(response.headers.get("retry-after")),
                busy=status < 500,
            )
        return RefusedError(message, status=status, hint=_hint(status, words))

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
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        with contextlib.suppress(BrokenAnswerError):
            event = _parse(data)
            error = event.get("error", event) if isinstance(event, dict) else event
            words = error.get("message") if isinstance(error, dict) else error
            if isinstance(words, str):
                text = words
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


def _parse(data: str | bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenAnswerError("malformed answer: no valid JSON") from None


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
