"""`--early-stop`: a sequential gate drives one model's generation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from lrmtest.analysis.claims import Claim
from lrmtest.analysis.compare import (
    ComparedRuns,
    EarlyStop,
    compared_metrics,
    without_samples_needed,
    without_tokens,
)
from lrmtest.analysis.ends import refused
from lrmtest.analysis.gate import Check
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.sequential import SampleKey, SequentialGate
from lrmtest.errors import LrmtestError, UsageError
from lrmtest.grading import grade
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Request
from lrmtest.plugin.generation.protocol import GenerationPlan
from lrmtest.questions.place import Place
from lrmtest.runs.looks import Look
from lrmtest.runs.outcomes import SampleOutcome, score_of
from lrmtest.runs.records import RunRecord, SampleRecord, primary_metric
from lrmtest.runs.same_draws import same_draws
from lrmtest.suites.suite import PASS

if TYPE_CHECKING:
    from lrmtest.analysis.certificate import Certificate
    from lrmtest.analysis.foresight import Foresight

NOT_NEEDED = "not needed: decided"
"""Why a test is skipped whose completions are not generated any more."""


class EarlyStopping:
    """Grades completions as they arrive, and stops generation once the gate has decided.

    Args:
        plan: what is to be generated.
        baseline: what the gate compares with.
        settings: the gate's.
        read: what reading the baseline's traces has come to before.
        foresight: what it foresees of pairs.

    Raises:
        UsageError: questions are missing on one side and `settings` do not allow it, or a
            suite's grader cannot be had in this process.
    """

    def __init__(
        self,
        plan: GenerationPlan,
        baseline: RunRecord,
        settings: GateSettings,
        read: Certificate | None = None,
        foresight: Foresight | None = None,
    ) -> None:
        excluded, kept = _by_reading(read)
        self._plan = plan
        self._foreseen = None if foresight is None else foresight.traces
        self._questions = {(one.suite, one.question_id): one.question for one in plan.questions}
        self._baseline = baseline.outcomes
        if baseline.tokens_estimated:
            self._baseline = without_tokens(self._baseline)
        self._refuse_unselected(settings)
        suites = plan.manifest.suites
        own = {name: primary_metric(plan.manifest, name) for name in suites}
        scored, _ = compared_metrics(baseline)
        self._metrics = {name: metric for name, metric in scored.items() if own.get(name) == metric}
        budgets = [
            suite.max_tokens or 0
            for manifest in (plan.manifest, baseline.manifest)
            for name, suite in manifest.suites.items()
            if name in suites
        ]
        self._gate = SequentialGate(
            self._baseline,
            list(self._questions),
            samples=samples_of(plan),
            budget=max(budgets),
            settings=settings,
            seed=plan.manifest.seed or 0,
            metrics=self._metrics,
            by_index=same_draws(baseline.manifest, plan.manifest),
            excluded=excluded,
            kept=kept,
            foresight=foresight,
        )
        self._turns = {sample: turn for turn, sample in enumerate(self._gate.order)}
        self._samples = {request.key: request.place for request in plan.requests}
        self._records: dict[SampleKey, SampleRecord] = {}
        self._graders = {key: planned.grader for key, planned in plan.graders.items()}

    @property
    def not_needed(self) -> str:
        """Why samples are not generated once it has decided."""
        return NOT_NEEDED

    def in_order(self, requests: Sequence[Request]) -> list[Request]:
        """Requests in the gate's order, fixed before anything is known; others at the end."""
        last = len(self._turns)
        return sorted(
            requests, key=lambda request: self._turns.get(_sample_key(request.place), last)
        )

    def arrived(self, key: str, completion: Completion | None) -> bool:
        """Grade a completion and tell the gate; whether it has decided.

        Args:
            key: of the completion.
            completion: None for an engine error.
        """
        place = self._samples[key]
        sample = _sample_key(place)
        if sample in self._turns:
            if completion is not None:
                self._records[sample] = self._graded(place, completion)
            self._gate.update(*sample, self._outcome(sample))
        return self.decided

    def verdict_of(self, key: str) -> Verdict | None:
        """The verdict on a completion, by its key; None if it has not been graded here."""
        place = self._samples.get(key)
        record = None if place is None else self._records.get(_sample_key(place))
        return None if record is None else record.verdict

    @property
    def decided(self) -> bool:
        """Whether the gate has decided before all samples were there."""
        return self._gate.decision is not None

    def apply(
        self, compared: ComparedRuns, dropped: Collection[str], look: Look | None = None
    ) -> ComparedRuns:
        """Put the decision into a comparison, and what it saved.

        Args:
            compared: of the samples that `counted` gives, if generation was stopped.
            dropped: keys of the samples that were not generated.
            look: what the fixed gate may spend, where the gate has not decided early.
        """
        early = self._facts(dropped) if dropped else None
        ends = compared.baseline_ends, compared.candidate_ends
        found = self._gate.finish(look, by_index=compared.comparison.by_index)
        decision = refused(found, *ends, self._gate.settings)
        if compared.greedy:
            decision = without_samples_needed(decision)
        return replace(compared, decision=decision, early=early)

    def counted(self) -> tuple[SampleRecord, ...]:
        """The candidate's samples that the gate has counted: a fair part, as its order is."""
        looked_at = self._gate.order[: self._gate.looked_at]
        return tuple(self._records[sample] for sample in looked_at if sample in self._records)

    def _outcome(self, sample: SampleKey) -> SampleOutcome | None:
        record = self._records.get(sample)
        return None if record is None else record.outcome_by(self._metrics.get(sample[0][0], PASS))

    def _graded(self, place: Place, completion: Completion) -> SampleRecord:
        question = self._questions[place.question]
        assert question is not None
        spec, grader = self._plan.spec, self._graders[place.suite, question.kind]
        try:
            verdict = grade(
                question, completion, spec.reasoning_tags, grader, opened=spec.opened_by_prompt
            )
        except LrmtestError:
            raise
        # No test is running that could fail: what waits for this completion must hear of it.
        except Exception as error:
            raise UsageError(
                f"the grader of suite {place.suite!r} failed on question {place.question_id}: "
                f"{type(error).__name__}: {error}",
                hint="a grader must not raise; run the test without --early-stop to see where",
            ) from error
        metric = self._metrics.get(place.suite, PASS)
        if metric != PASS and score_of(verdict, metric) is None:
            raise UsageError(
                f"the grader of suite {place.suite!r} gave question {place.question_id} no "
                f"{metric!r}, which is the suite's primary metric",
                hint="every grade needs it among its metrics, that of an answer without one, too",
            )
        return SampleRecord.of(spec.name, place, completion, verdict, reused=False)

    def _refuse_unselected(self, settings: GateSettings) -> None:
        unselected = [
            key
            for key, question in self._baseline.items()
            if question.count and key not in self._questions
        ]
        if unselected and not settings.allow_missing:
            suite, question_id = unselected[0]
            raise UsageError(
                f"{len(unselected)} of the baseline's questions are not selected: "
                f"{suite} {question_id}{', ...' if len(unselected) > 1 else ''}",
                hint="select what the baseline asked, or decide on a part: --allow-missing",
            )

    def _facts(self, dropped: Collection[str]) -> EarlyStop:
        table = self._gate.baseline_known
        before, after = [], []
        for key, index in self._gate.order[: self._gate.looked_at]:
            outcome, question = self._outcome((key, index)), self._baseline[key]
            if outcome is not None and (table or index in question.samples):
                before.append(
                    question.pass_rate if table else float(question.samples[index].passed)
                )
                after.append(outcome.passed)
        known = any(question.tokens for question in self._baseline.values())
        return EarlyStop(
            looked_at=self._gate.looked_at,
            samples=len(self._samples),
            not_generated=len(dropped),
            tokens_saved=self._expected_tokens(dropped) if known else None,
            tokens_full=self._expected_tokens(self._samples) if known else None,
            baseline_rate=fmean(before) if before else None,
            candidate_rate=fmean(after) if after else None,
            table=sum(question.count for question in self._baseline.values()) if table else None,
            tokens_drafted=sum(record.drafted_tokens or 0 for record in self.counted()),
            foreseen=self._foreseen,
        )

    def _expected_tokens(self, keys: Collection[str]) -> float:
        """Tokens of these samples, if each took the baseline's mean for its question."""
        questions = [self._baseline.get(self._samples[key].question) for key in keys]
        return sum(
            question.tokens / question.count
            for question in questions
            if question is not None and question.count
        )


def _by_reading(read: Certificate | None) -> tuple[dict[Claim, Check], dict[Claim, float]]:
    """What reading has excluded, and what it has found on the other claims."""
    if read is None:
        return {}, {}
    from lrmtest.analysis.certificate import excluded_checks, kept_evidence

    return excluded_checks(read), kept_evidence(read)


def samples_of(plan: GenerationPlan) -> int:
    """Samples per question that a gate can look at; greedy ones are copies of each other."""
    if plan.manifest.greedy:
        return 1
    return max(suite.samples or 0 for suite in plan.manifest.suites.values())


def _sample_key(place: Place) -> SampleKey:
    return place.question, place.sample
