"""Asking an engine directly: requests, and a started engine that collects what it delivers."""

import queue
import threading

from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.questions.place import Place


def ask(text, *, budget=20, temperature=0.0, seed=1, key=None, role="user", top_p=0.95):
    return Request(
        place=Place(key or f"{text}/{seed}/{temperature}", "s", f"q-{text[:10]}", 0),
        messages=(Message(role, text),),
        sampling=Sampling(budget, temperature, top_p),
        seed=seed,
    )


class Session:
    """A started engine; `run` generates and returns the completions in the order of requests."""

    def __init__(self, engine, planned=()):
        self.engine = engine
        self.arrived = queue.SimpleQueue()
        self.delivered = []
        self._lock = threading.Lock()
        self.info = engine.start(planned, self._take)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.engine.close()

    def _take(self, outcome):
        with self._lock:
            self.delivered.append(outcome.request.key)
        self.arrived.put(outcome)

    def outcomes(self, requests):
        self.engine.submit(requests)
        return self.collect(requests)

    def collect(self, requests, timeout=600):
        by_key = {}
        for _ in requests:
            outcome = self.arrived.get(timeout=timeout)
            by_key[outcome.request.key] = outcome
        return [by_key[request.key] for request in requests]

    def run(self, *requests):
        outcomes = self.outcomes(requests)
        assert all(outcome.error is None for outcome in outcomes), outcomes
        return [outcome.completion for outcome in outcomes]


def assert_seeds_fix_texts(session, count=12):
    """Assert that a seed gives its text again, and others other ones.

    Nearly always: a prompt that a server still has in its cache is computed in other shapes, and
    what that rounds otherwise turns the few draws that were all but undecided.
    """

    def texts(turn):
        wanted = (
            ask("Write a sentence.", temperature=1.0, seed=seed, budget=8, key=f"{seed}/{turn}")
            for seed in range(count)
        )
        return [session.run(request)[0].text for request in wanted]

    first, again = texts(0), texts(1)
    assert sum(map(str.__eq__, first, again)) >= count * 3 / 4, (first, again)
    assert len(set(first)) > count / 4, first
