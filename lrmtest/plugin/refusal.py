"""Refusals: a session that cannot be run ends as a usage error, and so under pytest-xdist."""

from __future__ import annotations

import pytest

_KEY = "lrmtest_refused"


def refuse(config: pytest.Config, items: list[pytest.Item], message: str) -> None:
    """End the session before a test has run.

    What a worker of pytest-xdist raises would be an internal error of its controller; it drops
    its tests instead and leaves its message for `raise_refusal`.

    Raises:
        pytest.UsageError: with `message`; not in a worker.
    """
    items.clear()
    if not hasattr(config, "workerinput"):
        raise pytest.UsageError(message)
    config.workeroutput[_KEY] = message  # type: ignore[attr-defined]


def raise_refusal(node: object) -> None:
    """In the controller, raise what a worker that is done had to refuse.

    Raises:
        pytest.UsageError: the worker has run nothing.
    """
    if message := getattr(node, "workeroutput", {}).get(_KEY):
        raise pytest.UsageError(message)
