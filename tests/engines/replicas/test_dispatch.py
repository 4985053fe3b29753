"""Which replica is asked what."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.replicas.dispatch import Dispatch
from lrmtest.questions.place import Place

LIKE = Request(Place("k", "s", "q", 0), (Message("user", "?"),), Sampling(10, 0, 1), 1)


def request(key, budget=10):
    place, sampling = replace(LIKE.place, key=str(key)), replace(LIKE.sampling, max_tokens=budget)
    return replace(LIKE, place=place, sampling=sampling)


def joined(rooms, **unfinished):
    dispatch = Dispatch()
    for name, room in rooms.items():
        dispatch.join(name, room, lambda name=name: unfinished.get(name, 0))
    return dispatch


def keys(assigned):
    return {name: [one.key for one in requests] for name, requests in assigned.items()}


def test_the_one_with_the_least_outstanding_tokens_for_its_room_is_asked():
    dispatch = joined({"small": 1, "large": 3})
    dispatch.add([request(0, 90), request(1, 30), request(2, 30), request(3, 30), request(4)])
    assert keys(dispatch.assigned()) == {"small": ["0"], "large": ["1", "2", "3"]}
    assert dispatch.waiting == 1


def test_what_a_replica_has_generated_is_not_outstanding():
    dispatch = joined({"slow": 4, "fast": 4}, fast=15)
    dispatch.add([request(0, 20), request(1, 20)])
    dispatch.assigned()
    dispatch.add([request(2)])
    assert keys(dispatch.assigned()) == {"fast": ["2"]}


def test_what_one_cannot_answer_is_asked_of_another_first_and_of_it_only_where_it_is_alone():
    dispatch = joined({"a": 1, "b": 1})
    dispatch.add([request(0), request(1), request(2)])
    dispatch.assigned()
    dispatch.back("a", "0")
    assert keys(dispatch.assigned()) == {"a": ["2"]}  # and not 0, which waits for b
    assert dispatch.done("b", "1")
    assert keys(dispatch.assigned()) == {"b": ["0"]}
    dispatch.leave("a")
    dispatch.back("b", "0")
    assert not dispatch.has_another("b", "0")
    assert keys(dispatch.assigned()) == {"b": ["0"]}


def test_one_that_drains_gets_nothing_more():
    dispatch = joined({"a": 2, "b": 1})
    dispatch.drain("a", True)
    dispatch.add([request(0), request(1)])
    assert keys(dispatch.assigned()) == {"b": ["0"]}
    dispatch.drain("a", False)
    assert keys(dispatch.assigned()) == {"a": ["1"]}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 40))
def test_all_room_is_used_and_no_more(rooms, count):
    dispatch = joined(dict(enumerate(rooms)))
    dispatch.add(request(number) for number in range(count))
    out = dispatch.assigned()
    assert sum(map(len, out.values())) == min(count, sum(rooms))
    assert all(len(requests) <= rooms[name] for name, requests in out.items())


class Replicas(RuleBasedStateMachine):
    """Replicas come, fail and go; every request is at one place, or answered."""

    names = st.sampled_from("abcd")

    def __init__(self):
        super().__init__()
        self.dispatch = Dispatch()
        self.rooms = {}
        self.out = {}
        self.asked = self.answered = 0

    @rule(count=st.integers(1, 6))
    def ask(self, count):
        self.dispatch.add(request(self.asked + number) for number in range(count))
        self.asked += count

    @rule(name=names, room=st.integers(1, 3))
    def join(self, name, room):
        if name not in self.rooms:
            self.dispatch.join(name, room, lambda: 0)
            self.rooms[name], self.out[name] = room, {}

    @rule(name=names)
    def leave(self, name):
        lost = self.dispatch.leave(name)
        assert [one.key for one in lost] == list(self.out.pop(name, {}))
        self.rooms.pop(name, None)

    @rule()
    def give_out(self):
        for name, requests in self.dispatch.assigned().items():
            self.out[name] |= {one.key: one for one in requests}

    @precondition(lambda self: any(self.out.values()))
    @rule(draw=st.data(), answers=st.booleans())
    def one_comes_back(self, draw, answers):
        name = draw.draw(st.sampled_from([one for one, there in self.out.items() if there]))
        key = draw.draw(st.sampled_from(list(self.out[name])))
        assert self.dispatch.holds(name, key)
        del self.out[name][key]
        if answers:
            assert self.dispatch.done(name, key).key == key
            self.dispatch.forget(key)
            self.answered += 1
        else:
            self.dispatch.back(name, key)
        assert self.dispatch.done(name, key) is None

    @invariant()
    def nothing_is_lost_or_twice_there(self):
        out = [key for there in self.out.values() for key in there]
        assert len(out) == len(set(out))
        assert len(out) + self.dispatch.waiting + self.answered == self.asked
        assert all(len(there) <= self.rooms[name] for name, there in self.out.items())


TestReplicas = Replicas.TestCase
