"""Time left: how long a generation will take yet, as a range that is there from the first second.

It is a Bayesian predictive interval, drawn by simulation. What is not known is of two kinds.

*Lengths.* A sample's length is taken as a share of what is expected of it: of its question's mean
in an earlier run or baseline, or of its budget where there is none. The shares of a suite have one
distribution (what is expected to be cut at its budget has one of its own), in steps of a quarter of
a doubling. Its hazards (of the samples that get to a step, the share that ends in it) have the beta
process of Hjort (1990) as their prior, so that their posterior is known exactly: Beta(c h + d,
c (1 - h) + y - d), where h is the hazard of a broad guess, c its weight in samples, y the samples
that got to the step and d those that ended in it. What is generated right now, or was cut at its
budget, has got that far and not ended: it is censored, not left out. Without that, the first to
arrive, which are the short ones, would promise an early end.
Samples of one question are no independent evidence: together they count as one, and of those to
come every second one is given its question's luck.

*Speed.* `n` completions at once make ``c n^a`` tokens a second, ``a`` between 0 (a device that is
busy with one) and 1 (one that hardly notices another). ``c`` and ``a`` have a posterior, from what
was measured in stretches of time, the last minutes counting most; before, from earlier runs'
completions, or from a guess that is wide enough for a CPU and a GPU. This decides how long the last
few take, with the engine almost empty.

Each draw of both is followed through: the engine takes what waits in its order, as a place becomes
free. Its seed is fixed, so that a range changes when what is known does, and grows when work is
added.

Reference:
    Hjort (1990), Nonparametric Bayes estimators based on beta processes in models for life history
    data. Annals of Statistics 18(3).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from itertools import accumulate, pairwise
from math import exp, log, log2, sqrt
from random import Random
from statistics import NormalDist

from lrmtest.runs.outcomes import QuestionKey

LEVEL = 0.9
"""How often a range is to hold what it takes."""

_DRAWS = 120
_MOST_DRAWN = 160
"""Waiting samples that are drawn one by one; of more, the first ones are represented by some."""
_SEED = 20260101

_Group = tuple[str, str]
"""A suite, and what was known of a sample's length."""
_UNKNOWN, _KNOWN, _CUT = "unknown", "known", "cut"
_NEARLY = 0.9  # of its budget: such a mean is one of samples that were cut

_STEPS = 4  # to a doubling
_LOWEST, _HIGHEST = -9, 6  # doublings
_BINS = (_HIGHEST - _LOWEST) * _STEPS
_PRIOR_WEIGHTS = {_UNKNOWN: 2.0, _KNOWN: 0.5, _CUT: 0.5}  # samples
_EXPECTED_SPREAD = 1.0  # doublings, about what an earlier run's question took
_BEYOND = 0.15  # share of samples of which nothing is known that a budget will not do for

_EXPONENTS = tuple(step / 10 for step in range(11))
_STREAM_RATE, _STREAM_SPREAD = 25.0, 1.2  # tokens a second of one completion; in natural logs
_NOISE, _NOISE_WEIGHT = 0.3, 2.0  # of a stretch, in natural logs; and for how many it stands
_DRIFT = 0.05
"""By how much, in natural logs, the mean speed to come differs from the one so far at least."""
_HALF_LIFE = 300.0
_STRETCH = 15.0
_STARTUP_SECONDS, _STARTUP_SPREAD = 30.0, 1.0


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """A range for the seconds that are left.

    Attributes:
        low, high: its ends, which hold the true value with probability `LEVEL`.
        middle: the median.
    """

    low: float
    middle: float
    high: float

    def after(self, seconds: float) -> TimeLeft:
        """What is left of it some seconds later, with nothing new known."""
        return TimeLeft(*(max(0.0, each - seconds) for each in (self.low, self.middle, self.high)))


@dataclass(frozen=True, slots=True)
class AwaitedSample:
    """A sample that is still to come.

    Attributes:
        question: its suite and question.
        budget: tokens it may have at most.
        expected: tokens that are expected of it; None where nothing earlier says it.
        so_far: tokens generated of it, where it is being generated; None where it waits its turn.
    """

    question: QuestionKey
    budget: int
    expected: float | None = None
    so_far: float | None = None

    @property
    def scale(self) -> float:
        """What its length is a share of."""
        return max(1.0, min(self.budget, self.budget if self.expected is None else self.expected))


