"""The first request of its kind: it goes alone, so that what a server refuses is refused once."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress

_PATIENCE = 2.0
"""Seconds that others wait for the first one. A refusal comes at once; a server that answers in
one piece, or is busy, is not to be left idle for it."""


class FirstGoesAlone:
    """Holds requests back while nothing is known of the first of their kind; for one event loop."""

    def __init__(self) -> None:
        self._known: dict[Hashable, asyncio.Event] = {}

    async def turn(self, kind: Hashable) -> asyncio.Event | None:
        """Wait until a request may be sent.

        Args:
            kind: all that could have it refused where another is taken.

        Returns:
            For the first of its kind what it has to set once it is known to be taken, or is not
            adapted any more; None for all others.
        """
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = asyncio.Event()
            return known
        if not known.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await known.wait()
        return None
