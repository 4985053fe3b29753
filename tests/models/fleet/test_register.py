"""Where a fleet's replicas are, as they tell it."""

import pickle

import pytest

from lrmtest.errors import EngineError, LrmtestError, MachineryError, ModelError, UsageError
from lrmtest.models.fleet import register as module
from lrmtest.models.fleet.register import FleetFailure, FleetRegister


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_replica_is_there_as_long_as_it_says_so(clock):
    register = FleetRegister()
    assert register.now().urls == ()
    register.up("a", "http://a:1", {"version": "1"})
    register.up("b", "http://b:2", {"version": "1"})
    clock.now += 4.0
    register.up("a", "http://a:1", {"version": "1"})
    assert register.now().urls == ("http://a:1", "http://b:2")
    assert register.now().facts == {"version": "1"}
    clock.now += 4.0
    assert register.now().urls == ("http://a:1",)
    register.up("b", "http://b:3", {})
    assert register.now().urls == ("http://a:1", "http://b:3")
    register.down("a")
    register.down("never there")
    assert register.now().urls == ("http://b:3",)


def test_what_did_not_start_is_told_once_and_bounded():
    register = FleetRegister()
    for number in range(1000):
        register.failed(FleetFailure(f"failure {number}", None, "ModelError"))
    failures = register.now().failures
    assert len(failures) <= 100
    assert failures[-1].message == "failure 999"
    assert register.now().failures == ()


@pytest.mark.parametrize("kind", [UsageError, ModelError, MachineryError, LrmtestError])
def test_a_failure_is_the_same_error_elsewhere(kind):
    sent = pickle.dumps(FleetFailure.of(kind("no room", hint="make some")))
    error = pickle.loads(sent).error()
    assert type(error) is kind
    assert (error.message, error.hint) == ("no room", "make some")


def test_a_failure_of_any_other_kind_is_an_error_for_people():
    assert type(FleetFailure.of(EngineError("broke")).error()) is LrmtestError
