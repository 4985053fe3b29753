"""What arrives while the store is locked is kept, and written in its order."""

import threading

from lrmtest.errors import LockedStoreError, StoreError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, Message, Request, Sampling
from lrmtest.plugin.generation.backlog import Backlog
from lrmtest.questions.place import Place


def delivery(n):
    place = Place(str(n), "s", str(n), 0)
    request = Request(place, (Message("user", ""),), Sampling(9, 0.0, 1.0), 1)
    return Delivery(request, Completion("text", "stop"))


class Disk:
    """Locked until `unlock`."""

    def __init__(self):
        self.unlocked = threading.Event()
        self.rows, self.told, self.failures = [], [], []

    def write(self, one, patience):
        if not self.unlocked.wait(0.01):
            raise LockedStoreError("the store has been locked by another program for 0 s")
        self.rows.append(one.request.key)

    def backlog(self, **settings):
        return Backlog(
            self.write,
            lambda one: self.told.append(one.request.key),
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
        lambda one: None,
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
    disk.write = lambda one, patience: 1 / 0
    backlog = disk.backlog()
    backlog.add(delivery(0))
    (failure,) = disk.failures
    assert "ZeroDivisionError" in str(failure)
    disk = Disk()

    def full(one, patience):
        raise StoreError("the disk is full")

    disk.write = full
    disk.backlog().add(delivery(0))
    assert "the disk is full" in str(disk.failures[0])
