"""Every request comes out of a watched engine, whatever becomes of the engine."""

import queue
import threading

import pytest

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import (
    Delivery,
    EngineInfo,
    Message,
    Progress,
    Request,
    Sampling,
)
from lrmtest.models.engines.watched import WatchedEngine
from lrmtest.questions.place import Place


def request(name):
    return Request(Place(name, "s", name, 0), (Message("user", name),), Sampling(9, 0.0, 1.0), 1)


class OneThread:
    """Works on one thread until it meets the request that `fails`, with `failure`."""

    def __init__(self, failure=None, fails="q3"):
        self.progress = Progress()
        self._failure, self._fails = failure, fails
        self._requests = queue.SimpleQueue()

    def start(self, planned, deliver):
        self.thread = threading.Thread(target=self._work, args=(deliver,), daemon=True)
        self.thread.start()
        return EngineInfo("one")

    def submit(self, requests):
        for one in requests:
            self._requests.put(one)

    def close(self):
        self._requests.put(None)

    def _work(self, deliver):
        while (one := self._requests.get()) is not None:
            if one.key == self._fails:
                if self._failure is None:
                    return
                raise self._failure
            deliver(Delivery(one, Completion("text", "stop")))


def ask(engine, names, look=20):
    """What comes of requests, by name; waits for the thread's end, then looks a few times."""
    arrived = {}
    watched = WatchedEngine(engine)
    watched.start([], lambda delivery: arrived.setdefault(delivery.request.key, delivery))
    watched.submit([request(name) for name in names])
    engine.thread.join(60)
    for _ in range(look):
        watched.look()
    return watched, arrived


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (OverflowError("int too large"), "OverflowError: int too large"),
        (RecursionError(), "RecursionError"),
        (SystemExit(), "its thread died: SystemExit"),
        (None, "its threads have ended"),
    ],
)
def test_a_thread_that_dies_leaves_errors_and_no_one_waiting(failure, said):
    before = threading.excepthook
    watched, arrived = ask(OneThread(failure), ["q1", "q2", "q3", "q4"])
    assert [arrived[name].completion is not None for name in ("q1", "q2")] == [True, True]
    for name in ("q3", "q4"):
        assert said in str(arrived[name].error)
        assert "repeat the command" in str(arrived[name].error)
    watched.submit([request("q5")])
    assert said in str(arrived["q5"].error)
    watched.close()
    assert threading.excepthook == before


def test_a_thread_of_somebody_else_is_none_of_its_own():
    engine = OneThread(fails="")
    watched = WatchedEngine(engine)
    arrived = queue.SimpleQueue()
    watched.start([], arrived.put)
    heard = []
    watched._hook_before = heard.append
    other = threading.Thread(target=lambda: 1 / 0)
    other.start()
    other.join()
    watched.submit([request("q1")])
    assert arrived.get(timeout=60).completion is not None
    assert [died.exc_type for died in heard] == [ZeroDivisionError]
    watched.close()


@pytest.mark.parametrize(
    ("completion", "said"),
    [
        (Completion("t", "stop", completion_tokens=10**400), "1329 bits"),
        (Completion("t", "stop", prompt_tokens=2**63), "out of range"),
        (Completion("t", "stop", reasoning_tokens=-1), "reasoning_tokens is -1"),
        (Completion("t", "stop", seed=2**63), "seed"),
        (Completion("t", "stop", seconds=float("nan")), "seconds is nan"),
        (Completion("t", "stop", seconds=10**400), "seconds"),
        (Completion("t", "eos"), "finish_reason is 'eos'"),
        (Completion(None, "stop"), "text is a NoneType"),
    ],
)
def test_a_completion_that_cannot_be_is_an_engine_error(completion, said):
    class Says(OneThread):
        def _work(self, deliver):
            deliver(Delivery(self._requests.get(), completion))

    _, arrived = ask(Says(), ["q1"], look=0)
    assert said in str(arrived["q1"].error)


def test_each_request_is_delivered_once_and_no_other():
    class Twice(OneThread):
        def _work(self, deliver):
            one = self._requests.get()
            deliver(Delivery(one, Completion("first", "stop")))
            deliver(Delivery(one, Completion("second", "stop")))
            deliver(Delivery(request("never asked"), Completion("third", "stop")))

    _, arrived = ask(Twice(), ["q1"], look=0)
    assert {name: one.completion.text for name, one in arrived.items()} == {"q1": "first"}


def test_what_arrives_while_it_is_closed_is_delivered_and_errors_are_not():
    class Late(OneThread):
        def close(self):
            super().close()
            self.thread.join(60)

        def _work(self, deliver):
            first, second, third = (self._requests.get() for _ in range(3))
            assert self._requests.get() is None
            deliver(Delivery(first, Completion("text", "stop")))
            deliver(Delivery(second, error=EngineError("closed")))
            self.deliver_late = lambda: deliver(Delivery(third, Completion("late", "stop")))

    arrived, engine = {}, Late()
    watched = WatchedEngine(engine)
    watched.start([], lambda delivery: arrived.setdefault(delivery.request.key, delivery))
    watched.submit([request(name) for name in ("q1", "q2", "q3")])
    watched.close()
    engine.deliver_late()
    assert list(arrived) == ["q1"]


def test_an_engine_that_cannot_take_requests_has_failed_them():
    class Refuses(OneThread):
        def submit(self, requests):
            self._requests.put(None)
            raise ValueError("no room")

    _, arrived = ask(Refuses(), ["q1", "q2"], look=0)
    assert "cannot take requests: ValueError: no room" in str(arrived["q2"].error)
