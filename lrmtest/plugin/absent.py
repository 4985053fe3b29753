"""Suites that a session may go without: a whole folder of them is asked, and some have no data.

`pytest suites` asks every benchmark that lrmtest knows, of which nobody has all. What was asked by
itself, by its path, its module or a set, cannot be gone without, nor what the baseline has: there a
missing file is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import pytest

from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.options.settings import Settings
from lrmtest.plugin.suites import Suites
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import STORE_NAME
from lrmtest.suites.packaged import FOLDER

_PACKAGES = FOLDER.parents[1]
"""The folder in which the package lies."""


class Dispensable:
    """Whether a session can go without a suite whose data are not here.

    Args:
        settings: the session's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, suite: str, test: pytest.Item) -> bool:
        """Whether it can go without a suite.

        Args:
            suite: its name.
            test: that asks it.

        Raises:
            LrmtestError: the baseline cannot be read.
        """
        asked = self._settings.named_set
        if asked is not None and asked.part(suite) is not None:
            return False
        return suite not in self._compared and _is_one_of_many(test)

    @cached_property
    def _compared(self) -> frozenset[str]:
        """The suites that the baseline has."""
        if (baseline := self._settings.comparison.baseline) is None:
            return frozenset()
        return frozenset(
            load_run(baseline, self._settings.reports_dir / STORE_NAME).manifest.suites
        )


def _is_one_of_many(test: pytest.Item) -> bool:
    """Whether a test is a benchmark's of lrmtest, and not asked by itself but in a folder of them.

    Args:
        test: collected, or about to be; a file of a user's own is never one.
    """
    file, config = test.path, test.config
    folder = file.parent
    packaged = FOLDER / folder.name / file.name
    if file != packaged and not (packaged.is_file() and file.read_bytes() == packaged.read_bytes()):
        return False
    here = config.invocation_params.dir
    for argument in config.args:
        name = argument.partition("::")[0]
        path = (here / name).resolve()
        if config.option.pyargs and not path.exists():
            path = _PACKAGES.joinpath(*name.split("."))
        if folder == path or folder in path.parents or file == path.with_suffix(".py"):
            return False
    return True


def told_absent(suites: Suites, items: Sequence[pytest.Item]) -> list[str]:
    """What to say of the tests whose suites' data are not here.

    Raises:
        UsageError: no test of another suite is left.
    """
    absent = {one.suite: one for item in items if (one := suites.absent_in(item)) is not None}
    if not absent:
        return []
    if not any(suites.selected_by(item) for item in items):
        first = next(iter(absent.values()))
        raise UsageError(
            f"of {counted(len(absent), 'suite')} none has its data here: {', '.join(absent)}",
            hint=f"docs/data.md says where they come from; {first.suite}: {first.why}",
        )
    return [
        f"not asked, since their data are not here: {', '.join(absent)} (-rs says more of each)"
    ]
