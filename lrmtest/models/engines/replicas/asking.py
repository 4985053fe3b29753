"""Asking: requests are given to replicas as these have room, and each is answered once.

What a replica could not answer is asked of another before it counts as an error, as long as there
is one and the request's time is not over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from lrmtest.errors import EngineError
from lrmtest.models.engines.base import Deliver, Delivery, Request
from lrmtest.models.engines.http.deadline import deadline
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.dispatch import Dispatch
from lrmtest.models.engines.replicas.replica import Replica

_FAILED_IN_ROW = 5
"""So many errors in a row, and nothing else, put a replica aside where there is another."""


class Asking:
    """The requests of all replicas.

    Args:
        changed: guards this and what is known of the replicas.
        replicas: all that there are, by URL.
        options: say how long a request may take.
        aside: is told, without the lock, of a replica that only refuses, and why.
    """

    def __init__(
        self,
        changed: threading.Condition,
        replicas: Mapping[str, Replica],
        options: EngineOptions,
        aside: Callable[[Replica, str], None],
    ) -> None:
        self._changed = changed
        self._replicas = replicas
        self._options = options
        self._aside = aside
        self._first_asked: dict[str, float] = {}
        self._ended = False
        self.dispatch = Dispatch()
        self.deliver: Deliver | None = None

    def end(self) -> None:
        """Give out nothing more, and deliver completions alone."""
        self._ended = True

    def add(self, requests: Sequence[Request]) -> None:
        """Requests wait behind all others, or go out where there is room."""
        with self._changed:
            self.dispatch.add(requests)
        self.give_out()

    def give_out(self) -> None:
        """Give out what there is room for."""
        with self._changed:
            if self._ended:
                return
            now = time.monotonic()
            for url, requests in self.dispatch.assigned().items():
                replica = self._replicas[url]
                replica.asked_at = now
                for request in requests:
                    self._first_asked.setdefault(request.key, now)
                assert replica.engine is not None
                replica.engine.submit(requests)

    def take(self, replica: Replica, delivery: Delivery) -> None:
        """Take what a replica's engine delivers; on the loop's thread."""
        key, error = delivery.request.key, delivery.error
        aside, answered = "", True
        with self._changed:
            lost = self._ended and error is not None
            if lost or not self.dispatch.holds(replica.url, key):
                return
            if error is None:
                assert delivery.completion is not None
                replica.answered(delivery.completion.generated_tokens)
            else:
                replica.failed += 1
                others = len(self.dispatch.names) > 1
                if replica.failed >= _FAILED_IN_ROW and (others or error.elsewhere):
                    aside = error.message
                wanted = error.elsewhere or self.dispatch.has_another(replica.url, key)
                answered = not (wanted and self._has_time(delivery.request))
            if answered:
                self.dispatch.done(replica.url, key)
            else:
                self.dispatch.back(replica.url, key)
        if answered:
            self._answer(delivery)
        if aside:
            self._aside(replica, aside)
        else:
            self.give_out()

    def fail_waiting(self, error: EngineError) -> None:
        """Answer all that waits with an error."""
        with self._changed:
            lost = self.dispatch.take_all()
        for request in lost:
            self._answer(Delivery(request, error=error))

    def _has_time(self, request: Request) -> bool:
        since = self._first_asked.get(request.key, 0.0)
        seconds = deadline(request.sampling.max_tokens, self._options)
        return time.monotonic() - since < seconds

    def _answer(self, delivery: Delivery) -> None:
        with self._changed:
            self.dispatch.forget(delivery.request.key)
            self._first_asked.pop(delivery.request.key, None)
        assert self.deliver is not None
        self.deliver(delivery)
