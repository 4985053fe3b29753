"""`@lrmtest.suite`: a test function that is run once per question of a suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from _pytest.mark.structures import ParameterSet

from lrmtest.errors import LrmtestError, MissingDataError, UsageError
from lrmtest.plugin.fixture_owner import MARK, claim_model
from lrmtest.questions import DataOptions, Question, QuestionSet
from lrmtest.questions.fresh.space import Space
from lrmtest.reports.escape import one_line
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.suites import Suite, suite_named

TestFunction = TypeVar("TestFunction", bound=Callable[..., object])

PROPERTY = "property"
"""In the ids of tests in property mode."""
NO_DATA = "no-data"
"""In the ids of tests of suites whose data are not here."""

_LONGEST_WHY = 400


def suite(
    which: str | Suite, *, prompt: str | None = None, max_tokens: int | None = None
) -> Callable[[TestFunction], TestFunction]:
    """Run a test function once per question of a suite.

    The function takes `question` and `model`:

        @lrmtest.suite("aime")
        def test_aime(question, model):
            attempt = model.solve(question)
            assert attempt.passed, attempt.explain()

    Args:
        which: a suite's name (``aime``, ``folio``, ``temporal``, ``musique``,
            ``fresh-temporal``, ...) or one's own `Suite`, for example from
            `lrmtest.suite_from_jsonl` or `lrmtest.suite_from_hub`.
        prompt: template in place of the suite's own.
        max_tokens: budget in place of the suite's own; it goes before a model card's.
    """

    def mark(function: TestFunction) -> TestFunction:
        marker = getattr(pytest.mark, MARK)(which, prompt=prompt, max_tokens=max_tokens)
        marked: TestFunction = marker(function)
        return marked

    return mark


@dataclass(frozen=True, slots=True)
class SelectedQuestion:
    """The question of a selected test, with the suite that says how it is asked.

    Attributes:
        question: the question.
        suite: its prompt, budget and grader, as the test wants them.
        loaded: the set that the question comes from.
        test: the test function, as in test ids: ``suites/aime/test_aime.py::test_aime``.
    """

    question: Question
    suite: Suite
    loaded: QuestionSet
    test: str = ""

    @property
    def key(self) -> QuestionKey:
        """Suite and question id."""
        return (self.suite.name, self.question.id)


@dataclass(frozen=True, slots=True)
class Searched:
    """What a test in property mode has in place of a question.

    Attributes:
        suite: the suite, as the test wants it.
        space: the questions that it may be asked.
    """

    suite: Suite
    space: Space


@dataclass(frozen=True, slots=True)
class AbsentSuite:
    """What a test has in place of a question where a folder of suites is asked, and data lack.

    Attributes:
        suite: the suite's name.
        why: what is missing, and where it is to be had.
    """

    suite: str
    why: str


_SELECTED = pytest.StashKey[SelectedQuestion | None]()


class Suites:
    """The suites of a session: each is loaded once, and parametrizes the tests that ask it.

    Args:
        data: where questions come from.
        search: property mode: tests of generated suites get one `Searched` each.
        may_lack: whether a suite's test may go without its data, given the test's definition.
    """

    def __init__(
        self,
        data: DataOptions,
        *,
        search: bool = False,
        may_lack: Callable[[str, pytest.Function], bool] = lambda _suite, _test: False,
    ) -> None:
        self._data = data
        self._search = search
        self._may_lack = may_lack
        self._loaded: dict[int | str, QuestionSet] = {}
        self._of_marks: dict[int, tuple[pytest.Mark, Suite]] = {}

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Give a marked test function its questions, named by their ids.

        Raises:
            pytest.Collector.CollectError: the suite cannot be loaded.
        """
        marker = metafunc.definition.get_closest_marker(MARK)
        if marker is None:
            return
        claim_model(metafunc.definition)
        try:
            if "question" not in metafunc.fixturenames:
                name = metafunc.definition.name
                raise UsageError(
                    f"{name} has @lrmtest.suite but takes no `question`",
                    hint=f"write: def {name}(question, model)",
                )
            suite = self._suite_of(marker)
            if self._search:
                metafunc.parametrize("question", [self._searched(suite)])
                return
            try:
                loaded = self.load(suite)
            except MissingDataError as error:
                if not self._may_lack(suite.name, metafunc.definition):
                    raise
                metafunc.parametrize("question", [_absent(suite, error)])
                return
        except LrmtestError as error:
            # A collection error of this kind prints its message alone, without a traceback.
            raise pytest.Collector.CollectError(str(error)) from None
        metafunc.parametrize(
            "question", loaded.questions, ids=[question.id for question in loaded.questions]
        )

    def selected_by(self, item: pytest.Item) -> SelectedQuestion | None:
        """The question of a collected test; None for a test without a suite's question."""
        stash = item.stash
        if _SELECTED not in stash:  # every hook asks for it
            stash[_SELECTED] = self._selected_by(item)
        return stash[_SELECTED]

    def _selected_by(self, item: pytest.Item) -> SelectedQuestion | None:
        marker = item.get_closest_marker(MARK)
        question = getattr(item, "callspec", None) and _params(item).get("question")
        if marker is None or not isinstance(question, Question):
            return None
        suite = self._suite_of(marker)
        return SelectedQuestion(question, suite, self.load(suite), item.nodeid.partition("[")[0])

    def _suite_of(self, marker: pytest.Mark) -> Suite:
        """The suite as a test function wants it, made once for all its questions."""
        if id(marker) not in self._of_marks:
            self._of_marks[id(marker)] = marker, _suite_of(marker)
        return self._of_marks[id(marker)][1]

    def searched_by(self, item: pytest.Item) -> Searched | None:
        """What a test in property mode is about; None for any other test."""
        found = getattr(item, "callspec", None) and _params(item).get("question")
        return found if isinstance(found, Searched) else None

    def absent_in(self, item: pytest.Item) -> AbsentSuite | None:
        """The suite whose data a test lacks; None for any other test."""
        found = getattr(item, "callspec", None) and _params(item).get("question")
        return found if isinstance(found, AbsentSuite) else None

    def _searched(self, suite: Suite) -> ParameterSet:
        """The one parameter of a test in property mode."""
        if suite.family is None:
            reason = f"the questions of suite {suite.name} are fixed: there is nothing to search"
            return pytest.param(None, id=PROPERTY, marks=pytest.mark.skip(reason=reason))
        difficulty = self._data.fresh_difficulty
        level = "" if difficulty == 1 else f"-d{difficulty}"
        space = Space(suite.name, suite.family, difficulty)
        return pytest.param(Searched(suite, space), id=PROPERTY + level)

    def load(self, suite: Suite) -> QuestionSet:
        """A suite's questions, read once.

        Raises:
            DataError: they cannot be had.
        """
        # Suites of one name but of different make are told apart by their loader.
        key = id(suite.load)
        if key not in self._loaded:
            self._loaded[key] = suite.load(self._data)
        return self._loaded[key]


def _absent(suite: Suite, error: MissingDataError) -> ParameterSet:
    """The one parameter of a test whose suite's data are not here: it is skipped, and says why."""
    why = one_line(f"{error.message}; {error.hint}" if error.hint else error.message, _LONGEST_WHY)
    mark = pytest.mark.skip(reason=f"suite {suite.name} is not asked: {why}")
    return pytest.param(AbsentSuite(suite.name, why), id=NO_DATA, marks=mark)


def _params(item: pytest.Item) -> dict[str, Any]:
    params: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]
    return params


def _suite_of(marker: pytest.Mark) -> Suite:
    which = marker.args[0]
    suite = which if isinstance(which, Suite) else suite_named(which)
    changes = {name: value for name, value in marker.kwargs.items() if value is not None}
    return replace(suite, **changes) if changes else suite
