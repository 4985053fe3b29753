"""The register of a fleet: where its replicas are, as they tell it themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrmtest.errors import LrmtestError, MachineryError, ModelError, UsageError

REPORT_SECONDS = 1.0
"""How often a replica says that it is there."""

_HEARD_SECONDS = 5.0
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class FleetFailure:
    """Why a replica did not start, as it travels between processes.

    Attributes:
        message, hint: those of the error.
        kind: the error's class, of those that an engine's start raises.
    """

    message: str
    hint: str | None
    kind: str

    @classmethod
    def of(cls, error: LrmtestError) -> FleetFailure:
        """The failure that an error is."""
        return cls(error.message, error.hint, type(error).__name__)

    def error(self) -> LrmtestError:
        """The error again."""
        kinds = {kind.__name__: kind for kind in (UsageError, ModelError, MachineryError)}
        return kinds.get(self.kind, LrmtestError)(self.message, hint=self.hint)


@dataclass(frozen=True, slots=True)
class FleetState:
    """How a fleet is at a moment.

    Attributes:
        urls: of the replicas that are up, in the order of their coming.
        facts: of a replica's server: its version, context and concurrency; empty before the first.
        failures: starts that failed since this was last asked.
    """

    urls: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[FleetFailure, ...] = ()


class FleetRegister:
    """Knows where a fleet's replicas are; an actor of Ray's, in the keeper's name.

    A replica that has not been heard for five seconds is not there: it was killed, or its machine.
    """

    def __init__(self) -> None:
        self._heard: dict[str, tuple[str, float]] = {}
        self._facts: Mapping[str, Any] = {}
        self._failures: list[FleetFailure] = []

    def up(self, replica: str, url: str, facts: Mapping[str, Any]) -> None:
        """A replica is there."""
        self._heard[replica] = (url, time.monotonic())
        self._facts = facts

    def down(self, replica: str) -> None:
        """A replica's server has ended."""
        self._heard.pop(replica, None)

    def failed(self, failure: FleetFailure) -> None:
        """A replica could not start."""
        self._failures = [*self._failures, failure][-_MOST_TOLD:]

    def now(self) -> FleetState:
        """How the fleet is now."""
        since = time.monotonic() - _HEARD_SECONDS
        self._heard = {name: heard for name, heard in self._heard.items() if heard[1] > since}
        failures, self._failures = tuple(self._failures), []
        urls = tuple(dict.fromkeys(url for url, _ in self._heard.values()))
        return FleetState(urls, self._facts, failures)
