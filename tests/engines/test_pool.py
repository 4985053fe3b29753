"""Several engines as one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import ModelError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, EngineInfo, Message, Progress, Request, Sampling
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.pool import EnginePool, pinned
from lrmtest.questions.place import Place

LIKE = Request(Place("k", "s", "q", 0), (Message("user", "?"),), Sampling(10, 0, 1), 1)


class Held:
    """An engine that finishes a request when it is told to."""

    def __init__(self, fails=False):
        self.progress = Progress(tokens=7, running=1)
        self.fails = fails
        self.got = []
        self.closed = 0

    def start(self, planned, deliver):
        if self.fails:
            raise ModelError("no room")
        self.deliver = deliver
        return EngineInfo("held")

    def submit(self, requests):
        self.got += requests

    def finish(self):
        request = self.got.pop(0)
        self.deliver(Delivery(request, Completion("t", "stop")))

    def close(self):
        self.closed += 1


def at(key):
    return replace(LIKE, place=replace(LIKE.place, key=key))


def requests(count):
    return [at(str(number)) for number in range(count)]


@given(st.integers(1, 4), st.integers(0, 20))
def test_every_request_goes_to_one_engine_and_the_shares_are_equal(engines, count):
    held = [Held() for _ in range(engines)]
    pool = EnginePool([lambda engine=engine: engine for engine in held])
    outcomes = []
    pool.start([], outcomes.append)
    pool.submit(requests(count))
    shares = [len(engine.got) for engine in held]
    assert max(shares) - min(shares) <= 1
    for engine in held:
        while engine.got:
            engine.finish()
    assert sorted(int(outcome.request.key) for outcome in outcomes) == list(range(count))


def test_new_work_goes_to_the_engine_that_is_done():
    first, second = Held(), Held()
    pool = EnginePool([lambda: first, lambda: second])
    pool.start([], lambda outcome: None)
    pool.submit(requests(4))
    second.finish()
    second.finish()
    pool.submit([at("new-1"), at("new-2")])
    assert [request.key for request in second.got] == ["new-1", "new-2"]
    assert pool.progress == Progress(tokens=14, running=2)


def test_when_one_cannot_start_all_are_closed():
    good, bad = Held(), Held(fails=True)
    pool = EnginePool([lambda: good, lambda: bad])
    with pytest.raises(ModelError, match="no room"):
        pool.start([], lambda outcome: None)
    assert good.closed
    assert bad.closed


def test_engines_are_pinned_to_their_share_of_the_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    options = pinned(EngineOptions(), engines=2, gpus=4)
    assert [each.visible_devices for each in options] == ["0,1", "2,3"]
    assert [each.device for each in options] == ["cuda:0", "cuda:2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [each.visible_devices for each in pinned(EngineOptions(), 2, 2)] == ["5", "7"]


def test_gpus_that_cannot_be_shared_equally_are_refused():
    with pytest.raises(UsageError, match="3 GPUs"):
        pinned(EngineOptions(), engines=2, gpus=3)
    assert pinned(EngineOptions(), engines=2, gpus=0) == [EngineOptions()] * 2
