"""The backlog: what an engine has delivered and the store has not yet.

A completion that was generated is written before the engine goes on, so that a kill costs no more
than the one that is being written. Recorded outputs come as fast as they are read and cost
nothing to read again: they share transactions. And while another program has the store locked,
what arrives is kept in memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from lrmtest.errors import LockedStoreError, LrmtestError, in_words
from lrmtest.models.engines.base import Delivery
from lrmtest.progress import Tell, silent
from lrmtest.runs.database import PATIENCE

_AT_ONCE = 0.5
_MOST_TOGETHER = 256
_MOST_CHARS_TOGETHER = 1 << 20
"""In one transaction, so that it takes some milliseconds."""
_LONGEST_TOGETHER = 0.25
"""Seconds after which a delivery is written even where others follow."""
_MOST_CHARS_LOCKED = 64 << 20
"""Characters of outputs that may wait for a locked store; then the engine waits."""

Write = Callable[[Sequence[Delivery], float], None]


class Backlog:
    """Writes each delivery at once where it can, and otherwise as soon as it can, in their order.

    An engine's thread serves many requests. It must not wait for a locked store, for meanwhile
    the servers behind it would take it for dead.

    Args:
        write: writes deliveries to the store, all or none; waits so many seconds for a locked one.
        written: told of deliveries that are in the store, in their order.
        failed: told, once, why no more can be written.
        patience: seconds that a locked store is waited for.
        tell: told when that begins.
    """

    def __init__(
        self,
        write: Write,
        written: Callable[[Sequence[Delivery]], None],
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
        self._writing = threading.Lock()  # held by the thread that writes
        self._changed = threading.Condition()  # guards the following
        self._waiting: deque[Delivery] = deque()
        self._waits_since = 0.0
        self._chars = 0
        self._together = 1
        self._locked_since: float | None = None
        self._given_up = False
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def add(self, delivery: Delivery, *, more: bool = False) -> None:
        """Write a delivery, or keep it until it can be written. Never raises.

        Args:
            delivery: it.
            more: others follow at once, and it is there still if it is lost here, so that it may
                wait for them and share their transaction.
        """
        with self._changed:
            while self._chars > _MOST_CHARS_LOCKED and not self._given_up:
                self._changed.wait(1.0)
            if self._given_up:
                return
            if not self._waiting:
                self._waits_since = time.monotonic()
            self._waiting.append(delivery)
            self._chars += _size(delivery)
            if self._thread is not None or (more and not self._enough):
                return
            # The first ones share it with few, since tests wait for them.
            self._together = min(2 * self._together, _MOST_TOGETHER)
        self._write_what_waits()

    @property
    def _enough(self) -> bool:
        """Whether what waits for others to share its transaction waits no longer."""
        return (
            len(self._waiting) >= self._together
            or self._chars > _MOST_CHARS_TOGETHER
            or time.monotonic() - self._waits_since > _LONGEST_TOGETHER
        )

    def settle(self, seconds: float) -> int:
        """Wait for so long at most; how many deliveries still are not in the store."""
        self._write_what_waits()
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)
            return len(self._waiting)

    def _write_what_waits(self) -> None:
        """Write on this thread; a locked store is waited for on its own."""
        try:
            while self._thread is None and self._write_next():
                pass
        except LockedStoreError:
            with self._changed:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._wait_for_the_store, name="lrmtest-backlog", daemon=True
                    )
                    self._thread.start()
        except Exception as error:  # the engine's thread is no place for it
            self._give_up(in_words(error, "a completion cannot be taken in"))

    def _wait_for_the_store(self) -> None:
        """On a thread of its own: write what waits, until nothing does."""
        while True:
            try:
                self._write_next()
            except LockedStoreError as error:
                if not self._still_locked():
                    self._give_up(self._told_late(error))
            except Exception as error:  # whoever waits must hear of it
                self._give_up(in_words(error, "a completion cannot be taken in"))
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    return

    def _write_next(self) -> bool:
        """Write one group of what waits; whether there was one."""
        with self._writing:
            group = self._next_group()
            if group:
                self._write_together(group)
            return bool(group)

    def _next_group(self) -> list[Delivery]:
        """What is to be written next."""
        with self._changed:
            group: list[Delivery] = []
            chars = 0
            for delivery in self._waiting:
                chars += _size(delivery)
                if group and (chars > _MOST_CHARS_TOGETHER or len(group) == _MOST_TOGETHER):
                    break
                group.append(delivery)
            return group

    def _write_together(self, group: Sequence[Delivery]) -> None:
        """Write a group; one by one where something in it cannot be written, to save the others."""
        try:
            # In short rounds, between which others can read the store.
            self._write(group, _AT_ONCE)
        except LockedStoreError:
            raise
        except Exception:
            if len(group) == 1:
                raise
            for delivery in group:
                self._write_together([delivery])
            return
        self._written(group)
        with self._changed:
            self._locked_since = None
            for delivery in group:
                self._waiting.popleft()
                self._chars -= _size(delivery)
            self._changed.notify_all()

    def _still_locked(self) -> bool:
        """Whether a locked store is to be waited for; tells when that begins."""
        now = time.monotonic()
        with self._changed:
            first, self._locked_since = self._locked_since is None, self._locked_since or now
            if now - self._locked_since >= self._patience:
                return False
        if first:
            self._tell(
                "the store is locked by another program; what arrives is kept in memory, for up "
                f"to {self._patience:.0f} s"
            )
        return True

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
            self._chars = 0
            self._changed.notify_all()
        if first:
            self._failed(error)


def _size(delivery: Delivery) -> int:
    """Characters of its text; a token of its trace counts as eight."""
    if delivery.completion is None:
        return 0
    trace = delivery.trace
    traced = 0 if trace is None else len(trace.prompt) + len(trace.tokens)
    return len(delivery.completion.text) + 8 * traced
