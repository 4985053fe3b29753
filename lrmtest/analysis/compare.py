"""The comparison of two runs: settings, figures paired by question, flips, the gate's decision."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from lrmtest.analysis.claims import GateSettings
from lrmtest.analysis.ends import NO_ENDS, UnknownEnds, refused, unknown_ends
from lrmtest.analysis.flips import Flip, flips
from lrmtest.analysis.gate import Decision, decide
from lrmtest.analysis.paired_comparison import Comparison, compare_outcomes
from lrmtest.runs.differences import (
    Difference,
    differences,
    refuse_differences,
    told_differences,
)
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome
from lrmtest.runs.records import RunRecord


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """How much a sequential gate looked at before it decided.

    Attributes:
        looked_at: samples it has counted, in its order.
        samples: samples of the full run.
        not_generated: samples that were never finished.
        tokens_saved: their estimated tokens, by the baseline's; None when it has no counts.
        tokens_full: the full run's, estimated in the same way.
        baseline_rate, candidate_rate: pass rates on the samples counted; None without any.
    """

    looked_at: int
    samples: int
    not_generated: int
    tokens_saved: float | None
    tokens_full: float | None
    baseline_rate: float | None
    candidate_rate: float | None


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """A candidate run and its baseline.

    Attributes:
        baseline, candidate: the two runs.
        differences: settings that differ and were allowed to.
        told: what differs around the models: chat template, tokenizer, engine, reasoning tags.
        baseline_ends, candidate_ends: the samples of which nothing says how they ended, on the
            questions of both runs.
        comparison: question by question.
        flips: what became of every question.
        decision: the gate's; None without a gate.
        early: set when a sequential gate stopped generation. What had arrived by then is no
            fair part of the whole: the decision holds, the comparison's figures do not.
        tokens_comparable: False when one run's tokens were counted and the other's estimated;
            no tokens are compared then.
    """

    baseline: RunRecord
    candidate: RunRecord
    differences: tuple[Difference, ...]
    comparison: Comparison
    flips: tuple[Flip, ...]
    decision: Decision | None = None
    early: EarlyStop | None = None
    tokens_comparable: bool = True
    told: tuple[Difference, ...] = ()
    baseline_ends: UnknownEnds = NO_ENDS
    candidate_ends: UnknownEnds = NO_ENDS


def compare(
    baseline: RunRecord,
    candidate: RunRecord,
    *,
    allowed: Collection[str] = (),
    gate: GateSettings | None = None,
    threshold: float = 0.5,
) -> ComparedRuns:
    """Compare two runs, and let the gate decide if there is one.

    Args:
        baseline, candidate: the runs.
        allowed: names of settings that may differ.
        gate: the gate's settings; None for no gate.
        threshold: share of a question's samples that must be correct for it to pass.

    Raises:
        UsageError: settings differ that may not.
    """
    found = differences(baseline.manifest, candidate.manifest)
    accepted = refuse_differences(found, allowed, baseline.run_id)
    comparable = baseline.tokens_estimated == candidate.tokens_estimated
    before, after = baseline.outcomes, candidate.outcomes
    if not comparable:
        before, after = without_tokens(before), without_tokens(after)
    comparison = compare_outcomes(before, after)
    both = [key for key in before if before[key].count and key in after and after[key].count]
    ends = unknown_ends(before[key] for key in both), unknown_ends(after[key] for key in both)
    decision = None if gate is None else refused(decide(comparison, gate), *ends, gate)
    return ComparedRuns(
        baseline=baseline,
        candidate=candidate,
        differences=tuple(accepted),
        comparison=comparison,
        flips=tuple(flips(before, after, threshold)),
        decision=decision,
        tokens_comparable=comparable,
        told=tuple(told_differences(baseline.manifest, candidate.manifest)),
        baseline_ends=ends[0],
        candidate_ends=ends[1],
    )


def without_tokens(outcomes: Outcomes) -> Outcomes:
    """The same outcomes with all token counts unknown."""
    return {
        key: QuestionOutcome(
            *key,
            {index: replace(sample, tokens=0) for index, sample in question.samples.items()},
        )
        for key, question in outcomes.items()
    }
