"""The endpoint reader: reads with a server that shows log-probabilities, vLLM or llama-server."""

from __future__ import annotations

import asyncio
import queue
from array import array
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.masking import masked_url
from lrmtest.models.engines.base import Conversation, EngineInfo
from lrmtest.models.engines.http.background import BackgroundLoop
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.identity import ModelWatch
from lrmtest.models.engines.http.keys import FoundKey, find_key
from lrmtest.models.engines.http.retry import Backoff, asked_again
from lrmtest.models.engines.http.server_facts import LLAMA_CPP, ServerFacts, probe
from lrmtest.models.engines.kinds import carried
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.reading.prompts import ServerPrompts
from lrmtest.models.engines.reading.shown import bounds
from lrmtest.models.engines.reading.ways import Way, way_of
from lrmtest.models.engines.reading.whole import whole_distribution
from lrmtest.models.engines.trace_reader import (
    ESTIMATED,
    DeliverDistribution,
    DeliverReading,
    ReaderInfo,
    longest,
    name_of,
)
from lrmtest.models.reading import Reading, Shaping, Written
from lrmtest.models.rejection import Distribution

if TYPE_CHECKING:
    from lrmtest.models.spec import ModelSpec

MOST_SHOWN = 64
"""Likeliest tokens that a server is asked for; nearly every nucleus of 0.95 is within so many."""
_FEWER_SHOWN = (20, 5, 1, 0)
"""vLLM refuses more than its ``--max-logprobs``, 20 unless it was told otherwise."""
_LARGEST_VOCABULARY = 1 << 19
_CONCURRENCY = 8  # traces at once; a prefill fills a server, so that more of them gain little
_SECONDS = 1800.0  # of one answer
_LOOK_SECONDS = 0.5
_CLOSED = "the reader was closed while it read"

_I = TypeVar("_I")
_T = TypeVar("_T")
_Ask = Callable[[ChatClient, _I, int], Awaitable[_T]]
"""Asks a server for what belongs to an item, in a slot of its own."""
_Found = queue.SimpleQueue[tuple[_I, _T] | BaseException | None]


