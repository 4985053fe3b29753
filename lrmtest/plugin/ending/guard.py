"""The guard of a session's end, where what is raised would end pytest with a regression's status.

During a session pytest itself makes an unforeseen exception an INTERNALERROR, exit status 3. Of one
in its last hooks it knows nothing, and Python ends with 1.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lrmtest.errors import LrmtestError
from lrmtest.options.exit_codes import BUG, INFRASTRUCTURE
from lrmtest.reports.annotations import disarmed
from lrmtest.reports.escape import plain

_LONGEST = 100_000


def told(error: LrmtestError) -> str:
    """The error's message, fit for a terminal and a log, whatever files and models put into it."""
    return disarmed(plain(str(error), _LONGEST))


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
