"""The run loop: tests run in order of completion, one behind the engine.

pytest tears fixtures down by looking at the test that comes next, so a test can run only when
its successor is known: results show one completion late. In exchange fixtures of every scope,
``-x``, ``--maxfail``, ``--lf`` and junit files work as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import pytest

from lrmtest.errors import LrmtestError, StoreError
from lrmtest.models.engines.kinds import kind_of
from lrmtest.plugin.garbage import freeze, look_as_usual, look_rarely, settle
from lrmtest.plugin.generation.generation import Generation
from lrmtest.plugin.generation.pending import PendingSamples
from lrmtest.plugin.generation.schedule import Schedule
from lrmtest.plugin.items import ModelItems, items_by_model, model_of
from lrmtest.plugin.lines import CLEAR
from lrmtest.plugin.progress_line import ShownProgress
from lrmtest.plugin.session import LrmtestSession
from lrmtest.plugin.suites import SelectedQuestion
from lrmtest.reports.progress import StatusLine
from lrmtest.runs.outcomes import QuestionKey

_FIRST = 256
"""Questions planned before the first test runs, where the others can be planned later."""


class Lookahead:
    """Runs test items with one item of look-ahead.

    Args:
        pytest_session: pytest's session.
        before: called before anything may be printed.
    """

    def __init__(self, pytest_session: pytest.Session, before: Callable[[], None]) -> None:
        self._pytest_session = pytest_session
        self._before = before
        self._held: pytest.Item | None = None

    def add(self, item: pytest.Item) -> None:
        """Run the item held back, now that its successor is known, and hold this one."""
        held, self._held = self._held, item
        if held is not None:
            self._run(held, item)

    def flush(self) -> None:
        """Run the item held back as the last one."""
        held, self._held = self._held, None
        if held is not None:
            self._run(held, None)

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        self._before()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        if self._pytest_session.shouldfail:
            raise self._pytest_session.Failed(self._pytest_session.shouldfail)
        if self._pytest_session.shouldstop:
            raise self._pytest_session.Interrupted(self._pytest_session.shouldstop)


class RunLoop:
    """Runs a session's items: those without a model first, then model by model.

    Args:
        pytest_session: pytest's session.
        session: the session's parts.
        progress_line: shows progress while the engine works.
    """

    def __init__(
        self, pytest_session: pytest.Session, session: LrmtestSession, progress_line: StatusLine
    ) -> None:
        self._pytest_session = pytest_session
        self._session = session
        self._progress_line = progress_line
        self._lookahead = Lookahead(pytest_session, before=progress_line.clear)
        self._progress = ShownProgress(pytest_session.config, progress_line)
        pytest_session.config.stash[CLEAR] = progress_line.clear

    def run(self) -> None:
        """Run everything.

        Raises:
            LrmtestError: the only model cannot be asked what is to be asked, or the store failed.
            pytest.Session.Failed, pytest.Session.Interrupted: -x, --maxfail and the like.
        """
        of_models = items_by_model(self._pytest_session.items)
        freeze(self._pytest_session.config)
        try:
            self._run_all(of_models)
        finally:
            settle(self._pytest_session.config)

    def _run_all(self, of_models: dict[str, ModelItems]) -> None:
        for item in self._pytest_session.items:
            if model_of(item) is None:
                self._lookahead.add(item)
        try:
            for name, items in of_models.items():
                self._run_model(name, items)
            self._lookahead.flush()
        finally:
            self._progress_line.clear()

    def _run_model(self, name: str, items: ModelItems) -> None:
        schedule = self._session.schedule(name, self._say)
        schedule.flushed_when_idle = True
        config = self._pytest_session.config
        (look_as_usual if kind_of(schedule.spec).generates else look_rarely)(config)
        generation = self._session.generations.of(name, self._say)
        waiting: dict[QuestionKey, list[pytest.Item]] = {}
        for item, selected in items.with_questions:
            waiting.setdefault(selected.key, []).append(item)
        questions = [selected for _, selected in items.with_questions]
        first = self._planned_first(schedule, questions, waiting)
        later = questions[first:]
        try:
            if self._begin(schedule, generation, questions[:first], later):
                self._run_planned(schedule, generation, waiting, questions[:first], later)
            else:
                for item, _ in items.with_questions:
                    self._lookahead.add(item)
            for item in items.own_prompts:
                self._lookahead.add(item)
            # The model's engine is closed below, so its last test cannot wait for a successor
            # that only the next model's engine will bring.
            self._lookahead.flush()
            if name not in self._session.generations.failures:
                generation.finish(schedule.seen)
        finally:
            generation.close()

    def _planned_first(
        self,
        schedule: Schedule,
        questions: Sequence[SelectedQuestion],
        waiting: Mapping[QuestionKey, object],
    ) -> int:
        """How many questions are planned before the first test runs.

        All of them where the whole plan says what is asked first or at all, or where a question is
        asked twice: both tests must ask the same. Of recorded outputs a few, since it takes longer
        to plan all than to read these.
        """
        compared = self._session.settings.comparison.baseline is not None
        twice = len(waiting) < len(questions)
        whole = compared or twice or kind_of(schedule.spec).generates
        return len(questions) if whole else min(_FIRST, len(questions))

    def _begin(
        self,
        schedule: Schedule,
        generation: Generation,
        selected: Sequence[SelectedQuestion],
        later: Sequence[SelectedQuestion],
    ) -> bool:
        """Start generating; False when this model cannot be tested but others can."""
        try:
            plan = schedule.plan(selected, later)
            prepare = self._session.comparisons.prepare
            with self._progress.beginning(generation) as ticked:
                generation.begin(plan, prepare, keep=True, ticked=ticked)
        except LrmtestError as error:
            self._session.generations.failures[schedule.spec.name] = error
            if len(self._session.models.names) == 1:
                self._lookahead.flush()
                raise
            # Its tests become errors with the cause.
            return False
        return True

    def _run_planned(
        self,
        schedule: Schedule,
        generation: Generation,
        waiting: Mapping[QuestionKey, Sequence[pytest.Item]],
        first: Sequence[SelectedQuestion],
        later: Sequence[SelectedQuestion],
    ) -> None:
        try:
            self._run_as_they_complete(schedule, generation, waiting, first, len(later))
        except BaseException:
            if later:  # The run was asked these, too.
                with suppress(LrmtestError):
                    generation.add_questions(schedule.plan_more(later)[0])
            raise
        if later:
            generation.extend(*schedule.plan_more(later))
            self._run_as_they_complete(schedule, generation, waiting, later)

    def _run_as_they_complete(
        self,
        schedule: Schedule,
        generation: Generation,
        waiting: Mapping[QuestionKey, Sequence[pytest.Item]],
        planned: Sequence[SelectedQuestion],
        later: int = 0,
    ) -> None:
        """Run the tests of planned questions; so many others are planned later."""
        pending = PendingSamples({one.key: schedule.keys_of(one.key) for one in planned})
        while pending:
            key = generation.next_arrival(timeout=0.25)
            if key is None:
                with suppress(StoreError):  # What a full disk loses here, grading brings back.
                    schedule.flush()  # others look at the run while it waits
            for question in pending.arrived(key) if key is not None else ():
                for item in waiting[question]:
                    self._lookahead.add(item)
            self._progress.update(generation, len(waiting), len(pending) + later)
        if not later:
            self._progress.finish(generation, len(waiting))

    def _say(self, line: str) -> None:
        self._progress_line.say(line)
