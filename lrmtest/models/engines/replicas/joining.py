"""Joining: on what terms a replica is taken, by the engine and by the reader alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lrmtest.errors import ModelError
from lrmtest.models.engines.kinds import ENDPOINT
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec

_RETRIES = 1
"""Tries after the first at one replica: others are there to be asked."""


def refuse_another_model(options: EngineOptions, url: str) -> None:
    """Refuse a replica that does not serve the model; it is asked for nothing before.

    Raises:
        ModelError: it serves another one, or cannot be asked now.
    """
    differs = options.model_difference
    if differs is not None and (difference := differs(url)):
        raise ModelError(f"it serves another model: {difference}")


def of_one_replica(
    spec: ModelSpec, options: EngineOptions, url: str, urls: Iterable[str]
) -> tuple[ModelSpec, EngineOptions]:
    """The model and the options by which one of its replicas is asked.

    Args:
        spec, options: of all of them.
        url: the replica's.
        urls: all of them that are known.
    """
    return (
        replace(spec, engine=ENDPOINT.name, location=url),
        replace(
            options,
            max_retries=min(options.max_retries, _RETRIES),
            endpoints=endpoints_with(spec.name, urls, options.endpoints),
        ),
    )


def endpoints_with(
    name: str, urls: Iterable[str], others: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """All endpoints of a session: a model's replicas as they are now, the others as given."""
    return (*(one for one in others if one[0] != name), *((name, url) for url in urls))
