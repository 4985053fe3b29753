"""Signs of life: whether a replica that says nothing is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import aclosing

from lrmtest.errors import LrmtestError
from lrmtest.models.engines.http.background import BackgroundLoop
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.replicas.replica import Replica

_MOST_SILENCES = 2


class LifeSigns:
    """Asks silent replicas for their models. One that answers is left in peace: it works on long
    prompts, perhaps.

    Args:
        loop: asks them.
        quiet: seconds without a sign of a replica that has something to do, before it is asked, and
            those in which it must answer.
        endpoint: a replica's, with its key, by its URL.
        gone: is told of one that did not answer twice.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        quiet: float,
        endpoint: Callable[[str], Endpoint],
        gone: Callable[[Replica], None],
    ) -> None:
        self._loop, self._quiet = loop, quiet
        self._endpoint, self._gone = endpoint, gone

    def look_at(self, replica: Replica, engine: OpenAIEngine, now: float) -> None:
        """Ask a replica that has something to do, if it has been silent for too long."""
        if now - replica.silent_since > self._quiet and not replica.looking:
            replica.looking = True
            threading.Thread(
                target=self._ask, args=(replica, engine), name="lrmtest-replicas-look", daemon=True
            ).start()

    def _ask(self, replica: Replica, engine: OpenAIEngine) -> None:
        try:
            alive = self._loop.call(self._answers(replica.url))
        except LrmtestError:  # all of it is being closed
            return
        finally:
            replica.looking = False
        if replica.engine is not engine:
            return
        if alive or engine.heard_at > replica.asked_at:
            replica.strikes = 0
            replica.asked_at = time.monotonic()
            return
        replica.strikes += 1
        if replica.strikes >= _MOST_SILENCES:
            self._gone(replica)

    async def _answers(self, url: str) -> bool:
        async with aclosing(ChatClient(self._endpoint(url), timeout=self._quiet)) as client:
            try:
                await client.get(f"{url}/models")
            except RefusedError:
                return True  # no answer that was hoped for, but one
            except BrokenAnswerError as error:
                return error.status is not None
        return True
