"""A client for OpenAI-compatible chat servers: one method, one try of one request.

It knows the protocol and how servers break it; when to try again is the engine's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

from lrmtest.models.engines.http import life
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.events import ChatEvents
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.pace import READ_ON, Pace, Pause, pause_after
from lrmtest.models.engines.http.plain import PlainPieces
from lrmtest.models.engines.http.retry import retry_after_seconds
from lrmtest.models.engines.http.route import RouteError
from lrmtest.models.engines.http.sse import EventTooLargeError, ServerEvent
from lrmtest.models.engines.http.stream import ChatReply, ChatStream
from lrmtest.models.engines.http.told import (
    RETRIED_STATUSES,
    WORDS,
    hint_for,
    parse,
    status_in,
    tells_of_error,
    text_in,
)
from lrmtest.models.engines.http.transport import Answer, SilenceError, Transport
from lrmtest.models.engines.http.wire import WireError

_DRAIN_SECONDS = 1.0
_MAX_ERROR_BYTES = 64 << 10
_MAX_JSON_BYTES = 32 << 20
_MAX_BEGINNING = 4096
# Beside answers, everything a server is asked is known to it at once.
_FACT_SECONDS = 60.0
_AFTER_END_SECONDS = 10.0


class ChatClient:
    """Speaks to one server over one connection, which is kept; from one event loop.

    Redirects are not followed. Proxies come from the environment, except for servers on this
    machine. For requests side by side have a client for each.

    Args:
        endpoint: where the server is.
        timeout: seconds a request may go without progress: without a piece of text once there was
            one, without a byte before; reaching the server has 15 of them.
        on_data: called whenever the server sends part of an answer's text.
        pace: says when streams are read; clients of one event loop share one.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float,
        on_data: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        self._on_data = on_data
        self._pace = pace or Pace()
        # No compression: a bounded number of bytes must be a bounded number of characters.
        self._headers = {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "lrmtest",
        }
        if endpoint.key:
            self._headers["Authorization"] = f"Bearer {endpoint.key}"
        self._transport = Transport(
            trust_env=not endpoint.is_loopback, timeout=timeout, pace=self._pace
        )

    async def chat(
        self, content: Mapping[str, Any], stream: ChatStream, path: str = "chat/completions"
    ) -> ChatReply:
        """Ask for one completion, once.

        Args:
            content: the request's body.
            stream: collects the answer; its `pieces` can be read meanwhile.
            path: what is asked, below the API's root.

        Raises:
            BrokenAnswerError: the same request may succeed if it is sent again.
            RefusedError: it will not.
        """
        url = f"{self.endpoint.url}/{path}"
        async with self._answer("POST", url, content) as answer:
            if answer.status != 200:
                raise await self._refusal(answer)
            self._refuse_compression(answer)
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind.endswith("json"):
                whole = self._checked(await self._whole(answer))
                if not (isinstance(whole, dict) and whole.get("choices")):
                    raise BrokenAnswerError(f"no answer in it: {self.endpoint.quote(str(whole))}")
                stream.add(whole)
                stream.ended = True
            elif kind in ("text/event-stream", "text/plain", ""):
                await self._read_events(answer, stream)
            else:
                start = self._say(await self._body(answer, _MAX_ERROR_BYTES, cut=True))
                raise BrokenAnswerError(
                    f"the server answered with {self.endpoint.quote(kind, 60)}: {start}",
                    shape=kind,
                )
            return self.replied(stream)

    def replied(self, stream: ChatStream) -> ChatReply:
        """The answer that a stream has gathered, without the key in it.

        Raises:
            BrokenAnswerError, RefusedError: as `ChatStream.reply`.
        """
        reply = stream.reply()
        shown = self._without_key(reply)
        stream.altered = shown is not reply
        return shown

    def _without_key(self, reply: ChatReply) -> ChatReply:
        """`reply`, unless the server has put the key into it: then with asterisks there."""
        text, word = self.endpoint.hide(reply.text), self.endpoint.hide(reply.finish_word)
        same = text == reply.text and word == reply.finish_word
        return reply if same else replace(reply, text=text, finish_word=word)

    async def get(self, url: str) -> Any:
        """The JSON value at `url`; raises as `chat` does."""
        return await self._json("GET", url, None)

    async def post(
        self,
        url: str,
        content: Mapping[str, Any],
        *,
        seconds: float = _FACT_SECONDS,
        most: int = _MAX_JSON_BYTES,
    ) -> Any:
        """The JSON value that `url` answers to `content`; raises as `chat` does.

        Args:
            url: what is asked.
            content: the request's body.
            seconds: that the answer may take; no more than the client's own patience.
            most: bytes that it may have.
        """
        return await self._json("POST", url, content, seconds, most)

    async def aclose(self) -> None:
        """Close the connection."""
        self._transport.close()

    async def _json(
        self,
        method: str,
        url: str,
        content: Mapping[str, Any] | None,
        seconds: float = _FACT_SECONDS,
        most: int = _MAX_JSON_BYTES,
    ) -> Any:
        seconds = min(self._timeout, seconds)
        try:
            async with asyncio.timeout(seconds), self._answer(method, url, content) as answer:
                if answer.status != 200:
                    raise await self._refusal(answer)
                body = await self._body(answer, most)
                # A model's name, for instance, is stored: it must not be the key that was sent.
                return parse(self.endpoint.hide_bytes(body))
        except TimeoutError as error:
            raise BrokenAnswerError(f"no whole answer within {seconds:g} s") from error

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, url: str, content: Mapping[str, Any] | None
    ) -> AsyncIterator[Answer]:
        """The answer's head, with whatever breaks on the wire as a BrokenAnswerError."""
        payload = None if content is None else json.dumps(content).encode()
        try:
            async with self._transport.request(method, url, self._headers, payload) as answer:
                yield answer
        except SilenceError as error:
            raise BrokenAnswerError(str(error)) from error
        except RouteError as error:
            raise RefusedError(
                f"the request could not be sent: {error}", hint="check the URL, and the proxy's"
            ) from error
        except WireError as error:
            words = self.endpoint.quote(str(error))
            raise BrokenAnswerError(f"connection failed: {words}") from error

    async def _whole(self, answer: Answer) -> bytes:
        """The body of a server that does not stream; blanks may tell that it works on it."""
        patience = life.QUEUE_SILENCES * self._timeout
        try:
            async with asyncio.timeout(patience):
                return await self._body(answer, _MAX_JSON_BYTES)
        except SilenceError:
            raise
        except TimeoutError as error:
            raise BrokenAnswerError(f"no whole answer within {patience:g} s") from error

    async def _read_events(self, answer: Answer, stream: ChatStream) -> None:
        reader = _StreamReader(self, answer, stream)
        try:
            await answer.deliver(reader.take)
            if stream.looped:
                return  # leaving closes the connection, which stops the server
            if stream.ended:
                await answer.drain(_DRAIN_SECONDS)
                return
            reader.events.finish()
        except EventTooLargeError as error:
            raise BrokenAnswerError(f"malformed answer: {error}", shape=str(error)) from error
        if not (stream.pieces or stream.end_told or stream.ended):
            beginning = reader.beginning
            words = f": {self._say(beginning)}" if beginning.strip() else ""
            raise BrokenAnswerError(f"the stream ended before the completion did{words}")

    def _take(self, event: ServerEvent, stream: ChatStream) -> None:
        if event.name.strip().lower() == "error":
            raise self._told_of_error(event.data)
        if event.data.strip() == "[DONE]":
            stream.ended = True
        elif not stream.ended:
            stream.add(self._checked(event.data))

    def _checked(self, data: str | bytes) -> object:
        """The object in `data`, unless it tells of an error in the place of an answer."""
        event = parse(data)
        if isinstance(event, dict) and tells_of_error(event):
            raise self._told_of_error(data)
        return event

    def _told_of_error(self, data: str | bytes) -> Exception:
        """What an error amounts to that came with status 200, or in the middle of an answer."""
        words = self._say(data)
        code = status_in(data)
        if code is not None and 400 <= code < 500 and code not in RETRIED_STATUSES:
            return RefusedError(
                f"HTTP {code}: {words}",
                status=code,
                hint=hint_for(code, words),
                words=text_in(data),
            )
        return BrokenAnswerError(f"the server broke off: {words}", busy=code == 429)

    def _refuse_compression(self, answer: Answer) -> None:
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            words = f"compressed ({self.endpoint.quote(encoding, 20)}), which was not asked for"
            raise BrokenAnswerError(f"malformed answer: {words}", shape=words)

    async def _refusal(self, answer: Answer) -> Exception:
        """What an answer other than 200 means."""
        status = answer.status
        words, said = "", b""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(min(self._timeout, _FACT_SECONDS)):
                said = await self._body(answer, _MAX_ERROR_BYTES, cut=True)
                words = self._say(said)
        message = f"HTTP {status}: {words}" if words else f"HTTP {status}"
        if status >= 500 or status in RETRIED_STATUSES:
            return BrokenAnswerError(
                message,
                status=status,
                retry_after=retry_after_seconds(answer.headers.get("retry-after")),
                busy=status < 500,
            )
        return RefusedError(
            message, status=status, hint=hint_for(status, words), words=text_in(said)
        )

    async def _body(self, answer: Answer, limit: int, *, cut: bool = False) -> bytes:
        parts: list[bytes] = []
        size = 0

        def take(data: bytes) -> Pause | None:
            nonlocal size
            parts.append(data)
            size += len(data)
            if size > limit and not cut:
                raise BrokenAnswerError(f"malformed answer: more than {limit} bytes")
            return None if size > limit else READ_ON

        await answer.deliver(take)
        return b"".join(parts)[:limit]

    def _say(self, data: str | bytes) -> str:
        """The server's own words in an error, fit to be printed."""
        text = text_in(data)
        with contextlib.suppress(BrokenAnswerError):
            event = parse(data)
            error = event.get("error") or event if isinstance(event, dict) else event
            said = [error.get(key) for key in WORDS] if isinstance(error, dict) else [error]
            text = next((words for words in said if words and isinstance(words, str)), text)
        return self.endpoint.quote(text)


