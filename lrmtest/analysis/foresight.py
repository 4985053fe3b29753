"""The foresight of a gate that looks early: how often pairs will part by what was read, and stakes.

Where both runs drew with the same random numbers, a pair of samples of one number mostly comes out
the same, and how often it does not is what reading the baseline's traces says beforehand: with S,
the total variation summed up along a trace, the two samples part with a probability of about
1 - exp(-S). From that follow the stakes: of the constant bets of `lrmtest.analysis.betting` the one
that would grow fastest if both models were equally good gets half of the capital, and all share
the rest.

**Why it cannot make the gate err.** Stakes are fixed before the gate looks at anything, and made of
traces on whose samples nothing is bet: those that the candidate does not draw, or else the last one
of each question, which is left to the fixed gate at the end. A trace that *is* bet on must not be
among them. Whether the candidate keeps to it is half of how its pair comes out, and who bets boldly
only after reading that all pairs will come out the same gains in expectation though the hypothesis
is true. Given any stakes that do not depend on the pairs the bets are fair, whatever they were made
of: a reading that is wrong, or made up, costs tokens and nothing else.

Against a known table nothing of this is used. What a sample of the candidate varies within its
question does not depend on how far it is from its parent, so that reading has nothing to say of it.
Nor do questions get shares of their turns by what was read: docs/benchmarks.md has what that would
bring.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from statistics import fmean

from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.counted import counted
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.outcomes import Outcomes, QuestionKey, SampleOutcome

LEAST_PAIRS = 8
"""Pairs of each question from which on one of them is set apart, where no others are to be had."""
_LEAST_UNLIKE = 0.01
_OTHERS = 16
"""Samples of other questions that stand for one more of a question's own."""

ForeseenPair = tuple[float, str, SampleOutcome, SampleOutcome]
"""How many of one pair of each question come so; the questions' suite; baseline and candidate."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is foreseen of the pairs of a candidate and its baseline.

    Attributes:
        apart: by question, the samples of the baseline that it is made of. Nothing is bet on them.
        unlike: by question, how probable it is that a pair's samples part.
        traces: how many traces it is made of.
    """

    apart: Mapping[QuestionKey, tuple[int, ...]]
    unlike: Mapping[QuestionKey, float]
    traces: int

    @property
    def identity(self) -> str:
        """Equal where pairs and stakes are."""
        questions = [[*key, list(self.apart[key]), self.unlike[key]] for key in sorted(self.apart)]
        return fingerprint({"questions": questions})[:16]

    def said(self) -> str:
        """In words, before anything is generated."""
        return (
            f"stakes by reading {counted(self.traces, 'trace')} on which nothing is bet: "
            f"{100 * fmean(self.unlike.values()):.0f} % of pairs of samples are expected to part"
        )

    def bet_on(self, baseline: Outcomes) -> Outcomes:
        """A baseline without the samples that are set apart."""
        return {
            key: replace(
                question,
                samples={
                    index: sample
                    for index, sample in question.samples.items()
                    if index not in self.apart[key]
                },
            )
            for key, question in baseline.items()
        }

    def pairs(self, baseline: Outcomes) -> list[ForeseenPair]:
        """The pairs that there would be if the candidate were as good as the baseline.

        Args:
            baseline: its questions, with the samples that are set apart.
        """
        own = {key: [baseline[key].samples[at] for at in part] for key, part in self.apart.items()}
        others = _spread_out([one for part in own.values() for one in part])
        found: defaultdict[tuple[str, SampleOutcome, SampleOutcome], float] = defaultdict(float)
        for key, part in own.items():
            unlike = self.unlike[key] / len(part)
            # Of its own samples each counts once, and all others together as one more.
            each = unlike / (len(part) + 1)
            for before in part:
                found[key[0], before, before] += 1 / len(part) - unlike
                for after in part:
                    found[key[0], before, after] += each
                for after in others:
                    found[key[0], before, after] += each / len(others)
        return [(often, *pair) for pair, often in found.items()]


def foresee(
    baseline: Outcomes, samples: int, read: Mapping[tuple[QuestionKey, int], TraceWeight]
) -> Foresight | None:
    """What a reading of a baseline's traces foresees; None where no trace could be set apart.

    Args:
        baseline: the questions that are asked, each with a sample.
        samples: per question of the candidate.
        read: by question and sample; those of which nothing is known say nothing.
    """
    apart = set_apart(baseline, samples)
    if apart is None:
        return None
    parted = {
        key: [
            1 - exp(-one.variation)
            for at in part
            if (one := read.get((key, at))) is not None and one.known
        ]
        for key, part in apart.items()
    }
    traces = sum(map(len, parted.values()))
    if not traces:
        return None
    overall = fmean(one for part in parted.values() for one in part)
    # One trace more, as all are in the mean; and rounded, so that stakes are the same ones when
    # another machine reads again.
    unlike = {
        key: round(max(_LEAST_UNLIKE, (sum(part) + overall) / (len(part) + 1)), 2)
        for key, part in parted.items()
    }
    return Foresight(apart, unlike, traces)


def set_apart(baseline: Outcomes, samples: int) -> dict[QuestionKey, tuple[int, ...]] | None:
    """The samples of a baseline that may be read for stakes; None for none.

    It follows from which samples there are, and from nothing that they show.

    Args:
        baseline: its questions, each with a sample.
        samples: per question of the candidate.
    """
    beyond = {
        key: tuple(at for at in sorted(question.samples) if at >= samples)
        for key, question in baseline.items()
    }
    if all(beyond.values()):
        return beyond
    pairs = {
        key: [at for at in sorted(question.samples) if at < samples]
        for key, question in baseline.items()
    }
    if min(map(len, pairs.values())) < LEAST_PAIRS:
        return None
    return {key: (part[-1], *beyond[key]) for key, part in pairs.items()}


def _spread_out(samples: Sequence[SampleOutcome]) -> list[SampleOutcome]:
    """A few of them, evenly from the shortest to the longest."""
    ordered = sorted(samples, key=lambda one: (one.tokens, one.value))
    step = max(1.0, len(ordered) / _OTHERS)
    return [ordered[int((at + 0.5) * step)] for at in range(int(len(ordered) / step))]
