"""What arrives while the store is locked is kept, and written in its order."""

import math
import threading

import pytest

from lrmtest.errors import LockedStoreError, StoreError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, Message, Request, Sampling
from lrmtest.plugin.generation import backlog as backlog_module
from lrmtest.plugin.generation.backlog import Backlog
from lrmtest.questions.place import Place


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """However slow this machine is, none is written for having waited too long."""
    monkeypatch.setattr(backlog_module, "_LONGEST_TOGETHER", math.inf)


def delivery(n):
    place = Place(str(n), "s", str(n), 0)
    request = Request(place, (Message("user", ""),), Sampling(9, 0.0, 1.0), 1)
    return Delivery(request, Completion("text", "stop"))


def keys(group):
    return [one.request.key for one in group]


class Disk:
    """Locked until `unlock`."""

    def __init__(self):
        self.unlocked = threading.Event()
        self.rows, self.told, self.failures, self.groups = [], [], [], []

    def write(self, group, patience):
        if not self.unlocked.wait(0.01):
            raise LockedStoreError("the store has been locked by another program for 0 s")
        self.rows += keys(group)
        self.groups.append(len(group))

    def backlog(self, **settings):
        return Backlog(
            self.write,
            lambda group: self.told.extend(keys(group)),
            self.failures.append,
            **settings,
        )


def test_it_is_kept_and_written_in_order():
    disk = Disk()
    backlog = disk.backlog()
    for n in range(20):
        backlog.add(delivery(n))
    assert (disk.rows, len(backlog)) == ([], 20)
    disk.unlocked.set()
    assert backlog.settle(120.0) == 0
    backlog.add(delivery(20))
    backlog.settle(120.0)
    assert disk.rows == disk.told == [str(n) for n in range(21)]
    assert not disk.failures


def test_a_lock_that_stays_is_told_once():
    disk = Disk()
    failed = threading.Event()
    backlog = Backlog(
        disk.write,
        lambda group: None,
        lambda error: (disk.failures.append(error), failed.set()),
        patience=0.05,
    )
    backlog.add(delivery(0))
    backlog.add(delivery(1))
    assert failed.wait(120.0)
    backlog.add(delivery(2))
    (failure,) = disk.failures
    assert "could not be written" in str(failure)


def test_whatever_goes_wrong_is_told_and_never_raised():
    disk = Disk()
    disk.write = lambda group, patience: 1 / 0
    backlog = disk.backlog()
    backlog.add(delivery(0))
    backlog.settle(120.0)
    (failure,) = disk.failures
    assert "ZeroDivisionError" in str(failure)
    disk = Disk()

    def full(group, patience):
        raise StoreError("the disk is full")

    disk.write = full
    backlog = disk.backlog()
    backlog.add(delivery(0))
    backlog.settle(120.0)
    assert "the disk is full" in str(disk.failures[0])


def test_what_others_follow_shares_a_transaction():
    disk = Disk()
    disk.unlocked.set()
    backlog = disk.backlog()
    for n in range(600):
        backlog.add(delivery(n), more=n < 599)
        assert disk.rows == disk.told
        assert len(disk.rows) + len(backlog) == n + 1
    assert disk.rows == [str(n) for n in range(600)]
    # The first one is waited for.
    assert disk.groups == [1, 2, 4, 8, 16, 32, 64, 128, 256, 89]


def test_none_waits_long_for_others(monkeypatch):
    monkeypatch.setattr(backlog_module, "_LONGEST_TOGETHER", -1.0)
    disk = Disk()
    disk.unlocked.set()
    backlog = disk.backlog()
    for n in range(5):
        backlog.add(delivery(n), more=True)
    assert disk.groups == [1] * 5


def test_long_ones_share_it_with_few():
    disk = Disk()
    disk.unlocked.set()
    backlog = disk.backlog()
    for n in range(40):
        long = Delivery(delivery(n).request, Completion("x" * 400_000, "stop"))
        backlog.add(long, more=True)
    assert max(disk.groups) == 2
    assert sum(disk.groups) + len(backlog) == 40


def test_what_nothing_follows_is_written_by_who_settles():
    disk = Disk()
    disk.unlocked.set()
    backlog = disk.backlog()
    for n in range(2):
        backlog.add(delivery(n), more=True)
    assert disk.rows == ["0"]
    assert backlog.settle(0.0) == 0
    assert disk.rows == disk.told == ["0", "1"]


def test_what_shares_a_transaction_waits_for_a_locked_store():
    disk = Disk()
    backlog = disk.backlog()
    for n in range(20):
        backlog.add(delivery(n), more=n < 19)
    assert (disk.rows, len(backlog)) == ([], 20)
    disk.unlocked.set()
    assert backlog.settle(120.0) == 0
    assert disk.rows == disk.told == [str(n) for n in range(20)]


def test_deliveries_of_several_threads_are_all_written():
    disk = Disk()
    backlog = disk.backlog()
    threads = [
        threading.Thread(
            target=lambda k=k: [
                backlog.add(delivery(100 * k + n), more=n % 3 > 0) for n in range(50)
            ]
        )
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    disk.unlocked.set()
    for thread in threads:
        thread.join(120.0)
    assert backlog.settle(120.0) == 0
    assert disk.rows == disk.told
    assert sorted(map(int, disk.rows)) == [100 * k + n for k in range(4) for n in range(50)]


def test_one_that_cannot_be_written_costs_none_of_those_before_it():
    disk = Disk()
    disk.unlocked.set()

    def write(group, patience):
        if "5" in keys(group):
            raise StoreError("a value cannot be stored")
        Disk.write(disk, group, patience)

    backlog = Backlog(write, lambda group: disk.told.extend(keys(group)), disk.failures.append)
    for n in range(8):
        backlog.add(delivery(n), more=n < 7)
    backlog.settle(120.0)
    assert disk.rows == disk.told == [str(n) for n in range(5)]
    assert [str(failure) for failure in disk.failures] == ["a value cannot be stored"]


def test_an_engine_waits_when_too_much_is_kept_for_a_locked_store():
    disk = Disk()
    large = Delivery(delivery(0).request, Completion("x" * (40 << 20), "stop"))
    backlog = disk.backlog()
    added = []

    def engine():
        for n in range(6):
            backlog.add(large)
            added.append(n)

    thread = threading.Thread(target=engine)
    thread.start()
    thread.join(0.5)
    assert len(added) <= 2
    disk.unlocked.set()
    thread.join(120.0)
    assert (len(added), backlog.settle(120.0)) == (6, 0)


def test_what_was_generated_is_written_before_the_engine_goes_on():
    disk = Disk()
    disk.unlocked.set()
    backlog = disk.backlog()
    for n in range(20):
        backlog.add(delivery(n))
        assert disk.rows == disk.told == [str(m) for m in range(n + 1)]
    assert disk.groups == [1] * 20
