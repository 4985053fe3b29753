"""The recordings of a session: which suite their outputs answer, and whether there are enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from lrmtest.errors import UsageError
from lrmtest.models.engines.recorded.placing import SelectedSuite
from lrmtest.plugin.items import model_of
from lrmtest.plugin.session import LrmtestSession
from lrmtest.questions import Question
from lrmtest.runs.outcomes import QuestionKey

_MOST_NAMED = 6


class RecordedQuestions:
    """What the session's recordings hold of the selected questions.

    Args:
        session: the session's parts.

    Attributes:
        lines: what the user should know of it.
    """

    def __init__(self, session: LrmtestSession) -> None:
        self._session = session
        self.lines: list[str] = []

    def place(self, items: Sequence[pytest.Item]) -> None:
        """Find out which question each output answers, by the suites that are asked.

        Raises:
            UsageError: nothing says which of several suites an output belongs to.
            DataError: a recording is malformed.
        """
        models = self._session.models
        for model in models.recordings:
            placing = models.place(model, _asked(self._session, items, model))
            self.lines += placing.notes

    def has(self, item: pytest.Item) -> bool:
        """Whether a test's question has an output; True for a test that needs none."""
        recording = self._session.models.recordings.get(model_of(item) or "")
        selected = self._session.suites.selected_by(item)
        return recording is None or selected is None or recording.has(*selected.key)

    def tell_missing(self, dropped: Sequence[pytest.Item]) -> None:
        """Say which suites' questions are not selected, since they have no output."""
        missing: dict[str, Counter[str]] = {}
        for item in dropped:
            if (selected := self._session.suites.selected_by(item)) is not None:
                missing.setdefault(model_of(item) or "", Counter())[selected.suite.name] += 1
        for model, suites in missing.items():
            named = ", ".join(f"{name} {count:,}" for name, count in suites.most_common())
            self.lines.append(
                f"{model}: {suites.total():,} question{'s' * (suites.total() != 1)} without a "
                f"recorded output, not selected: {named}"
            )

    def refuse_too_few(self, items: Sequence[pytest.Item]) -> None:
        """Refuse ``--samples`` for which a recording has too few, before anything runs.

        Raises:
            UsageError: a selected question has fewer outputs.
        """
        settings = self._session.settings
        recordings = self._session.models.recordings
        if settings.all_recorded or not recordings:
            return
        of_models: dict[str, dict[QuestionKey, int]] = {}
        for item in items:
            model, selected = model_of(item), self._session.suites.selected_by(item)
            if selected is not None and (recording := recordings.get(model or "")) is not None:
                of_models.setdefault(model or "", {})[selected.key] = recording.samples(
                    *selected.key
                )
        for model, outputs in of_models.items():
            short = sum(
                number < settings.samples_of(suite) for (suite, _), number in outputs.items()
            )
            if not short:
                continue
            counts = Counter(outputs.values())
            named = ", ".join(
                f"{number:,} {'has' if number == 1 else 'have'} {count}"
                for count, number in sorted(counts.items())[:_MOST_NAMED]
            )
            more = ", ..." if len(counts) > _MOST_NAMED else ""
            wanted = max(settings.samples_of(suite) for suite, _ in outputs)
            raise UsageError(
                f"--samples {wanted}: {short:,} of {len(outputs):,} questions selected "
                f"have fewer outputs in {recordings[model].location}: {named}{more}",
                hint=f"--samples {min(counts)} is what all of them have; --samples recorded takes "
                "as many of each as there are",
            )


def _asked(
    session: LrmtestSession, items: Sequence[pytest.Item], model: str
) -> list[SelectedSuite]:
    """The suites of which tests of a model are selected, each with all its questions."""
    prompts: dict[str, str] = {}
    questions: dict[str, dict[str, Question]] = {}
    loaded: set[int] = set()
    for item in items:
        if model_of(item) != model or (one := session.suites.selected_by(item)) is None:
            continue
        prompts.setdefault(one.suite.name, one.suite.prompt)
        if id(one.loaded) not in loaded:
            loaded.add(id(one.loaded))
            of_suite = questions.setdefault(one.suite.name, {})
            of_suite.update((question.id, question) for question in one.loaded.questions)
    return [
        SelectedSuite(name, prompt, tuple(questions.get(name, {}).values()))
        for name, prompt in prompts.items()
    ]
