"""An attempt: a model's samples of one question, graded."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrmtest.grading.completion import Completion
from lrmtest.grading.split import Tags, told_apart
from lrmtest.grading.unknown_end import all_reasoning
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
        tags: what is known of the tags around the model's reasoning.
    """

    question: Question
    completions: tuple[Completion, ...]
    verdicts: tuple[Verdict, ...]
    pass_threshold: float
    reused: tuple[bool, ...]
    places: tuple[Place, ...]
    tags: Tags = ()
    _explained: str = field(default="", init=False, repr=False, compare=False)

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

    @property
    def answer(self) -> str:
        """The first sample's text behind its reasoning; empty when it ran out in that."""
        return self._told_apart[1].strip()

    @property
    def reasoning(self) -> str:
        """The first sample's reasoning, without its tags."""
        return self._told_apart[0].strip()

    def explain(self) -> str:
        """Question, expected, extracted and the last lines of each answer, safe to print."""
        if not self._explained:
            object.__setattr__(self, "_explained", explain(self.question, self._samples()))
        return self._explained

    def headline(self) -> str:
        """One line: why the attempt failed."""
        return headline(self.question, self._samples())

    @property
    def _told_apart(self) -> tuple[str, str]:
        first = self.completion
        return told_apart(
            first.text, self.tags, ran_out=all_reasoning(first.text, first.finish_reason)
        )

    def _samples(self) -> list[Sample]:
        return [
            (completion, verdict, None)
            for completion, verdict in zip(self.completions, self.verdicts, strict=True)
        ]
