"""Requests to an endpoint through the openai engine."""

from __future__ import annotations

import queue
import time
from contextlib import contextmanager

from answer_shapes import SHAPES
from fault_server import FaultServer

from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec
from lrmtest.questions.place import Place

TAGS = ("<think>", "</think>")
FAST = Backoff(base=0.01, cap=0.05)


def spec(location):
    return ModelSpec("m", ModelCard("m", reasoning_tags=TAGS), "openai", location)


def request(index, max_tokens=200, prompt=None):
    return Request(
        place=Place(f"k{index}", "s", str(index), 0),
        messages=(Message("user", prompt or f"question {index}"),),
        sampling=Sampling(max_tokens, 0.6, 0.95),
        seed=index,
    )


@contextmanager
def running(url, planned=(), *, backoff=FAST, detector=None, **options):
    """A started engine and the queue of its outcomes."""
    options = {"request_timeout": 60.0, **options}
    engine = OpenAIEngine(spec(url), EngineOptions(**options), backoff=backoff, detector=detector)
    outcomes = queue.SimpleQueue()
    try:
        engine.info = engine.start(planned, outcomes.put)
        engine.outcomes = outcomes
        yield engine
    finally:
        engine.close()


def generate(url, requests, timeout=180.0, **options):
    """All outcomes, by key; fails when one is lost or delivered twice."""
    with running(url, requests, **options) as engine:
        engine.submit(requests)
        deadline = time.monotonic() + timeout
        outcomes = {}
        for _ in requests:
            outcome = engine.outcomes.get(timeout=max(0.01, deadline - time.monotonic()))
            assert outcome.request.key not in outcomes
            outcomes[outcome.request.key] = outcome
        assert engine.outcomes.empty()
        return outcomes


def only(url, **options):
    return generate(url, [request(1)], **options)["k1"]


def texts(outcomes):
    return {
        key: (
            o.completion.text,
            o.completion.finish_reason,
            o.completion.completion_tokens,
            o.completion.reasoning_tokens,
        )
        for key, o in outcomes.items()
    }


def outcome_of(monkeypatch, shape, lines=None, asked=1, **options):
    """What becomes of requests to a server that always answers with `shape`."""
    monkeypatch.setitem(SHAPES, "given", shape)
    tell = (lambda line: None) if lines is None else lines.append
    with FaultServer(always="given") as server:
        requests = [request(index) for index in range(asked)]
        outcomes = generate(server.url, requests, tell=tell, max_retries=1, **options)
    return outcomes["k0"]
