"""The set of a session, ``--set NAME``: whether it can be asked, and which tests are its."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from lrmtest.counted import counted
from lrmtest.errors import LrmtestError, UsageError
from lrmtest.options.settings import project_folder
from lrmtest.plugin.ending.guard import told
from lrmtest.plugin.session import LrmtestSession
from lrmtest.plugin.set_tests import COLLECTED
from lrmtest.plugin.suites import SelectedQuestion
from lrmtest.reports.escape import one_line
from lrmtest.suites.own import own_suites
from lrmtest.suites.registry import suite_named
from lrmtest.suites.sets import NamedSet

_LONGEST = 600
"""Characters of why a suite cannot be asked."""


class SetSelection:
    """The named set that a session is to ask; does nothing in a session without one.

    Args:
        session: the session's parts.

    Attributes:
        lines: what the user should know of what was selected.
    """

    def __init__(self, session: LrmtestSession) -> None:
        self._session = session
        self._set = session.settings.named_set
        self._chosen: dict[tuple[str, int], frozenset[str]] = {}
        self.lines: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Refuse the set where the data of a suite are not at hand, before anything is collected.

        Raises:
            pytest.UsageError: which suites, and why.
        """
        config = session.config
        collects = config.stash.get(COLLECTED, False)
        if self._set is None or not collects or hasattr(config, "workerinput"):
            return
        own = {each.suite.name: each.suite for each in own_suites(project_folder(config))}
        absent = {}
        for part in self._set.parts:
            try:
                suite = own.get(part.suite) or suite_named(part.suite)
                part.chosen(question.id for question in self._session.suites.load(suite).questions)
            except LrmtestError as why:
                absent[part.suite] = f"{why.message}{f' ({why.hint})' if why.hint else ''}"
        if absent:
            named = "".join(
                f"\n  {suite}: {one_line(why, _LONGEST)}" for suite, why in absent.items()
            )
            error = UsageError(
                f"set {self._set.name}: {len(absent)} of its {len(self._set.parts)} suites cannot "
                f"be asked here:{named}",
                hint="docs/data.md says where data come from; a path asks a part of a set: "
                "pytest suites/aime --set NAME",
            )
            raise pytest.UsageError(told(error))

    def drop(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """Take the tests of questions that are not in the set out of `items`; what was taken out.

        Tests of no suite stay: they were named, or nobody would have collected them.

        Raises:
            UsageError: the set names questions that a suite does not have.
        """
        if self._set is None:
            return []
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        asked: dict[str, set[str]] = {}
        others: Counter[str] = Counter()
        for item in items:
            selected = self._session.suites.selected_by(item)
            if self._session.suites.absent_in(item) is not None:
                dropped.append(item)
            elif selected is None or self._has(self._set, selected):
                kept.append(item)
            else:
                dropped.append(item)
            if selected is not None and self._set.part(selected.suite.name) is None:
                others[selected.suite.name] += 1
            elif selected is not None and kept and kept[-1] is item:
                asked.setdefault(selected.suite.name, set()).add(selected.question.id)
        items[:] = kept
        self.lines = list(self._told(self._set, asked, others))
        return dropped

    def _has(self, asked: NamedSet, selected: SelectedQuestion) -> bool:
        part = asked.part(selected.suite.name)
        if part is None:
            return False
        key = part.suite, id(selected.loaded)
        if key not in self._chosen:
            try:
                found = part.chosen(question.id for question in selected.loaded.questions)
            except UsageError as error:
                raise UsageError(
                    f"set {asked.name}: suite {part.suite}: {error.message}", hint=error.hint
                ) from None
            self._chosen[key] = frozenset(found)
        return selected.question.id in self._chosen[key]

    def _told(
        self, asked: NamedSet, selected: dict[str, set[str]], others: Counter[str]
    ) -> Sequence[str]:
        """What of the set is asked, what of it is not, and what is not in it."""
        sizes = {suite: len(chosen) for (suite, _), chosen in self._chosen.items()}
        parts = []
        for part in asked.parts:
            if part.suite not in selected:
                continue
            count, size = len(selected[part.suite]), sizes[part.suite]
            words = f"{part.suite} {count:,}" + (f" of {size:,}" if count < size else "")
            if (budget := self._session.settings.set_budgets.get(part.suite)) is not None:
                words += f" (up to {budget:,} tokens)"
            parts.append(words)
        total = sum(map(len, selected.values()))
        lines = [f"set {asked.name}: {counted(total, 'question')}: {', '.join(parts) or 'none'}"]
        if lacking := [part.suite for part in asked.parts if part.suite not in selected]:
            lines.append(
                f"set {asked.name}: in it, and not among these tests: {', '.join(lacking)}"
            )
        if others:
            named = ", ".join(f"{suite} ({count:,})" for suite, count in others.most_common())
            lines.append(f"set {asked.name}: not in it, and not run: {named}")
        return lines
