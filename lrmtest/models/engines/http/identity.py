"""The model behind an endpoint: what its server tells of it, its probe, and whether it changed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.http.background import BackgroundLoop
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.keys import find_key
from lrmtest.models.engines.http.model_probe import QUESTIONS, ModelProbe, ProbeReference
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.http.server_facts import ServerFacts, probe
from lrmtest.models.engines.kinds import carried
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec

_MOST_NAMED = 3  # facts in one line
_TEMPLATE_SECONDS = 20.0  # a server that does not answer is told of when it is asked for more

T = TypeVar("T")


class EndpointModel:
    """The model that an OpenAI-compatible server serves; a `ServedModel`.

    Args:
        spec: the model; its location is the server's base URL.
        options: as for the engine.
        backoff: waits between tries of the probe's questions.
        unheeded: names of facts that a server tells and that are not its model's.
    """

    def __init__(
        self,
        spec: ModelSpec,
        options: EngineOptions,
        *,
        backoff: Backoff | None = None,
        unheeded: Collection[str] = (),
    ) -> None:
        url = Endpoint.parse(spec.location).url
        self._endpoint = Endpoint(url, find_key(spec.name, url, options.endpoints).value)
        self._options = options
        self._fields = carried(spec, options)
        self._backoff = backoff
        self._unheeded = unheeded
        self._seen: ServerFacts | None = None

    def told(self) -> dict[str, Any]:
        """What the server tells of its model now, JSON values.

        Raises:
            ModelError: the server cannot be reached or does not serve the model.
            UsageError: it serves several, and none was chosen.
        """
        self._seen = self._run(self._facts())
        return self._heeded(self._seen)

    def chat_template(self) -> str:
        """The text of the template by which the server makes prompts; empty if it does not tell.

        Raises:
            ModelError, UsageError: as `told`; also when it does not answer within 20 s.
        """

        async def asked() -> str:
            async with asyncio.timeout(_TEMPLATE_SECONDS):
                return (await self._facts()).chat_template

        try:
            return self._run(asked())
        except TimeoutError:
            raise MachineryError(f"{self._endpoint.url} does not answer") from None

    def measure(self) -> dict[str, Any]:
        """The probe's first measurement, JSON values.

        Raises:
            ModelError: the server does not answer.
        """

        async def measured() -> ProbeReference:
            return await self._probe(self._seen or await self._facts()).measure()

        return self._run(measured()).to_json()

    def difference(self, told: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
        """In what the model that is served now differs from one seen before; empty if in nothing.

        Args:
            told: from `told`, when it was seen.
            reference: from `measure`; empty where it could not be.

        Raises:
            ModelError: the server cannot be reached or does not answer.
        """

        async def compared() -> str:
            facts = await self._facts()
            if found := differing(told, self._heeded(facts)):
                return found
            before = ProbeReference.from_json(reference)
            changed = [] if before is None else await self._probe(facts).changed(before)
            if not changed:
                return ""
            which = ", ".join(str(number + 1) for number in changed)
            return f"it answers differently: probe {which} of {len(QUESTIONS)}"

        return self._run(compared())

    def _heeded(self, facts: ServerFacts) -> dict[str, Any]:
        return {name: fact for name, fact in facts.told.items() if name not in self._unheeded}

    async def _facts(self) -> ServerFacts:
        async with aclosing(self._client()) as client:
            return await probe(client, self._options.served_model)

    def _probe(self, facts: ServerFacts) -> ModelProbe:
        seconds = min(self._options.request_timeout, 300.0)
        return ModelProbe(
            self._client, facts, fields=self._fields, backoff=self._backoff, seconds=seconds
        )

    def _client(self) -> ChatClient:
        return ChatClient(self._endpoint, timeout=self._options.request_timeout)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on a loop of its own: the caller's thread may have one that runs."""
        loop = BackgroundLoop("lrmtest-served-model")
        loop.start()
        try:
            return loop.call(work)
        except BrokenAnswerError as error:
            raise MachineryError(f"{self._endpoint.url} does not answer: {error}") from None
        except RefusedError as error:
            raise ModelError(
                f"{self._endpoint.url} does not answer: {error}", hint=error.hint
            ) from None
        finally:
            loop.close()


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In what two sets of facts differ, for people; empty if in nothing.

    What only one of them has is a difference, too: another server tells other things.
    """
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    words = [
        f"{name} {_shown(now.get(name))}, it was {_shown(before.get(name))}"
        for name in names[:_MOST_NAMED]
    ]
    more = len(names) - len(words)
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")


def _shown(value: object) -> str:
    if value is None:
        return "not told"
    text = str(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text


async def _in_thread(call: Callable[[], T]) -> T:
    """What `call` returns or raises; a loop that ends meanwhile does not wait for it."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        # From here on it cannot be cancelled: a result for one that was would be an error.
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="lrmtest-model-watch", daemon=True).start()
    return await asyncio.wrap_future(future)


class ModelWatch:
    """Has a server's model looked at again when a connection to it broke.

    A server that ends takes all its connections with it, so one that was started again with
    another model is known by that. All methods are called on one event loop.

    Args:
        difference: what changed since the run began, in words; empty for nothing. It raises
            ModelError while the server cannot be asked. None for a server that nobody else starts.
    """

    def __init__(self, difference: Callable[[], str] | None) -> None:
        self._difference = difference
        self._suspected = False
        self._found = ""
        self._lock = asyncio.Lock()

    def broke(self, failure: BrokenAnswerError) -> None:
        """A request failed."""
        if failure.status is None or failure.status in (502, 503, 504):
            self._suspected = True

    async def check(self) -> None:
        """Before a request: make sure that it goes to the same model.

        Raises:
            RefusedError: it would not.
            BrokenAnswerError: the server cannot be asked now.
        """
        suspicious = self._suspected or self._found or self._lock.locked()
        if self._difference is None or not suspicious:
            return
        async with self._lock:
            if self._suspected and not self._found:
                self._suspected = False  # breaks from here on ask again
                try:
                    self._found = await _in_thread(self._difference)
                except ModelError as error:
                    self._suspected = True
                    raise BrokenAnswerError(error.message) from None
        if self._found:
            raise RefusedError(
                f"the server was started again with another model: {self._found}",
                hint="what had arrived before is kept; the same command generates anew, for the "
                "model that is served now",
                elsewhere=True,
            )
