"""The openai engine: any OpenAI-compatible endpoint.

vLLM, llama-server, SGLang, ``transformers serve``, a cluster's gateway. Everything that is
submitted is queued at once; up to `concurrency` requests are in flight, and whatever batches
them is the server. One thread runs them all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from lrmtest.errors import EngineError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.loops import LoopDetector
from lrmtest.models.engines.base import (
    Deliver,
    Delivery,
    EngineInfo,
    Progress,
    Request,
    fits_context,
)
from lrmtest.models.engines.http.background import BackgroundLoop
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint, environment_key
from lrmtest.models.engines.http.retry import Backoff, CircuitBreaker
from lrmtest.models.engines.http.server_facts import (
    LLAMA_CPP,
    SGLANG,
    VLLM,
    ServerFacts,
    count_prompt,
    count_tokens,
    probe,
)
from lrmtest.models.engines.http.stream import (
    BrokenAnswerError,
    ChatReply,
    ChatStream,
    DetectorMaker,
    RefusedError,
)
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.token_counts import estimate_tokens, proportional, reasoning_end
from lrmtest.models.spec import ModelSpec

_CONCURRENCY = {VLLM: 256, SGLANG: 256}  # vLLM's max_num_seqs on most GPUs
_DEFAULT_CONCURRENCY = 64
_SEEDED = (VLLM, SGLANG, LLAMA_CPP)
_FEWEST_FAILURES = 5  # in a row, before a server is given up
_MOST_CHARS_PER_TOKEN = 8  # a prompt surely has at least one token per so many characters
_ASK_THE_LOG = "the server's own log may say more; completions that arrived are kept"


class OpenAIEngine:
    """Generates by asking an OpenAI-compatible server.

    Failed requests are tried again, with exponential backoff, up to `options.max_retries` times:
    on 429, 5xx, broken connections, malformed answers and silence. When the server is gone for
    good, all that is queued fails at once.

    Args:
        spec: the model; its location is the server's base URL.
        options: `concurrency` defaults to the number of slots of a llama-server, 256 for vLLM
            and SGLang, 64 for everything else.
        key: the API key, for engines that start a server of their own; None takes it from the
            environment.
        backoff: waits between tries.
        detector: makes one loop detector per completion; a completion that it stops is delivered
            with finish reason ``loop``. None: `LoopDetector`, if `options.stop_loops`.
    """

    def __init__(
        self,
        spec: ModelSpec,
        options: EngineOptions,
        *,
        key: str | None = None,
        backoff: Backoff | None = None,
        detector: DetectorMaker | None = None,
    ) -> None:
        self._spec = spec
        self._options = options
        self._endpoint = Endpoint.parse(spec.location, key or environment_key())
        self._backoff = backoff or Backoff()
        self._detector = detector or (LoopDetector if options.stop_loops else None)
        self._progress = Progress()
        self._count: Callable[[str], int] | None = None
        self._background = BackgroundLoop(f"lrmtest-openai-{spec.name}")
        self._queue: asyncio.Queue[Request] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._closed = False
        if options.concurrency is not None and options.concurrency < 1:
            raise UsageError(f"a concurrency of {options.concurrency} would never ask anything")

    @property
    def progress(self) -> Progress:
        """Live counters; a piece of text is one token until the server has counted it."""
        return self._progress

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Reach the server and make sure that what is planned fits its context.

        `deliver` is called on the engine's thread and must not raise.

        Raises:
            UsageError: a request cannot fit the context, or one of several models must be chosen.
            ModelError: the server cannot be reached or does not serve the model.
        """
        if self._options.tokenizer:
            from lrmtest.models.engines.tokenizers.counter import load_counter

            self._count = load_counter(self._options.tokenizer)
        self._background.start()
        try:
            return self._background.call(self._open(planned, deliver))
        except BaseException:
            self.close()
            raise

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        batch = list(requests)

        def put() -> None:
            for request in batch:
                self._queue.put_nowait(request)

        self._background.post(put)

    def close(self) -> None:
        """Drop every connection and end the thread; unfinished requests are not delivered."""
        self._closed = True
        self._background.close()

    async def _open(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Probe the server and set the workers to work."""
        retries = self._options.max_retries
        breaker = CircuitBreaker(
            max(_FEWEST_FAILURES, retries + 1), patience=self._backoff.total(retries)
        )
        async with aclosing(self._client(breaker)) as client:
            facts = await probe(client, self._options.served_model)
            await self._refuse_misfits(client, facts, planned)
        concurrency = (
            self._options.concurrency
            or facts.slots
            or _CONCURRENCY.get(facts.kind, _DEFAULT_CONCURRENCY)
        )
        self._workers = [
            asyncio.create_task(self._work(_Worker(self._client(breaker), facts, breaker), deliver))
            for _ in range(concurrency)
        ]
        return EngineInfo(
            engine="openai",
            version=facts.version,
            details={
                "server": facts.kind or "unknown",
                "url": self._endpoint.url,
                "served_model": facts.model,
                "context_length": facts.context_length,
                "concurrency": concurrency,
                "sampling": facts.sampling,
                **facts.details,
            },
            seeded=facts.kind in _SEEDED,
        )

    async def _refuse_misfits(
        self, client: ChatClient, facts: ServerFacts, planned: Sequence[Request]
    ) -> None:
        """Refuse a budget that the server would cut short, before anything is generated.

        Raises:
            UsageError: prompt and budget of a request exceed the server's context.
        """
        if not planned or facts.context_length is None:
            return
        longest = max(planned, key=_least_tokens)
        prompt_tokens = await count_prompt(client, facts, longest.messages)
        if prompt_tokens is None:
            prompt_tokens = _least_tokens(longest) - longest.sampling.max_tokens
        budget = longest.sampling.max_tokens
        room = facts.context_length - prompt_tokens
        if fits_context(prompt_tokens, budget, facts.context_length):
            return
        suite = f"suite {longest.place.suite!r}" if longest.place.suite else "a test"
        raise UsageError(
            f"{suite} has a budget of {budget} tokens and a prompt of {prompt_tokens}, but "
            f"{self._spec.name} is served at {self._endpoint.url} with a context of "
            f"{facts.context_length}",
            hint="serve it with a longer context"
            + (f", or lower --max-tokens to {room}" if room > 0 else ""),
        )

    def _client(self, breaker: CircuitBreaker) -> ChatClient:
        return ChatClient(
            self._endpoint, timeout=self._options.request_timeout, on_data=breaker.alive
        )

    async def _work(self, worker: _Worker, deliver: Deliver) -> None:
        """Take a request, see it through, take the next."""
        async with aclosing(worker.client):
            while True:
                request = await self._queue.get()
                try:
                    delivery = await self._generate(worker, request)
                except (Exception, asyncio.CancelledError) as error:
                    # One request's accident must not end the others.
                    if self._closed and isinstance(error, asyncio.CancelledError):
                        raise
                    words = f"unexpected {type(error).__name__}: {error}"
                    delivery = self._failed(request, self._endpoint.quote(words), None, 1)
                if not self._closed:
                    deliver(delivery)

    async def _generate(self, worker: _Worker, request: Request) -> Delivery:
        attempts = 0
        while not worker.breaker.is_open:
            attempts += 1
            stream = ChatStream(
                self._spec.card.reasoning_tags,
                request.sampling.max_tokens,
                detector=self._detector() if self._detector else None,
                on_tokens=self._count_tokens,
            )
            began = time.monotonic()
            try:
                reply = await self._try(worker, request, stream)
            except RefusedError as refusal:
                worker.breaker.alive()
                return self._failed(request, str(refusal), refusal.hint, attempts)
            except BrokenAnswerError as failure:
                if stream.pieces or failure.busy:
                    worker.breaker.alive()
                else:
                    worker.breaker.failed(str(failure))
                if attempts > self._options.max_retries:
                    return self._failed(request, str(failure), _ASK_THE_LOG, attempts)
                delay = self._backoff.delay(attempts, failure.retry_after)
                await worker.breaker.pause(delay)
            else:
                worker.breaker.alive()
                seconds = time.monotonic() - began
                completion = await self._completion(worker, request, reply, seconds)
                return Delivery(request, completion=completion)
        reason = f"the server is gone: {worker.breaker.reason}"
        return self._failed(request, reason, "start it again, then repeat the command", attempts)

    async def _try(self, worker: _Worker, request: Request, stream: ChatStream) -> ChatReply:
        """One try, with its progress on show."""
        self._progress.running += 1
        try:
            reply = await worker.client.chat(request, worker.facts.body(request.sampling), stream)
        finally:
            self._progress.running -= 1
        self._progress.tokens += max(0, (reply.completion_tokens or 0) - stream.tokens)
        return reply

    def _count_tokens(self, number: int) -> None:
        self._progress.tokens += number

    def _failed(self, request: Request, message: str, hint: str | None, attempts: int) -> Delivery:
        tries = f" ({attempts} tries)" if attempts > 1 else ""
        return Delivery(
            request,
            error=EngineError(
                f"{self._endpoint.url}: {message}{tries}", hint=hint, attempts=attempts
            ),
        )

    async def _completion(
        self, worker: _Worker, request: Request, reply: ChatReply, seconds: float
    ) -> Completion:
        """The completion that `reply` is, with every token count that can be had.

        Reasoning tokens come from, best first: the server's own figure, its running count at the
        closing tag less what the same piece of text has behind it, the pieces of text up to the
        tag (where each is one token), a tokenizer here or at the server, the share of characters.
        """
        text, pieces = reply.text, reply.pieces
        estimated = False
        total = reply.completion_tokens
        if total is None:
            total = await self._tokens(worker, text)
        if total is None:
            # A server that does not stream sends one piece, however long the answer.
            total, estimated = max(pieces, estimate_tokens(text) if pieces < 2 else 0), True

        end = reasoning_end(text, self._spec.card.reasoning_tags, reply.finish_reason)
        at_close = reply.closings.get(end)
        one_token_each = pieces > 1 and total - pieces in (0, 1)  # the last token has no text
        if end in (0, len(text)):
            reasoning: int | None = total if end else 0
        elif reply.reasoning_tokens is not None:
            reasoning = reply.reasoning_tokens
        elif at_close and at_close.tokens is not None:
            behind = await self._tokens(worker, at_close.rest) if at_close.rest else 0
            estimated = estimated or behind is None
            behind = estimate_tokens(at_close.rest) if behind is None else behind
            reasoning = max(1, at_close.tokens - behind)
        elif at_close and one_token_each:
            reasoning = at_close.pieces
        else:
            reasoning = await self._tokens(worker, text[:end])
        if reasoning is None:
            reasoning, estimated = proportional(total, end, len(text)), True
        return Completion(
            text=text,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens or 0,
            completion_tokens=total,
            seed=request.seed,
            seconds=seconds,
        ).with_reasoning_tokens(reasoning, estimated=estimated)

    async def _tokens(self, worker: _Worker, text: str) -> int | None:
        """Exact number of tokens in `text`; None without a tokenizer."""
        if self._count is not None:
            return await asyncio.to_thread(self._count, text)
        return await count_tokens(worker.client, worker.facts, text)


@dataclass(frozen=True, slots=True)
class _Worker:
    """What one of the requests in flight needs."""

    client: ChatClient
    facts: ServerFacts
    breaker: CircuitBreaker


def _least_tokens(request: Request) -> int:
    """Budget and prompt of a request, in tokens, at the very least."""
    chars = sum(len(turn.content) for turn in request.messages)
    return request.sampling.max_tokens + chars // _MOST_CHARS_PER_TOKEN
