"""The comparison of two runs: settings, figures paired by question, flips, the gate's decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lrmtest.analysis.baseline_chance import GivenBaseline, given_baseline
from lrmtest.analysis.changed import Changed, changed
from lrmtest.analysis.ends import NO_ENDS, UnknownEnds, refused, unknown_ends
from lrmtest.analysis.flips import Flip, flips
from lrmtest.analysis.gate import Decision, decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.noise import with_noise
from lrmtest.analysis.paired_comparison import Comparison, compare_outcomes
from lrmtest.runs.differences import (
    Difference,
    differences,
    refuse_differences,
    told_differences,
)
from lrmtest.runs.manifest import NoiseSection
from lrmtest.runs.noise import noise_of
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome, scored_suites
from lrmtest.runs.records import RunRecord, primary_metric
from lrmtest.runs.same_draws import same_draws
from lrmtest.suites.suite import PASS

if TYPE_CHECKING:
    from lrmtest.analysis.certificate import Certificate


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """How much a sequential gate looked at before it decided.

    Attributes:
        looked_at: samples it has counted, in its order.
        samples: samples of the full run.
        not_generated: samples that were never finished.
        tokens_saved: their estimated tokens, by the baseline's; None when it has no counts.
        tokens_full: the full run's, estimated in the same way.
        baseline_rate, candidate_rate: pass rates on the samples counted; None without any. Where
            it was bet against a table, the baseline's is that of all its samples of the questions
            counted, as often as they were.
        tokens_drafted: of the tokens of the samples counted, how many came from drafts and were not
            generated.
        table: samples of the baseline, in all, whose table was bet against; None where its samples
            were paired with the candidate's.
        foreseen: traces from whose reading the stakes were made; None where reading had no
            part in them.
    """

    looked_at: int
    samples: int
    not_generated: int
    tokens_saved: float | None
    tokens_full: float | None
    baseline_rate: float | None
    candidate_rate: float | None
    table: int | None = None
    tokens_drafted: int = 0
    foreseen: int | None = None


@dataclass(frozen=True)
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
        given: how often an equal model is called regressed against this baseline, where that was
            asked for.
        noise: of the baseline's and the candidate's engine, in greedy runs; None where it was
            not measured.
        by_passes: suites whose primary metric is a score and which are compared by what passed all
            the same, because the runs do not both have that score.
        certificate: what came of reading the baseline's traces; None where they were not read.
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
    given: GivenBaseline | None = None
    noise: tuple[NoiseSection | None, NoiseSection | None] = (None, None)
    certificate: Certificate | None = None

    @property
    def certified(self) -> bool:
        """Whether the decision is that of reading, so that nothing was generated for it."""
        return self.certificate is not None and self.certificate.certified

    @property
    def greedy(self) -> bool:
        """Whether both runs decoded at temperature 0, so that chance is the engine's noise."""
        return self.baseline.manifest.greedy and self.candidate.manifest.greedy

    by_passes: tuple[str, ...] = ()

    @cached_property
    def changed(self) -> Changed:
        """How many questions changed, in which direction, and how many of them are no chance."""
        return changed(self.flips)


def compare(
    baseline: RunRecord,
    candidate: RunRecord,
    *,
    allowed: Collection[str] = (),
    gate: GateSettings | None = None,
    threshold: float = 0.5,
    given: bool = False,
) -> ComparedRuns:
    """Compare two runs, and let the gate decide if there is one.

    Args:
        baseline, candidate: the runs.
        allowed: names of settings that may differ.
        gate: the gate's settings; None for no gate.
        threshold: share of a question's samples that must be correct for it to pass.
        given: work out the gate's false-alarm rate given this very baseline; not at
            temperature 0, where it is the engine's noise.

    Raises:
        UsageError: settings differ that may not.
    """
    found = differences(baseline.manifest, candidate.manifest)
    accepted = refuse_differences(found, allowed, baseline.run_id)
    comparable = baseline.tokens_estimated == candidate.tokens_estimated
    before, after = baseline.outcomes, candidate.outcomes
    if not comparable:
        before, after = without_tokens(before), without_tokens(after)
    metrics, by_passes = compared_metrics(baseline, candidate)
    comparison = compare_outcomes(
        before,
        after,
        budgets=_budgets(baseline, candidate),
        metrics=metrics,
        by_index=same_draws(baseline.manifest, candidate.manifest),
    )
    both = [key for key in before if before[key].count and key in after and after[key].count]
    ends = unknown_ends(before[key] for key in both), unknown_ends(after[key] for key in both)
    decision = None if gate is None else refused(decide(comparison, gate), *ends, gate)
    greedy = baseline.manifest.greedy and candidate.manifest.greedy
    noise = (noise_of(baseline), noise_of(candidate)) if greedy else (None, None)
    if greedy:
        comparison = with_noise(comparison, *noise)
        decision = None if decision is None else without_samples_needed(decision)
    return ComparedRuns(
        baseline=baseline,
        candidate=candidate,
        differences=tuple(accepted),
        comparison=comparison,
        flips=tuple(flips(before, after, threshold)),
        decision=decision,
        tokens_comparable=comparable,
        told=tuple(told_differences(baseline.manifest, candidate.manifest)),
        given=given_baseline(before, gate, {key: question.count for key, question in after.items()})
        if given and gate is not None and gate.look.share and not baseline.manifest.greedy
        else None,
        noise=noise,
        baseline_ends=ends[0],
        candidate_ends=ends[1],
        by_passes=by_passes,
    )


def _budgets(baseline: RunRecord, candidate: RunRecord) -> dict[str, int]:
    """By suite, the larger budget of the two runs, where both are known."""
    budgets = {}
    for name, suite in baseline.manifest.suites.items():
        other = candidate.manifest.suites.get(name)
        if suite.max_tokens and other is not None and other.max_tokens:
            budgets[name] = max(suite.max_tokens, other.max_tokens)
    return budgets


def without_samples_needed(decision: Decision) -> Decision:
    """A decision on greedy runs, which more samples, all copies, could not change."""
    checks = tuple(replace(check, samples_needed=None) for check in decision.checks)
    return replace(decision, checks=checks, samples_needed=None)


def compared_metrics(
    baseline: RunRecord, candidate: RunRecord | None = None
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """By which score each suite is compared, if by one.

    Args:
        baseline: a run, whose samples may have no scores: a file of lrmtest 0.1 has none.
        candidate: the other; None for one that has no samples yet and will have all scores.

    Returns:
        The primary metric of the suites that both runs have it of; and the suites that are
        compared by what passed although the primary metric of one of the runs is a score.
    """
    metrics: dict[str, str] = {}
    by_passes = []
    runs = [baseline] if candidate is None else [baseline, candidate]
    scored = [scored_suites(run.outcomes) for run in runs]
    asked = [{suite for suite, _ in run.outcomes} for run in runs]
    for suite in dict.fromkeys(suite for suite, _ in baseline.outcomes):
        if not all(suite in suites for suites in asked):
            continue
        names = {primary_metric(run.manifest, suite) for run in runs}
        if len(names) == 1 and all(suite in suites for suites in scored):
            metrics[suite] = names.pop()
        elif names != {PASS}:
            by_passes.append(suite)
    return metrics, tuple(by_passes)


def without_tokens(outcomes: Outcomes) -> Outcomes:
    """The same outcomes with all token counts unknown."""
    return {
        key: QuestionOutcome(
            *key,
            {index: replace(sample, tokens=0) for index, sample in question.samples.items()},
        )
        for key, question in outcomes.items()
    }
