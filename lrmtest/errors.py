"""Errors for people: each says what was wrong, where, and the next step.

Every room may raise these; the pytest plugin and the command line turn them
into a short message and a non-zero exit, never into a traceback.
"""

from __future__ import annotations

from lrmtest.masking import masked


class LrmtestError(Exception):
    """Base of all errors a user can cause or repair.

    Secrets in it are masked here, since what quotes a URL or a program's output ends here.

    Args:
        message: what was wrong and where.
        hint: the next step for the reader, if there is an obvious one.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = masked(message)
        self.hint = None if hint is None else masked(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UsageError(LrmtestError):
    """An option, a name or a combination of settings that cannot be meant."""


class DataError(LrmtestError):
    """Benchmark data that is missing, corrupted, truncated or not the expected revision."""


class MissingDataError(DataError):
    """Benchmark data that are not here: no file in the folder, none on the hub, or no access."""


class ModelError(LrmtestError):
    """A model that cannot be found, read or started."""


class MachineryError(ModelError):
    """What runs a model failed, or what serves it: a process, a server, memory, a disk.

    The same command may do another time, where any other `ModelError` would come again: a mistake
    in what was asked for.
    """


class StoreError(LrmtestError):
    """A run's store that cannot be opened, read or written."""


class MissingStoreError(StoreError):
    """A store that is to be read, and is not there."""


class LockedStoreError(StoreError):
    """A store that another program has kept locked for longer than it was to be waited for."""


class DamagedStoreError(StoreError):
    """A store, or a row of it, that is not as it was written."""


class EngineError(LrmtestError):
    """The engine failed to produce a completion.

    Never a verdict: it makes a test an ERROR, not a FAILED, and leaves every
    pass rate untouched.

    Args:
        message: what the engine said or did.
        hint: the next step.
        attempts: how many times the request was tried before giving up.
        elsewhere: the fault is the server's and not the request's: another server of the same
            model may answer it.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        attempts: int = 1,
        elsewhere: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.attempts = attempts
        self.elsewhere = elsewhere


def in_words(error: Exception, doing: str) -> LrmtestError:
    """An error for people of any exception, where nobody else would hear of it.

    Args:
        error: what was raised.
        doing: what was tried, as the beginning of a sentence.
    """
    if isinstance(error, LrmtestError):
        return error
    return LrmtestError(
        f"{doing}: {type(error).__name__}: {error}",
        hint="this is a mistake in lrmtest; what had arrived is kept",
    )


class TrackerError(LrmtestError):
    """A tracker of experiments that did not take what it was given."""
