"""What a test sees as `model`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Message
from lrmtest.plugin.attempt import Attempt
from lrmtest.plugin.generation.protocol import Desk
from lrmtest.plugin.generation.schedule import Schedule
from lrmtest.plugin.suites import Asked
from lrmtest.questions import Question


class Model:
    """The model under test, for one test.

    Args:
        schedule: the model's schedule.
        desk: what generates.
        item: the test.
        asked: the suite's question that the test asks, if it asks one.
    """

    def __init__(
        self, schedule: Schedule, desk: Desk, item: pytest.Item, asked: Asked | None
    ) -> None:
        self._schedule = schedule
        self._desk = desk
        self._item = item
        self._asked = asked
        self._repeats: Counter[tuple[Message, ...]] = Counter()
        self.attempts: list[tuple[Asked, Attempt]] = []

    @property
    def name(self) -> str:
        """The model's name, as in reports."""
        return self._schedule.spec.name

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
        if self._asked is None:
            raise UsageError(
                f"{self._item.nodeid}: model.solve() needs a suite to know prompt and grader",
                hint='put @lrmtest.suite("NAME") on the test, or use model.generate(prompt)',
            )
        asked = Asked(question, self._asked.suite, self._asked.loaded)
        attempt = self._schedule.solve(asked, self._desk, prompt)
        self.attempts.append((asked, attempt))
        return attempt

    def generate(
        self, prompt: str | Sequence[tuple[str, str]], *, max_tokens: int = 1024
    ) -> Completion:
        """One completion of the test's own prompt, generated now and stored like any other.

        Args:
            prompt: a user message, or a conversation of (role, content).
            max_tokens: the budget, unless ``--max-tokens`` or the model card sets one.

        Raises:
            EngineError: the engine failed to produce it.
        """
        conversation = [("user", prompt)] if isinstance(prompt, str) else prompt
        messages = tuple(Message(role, content) for role, content in conversation)
        sample = self._repeats[messages]
        self._repeats[messages] += 1
        return self._schedule.generate(
            messages,
            self._desk,
            test_id=self._item.nodeid,
            max_tokens=max_tokens,
            sample=sample,
        )