@dataclass(frozen=True, slots=True)
class SpeedStretch:
    """A stretch of time in which speed was measured.

    Attributes:
        seconds: how long it was.
        running: completions that were generated at once, on average.
        tokens: generated in it, of all of them.
        age: seconds since its end.
    """

    seconds: float
    running: float
    tokens: float
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamRate:
    """What is known of a completion's tokens per second before any was measured.

    Attributes:
        median: tokens a second.
        spread: standard deviation of its natural logarithm.
    """

    median: float = _STREAM_RATE
    spread: float = _STREAM_SPREAD


@dataclass(slots=True)
class _Shares:
    """The lengths of a suite's samples, as shares of what each is a share of, by steps."""

    ended: list[float] = field(default_factory=lambda: [0.0] * _BINS)
    reached: list[float] = field(default_factory=lambda: [0.0] * (_BINS + 1))
    """By the last step they got to, ended there or not."""
    questions: set[QuestionKey] = field(default_factory=set)
    samples: int = 0


class SeenLengths:
    """The lengths of the samples that have come so far."""

    def __init__(self) -> None:
        self._of: dict[_Group, _Shares] = {}

    def add(self, sample: AwaitedSample, tokens: float, *, cut: bool = False) -> None:
        """Take one that has come.

        Args:
            sample: what was known of it before.
            tokens: its length.
            cut: it reached its budget and had not ended.
        """
        shares = self._of.setdefault(_group(sample), _Shares())
        step = _step(tokens / sample.scale)
        shares.reached[step] += 1
        if not cut:
            shares.ended[min(step, _BINS - 1)] += 1
        shares.questions.add(sample.question)
        shares.samples += 1

    def __len__(self) -> int:
        return sum(shares.samples for shares in self._of.values())

    def hazards(self, group: _Group, running: Sequence[AwaitedSample]) -> list[tuple[float, float]]:
        """The two parameters of each step's beta distribution, with what is running censored."""
        seen = self._of.get(group) or _Shares()
        weight = len(seen.questions) / seen.samples if seen.samples else 1.0
        reached = list(seen.reached)
        for sample in running:
            reached[_step((sample.so_far or 0.0) / sample.scale)] += 1
        at_risk = list(accumulate(reversed(reached)))[::-1]
        found, prior = [], _PRIOR_WEIGHTS[group[1]]
        for step, guess in enumerate(_GUESSES[group[1]]):
            # Who stands in a step has not been through it.
            through = max(at_risk[step + 1], 0.0) + seen.ended[step]
            found.append(
                (
                    prior * guess + weight * seen.ended[step],
                    prior * (1 - guess) + weight * (through - seen.ended[step]),
                )
            )
        return found