class EndpointReader:
    """Reads by asking a server. See `lrmtest.models.engines.trace_reader.TraceReader`.

    Args:
        spec: the reader; its location is the server's base URL.
        options: concurrency (traces at once), max_retries, served_model and model_difference are
            heeded.
        parent: must be None: a server has one model.
        key: the API key of a server that was started here; None takes it from the environment.
    """

    def __init__(
        self,
        spec: ModelSpec,
        options: EngineOptions,
        parent: ModelSpec | None = None,
        *,
        key: str | None = None,
    ) -> None:
        assert parent is None
        self._spec = spec
        self._options = options
        url = Endpoint.parse(spec.location).url
        found = FoundKey(key) if key else find_key(spec.name, url, options.endpoints)
        self._endpoint = Endpoint(url, found.value)
        self._background = BackgroundLoop(f"lrmtest-reading-{spec.name}")
        self._top = MOST_SHOWN
        self._way: Way | None = None
        self._facts: ServerFacts | None = None
        self._prompts: ServerPrompts | None = None
        self._concurrency = options.concurrency or _CONCURRENCY
        differs = options.model_difference
        self._watch = ModelWatch(None if differs is None else partial(differs, url))

    def start(self, planned: Sequence[Written]) -> ReaderInfo:
        """Reach the server.

        Raises:
            UsageError: a trace does not fit its context, or it has no way to show what it thinks
                of given tokens.
            ModelError: it cannot be reached, or does not serve the model.
        """
        self._background.start()
        self._facts = facts = self._background.call(self._probe())
        self._way = way_of(facts, _LARGEST_VOCABULARY, _SECONDS)
        if self._way is None:
            raise UsageError(
                f"the server at {self._endpoint.url} ({facts.kind or 'of an unknown kind'}) does "
                "not tell the log-probabilities of tokens that it is given",
                hint="serve the model with vLLM or llama-server, or read its files: "
                "--engine transformers",
            )
        self._prompts = ServerPrompts(facts, carried(self._spec, self._options))
        most = longest(planned)
        if facts.context_length is not None and most.length >= facts.context_length:
            raise UsageError(
                f"{name_of(most)} has {most.length:,} tokens with its prompt; a server with a "
                f"context of {facts.context_length:,} reads one less at most",
                hint="serve it with a longer context",
            )
        if facts.kind == LLAMA_CPP:
            self._concurrency = min(self._concurrency, facts.slots or 1)
        self._top = max(_needed(one.shaping) for one in planned)
        return ReaderInfo(
            EngineInfo(
                engine="openai",
                version=facts.version,
                details={
                    "server": facts.kind,
                    "url": masked_url(self._endpoint.url),
                    "served_model": facts.model,
                    "shown": self._top,
                    "concurrency": self._concurrency,
                    **facts.details,
                },
            ),
            limits(facts.kind, {one.shaping for one in planned}),
        )

    def prompts(self, conversations: Sequence[Conversation]) -> list[array[int] | None]:
        """See `RendersPrompts.prompts`.

        Raises:
            MachineryError: the server does not answer.
        """
        try:
            return self._background.call(self._all_prompts(conversations))
        except BrokenAnswerError as failure:
            raise MachineryError(f"{self._endpoint.url}: {failure}") from None

    def read(self, written: Sequence[Written], deliver: DeliverReading) -> None:
        """See `TraceReader.read`.

        Raises:
            MachineryError: the server does not answer, however often it is asked.
            ModelError: it refuses to.
        """
        self.read_from(iter(sorted(written, key=lambda one: -one.length)), deliver)

    def read_from(self, waiting: Iterator[Written], deliver: DeliverReading) -> None:
        """Read what an iterator gives, which is asked for a trace when there is room for one.

        It is asked on another thread. When it has ended and all that it gave is read, this returns.

        Raises:
            MachineryError, ModelError: as `read`.
        """

        async def one(client: ChatClient, written: Written, slot: int) -> Reading:
            return await self._tried(name_of(written), partial(self._read, client, written, slot))

        for _, reading in self._each(waiting, one):
            deliver(reading, None)

    def distributions(
        self, asked: Sequence[tuple[array[int], Shaping]], deliver: DeliverDistribution
    ) -> None:
        """See `TellsDistributions.distributions`; of a vLLM that was started for it.

        Raises:
            MachineryError: the server does not answer, however often it is asked, or not with
                distributions.
            ModelError: it refuses to.
        """
        assert self._facts is not None
        facts = self._facts

        async def one(client: ChatClient, index: int, slot: int) -> Distribution:
            ids, shaping = asked[index]
            told = partial(
                whole_distribution, client, facts, ids, shaping, _LARGEST_VOCABULARY, _SECONDS
            )
            return await self._tried(f"a place behind {len(ids):,} tokens", told)

        for index, found in self._each(iter(range(len(asked))), one):
            deliver(index, found)

    def close(self) -> None:
        """Drop every connection."""
        self._background.close()

    def _each(self, waiting: Iterator[_I], ask: _Ask[_I, _T]) -> Iterator[tuple[_I, _T]]:
        """What comes of asking for each of some items, as it comes."""
        found: _Found[_I, _T] = queue.SimpleQueue()
        self._background.post(lambda: self._begin(self._all(waiting, ask, found)))
        while True:
            try:
                one = found.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self._background.closed:  # before it had begun
                    raise MachineryError(_CLOSED) from None
                continue
            if one is None:
                return
            if isinstance(one, BaseException):
                raise one
            yield one

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(work)

    # What follows runs on the loop's thread.

    async def _all(self, waiting: Iterator[_I], ask: _Ask[_I, _T], found: _Found[_I, _T]) -> None:
        async def work(slot: int) -> None:
            async with aclosing(self._client()) as client:
                for item in waiting:
                    found.put((item, await ask(client, item, slot)))

        try:
            async with asyncio.TaskGroup() as group:
                for slot in range(self._concurrency):
                    group.create_task(work(slot))
        except* Exception as failures:
            found.put(failures.exceptions[0])
        except* BaseException:  # closed meanwhile
            found.put(MachineryError(_CLOSED))
            raise
        found.put(None)

    async def _all_prompts(self, conversations: Sequence[Conversation]) -> list[array[int] | None]:
        """The prompt of each conversation, a few at a time."""
        assert self._prompts is not None
        prompts = self._prompts
        found: list[array[int] | None] = [None] * len(conversations)
        waiting = iter(enumerate(conversations))

        async def work() -> None:
            async with aclosing(self._client()) as client:
                for number, one in waiting:
                    found[number] = await prompts.ids(client, one)

        workers = [work() for _ in range(min(self._concurrency, len(conversations)))]
        await asyncio.gather(*workers)
        return found

    async def _read(self, client: ChatClient, written: Written, slot: int) -> Reading:
        """One trace, asked for with fewer tokens beside where the server refuses so many."""
        while True:
            top = self._top
            try:
                return await self._asked(client, written, top, slot)
            except RefusedError as refusal:
                if not self._asks_less(refusal, top):
                    raise

    async def _tried(self, name: str, ask: Callable[[], Awaitable[_T]]) -> _T:
        """What is asked, asked for again when the answer breaks off."""

        async def once() -> _T:
            await self._expect_same_model()
            told = await ask()
            await self._expect_same_model()  # it may have been sent just after a break
            return told

        try:
            return await asked_again(
                once,
                retries=self._options.max_retries,
                backoff=Backoff(),
                broke=self._watch.broke,
            )
        except RefusedError as refusal:
            raise ModelError(
                f"{self._endpoint.url}: {name} cannot be read: {refusal}",
                hint=refusal.hint,
            ) from None
        except BrokenAnswerError as failure:
            words = f"{self._endpoint.url}: {failure}"
            hint = "what was read is kept; the same command goes on from there"
            raise MachineryError(words, hint=hint) from None

    async def _expect_same_model(self) -> None:
        """After a connection broke: see that the server was not started again with another model.

        Raises:
            MachineryError: it was.
            BrokenAnswerError: it cannot be asked now.
        """
        try:
            await self._watch.check()
        except RefusedError as changed:
            raise MachineryError(
                f"{self._endpoint.url}: {changed}",
                hint="what was read before is kept; the same command reads anew, with the model "
                "that is served now",
            ) from None

    def _asks_less(self, refusal: RefusedError, asked: int) -> bool:
        """Ask for fewer tokens than were asked for from now on, if that may be why it refused."""
        if asked > self._top:
            return True  # another trace in flight has found out
        fewer = next((each for each in _FEWER_SHOWN if each < self._top), None)
        if refusal.status not in (400, 422) or "logprobs" not in refusal.words or fewer is None:
            return False
        self._top = fewer
        return True

    async def _asked(self, client: ChatClient, written: Written, top: int, slot: int) -> Reading:
        assert self._way is not None
        low, high, own = array("f"), array("f"), array("f")
        async with aclosing(self._way.shown(client, written.trace, top, slot)) as parts:
            async for part in parts:
                for shown in part:
                    least, most = bounds(shown, written.shaping)
                    low.append(least)
                    high.append(most)
                    own.append(shown.token)
        return reading_of(written, low, high, own)

    async def _probe(self) -> ServerFacts:
        async with aclosing(self._client()) as client:
            return await probe(client, self._options.served_model)

    def _client(self) -> ChatClient:
        return ChatClient(self._endpoint, timeout=_SECONDS)


