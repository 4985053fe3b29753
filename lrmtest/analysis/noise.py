"""An engine's own noise: how far two greedy runs of one model differ.

At temperature 0 a question has one text. What is left of chance is the engine's arithmetic, in
which the order of sums depends on the batch: a near tie of two tokens falls the other way, and
from there on the text is another. The share v of questions whose verdict differs between two
repeats is all that the sampling of a greedy run amounts to: two runs with noise v_b and v_c differ
from what they would be on average by a sum over questions with variance (v_b + v_c) / 2 each.

The interval takes v at the upper end of its own interval and the sum as one of independent steps
-1, 0 and 1 of that variance; both together keep the level (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import sqrt
from statistics import NormalDist, median

from lrmtest.analysis.intervals import Interval, clustered, tail
from lrmtest.analysis.paired_comparison import Comparison, RateChange, SuiteComparison
from lrmtest.grading.verdict import FailureClass
from lrmtest.runs.manifest import NoiseSection

ENGINE_NOISE = "engine-noise"
NOT_MEASURED = "noise-not-measured"
"""Methods of an interval for a greedy run's change."""
_CHUNK = 4096
_MOST_STEPS = 100.0
"""Expected steps up to which their sum's distribution is computed and not taken as normal."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """One repeat of a question.

    Attributes:
        text: the completion's.
        failure: its failure class; None when it passed.
    """

    text: str
    failure: FailureClass | None


def measure(questions: Iterable[Sequence[Repeated]], level: float = 0.95) -> NoiseSection:
    """Sum up repeats of greedy runs.

    Args:
        questions: per question its repeats, two at least; texts are looked at one question at a
            time.
        level: confidence level.

    Raises:
        ValueError: a question has fewer than two repeats, or there is no question.
    """
    texts, verdicts, outcomes = [], [], []
    places: list[int] = []
    lengths: list[int] = []
    repeats = 0
    for question in questions:
        pairs = list(combinations(question, 2))
        if not pairs:
            raise ValueError("a question was not repeated")
        repeats = max(repeats, len(question))
        differing = [(one, other) for one, other in pairs if one.text != other.text]
        places += [first_difference(one.text, other.text) for one, other in differing]
        lengths += [len(each.text) for pair in differing for each in pair]
        texts.append((len(differing), len(pairs)))
        passes = sum((one.failure is None) != (other.failure is None) for one, other in pairs)
        verdicts.append((passes, len(pairs)))
        outcomes.append((sum(one.failure != other.failure for one, other in pairs), len(pairs)))
    if not texts:
        raise ValueError("no question was repeated")
    of_texts, of_verdicts = clustered(texts, level), clustered(verdicts, level)
    return NoiseSection(
        questions=len(texts),
        repeats=repeats,
        texts=_mean(texts),
        texts_low=of_texts.low,
        texts_high=of_texts.high,
        verdicts=_mean(verdicts),
        verdicts_low=of_verdicts.low,
        verdicts_high=of_verdicts.high,
        outcomes_high=clustered(outcomes, level).high,
        first_difference=median(places) if places else None,
        length=median(lengths) if lengths else None,
    )


def _mean(counts: Sequence[tuple[int, int]]) -> float:
    return sum(part / of for part, of in counts) / len(counts)


def first_difference(one: str, other: str) -> int:
    """How many characters two texts have in common before they differ."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start : start + _CHUNK] == other[start : start + _CHUNK]:
        start += _CHUNK
    for place in range(start, shorter):
        if one[place] != other[place]:
            return place
    return shorter


def with_noise(
    comparison: Comparison, baseline: NoiseSection | None, candidate: NoiseSection | None
) -> Comparison:
    """A comparison of greedy runs, its intervals on these questions those of the noise alone.

    Where the noise of a run was not measured, nothing is known of them: [-1, 1].
    """

    def of(part: SuiteComparison) -> SuiteComparison:
        def change(rate: RateChange) -> RateChange:
            passes = rate.bad == "failed"
            before, after = _share(baseline, passes), _share(candidate, passes)
            noise = noise_interval(rate.worsening, part.questions, before, after, comparison.level)
            return replace(rate, noise=noise)

        return replace(
            part,
            failed=change(part.failed),
            truncated=change(part.truncated),
            looped=change(part.looped),
        )

    return replace(comparison, suites=tuple(map(of, comparison.suites)), total=of(comparison.total))


def _share(noise: NoiseSection | None, passes: bool) -> float | None:
    if noise is None:
        return None
    return noise.verdicts_high if passes else noise.outcomes_high


def noise_interval(
    change: float, questions: int, baseline: float | None, candidate: float | None, level: float
) -> Interval:
    """For the change that two greedy runs would show on average over the engine's noise.

    Args:
        change: as seen, in [-1, 1].
        questions: how many.
        baseline, candidate: upper ends of the shares of questions that noise changes; None where
            that was not measured.
        level: nominal coverage.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    error = tail(level)
    if baseline is None or candidate is None or not questions:
        return Interval(-1.0, 1.0, level, NOT_MEASURED)
    most = _most_steps(questions, min(1.0, (baseline + candidate) / 2), error) / questions
    return Interval(max(-1.0, change - most), min(1.0, change + most), level, ENGINE_NOISE)


def _most_steps(questions: int, share: float, error: float) -> float:
    """The number that the absolute sum of all steps exceeds with probability `error` at most."""
    if questions * share > _MOST_STEPS:
        return NormalDist().inv_cdf(1 - error / 2) * sqrt(questions * share) + 0.5
    reach = min(questions, int(8 * sqrt(_MOST_STEPS)))
    chances = [0.0] * (2 * reach + 1)
    chances[reach] = 1.0
    for _ in range(questions):
        below, above = [0.0, *chances[:-1]], [*chances[1:], 0.0]
        chances = [
            (1 - share) * stay + share / 2 * (down + up)
            for stay, down, up in zip(chances, below, above, strict=True)
        ]
    beyond = 0.0
    for steps in range(reach, 0, -1):
        beyond += chances[reach + steps] + chances[reach - steps]
        if beyond > error:
            return steps
    return 0
