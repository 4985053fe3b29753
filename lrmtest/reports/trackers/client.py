"""The clients of trackers: found, and their failures told in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from lrmtest.errors import LrmtestError, TrackerError, UsageError
from lrmtest.reports.escape import one_line

_MOST_SAID = 400


def client_of(module: str, extra: str, what: str) -> Any:
    """A client's module.

    Args:
        module: its name.
        extra: of lrmtest, which installs it.
        what: it is needed for.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise UsageError(
            f"{module} is needed to {what}", hint=f"pip install 'lrmtest[{extra}]'"
        ) from None


@contextmanager
def failures_told(tracker: str) -> Iterator[None]:
    """Whatever a tracker's client raises becomes an error for people.

    Raises:
        TrackerError: it has failed.
    """
    try:
        yield
    except LrmtestError:
        raise
    except Exception as error:
        said = one_line(f"{type(error).__name__}: {error}", _MOST_SAID)
        raise TrackerError(
            f"{tracker} did not take the run: {said}",
            hint=f"the run is in the store as before; mend {tracker}'s settings and export again",
        ) from None
