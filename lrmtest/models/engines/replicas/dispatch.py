"""The dispatch of requests: to the replica with the least outstanding tokens for its room.

Requests wait in one queue and go out when a replica has room, so that a fast one takes more of
them, and one that is lost takes along only what it worked on. That goes back to the queue's front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lrmtest.models.engines.base import Request


@dataclass(slots=True)
class _Seat:
    room: int
    unfinished: Callable[[], int]
    out: dict[str, Request] = field(default_factory=dict)
    budget: int = 0
    draining: bool = False

    @property
    def load(self) -> float:
        """Outstanding tokens for each request that it can take at once."""
        return (self.budget - self.unfinished()) / self.room


class Dispatch:
    """Requests that wait, and those that are at a replica; each is at one place only.

    Not safe to use from several threads: whoever owns it locks.
    """

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._seats: dict[str, _Seat] = {}
        self._shunned: dict[str, set[str]] = {}

    @property
    def waiting(self) -> int:
        """Requests that are at no replica."""
        return len(self._waiting)

    @property
    def names(self) -> tuple[str, ...]:
        """The replicas that have joined and not left."""
        return tuple(self._seats)

    def holds(self, name: str, key: str) -> bool:
        """Whether a request is at this replica."""
        return name in self._seats and key in self._seats[name].out

    def out(self, name: str) -> int:
        """Requests that are at a replica; 0 for one that is not there."""
        return len(self._seats[name].out) if name in self._seats else 0

    def join(self, name: str, room: int, unfinished: Callable[[], int]) -> None:
        """A replica takes requests.

        Args:
            name: the replica's.
            room: how many it takes at once, at least 1.
            unfinished: tells how many tokens there are of those that are out.
        """
        self._seats[name] = _Seat(room, unfinished)

    def drain(self, name: str, draining: bool) -> None:
        """A replica is given nothing more, and may finish what it has; or takes requests again."""
        self._seats[name].draining = draining

    def leave(self, name: str) -> list[Request]:
        """A replica is gone; what was out there waits in front of all others, in its order."""
        seat = self._seats.pop(name, None)
        lost = [] if seat is None else list(seat.out.values())
        self._waiting.extendleft(reversed(lost))
        return lost

    def add(self, requests: Iterable[Request]) -> None:
        """Requests wait behind all others."""
        self._waiting.extend(requests)

    def done(self, name: str, key: str) -> Request | None:
        """A replica has answered; None if that was not asked of it, or not any more."""
        seat = self._seats.get(name)
        request = None if seat is None else seat.out.pop(key, None)
        if seat is None or request is None:
            return None
        seat.budget -= request.sampling.max_tokens
        return request

    def forget(self, key: str) -> None:
        """A request is answered for good."""
        self._shunned.pop(key, None)

    def back(self, name: str, key: str) -> None:
        """What a replica could not answer waits in front of all others, for another replica."""
        if (request := self.done(name, key)) is not None:
            self._shunned.setdefault(key, set()).add(name)
            self._waiting.appendleft(request)

    def has_another(self, name: str, key: str) -> bool:
        """Whether there is another replica, which has not failed at a request yet."""
        others = {other for other, seat in self._seats.items() if not seat.draining} - {name}
        return bool(others - self._shunned.get(key, set()))

    def take_all(self) -> list[Request]:
        """All that wait, which wait no longer."""
        waiting, self._waiting = list(self._waiting), deque()
        return waiting

    def assigned(self) -> dict[str, list[Request]]:
        """What goes out now, by replica: as much as there is room for."""
        found: dict[str, list[Request]] = {}
        passed: list[Request] = []
        seats = {name: seat for name, seat in self._seats.items() if not seat.draining}
        load: dict[str, float] = {}
        while self._waiting:
            room = [name for name, seat in seats.items() if len(seat.out) < seat.room]
            if not room:
                break
            request = self._waiting.popleft()
            shunned = self._shunned.get(request.key, set())
            # One that has failed at it is asked again only where no other is left at all.
            fit = [name for name in room if name not in shunned]
            if not fit and not seats.keys() <= shunned:
                passed.append(request)
                continue
            free = fit or room
            if len(free) > 1:  # else there is nothing to weigh
                load |= {name: seats[name].load for name in free if name not in load}
            name = min(free, key=lambda one: load.get(one, 0.0))
            seat = seats[name]
            seat.out[request.key] = request
            seat.budget += request.sampling.max_tokens
            if name in load:
                load[name] += request.sampling.max_tokens / seat.room
            found.setdefault(name, []).append(request)
        self._waiting.extendleft(reversed(passed))
        return found
