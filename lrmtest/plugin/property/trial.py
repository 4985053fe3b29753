"""Trying questions on a test's function: a round is generated in one batch, then it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from lrmtest.errors import EngineError, LrmtestError
from lrmtest.plugin.attempt import Attempt
from lrmtest.plugin.generation.protocol import CompletionSource
from lrmtest.plugin.generation.schedule import Schedule
from lrmtest.plugin.model import Model
from lrmtest.plugin.suites import SelectedQuestion
from lrmtest.questions import Question, QuestionSet, Source
from lrmtest.questions.fresh.space import DrawnQuestion
from lrmtest.suites import Suite

Call = Callable[[Question, Model], None]
"""Calls the test's function; raises what it raises."""


class TriedModel(Model):
    """What the test's function gets as `model`: its questions have been generated before.

    Nothing that it solves is recorded, so that no pass rate is made of questions that were
    searched for.

    Args:
        schedule: the model's schedule.
        source: where completions come from.
        item: the test.
        suite: the suite, as the test wants it.
    """

    def __init__(
        self, schedule: Schedule, source: CompletionSource, item: pytest.Item, suite: Suite
    ) -> None:
        super().__init__(schedule, source, item, None)
        self._suite = suite
        self._loaded = QuestionSet((), Source("generated", suite.name))
        self._ready: dict[str, Attempt | EngineError] = {}
        self._generated: set[tuple[str, int]] = set()
        self.solved: list[Attempt] = []

    def get_ready(self, questions: Sequence[Question], *, first: int = 0) -> None:
        """Have questions generated, all at once.

        Args:
            questions: what the function will be called with.
            first: index of each question's first sample; another one asks anew.

        Raises:
            EngineError: not one of them could be generated.
        """
        selected = [self._of_suite(question) for question in questions]
        found = self._schedule.solve_aside(selected, self._source, first=first)
        errors = [one for one in found if isinstance(one, EngineError)]
        if errors and len(errors) == len(found):
            raise errors[0]
        self._ready = {question.id: one for question, one in zip(questions, found, strict=True)}
        self._generated |= {
            (question.id, first + sample)
            for question, one in zip(questions, found, strict=True)
            if isinstance(one, Attempt)
            for sample, reused in enumerate(one.reused)
            if not reused
        }

    @property
    def generated(self) -> int:
        """Completions that the store did not have."""
        return len(self._generated)

    def solve(self, question: Question, *, prompt: str | None = None) -> Attempt:
        """See `Model.solve`. In other words than the suite's a question is generated now."""
        found: Attempt | EngineError
        if prompt is None and question.id in self._ready:
            found = self._ready[question.id]
        else:
            (found,) = self._schedule.solve_aside([self._of_suite(question, prompt)], self._source)
        if isinstance(found, EngineError):
            raise found
        self.solved.append(found)
        return found

    def prompt_of(self, question: Question) -> str:
        """The user message that asks a question in the suite's words."""
        return self._schedule.prompt_of(self._of_suite(question))

    def _of_suite(self, question: Question, prompt: str | None = None) -> SelectedQuestion:
        suite = self._suite if prompt is None else replace(self._suite, prompt=prompt)
        return SelectedQuestion(question, suite, self._loaded)


class Trial:
    """Tells the search which questions fail, and counts what that takes.

    A question fails when the test's function fails with it, and passes with the model that it is
    tried against, if there is one. An engine error is no failure: such a question has no verdict.

    Args:
        call: calls the test's function.
        model: the model under test.
        against: the model that has to pass.
        samples: completions that one question takes of one model.
        generations: the most completions to ask for. What is in the store counts too, so that
            the same command comes to the same end.

    Attributes:
        requested: completions asked for so far.
    """

    def __init__(
        self,
        call: Call,
        model: TriedModel,
        against: TriedModel | None,
        *,
        samples: int,
        generations: int,
    ) -> None:
        self._call = call
        self.model = model
        self.against = against
        self._samples = samples
        self._generations = generations
        self.requested = 0

    @property
    def room(self) -> int:
        """How many more questions may be asked, if the result is to be asked once more."""
        each = self._samples * (1 if self.against is None else 2)
        return max(0, (self._generations - self.requested) // each - 1)

    @property
    def generated(self) -> int:
        """Completions that the store did not have, of both models."""
        return self.model.generated + (0 if self.against is None else self.against.generated)

    def __call__(self, drawn: Sequence[DrawnQuestion]) -> list[bool | None]:
        """Whether each question fails; None for one that could not be asked.

        Raises:
            EngineError: none of them could be asked.
        """
        return self._verdicts([one.question for one in drawn])

    def again(self, question: Question) -> bool | None:
        """Whether a question fails with samples of its own, generated for this.

        None when they cannot be generated.
        """
        try:
            return self._verdicts([question], first=self._samples)[0]
        except EngineError:
            return None

    def explain(self, question: Question) -> str:
        """Why a question fails: what the test's own assertion says, and what was answered."""
        self.model.get_ready([question])
        self.model.solved.clear()
        reason, asserted = "the test passes now", ""
        try:
            self._call(question, self.model)
        except (AssertionError, pytest.fail.Exception) as error:
            # Without what pytest adds of the values behind the assertion.
            reason, _, asserted = str(error).partition("\nassert ")
        except LrmtestError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        failed = [attempt for attempt in self.model.solved if not attempt.passed]
        attempts = failed or self.model.solved
        lines = [attempt.explain() for attempt in attempts]
        # Most assertions say just that.
        if not any(reason.startswith(attempt.headline()) for attempt in attempts):
            lines.insert(0, reason)
        elif asserted and not asserted.startswith("False"):
            lines.insert(0, f"assert {asserted}".partition("\n")[0])
        if self.against is not None:
            self.against.get_ready([question])
            attempt = self.against.solve(question)
            lines.append(f"with {self.against.name}: {attempt.headline()}")
        return "\n".join(lines)

    def _verdicts(self, questions: Sequence[Question], *, first: int = 0) -> list[bool | None]:
        failing = self._failures(self.model, questions, first)
        if self.against is None:
            return [failing[question.id] for question in questions]
        suspects = [question for question in questions if failing[question.id]]
        failing |= {
            name: None if failed is None else not failed
            for name, failed in self._failures(self.against, suspects, first).items()
        }
        return [failing[question.id] for question in questions]

    def _failures(
        self, model: TriedModel, questions: Sequence[Question], first: int
    ) -> dict[str, bool | None]:
        if not questions:
            return {}
        self.requested += self._samples * len(questions)
        model.get_ready(questions, first=first)
        return {question.id: self._fails(model, question) for question in questions}

    def _fails(self, model: TriedModel, question: Question) -> bool | None:
        try:
            self._call(question, model)
        except EngineError:
            return None
        except LrmtestError:
            raise
        except pytest.skip.Exception:
            return None
        except (Exception, pytest.fail.Exception):
            return True
        return False
