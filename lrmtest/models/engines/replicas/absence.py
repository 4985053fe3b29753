"""Absence: how long replicas are waited for, and what is said when none is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lrmtest.errors import LrmtestError, MachineryError, UsageError
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.places import ReplicaPlaces

_FEWEST_SECONDS = 60.0


def patience(options: EngineOptions, places: ReplicaPlaces) -> float:
    """For how many seconds work waits for a replica when none is left."""
    seconds = max(_FEWEST_SECONDS, Backoff().total(options.max_retries))
    return seconds if places.file is None else max(seconds, options.start_timeout)


def none_works(
    name: str,
    does: str,
    places: ReplicaPlaces,
    errors: Iterable[LrmtestError],
    reasons: Mapping[str, str],
) -> LrmtestError:
    """Why no replica of a model can be used: a mistake of the user's where one is among the errors.

    Args:
        name: the model's.
        does: what none can, in words: ``be asked``.
        places: where they should be.
        errors: what was wrong with each, as far as it is known.
        reasons: the same in words, by the replica as it may be shown.
    """
    known = list(errors)
    for error in known:
        if isinstance(error, UsageError):
            return error
    said = "; ".join(f"{where}: {reason}" for where, reason in reasons.items() if reason)
    among = f"in {places.file}" if places.file else "of them"
    hints = [error.hint for error in known if error.hint]
    return MachineryError(
        f"no replica of {name} can {does}: {said or f'none is {among}'}",
        hint=hints[0] if hints else "start one, or correct its URL",
    )
