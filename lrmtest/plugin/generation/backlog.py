"""The backlog: what an engine delivers while another program has the store locked."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from lrmtest.errors import LockedStoreError, LrmtestError, in_words
from lrmtest.models.engines.base import Delivery
from lrmtest.progress import Tell, silent
from lrmtest.runs.database import PATIENCE

_AT_ONCE = 0.5
_MOST_CHARS = 64 << 20
"""Characters of completions that are kept in memory; after that the engine waits."""

Write = Callable[[Delivery, float], None]


class Backlog:
    """Writes each delivery at once where it can, and otherwise as soon as it can.

    An engine's thread serves many requests. It must not wait for a locked store, for meanwhile
    the servers behind it would take it for dead.

    Args:
        write: writes a delivery to the store; waits so many seconds for a locked one.
        written: told of each delivery that is in the store, in their order.
        failed: told, once, why no more can be written.
        patience: seconds that a locked store is waited for.
        tell: told when that begins.
    """

    def __init__(
        self,
        write: Write,
        written: Callable[[Delivery], None],
        failed: Callable[[LrmtestError], None],
        *,
        patience: float = PATIENCE,
        tell: Tell = silent,
    ) -> None:
        self._write = write
        self._written = written
        self._failed = failed
        self._patience = patience
        self._tell = tell
        self._changed = threading.Condition()  # guards the following
        self._waiting: deque[Delivery] = deque()
        self._chars = 0
        self._given_up = False
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def add(self, delivery: Delivery) -> None:
        """Write a delivery, or keep it until it can be written. Never raises."""
        with self._changed:
            if self._given_up:
                return
            if self._thread is not None:
                self._keep(delivery)
                return
        try:
            self._write(delivery, _AT_ONCE)
        except LockedStoreError:
            with self._changed:
                self._keep(delivery)
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._work, name="lrmtest-backlog", daemon=True
                    )
                    self._thread.start()
        except Exception as error:  # the engine's thread is no place for it
            self._give_up(in_words(error, "a completion cannot be taken in"))
        else:
            self._written(delivery)

    def settle(self, seconds: float) -> int:
        """Wait for so long at most; how many deliveries still are not in the store."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)
            return len(self._waiting)

    def _keep(self, delivery: Delivery) -> None:
        """Under the lock."""
        while self._chars > _MOST_CHARS and not self._given_up:
            self._changed.wait(1.0)
        self._waiting.append(delivery)
        self._chars += _size(delivery)

    def _work(self) -> None:
        """On a thread of its own: write what waits, then end."""
        began = time.monotonic()
        self._tell(
            "the store is locked by another program; what arrives is kept in memory, for up to "
            f"{self._patience:.0f} s"
        )
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                delivery = self._waiting[0]
            try:
                # In short rounds, between which others can read the store.
                self._write(delivery, _AT_ONCE)
            except LockedStoreError as error:
                if time.monotonic() - began >= self._patience:
                    self._give_up(self._told_late(error))
                    return
                continue
            except Exception as error:
                self._give_up(in_words(error, "a completion cannot be taken in"))
                return
            began = time.monotonic()
            self._written(delivery)
            with self._changed:
                self._waiting.popleft()
                self._chars -= _size(delivery)
                self._changed.notify_all()

    def _told_late(self, error: LockedStoreError) -> LockedStoreError:
        words = error.message.rpartition(" for ")[0]
        return LockedStoreError(
            f"{words} for {self._patience:.0f} s; {len(self)} completions that arrived meanwhile "
            "could not be written",
            hint=error.hint,
        )

    def _give_up(self, error: LrmtestError) -> None:
        with self._changed:
            first, self._given_up = not self._given_up, True
            self._waiting.clear()
            self._changed.notify_all()
        if first:
            self._failed(error)


def _size(delivery: Delivery) -> int:
    return len(delivery.completion.text) if delivery.completion is not None else 0
