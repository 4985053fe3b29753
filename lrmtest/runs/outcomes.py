"""Outcomes: per question of a run, how each of its samples went; all that comparisons need.

Small enough to be kept in a file that is committed, so that a baseline needs no store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from lrmtest.grading.verdict import End, FailureClass, Verdict, usual_end

QuestionKey = tuple[str, str]
"""A suite's name and a question's id."""


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """One sample that has a verdict.

    Attributes:
        failure: its failure class; None when it passed.
        tokens: tokens generated, reasoning and answer together; 0 when unknown.
        answer: `answer_hash` of the extracted answer; empty when there is none.
        end: how it was graded to have ended; by its class where it is not given.
        unknown_end: nothing says how its text ended. Of files that do not tell ends it is False.
    """

    failure: FailureClass | None
    tokens: int = 0
    answer: str = ""
    end: End = ""
    unknown_end: bool = False

    def __post_init__(self) -> None:
        if not self.end:
            object.__setattr__(self, "end", usual_end(self.failure))

    @property
    def passed(self) -> bool:
        """Whether the strict verdict is that it is correct."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """One question in one run.

    Attributes:
        suite, question_id: which question.
        samples: by their index. Engine errors have none, so that indices may be missing.
    """

    suite: str
    question_id: str
    samples: Mapping[int, SampleOutcome]

    @property
    def key(self) -> QuestionKey:
        """The question's suite and id."""
        return self.suite, self.question_id

    @property
    def count(self) -> int:
        """How many samples have a verdict."""
        return len(self.samples)

    @property
    def passes(self) -> int:
        """How many samples passed."""
        return sum(sample.passed for sample in self.samples.values())

    @property
    def pass_rate(self) -> float:
        """The share of samples that passed.

        Raises:
            ZeroDivisionError: no sample has a verdict.
        """
        return self.passes / self.count

    @property
    def tokens(self) -> int:
        """Tokens of all its samples."""
        return sum(sample.tokens for sample in self.samples.values())

    @property
    def unknown_ends(self) -> int:
        """How many samples do not say how they ended."""
        return sum(sample.unknown_end for sample in self.samples.values())

    @property
    def known_passes(self) -> int:
        """How many samples passed that are known to have ended."""
        return sum(sample.passed and not sample.unknown_end for sample in self.samples.values())

    def failures(self, failure: FailureClass) -> int:
        """How many samples failed in this way."""
        return sum(sample.failure == failure for sample in self.samples.values())

    def ends(self, end: End) -> int:
        """How many samples ended in this way, whatever their class."""
        return sum(sample.end == end for sample in self.samples.values())

    def passed(self, threshold: float = 0.5) -> bool:
        """Whether at least `threshold` of the samples passed."""
        return self.count > 0 and self.passes >= threshold * self.count


def outcome_of(verdict: Verdict, tokens: int, *, unknown_end: bool = False) -> SampleOutcome:
    """What a verdict says of a sample."""
    failure = None if verdict.correct else verdict.failure or "wrong"
    answer = answer_hash(verdict.extracted)
    return SampleOutcome(failure, tokens, answer, verdict.end, unknown_end)


def answer_hash(extracted: str | None) -> str:
    """Twelve hex digits that tell answers apart without repeating them."""
    if not extracted:
        return ""
    return hashlib.sha256(extracted.encode("utf-8", "surrogatepass")).hexdigest()[:12]


Outcomes = Mapping[QuestionKey, QuestionOutcome]
"""The questions of one run, in the order in which it asked them."""


def of_suite(outcomes: Outcomes, suite: str) -> Outcomes:
    """The questions of one suite."""
    return {key: question for key, question in outcomes.items() if key[0] == suite}