def _needed(shaping: Shaping) -> int:
    """How many of the likeliest tokens say all that a shaping asks."""
    if shaping.greedy or shaping.nothing:
        return 1
    return MOST_SHOWN


def limits(kind: str, shapings: Collection[Shaping]) -> tuple[str, ...]:
    """What a server does not show, in sentences."""
    found = []
    if not all(shaping.greedy for shaping in shapings):
        found.append(ESTIMATED)
    if not all(shaping.greedy or shaping.nothing for shaping in shapings):
        found.append(
            f"the {MOST_SHOWN} likeliest tokens are shown; what follows from the others is bounded"
        )
    if kind == LLAMA_CPP:
        found.append(
            "llama-server shows only what it generates, so reading takes it as long as generating; "
            "--engine transformers reads a GGUF file's weights by prefill, in its own arithmetic"
        )
    return tuple(found)


def reading_of(
    written: Written,
    low: array[float],
    high: array[float],
    own: array[float],
) -> Reading:
    """The reading of a trace, from bounds on each token's log-probability.

    Raises:
        UsageError: the trace has no log-probabilities to compare with.
    """
    trace, shaping, nothing = written.trace, written.shaping, array("f")
    kept = trace.logprobs if shaping.greedy or shaping.nothing else nothing
    drawn = array("f", bytes(4 * len(low))) if shaping.greedy else trace.logprobs
    if len(drawn) != len(low):
        raise UsageError(
            f"the trace of {name_of(written)} has no log-probabilities",
            hint="read them again with the model that wrote it: --parent MODEL",
        )
    # A greedy trace is one token at each place for certain, and so is what its reader would say.
    apart = array("f", [float(each != 0) for each in low]) if shaping.greedy else nothing
    return Reading(written.place, drawn, low, high, apart, nothing, own, kept)
