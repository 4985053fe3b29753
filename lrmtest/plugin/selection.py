"""The last selection of tests: `--set`, `--triage`, recorded questions only, and `--limit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator

import pytest

from lrmtest.errors import LrmtestError
from lrmtest.plugin.absent import told_absent
from lrmtest.plugin.ending.guard import told
from lrmtest.plugin.garbage import freeze
from lrmtest.plugin.items import model_of
from lrmtest.plugin.recorded import RecordedQuestions
from lrmtest.plugin.refusal import refuse
from lrmtest.plugin.session import LrmtestSession
from lrmtest.plugin.set_selection import SetSelection
from lrmtest.plugin.triage import Triage
from lrmtest.runs.store import STORE_NAME


class Selection:
    """Deselects what a set or triage does not ask for, a recording lacks, or the limit exceeds.

    It is registered after pytest's own plugins, so that as the outermost wrapper it sees what
    -k, -m, --lf and the rest have left.

    Args:
        session: the session's parts.
        set_selection: the session's set.
    """

    def __init__(self, session: LrmtestSession, set_selection: SetSelection) -> None:
        self._session = session
        self._set = set_selection
        self._recorded = RecordedQuestions(session)
        settings = session.settings
        self._triage = Triage(
            settings.triage,
            settings.comparison.baseline,
            settings.reports_dir / STORE_NAME,
            settings.pass_threshold,
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Deselect, and let pytest report how many."""
        yield
        if self._session.models.names:
            freeze(config)
        if not self._session.models.names and self._session.settings.triage:
            refuse(config, items, "--triage needs --model: whose newest run is meant?")
            return
        absent: list[str] = []
        try:
            dropped = self._set.drop(items)
            absent = told_absent(self._session.suites, items)
            dropped += [
                *self._drop_by_triage(items),
                *self._drop_unrecorded(items),
                *self._drop_beyond_limit(items),
            ]
            self._recorded.refuse_too_few(items)
        except LrmtestError as error:
            refuse(config, items, told(error))
            return
        finally:
            lines = [*self._set.lines, *absent, *self._triage.lines, *self._recorded.lines]
            self._session.told[:] = lines
        if dropped:
            config.hook.pytest_deselected(items=dropped)

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say which runs triage looked at, and what recordings have."""
        return self._session.told

    def _drop_by_triage(self, items: list[pytest.Item]) -> list[pytest.Item]:
        if not self._session.settings.triage:
            return []

        def wanted(item: pytest.Item) -> bool:
            selected, model = self._session.suites.selected_by(item), model_of(item)
            return bool(selected and model and self._triage.selects(model, selected.key))

        return _drop_unless(wanted, items)

    def _drop_unrecorded(self, items: list[pytest.Item]) -> list[pytest.Item]:
        if not self._session.models.recordings:
            return []
        self._recorded.place(items)
        dropped = _drop_unless(self._recorded.has, items)
        self._recorded.tell_missing(dropped)
        return dropped

    def _drop_beyond_limit(self, items: list[pytest.Item]) -> list[pytest.Item]:
        limit = self._session.settings.limit
        if limit is None or not self._session.models.names:
            return []
        seen: Counter[tuple[str, str | None]] = Counter()

        def wanted(item: pytest.Item) -> bool:
            if self._session.suites.selected_by(item) is None:
                return True
            test = (item.nodeid.partition("[")[0], model_of(item))
            seen[test] += 1
            return seen[test] <= limit

        return _drop_unless(wanted, items)


def _drop_unless(
    wanted: Callable[[pytest.Item], bool], items: list[pytest.Item]
) -> list[pytest.Item]:
    """Take what is not wanted out of `items`; what was taken out."""
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        (kept if wanted(item) else dropped).append(item)
    items[:] = kept
    return dropped
