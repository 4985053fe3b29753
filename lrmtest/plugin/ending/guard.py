"""The end that an error makes of a session, and the guard of its last hooks.

During a session pytest itself makes an unforeseen exception an INTERNALERROR, exit status 3. Of one
in its last hooks it knows nothing, and Python ends with 1, a regression's status.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from lrmtest.errors import DataError, LrmtestError
from lrmtest.options.exit_codes import BUG, INFRASTRUCTURE, is_mistake
from lrmtest.reports.escape import plain
from lrmtest.reports.log_commands import disarmed

_LONGEST = 100_000


def told(error: LrmtestError) -> str:
    """The error's message, fit for a terminal and a log, whatever files and models put into it."""
    return disarmed(plain(str(error), _LONGEST))


def is_refused(error: LrmtestError) -> bool:
    """Whether an error is a mistake in what a session was asked for: it would come again."""
    return is_mistake(error) or isinstance(error, DataError)


def end(error: LrmtestError) -> NoReturn:
    """End the session.

    Raises:
        pytest.UsageError: it was asked for what cannot be.
        pytest.Exit: something broke.
    """
    if is_refused(error):
        raise pytest.UsageError(told(error)) from None
    raise pytest.exit.Exception(told(error), returncode=INFRASTRUCTURE) from None


@contextmanager
def guarded(config: pytest.Config) -> Iterator[None]:
    """Make an unforeseen exception a message, and the session's exit status one of its own."""
    try:
        yield
    except LrmtestError as error:
        _fail(config, told(error))
    except Exception:
        _fail(config, f"{disarmed(plain(traceback.format_exc(), _LONGEST))}\n{BUG}")


def _fail(config: pytest.Config, message: str) -> None:
    session = config.pluginmanager.get_plugin("session")
    if session is not None:
        session.exitstatus = INFRASTRUCTURE
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(f"ERROR: {message}", red=True)
