"""Sharing: sessions that generate for one run at once claim a part each, and await the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence

from lrmtest.models.engines.base import Request
from lrmtest.progress import Tell
from lrmtest.runs.claims import Claimant, Claims
from lrmtest.runs.run import Run
from lrmtest.runs.store import Store

_LOOK_SECONDS = 1.0
"""Between two looks at what other sessions have generated."""


class Sharing:
    """This session's part of a run, and what it awaits of others.

    All methods but `awaits` and `awaited` are for one thread at a time.

    Args:
        store: where the run is.
        run: the run.
        generates: an engine makes its completions; those that are only read nobody claims.
        adopt: take completions with equal keys over from other runs of the store.
        of: ids of the runs that these may be; None for all.
        changed: guards what is awaited, and is notified when that changes.
        notice: prints one line that must be seen.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        *,
        generates: bool,
        adopt: bool,
        of: Collection[str] | None,
        changed: threading.Condition,
        notice: Tell,
    ) -> None:
        self._store = store
        self._run = run
        self._claims = Claims(store.path, run.run_id) if generates else None
        self._adopt = adopt
        self._of = of
        self._changed = changed
        self._notice = notice
        self._awaited: dict[str, Request] = {}
        self._next_look = 0.0

    def awaits(self, keys: Collection[str]) -> bool:
        """Whether others generate some of these; with `changed` held."""
        return bool(self._awaited) and not self._awaited.keys().isdisjoint(keys)

    @property
    def awaited(self) -> Collection[str]:
        """The keys of what others generate; with `changed` held."""
        return self._awaited.keys()

    def claimed(self, requests: Sequence[Request]) -> tuple[list[Request], Mapping[str, Claimant]]:
        """Take on those requests that the store lacks and no other session generates.

        Returns:
            These, and the keys of those that others generate.
        """
        with self._store.transaction():
            missing = self._run.missing(
                [request.key for request in requests], adopt=self._adopt, of=self._of
            )
            others = {} if self._claims is None else self._claims.others()
            own = [one for one in requests if one.key in missing and one.key not in others]
            if self._claims is not None:
                self._claims.claim({request.key for request in own})
        return own, {key: others[key] for key in missing if key in others}

    def wait_for(self, requests: Sequence[Request], others: Mapping[str, Claimant]) -> None:
        """Await what other sessions generate."""
        if not others:
            return
        with self._changed:
            self._awaited |= {one.key: one for one in requests if one.key in others}
        who = ", ".join(sorted({str(claimant) for claimant in others.values()}))
        self._notice(
            f"{self._run.head.model}: another session ({who}) is generating {len(others)} of the "
            "samples asked for here; waiting for its completions"
        )

    @property
    def due(self) -> bool:
        """Whether it is time to look what has become of what is awaited."""
        return bool(self._awaited) and time.monotonic() >= self._next_look

    def look(self) -> tuple[set[str], list[Request]]:
        """What others have generated since, and what they have left, which is this session's now.

        Returns:
            The keys of the one, the requests of the other.
        """
        self._next_look = time.monotonic() + _LOOK_SECONDS
        with self._changed:
            waiting = dict(self._awaited)
        own, others = self.claimed(list(waiting.values()))
        left = {request.key for request in own}
        self.forget(waiting.keys() - others.keys())
        if own:
            self._notice(
                f"{self._run.head.model}: the other session has ended; generating the {len(own)} "
                "samples that it left"
            )
        return waiting.keys() - left - others.keys(), own

    def forget(self, keys: Collection[str]) -> None:
        """Await these no more."""
        with self._changed:
            for key in keys:
                self._awaited.pop(key, None)
            self._changed.notify_all()

    def release(self, keys: Collection[str]) -> None:
        """Leave samples to other sessions."""
        if self._claims is not None:
            self._claims.release(keys)

    @property
    def others_generate(self) -> bool:
        """Whether another session still generates for the run."""
        return self._claims is not None and bool(self._claims.others())

    def close(self) -> None:
        """Give up all claims."""
        if self._claims is not None:
            self._claims.close()