class _StreamReader:
    """Takes a stream's bytes as they come, and says how long it may be left alone.

    Attributes:
        events: what the bytes are turned into.
        beginning: the first bytes, as long as there is no text.
    """

    def __init__(self, client: ChatClient, answer: Answer, stream: ChatStream) -> None:
        self._client = client
        self._answer = answer
        self._stream = stream
        self.events = ChatEvents(self._take_run, self._take_event, runs=stream.takes_runs)
        self.beginning = b""
        self._clock = asyncio.get_running_loop().time
        self._life = life.Life(client._timeout, self._clock)
        self._received = 0
        self._first_text: float | None = None
        self._last_read = self._clock()
        self._pieces = 0

    def take(self, data: bytes) -> Pause | None:
        """Take what has come; when to read again, as `transport.Take`.

        Raises:
            BrokenAnswerError, RefusedError: as `ChatClient.chat`.
            EventTooLargeError: an event has no end.
        """
        stream = self._stream
        self.events.feed(data)
        if stream.looped or stream.ended:
            return None
        if self._life.seen(stream.pieces, self.events.lines):
            self._client._on_data()
        if not stream.pieces:
            self.beginning = (self.beginning + data)[:_MAX_BEGINNING]
        self._received += len(data)
        if self._received > stream.max_bytes:
            raise RefusedError("the server's answer does not end")
        if stream.end_told:
            self._answer.soon_ends(min(_AFTER_END_SECONDS, self._client._timeout / 2))
            return READ_ON
        return self._pause(len(data)) if stream.pieces else READ_ON

    def _pause(self, size: int) -> Pause:
        now = self._clock()
        waited, self._last_read = now - self._last_read, now
        if self._first_text is None:
            self._first_text = now
        age = now - self._first_text
        pieces, self._pieces = self._stream.pieces - self._pieces, self._stream.pieces
        tokens = self._stream.tokens
        left = max(0, self._stream.max_tokens - tokens) * age / tokens
        return pause_after(
            streams=self._client._pace.streams,
            age=age,
            size=size,
            waited=waited,
            gap=waited / pieces if pieces else math.inf,
            left=left,
        )

    def _take_run(self, run: PlainPieces) -> None:
        if not self._stream.ended:
            self._stream.add_run(run)

    def _take_event(self, event: ServerEvent) -> None:
        self._client._take(event, self._stream)
