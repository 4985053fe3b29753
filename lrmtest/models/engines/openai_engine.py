"""The openai engine: any OpenAI-compatible endpoint.

vLLM, llama-server, SGLang, ``transformers serve``, a cluster's gateway. Everything that is
submitted is queued at once; up to `concurrency` requests are in flight, and whatever batches
them is the server. One thread runs them all.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lrmtest.errors import EngineError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.loops import LoopDetector
from lrmtest.masking import masked_url
from lrmtest.models.engines.base import (
    Deliver,
    Delivery,
    EngineInfo,
    Progress,
    Request,
    fits_context,
)
from lrmtest.models.engines.http.background import BackgroundLoop, SharedLoop
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.continued import ContinuedStream, Continuing
from lrmtest.models.engines.http.deadline import deadline
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.first import FirstGoesAlone
from lrmtest.models.engines.http.identity import ModelWatch
from lrmtest.models.engines.http.keys import FoundKey, find_key
from lrmtest.models.engines.http.llama_cpp_end import LlamaCppEnds
from lrmtest.models.engines.http.manners import UNTOLD_ENDS_NEEDED, Manners
from lrmtest.models.engines.http.pace import Pace
from lrmtest.models.engines.http.reply_counts import completion_of
from lrmtest.models.engines.http.retry import (
    MAX_RETRY_AFTER,
    Backoff,
    CircuitBreaker,
)
from lrmtest.models.engines.http.server_facts import (
    LLAMA_CPP,
    SGLANG,
    VLLM,
    ServerFacts,
    count_prompt,
    probe,
)
from lrmtest.models.engines.http.stream import ChatReply, ChatStream, DetectorMaker
from lrmtest.models.engines.http.traced import (
    LlamaCppPrompts,
    TraceError,
    TraceGathering,
    TraceRequests,
)
from lrmtest.models.engines.kinds import carried
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.token_counts import COUNTED, ESTIMATED, TOTALS
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace

_CONCURRENCY = {VLLM: 256, SGLANG: 256}  # vLLM's max_num_seqs on most GPUs
_DEFAULT_CONCURRENCY = 64
_SEEDED = (VLLM, SGLANG, LLAMA_CPP)
_FEWEST_FAILURES = 5  # in a row, before a server is given up
_MOST_CHARS_PER_TOKEN = 8  # a prompt surely has at least one token per so many characters
_FEW_TOKENS = 16
_MORE_TIME = "a slower server needs more: --request-deadline"
_ASK_THE_LOG = "the server's own log may say more; completions that arrived are kept"


class OpenAIEngine:
    """Generates by asking an OpenAI-compatible server.

    Failed requests are tried again, with exponential backoff, up to `options.max_retries` times:
    on 429, 5xx, broken connections, malformed answers, answers without evidence of their end, and
    silence. When the server is gone for good, all that is queued fails at once.

    Args:
        spec: the model; its location is the server's base URL.
        options: `concurrency` defaults to the number of slots of a llama-server, 256 for vLLM
            and SGLang, 64 for everything else.
        key: the API key, for engines that start a server of their own; None takes it from the
            environment.
        processed: the server was started to tell the log-probabilities that it draws by.
        backoff: waits between tries.
        detector: makes one loop detector per completion; a completion that it stops is delivered
            with finish reason ``loop``. None: `LoopDetector`, if `options.stop_loops`.
        beside: the loop that it shares with other engines; None for one of its own.
    """

    def __init__(
        self,
        spec: ModelSpec,
        options: EngineOptions,
        *,
        key: str | None = None,
        processed: bool = False,
        backoff: Backoff | None = None,
        detector: DetectorMaker | None = None,
        beside: SharedLoop | None = None,
    ) -> None:
        self._spec = spec
        self._options = options
        self._fields = carried(spec, options)
        # A server that was started here takes what it is sent, and need not be tried first.
        self._first = None if key else FirstGoesAlone()
        self._totals = ""
        self._processed = processed
        self._prompts = LlamaCppPrompts()
        self._ends = LlamaCppEnds()
        self._untold: set[str] = set()
        self._retries = options.max_retries
        url = Endpoint.parse(spec.location).url
        found = FoundKey(key) if key else find_key(spec.name, url, options.endpoints)
        self._endpoint = Endpoint(url, found.value)
        self._notices = found.notices
        self._backoff = backoff or Backoff()
        self._detector = detector or (LoopDetector if options.stop_loops else None)
        self._progress = Progress()
        self._pace = Pace() if beside is None else beside.pace
        self._count: Callable[[str], int] | None = None
        self._own = beside is None
        own = f"lrmtest-openai-{spec.name}"
        self._background = BackgroundLoop(own) if beside is None else beside.loop
        self._heard_at = 0.0
        self._queue: asyncio.Queue[Request] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._arrived: deque[Delivery] = deque()
        self._finding_out = asyncio.Lock()
        differs = options.model_difference
        self._watch = ModelWatch(None if differs is None else partial(differs, url))
        self._breaker: CircuitBreaker | None = None
        self._closed = False
        if options.concurrency is not None and options.concurrency < 1:
            raise UsageError(f"a concurrency of {options.concurrency} would never ask anything")

    @property
    def progress(self) -> Progress:
        """Live counters; a piece of text is one token until the server has counted it."""
        return self._progress

    @property
    def heard_at(self) -> float:
        """When the server last sent a part of an answer, in monotonic seconds; 0.0 for never."""
        return self._heard_at

    @property
    def gave_up(self) -> bool:
        """Whether the server counts as gone for good: what is queued fails, and all that comes."""
        return self._breaker is not None and self._breaker.is_open

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
        for notice in self._notices:
            self._options.tell(f"{self._spec.name}: {notice}")
        if self._own:
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
        """Drop every connection and end the thread; delivers what has arrived, nothing else."""
        self._closed = True
        if self._own:
            self._background.close()
        else:
            self._background.post(self._leave)

    def _leave(self) -> None:
        for worker in self._workers:
            worker.cancel()

    async def _open(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Probe the server and set the workers to work."""
        self._breaker = breaker = CircuitBreaker(
            max(_FEWEST_FAILURES, self._retries + 1), patience=self._backoff.total(self._retries)
        )
        async with aclosing(self._client(breaker)) as client:
            facts = await probe(client, self._options.served_model)
            await self._refuse_misfits(client, facts, planned)
        traces = self._trace_requests(facts)
        concurrency = (
            self._options.concurrency
            or facts.slots
            or _CONCURRENCY.get(facts.kind, _DEFAULT_CONCURRENCY)
        )
        manners = Manners(
            self._tell,
            self._options.note,
            fields=self._fields,
            run=planned[0].sampling if planned else None,
        )
        self._workers = [
            asyncio.create_task(
                self._work(_Worker(self._client(breaker), facts, breaker, manners, traces), deliver)
            )
            for _ in range(concurrency)
        ]
        return EngineInfo(
            engine="openai",
            version=facts.version,
            details={
                "server": facts.kind or "unknown",
                "url": masked_url(self._endpoint.url),
                "served_model": facts.model,
                "context_length": facts.context_length,
                "concurrency": concurrency,
                "sampling": facts.sampling(self._fields),
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
        prompt_tokens = await count_prompt(client, facts, longest.messages, self._fields)
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
        def heard() -> None:
            self._heard_at = time.monotonic()
            breaker.alive()

        return ChatClient(
            self._endpoint,
            timeout=self._options.request_timeout,
            on_data=heard,
            pace=self._pace,
        )

    async def _work(self, worker: _Worker, deliver: Deliver) -> None:
        """Take a request, see it through, take the next."""
        async with aclosing(worker.client):
            try:
                while not self._closed:
                    request = await self._queue.get()
                    self._arrived.append(await self._seen_through(worker, request))
                    if len(self._arrived) == 1:
                        asyncio.get_running_loop().call_soon(self._deliver_next, deliver)
                    elif len(self._arrived) > len(self._workers):
                        # A server that is faster than the store waits for it.
                        self._deliver_one(deliver)
            finally:
                while self._arrived:
                    self._deliver_one(deliver)

    async def _seen_through(self, worker: _Worker, request: Request) -> Delivery:
        """What becomes of a request, whose accident must not end the others."""
        try:
            return await self._generate(worker, request)
        except (Exception, asyncio.CancelledError) as error:
            if self._closed and isinstance(error, asyncio.CancelledError):
                raise
            words = f"unexpected {type(error).__name__}: {error}"
            return self._failed(request, self._endpoint.quote(words), None, 1)

    def _deliver_next(self, deliver: Deliver) -> None:
        """Deliver one of those that have arrived, and come back for the next.

        Not where each arrives: on a GPU a whole batch may end at once, and to store it all takes
        longer than to ask again, for which the server waits.
        """
        if self._arrived:
            self._deliver_one(deliver)
        if self._arrived:
            asyncio.get_running_loop().call_soon(self._deliver_next, deliver)

    def _deliver_one(self, deliver: Deliver) -> None:
        delivery = self._arrived.popleft()
        # An error may be the closing's own, or that of a server that is being started again.
        if not self._closed or delivery.completion is not None:
            deliver(delivery)

    async def _generate(self, worker: _Worker, request: Request) -> Delivery:
        """See a request through, within its deadline."""
        seconds = deadline(request.sampling.max_tokens, self._options)
        tries = _Tries(until=time.monotonic() + seconds)
        try:
            async with asyncio.timeout(seconds):
                return await self._answered(worker, request, tries)
        except TimeoutError:
            reason = f"not finished within {seconds:,.0f} s, every try and wait included"
            return self._failed(request, reason, _MORE_TIME, tries.made)

    async def _answered(self, worker: _Worker, request: Request, tries: _Tries) -> Delivery:
        """Ask until there is an answer, or no hope of one."""
        sampling = request.sampling
        kind = sampling.temperature, sampling.top_p
        first = None if self._first is None else await self._first.turn(kind)
        try:
            return await self._asked(worker, request, tries, first)
        finally:
            if first is not None:
                first.set()

    async def _asked(
        self, worker: _Worker, request: Request, tries: _Tries, first: asyncio.Event | None
    ) -> Delivery:
        """See `_answered`; `first` is set once the server takes requests of this kind."""
        manners = worker.manners
        while not worker.breaker.is_open:
            if manners.hopeless is not None:
                return self._refused(request, manners.hopeless, max(1, tries.made))
            tries.made += 1
            content = self._content(worker, request)
            gathering = None
            if worker.traces is not None:
                gathering = worker.traces.gathering(request.sampling)
            stream = self._stream(request, first, gathering)
            began = time.monotonic()
            try:
                await self._watch.check()
                reply = await self._try(worker, request, content, stream)
                await self._doubt(worker, request, reply, last=tries.made > self._retries)
                await self._watch.check()  # it may have been sent just after a break
            except RefusedError as refusal:
                worker.breaker.alive()
                if final := manners.adapt(refusal, content):
                    return self._refused(request, final, tries.made)
                tries.made -= 1
            except BrokenAnswerError as failure:
                self._watch.broke(failure)
                if first is not None:
                    first.set()
                if stream.pieces or failure.busy:
                    worker.breaker.alive()
                else:
                    worker.breaker.failed(str(failure))
                delay = self._backoff.delay(tries.made, failure.retry_after)
                if given_up := self._given_up(manners, failure, tries, delay):
                    return self._refused(request, given_up, tries.made)
                await worker.breaker.pause(delay)
            else:
                worker.breaker.alive()
                completion = await completion_of(
                    reply,
                    worker.client,
                    worker.facts,
                    tags=self._spec.reasoning_tags,
                    count=self._count,
                )
                if completion.tokens_estimated:
                    self._note_totals(counted=reply.completion_tokens is not None)
                seed = request.seed if manners.seeds else None
                seconds = time.monotonic() - began
                completion = replace(
                    completion,
                    seed=seed,
                    seconds=seconds,
                    drafted_tokens=self._drafted(request, completion),
                )
                trace = None
                if gathering is not None:
                    trace = await self._trace(worker, request, gathering, stream, reply, content)
                return Delivery(request, completion=completion, trace=trace)
        reason = f"the server is gone: {worker.breaker.reason}"
        hint = "start it again, then repeat the command"
        return self._failed(request, reason, hint, tries.made, elsewhere=True)

    def _given_up(
        self, manners: Manners, failure: BrokenAnswerError, tries: _Tries, delay: float
    ) -> RefusedError | None:
        """Why a request is not tried again after a failure; None if it is."""
        if malformed := manners.malformed(failure):
            return malformed
        if failure.retry_after is not None and failure.retry_after > MAX_RETRY_AFTER:
            return manners.put_off(failure, failure.retry_after)
        if tries.made > self._retries:
            return RefusedError(str(failure), hint=_ASK_THE_LOG, elsewhere=True)
        if time.monotonic() + delay > tries.until:
            return RefusedError(f"{failure}; no time is left to try again", hint=_MORE_TIME)
        return None

    async def _doubt(
        self, worker: _Worker, request: Request, reply: ChatReply, *, last: bool
    ) -> None:
        """Make sure that an answer is one, by what is known of its server.

        Args:
            last: it will not be tried again.

        Raises:
            BrokenAnswerError: it has not the end that the server's answers have.
        """
        manners = worker.manners
        untold = not (reply.finish_word or reply.left_early)
        if untold and not await self._sends_no_ends(worker, request):
            raise BrokenAnswerError("an end without a finish reason")
        if doubt := manners.doubt(reply):
            if not last:
                raise BrokenAnswerError(doubt)
            manners.believe(doubt)

    async def _sends_no_ends(self, worker: _Worker, request: Request) -> bool:
        """Whether the server sends no finish reasons at all; asks it for a few words to find out.

        Args:
            request: the request whose answer had none.
        """
        manners = worker.manners
        manners.end_was_untold()
        budget = min(_FEW_TOKENS, request.sampling.max_tokens)
        short = replace(request, sampling=replace(request.sampling, max_tokens=budget))
        async with self._finding_out:
            for _ in range(2 * UNTOLD_ENDS_NEEDED):
                if manners.sends_no_ends is not None:
                    break
                content = self._content(worker, short)
                stream = ChatStream(self._spec.reasoning_tags, budget)
                with suppress(BrokenAnswerError, RefusedError):
                    reply = await worker.client.chat(content, stream)
                    manners.doubt(reply)
                    if not reply.finish_word:
                        manners.end_was_untold()
        return bool(manners.sends_no_ends)

    def _content(self, worker: _Worker, request: Request) -> dict[str, Any]:
        body = worker.facts.body(request.sampling, self._fields)
        if worker.traces is not None:
            body |= worker.traces.fields(request.sampling)
        return worker.manners.content(request, body)

    def _trace_requests(self, facts: ServerFacts) -> TraceRequests | None:
        """What to ask of the server that it may tell traces; None where none are wanted."""
        if not self._options.traces:
            return None
        requests = TraceRequests(facts, self._fields, processed=self._processed)
        if not requests.possible:
            self._tell("no traces are kept: a server of its kind tells no token ids")
            return None
        return requests

    async def _trace(
        self,
        worker: _Worker,
        request: Request,
        gathering: TraceGathering,
        stream: ChatStream,
        reply: ChatReply,
        content: Mapping[str, Any],
    ) -> Trace | None:
        """An answer's trace; None where the server has not told all of it, which is said once."""
        prompt = None
        if worker.facts.kind == LLAMA_CPP:
            prompt = await self._prompts.ids(worker.client, content)
        try:
            if stream.altered:
                raise TraceError("it has the key in it")
            trace = gathering.trace(reply, prompt)
        except TraceError as error:
            words = str(error)
            sort = words.partition(" of ")[2].partition(", ")[2] or words
            if sort not in self._untold:
                self._untold.add(sort)
                self._tell(f"a completion is kept without its trace: {words}")
            return None
        if worker.facts.kind == LLAMA_CPP and reply.finish_reason == "stop":
            return await self._ends.added(worker.client, trace, request.sampling, content)
        return trace

    def _stream(
        self,
        request: Request,
        first: asyncio.Event | None,
        gathering: TraceGathering | None,
    ) -> ChatStream:
        def count_and_tell(number: int) -> None:
            self._count_tokens(number)
            if first is not None:
                first.set()

        draft = request.draft
        kind = (
            ChatStream
            if draft is None or draft.turning is None
            else partial(ContinuedStream, len(draft.trace.prompt))
        )
        return kind(
            self._spec.reasoning_tags,
            request.sampling.max_tokens,
            detector=self._detector() if self._detector else None,
            on_tokens=self._count_tokens if first is None else count_and_tell,
            on_event=None if gathering is None else gathering.add,
        )

    def _drafted(self, request: Request, completion: Completion) -> int | None:
        """Tokens of a completion that its draft had; None where it began with none."""
        if request.draft is None or request.draft.turning is None:
            return None
        drafted = min(request.draft.turning.taken, completion.completion_tokens)
        self._progress.drafted += drafted
        return drafted

    def _tell(self, line: str) -> None:
        self._options.tell(f"{self._spec.name}: {line}")

    def _note_totals(self, *, counted: bool) -> None:
        """Note whether all totals are counted although shares of reasoning are not."""
        now = COUNTED if counted and self._totals != ESTIMATED else ESTIMATED
        if now != self._totals:
            self._totals = now
            self._options.note(TOTALS, now)

    async def _try(
        self, worker: _Worker, request: Request, content: Mapping[str, Any], stream: ChatStream
    ) -> ChatReply:
        """One try, with its progress on show."""
        self._progress.running += 1
        try:
            if isinstance(stream, ContinuedStream):
                assert request.draft is not None
                continuing = Continuing(worker.facts, self._fields)
                reply = await continuing.reply(
                    worker.client, request.draft, request.sampling, content, stream
                )
            else:
                reply = await worker.client.chat(content, stream)
        finally:
            self._progress.running -= 1
        self._progress.tokens += max(0, (reply.completion_tokens or 0) - stream.tokens)
        return reply

    def _count_tokens(self, number: int) -> None:
        self._progress.tokens += number

    def _refused(self, request: Request, refusal: RefusedError, attempts: int) -> Delivery:
        return self._failed(
            request, str(refusal), refusal.hint, attempts, elsewhere=refusal.elsewhere
        )

    def _failed(
        self,
        request: Request,
        message: str,
        hint: str | None,
        attempts: int,
        *,
        elsewhere: bool = False,
    ) -> Delivery:
        tries = f" ({attempts} tries)" if attempts > 1 else ""
        return Delivery(
            request,
            error=EngineError(
                f"{self._endpoint.url}: {message}{tries}",
                hint=hint,
                attempts=attempts,
                elsewhere=elsewhere,
            ),
        )


@dataclass(frozen=True, slots=True)
class _Worker:
    """What one of the requests in flight needs."""

    client: ChatClient
    facts: ServerFacts
    breaker: CircuitBreaker
    manners: Manners
    traces: TraceRequests | None


@dataclass(slots=True)
class _Tries:
    """How often a request was sent, and until when it may be, by the monotonic clock."""

    until: float
    made: int = 0


def _least_tokens(request: Request) -> int:
    """Budget and prompt of a request, in tokens, at the very least."""
    chars = sum(len(turn.content) for turn in request.messages)
    return request.sampling.max_tokens + chars // _MOST_CHARS_PER_TOKEN
