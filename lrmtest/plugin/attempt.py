"""An attempt: a model's samples of one question, graded."""

from __future__ import annotations

from dataclasses import dataclass

from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions import Question
from lrmtest.questions.place import Place
from lrmtest.reports.failure import Sample, explain, headline


@dataclass(frozen=True, slots=True)
class Attempt:
    """What `model.solve` returns.

    Attributes:
        question: the question.
        completions: one per sample, in order.
        verdicts: one per completion.
        pass_threshold: share of samples that must be correct.
        reused: per sample, whether it was in the store and not generated this time.
        places: per sample, where it is in the store.
    """

    question: Question
    completions: tuple[Completion, ...]
    verdicts: tuple[Verdict, ...]
    pass_threshold: float
    reused: tuple[bool, ...]
    places: tuple[Place, ...]

    @property
    def pass_rate(self) -> float:
        """Share of samples that are correct, in [0, 1]."""
        return sum(verdict.correct for verdict in self.verdicts) / len(self.verdicts)

    @property
    def passed(self) -> bool:
        """Whether enough samples are correct."""
        return self.pass_rate >= self.pass_threshold

    @property
    def score(self) -> float:
        """Mean score of the samples, in [0, 1]."""
        return sum(verdict.score for verdict in self.verdicts) / len(self.verdicts)

    @property
    def completion(self) -> Completion:
        """The first sample."""
        return self.completions[0]

    @property
    def verdict(self) -> Verdict:
        """The first sample's verdict."""
        return self.verdicts[0]

    def explain(self) -> str:
        """Question, expected, extracted and the last lines of each answer, safe to print."""
        return explain(self.question, self._samples())

    def headline(self) -> str:
        """One line: why the attempt failed."""
        return headline(self.question, self._samples())

    def _samples(self) -> list[Sample]:
        return [
            (completion, verdict, None)
            for completion, verdict in zip(self.completions, self.verdicts, strict=True)
        ]
