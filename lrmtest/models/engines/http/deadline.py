"""The deadline of a request: how long it may take in all."""

from __future__ import annotations

from lrmtest.models.engines.http.life import QUEUE_SILENCES
from lrmtest.models.engines.options import EngineOptions

SLOWEST_TOKENS_PER_SECOND = 0.5
"""A completion that comes more slowly than this is given up, unless the user allows more time."""


def deadline(max_tokens: int, options: EngineOptions) -> float:
    """Seconds that a request may take, every try and every wait between them included.

    The user's, else what its budget takes at `SLOWEST_TOKENS_PER_SECOND` beside the time that it
    may wait at a server before its first token.

    Args:
        max_tokens: its budget.
        options: of the engine.
    """
    waiting = QUEUE_SILENCES * options.request_timeout
    return options.request_deadline or waiting + max_tokens / SLOWEST_TOKENS_PER_SECOND
