"""The `model` fixture's value: the model under test, for one test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Message
from lrmtest.plugin.attempt import Attempt
from lrmtest.plugin.generation.protocol import CompletionSource
from lrmtest.plugin.generation.schedule import Schedule
from lrmtest.plugin.suites import SelectedQuestion
from lrmtest.questions import Question
from lrmtest.runs.records import SampleRecord


class Model:
    """The model under test, for one test.

    Args:
        schedule: the model's schedule.
        source: where completions come from.
        item: the test.
        selected: the suite's question of the test, if it has one.
    """

    def __init__(
        self,
        schedule: Schedule,
        source: CompletionSource,
        item: pytest.Item,
        selected: SelectedQuestion | None,
    ) -> None:
        self._schedule = schedule
        self._source = source
        self._item = item
        self._selected = selected
        self._repeats: Counter[tuple[Message, ...]] = Counter()
        self.attempts: list[tuple[SelectedQuestion, Attempt]] = []

    @property
    def name(self) -> str:
        """The model's name, as in reports."""
        return self._schedule.spec.name

    def records(self) -> list[SampleRecord]:
        """One record per sample of all its attempts."""
        return [one for _, attempt in self.attempts for one in self._schedule.records(attempt)]

    def solve(self, question: Question, *, prompt: str | None = None) -> Attempt:
        """The model's graded samples of a question.

        The suite's own questions have been generated before the test runs, all in one batch.
        With `prompt` the question is asked in other words, and generated now.

        Args:
            question: a question of the test's suite.
            prompt: template in place of the suite's.

        Raises:
            EngineError: the engine failed to produce a sample.
        """
        if self._selected is None:
            raise UsageError(
                f"{self._item.nodeid}: model.solve() needs a suite to know prompt and grader",
                hint='put @lrmtest.suite("NAME") on the test, or use model.generate(prompt)',
            )
        selected = self._selected
        if question is not selected.question:
            selected = SelectedQuestion(question, selected.suite, selected.loaded)
        attempt = self._schedule.solve(selected, self._source, prompt)
        self.attempts.append((selected, attempt))
        return attempt

    def generate(
        self, prompt: str | Sequence[tuple[str, str]], *, max_tokens: int | None = None
    ) -> Completion:
        """One completion of the test's own prompt, generated now and stored like any other.

        Args:
            prompt: a user message, or a conversation of (role, content).
            max_tokens: the budget, unless ``--max-tokens`` sets one; without it the model card's,
                else 1024.

        Raises:
            EngineError: the engine failed to produce it.
            UsageError: `max_tokens` is no integer of at least 1.
        """
        conversation = [("user", prompt)] if isinstance(prompt, str) else prompt
        messages = tuple(Message(role, content) for role, content in conversation)
        sample = self._repeats[messages]
        self._repeats[messages] += 1
        return self._schedule.generate(
            messages,
            self._source,
            test_id=self._item.nodeid,
            max_tokens=max_tokens,
            sample=sample,
        )