def time_left(
    awaited: Sequence[AwaitedSample],
    seen: SeenLengths,
    stretches: Sequence[SpeedStretch] = (),
    *,
    rate: StreamRate | None = None,
    places: int = 1,
    starting: float | None = None,
) -> TimeLeft:
    """How long it will take until all that is awaited is there.

    Args:
        awaited: what is still to come, that which waits in the engine's order.
        seen: the lengths so far.
        stretches: the speed so far.
        rate: what was known of it before.
        places: samples that the engine generates at once while more wait.
        starting: seconds since the engine began to start, while it does; None once it runs.
    """
    running = [sample for sample in awaited if sample.so_far is not None]
    waiting = [sample for sample in awaited if sample.so_far is None]
    if not awaited:
        return TimeLeft(0.0, 0.0, 0.0)
    if starting is not None:
        places = min(max(places, 1), len(awaited))
    places = max(places, len(running), 1)
    skipped = max(0, len(waiting) - _MOST_DRAWN)
    if skipped:
        # The last ones decide how it ends; a part of the others, evenly, stands for all of them.
        first, waiting = waiting[:-_MOST_DRAWN], waiting[-_MOST_DRAWN:]
        shown = [_Sample.of(one) for one in first[:: max(1, len(first) // _MOST_DRAWN)]]
    else:
        first, shown = [], []
    runs, waits = [[_Sample.of(one) for one in part] for part in (running, waiting)]
    groups: dict[_Group, list[tuple[float, float]]] = {}
    for group in dict.fromkeys(_group(sample) for sample in awaited):
        groups[group] = seen.hazards(group, [one for one in running if _group(one) == group])
    speed = _Speed.of(stretches, rate or StreamRate(), min(places, len(awaited)))
    totals = []
    for number in range(_DRAWS):
        random = Random(_SEED + number)
        startup = 0.0 if starting is None else _startup(random, starting)
        exponent, factor = speed.drawn(random)
        curves = {
            # Of its own seed, so that a further suite changes no other's.
            group: _curve(hazards, Random(f"{_SEED + number} {group}"))
            for group, hazards in groups.items()
        }
        ends = [sample.drawn(curves, random.random()) for sample in runs]
        ends += [0.0] * (places - len(ends))
        if first:
            lengths = [sample.drawn(curves, random.random()) for sample in shown]
            each = sum(lengths) * len(first) / len(lengths) / places
            ends = [end + each for end in ends]
        heapify(ends)
        luck: tuple[QuestionKey, float] | None = None
        last_taken = min(ends) if first else 0.0
        for sample in waits:
            own, shared = random.random(), random.random() < 0.5
            if shared and luck is not None and luck[0] == sample.question:
                own = luck[1]
            else:
                luck = sample.question, own
            last_taken = ends[0]
            heapreplace(ends, last_taken + sample.drawn(curves, own))
        totals.append(startup + _seconds(ends, last_taken, exponent, factor))
    totals.sort()
    tail = (1 - LEVEL) / 2
    return TimeLeft(_at(totals, tail), _at(totals, 0.5), _at(totals, 1 - tail))


def _seconds(ends: Sequence[float], full_until: float, exponent: float, factor: float) -> float:
    """Seconds until the last place is done.

    Args:
        ends: tokens that each place has to make yet, one after the other.
        full_until: tokens, of each, until which all places are taken.
        exponent, factor: of the speed.
    """
    places = len(ends)
    seconds, at = 0.0, 0.0
    for done, end in enumerate(sorted(ends)):
        # While work waits, a place that is done is taken again.
        busy = places if end <= full_until else places - done
        seconds += max(0.0, end - at) * busy ** (1 - exponent) / factor
        at = max(at, end)
    return seconds


@dataclass(frozen=True, slots=True)
class _Speed:
    """The posterior of ``c n^a``: for each exponent its weight, and the mean of ln c."""

    cumulative: Sequence[float]
    means: Sequence[float]
    spread: float

    @classmethod
    def of(cls, stretches: Sequence[SpeedStretch], rate: StreamRate, running: int) -> _Speed:
        known = [one for one in stretches if one.tokens > 0 and one.seconds > 0 and one.running > 0]
        weights = [
            min(one.seconds / _STRETCH, 2.0) * 0.5 ** (one.age / _HALF_LIFE) for one in known
        ]
        logs = [
            (log(max(one.running, 1.0)), log(_within(one.tokens / one.seconds))) for one in known
        ]
        total = sum(weights)
        means, misfits = [], []
        for exponent in _EXPONENTS:
            residuals = [speed - exponent * count for count, speed in logs]
            mean = _mean(residuals, weights) if total else 0.0
            misfits.append(
                sum(
                    weight * (residual - mean) ** 2
                    for weight, residual in zip(weights, residuals, strict=True)
                )
            )
            means.append(mean)
        best = min(misfits)
        noise = (_NOISE_WEIGHT * _NOISE**2 + best) / (_NOISE_WEIGHT + total)
        likelihoods = [exp(-(misfit - best) / (2 * noise)) for misfit in misfits]
        # What was known before counts as one more measurement, of a completion's rate.
        before = 1 / max(rate.spread, 0.05) ** 2
        measured = total / noise
        for place, exponent in enumerate(_EXPONENTS):
            prior = log(_within(rate.median)) + (1 - exponent) * log(max(running, 1))
            means[place] = (before * prior + measured * means[place]) / (before + measured)
        spread = sqrt(1 / (before + measured) + _DRIFT**2)
        return cls(list(accumulate(likelihoods)), means, spread)

    def drawn(self, random: Random) -> tuple[float, float]:
        """An exponent and a factor."""
        place = bisect_right(self.cumulative, random.random() * self.cumulative[-1])
        place = min(place, len(_EXPONENTS) - 1)
        return _EXPONENTS[place], exp(random.gauss(self.means[place], self.spread))


def _within(rate: float) -> float:
    """A speed as far as there are any: what was measured in an instant can be anything."""
    return min(max(rate, 1e-3), 1e9)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    both = zip(values, weights, strict=True)
    return sum(value * weight for value, weight in both) / sum(weights)


def _group(sample: AwaitedSample) -> _Group:
    if sample.expected is None:
        return sample.question[0], _UNKNOWN
    # What is expected to be cut says nothing of how the others compare with what is expected.
    cut = sample.expected >= _NEARLY * sample.budget
    return sample.question[0], _CUT if cut else _KNOWN


def _step(share: float) -> int:
    """The step that a share of the expected length falls into."""
    if share <= 0:
        return 0
    return max(0, min(_BINS, int((log2(share) - _LOWEST) * _STEPS)))


def _guesses(masses: Sequence[float]) -> tuple[float, ...]:
    """The hazards of a distribution over the steps."""
    beyond = list(accumulate(reversed(masses)))[::-1]
    return tuple(
        min(0.999, max(1e-4, mass / left)) if left > 0 else 0.5
        for mass, left in zip(masses, beyond, strict=True)
    )


def _prior_masses(kind: str) -> list[float]:
    edges = [_LOWEST + step / _STEPS for step in range(_BINS + 1)]
    if kind != _UNKNOWN:
        law = NormalDist(0.0, _EXPECTED_SPREAD)
        return [law.cdf(high) - law.cdf(low) for low, high in pairwise(edges)]
    # Of the budget: all sizes alike, and some that it will not do for.
    above = _HIGHEST * _STEPS
    within = _BINS - above
    return [(1 - _BEYOND) / within] * within + [_BEYOND / above] * above


_GUESSES: Mapping[str, tuple[float, ...]] = {
    kind: _guesses(_prior_masses(kind)) for kind in (_UNKNOWN, _KNOWN, _CUT)
}


def _curve(hazards: Sequence[tuple[float, float]], random: Random) -> list[float]:
    """A draw of the share that ends before each step and before the next, from 0 on."""
    ended, left = [0.0], 1.0
    for first, second in hazards:
        left *= 1 - random.betavariate(first, second)
        ended.append(1 - left)
    return ended


@dataclass(frozen=True, slots=True)
class _Sample:
    """What all draws need of an awaited sample, worked out once.

    Attributes:
        question: its question.
        group: whose lengths' distribution it has.
        scale: what its length is a share of.
        budget: its most tokens.
        so_far: tokens that it has.
        step, inside: the step of the distribution in which it is, and how far.
    """

    question: QuestionKey
    group: _Group
    scale: float
    budget: float
    so_far: float
    step: int
    inside: float

    @classmethod
    def of(cls, sample: AwaitedSample) -> _Sample:
        so_far, scale = sample.so_far or 0.0, sample.scale
        step, inside = 0, 0.0
        if so_far > 0:
            place = (log2(max(so_far / scale, 1e-9)) - _LOWEST) * _STEPS
            step = max(0, min(_BINS - 1, int(place)))
            inside = max(0.0, min(1.0, place - step))
        group, budget = _group(sample), float(sample.budget)
        return cls(sample.question, group, scale, budget, so_far, step, inside)

    def drawn(self, curves: Mapping[_Group, Sequence[float]], luck: float) -> float:
        """The tokens that it will have yet, for a draw of the lengths' distribution.

        Args:
            curves: the distribution of each group.
            luck: in [0, 1): where in what it still can be.
        """
        ended, so_far = curves[self.group], self.so_far
        low = 0.0
        if so_far > 0:
            low = ended[self.step] + self.inside * (ended[self.step + 1] - ended[self.step])
        target = low + luck * (1 - low)
        step = bisect_right(ended, target) - 1
        if step >= _BINS:
            return max(0.0, self.budget - so_far)
        width = ended[step + 1] - ended[step]
        inside = (target - ended[step]) / width if width > 0 else 0.5
        tokens: float = self.scale * 2.0 ** (_LOWEST + (step + inside) / _STEPS)
        return max(0.0, min(self.budget, tokens) - so_far)


def _startup(random: Random, elapsed: float) -> float:
    """Seconds until an engine runs that has been starting for so long already."""
    law = NormalDist(log(_STARTUP_SECONDS), _STARTUP_SPREAD)
    gone = law.cdf(log(elapsed)) if elapsed > 0 else 0.0
    share = min(gone + random.random() * (1 - gone), 1 - 1e-9)
    return max(0.0, exp(law.inv_cdf(max(share, 1e-9))) - elapsed)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]
