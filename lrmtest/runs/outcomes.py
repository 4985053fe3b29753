"""Outcomes: per question of a run, how each of its samples went; all that comparisons need.

Small enough to be kept in a file that is committed, so that a baseline needs no store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from lrmtest.grading.verdict import End, FailureClass, Verdict, usual_end
from lrmtest.suites.suite import PASS

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
        score: its suite's primary metric, in [0, 1]; None where that is whether it passed, or is
            not known.
    """

    failure: FailureClass | None
    tokens: int = 0
    answer: str = ""
    end: End = ""
    unknown_end: bool = False
    score: float | None = None

    def __post_init__(self) -> None:
        if not self.end:
            object.__setattr__(self, "end", usual_end(self.failure))

    @property
    def passed(self) -> bool:
        """Whether the strict verdict is that it is correct."""
        return self.failure is None

    @property
    def value(self) -> float:
        """What it contributes to a comparison, in [0, 1]: its score, else 1 if it passed."""
        return float(self.passed) if self.score is None else self.score


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
        return sum(sample.failure is None for sample in self.samples.values())

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

    @property
    def values(self) -> list[float]:
        """The values of its samples."""
        return [sample.value for sample in self.samples.values()]

    def failures(self, failure: FailureClass) -> int:
        """How many samples failed in this way."""
        return sum(sample.failure == failure for sample in self.samples.values())

    def ends(self, end: End) -> int:
        """How many samples ended in this way, whatever their class."""
        return sum(sample.end == end for sample in self.samples.values())

    def passed(self, threshold: float = 0.5) -> bool:
        """Whether at least `threshold` of the samples passed."""
        return self.count > 0 and self.passes >= threshold * self.count


def outcome_of(
    verdict: Verdict, tokens: int, metric: str = PASS, *, unknown_end: bool = False
) -> SampleOutcome:
    """What a verdict says of a sample.

    Args:
        verdict: the verdict.
        tokens: generated.
        metric: the suite's primary metric. A verdict that lacks it, as one by an earlier grader
            may, has no score.
        unknown_end: nothing says how its text ended.
    """
    failure = None if verdict.correct else verdict.failure or "wrong"
    return SampleOutcome(
        failure,
        tokens,
        answer_hash(verdict.extracted),
        end=verdict.end,
        unknown_end=unknown_end,
        score=score_of(verdict, metric),
    )


def score_of(verdict: Verdict, metric: str) -> float | None:
    """A verdict's primary metric; None if that is whether it passed, or the verdict lacks it."""
    if metric == PASS:
        return None
    score = verdict.score if metric == "score" else verdict.metrics.get(metric)
    return None if score is None else min(max(score, 0.0), 1.0)


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


def scored_suites(outcomes: Outcomes) -> set[str]:
    """The suites of which every sample has a score."""
    scored: dict[str, bool] = {}
    for question in outcomes.values():
        for sample in question.samples.values():
            scored[question.suite] = sample.score is not None and scored.get(question.suite, True)
    return {suite for suite, every in scored.items() if every}


def only_scores_of(outcomes: Outcomes, suites: Collection[str]) -> Outcomes:
    """The same outcomes with scores in these suites alone."""
    return {
        key: question
        if question.suite in suites or all(s.score is None for s in question.samples.values())
        else QuestionOutcome(
            *key, {i: replace(sample, score=None) for i, sample in question.samples.items()}
        )
        for key, question in outcomes.items()
    }
