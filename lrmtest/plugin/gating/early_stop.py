"""`--early-stop`: a sequential gate drives one model's generation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from statistics import fmean

from lrmtest.analysis.claims import GateSettings
from lrmtest.analysis.compared import ComparedRuns, EarlyStop, without_tokens
from lrmtest.analysis.gate import Decision
from lrmtest.analysis.sequential import SampleKey, SequentialGate
from lrmtest.errors import UsageError
from lrmtest.grading import grade
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Request
from lrmtest.plugin.generation.protocol import GenerationPlan
from lrmtest.runs.baseline import Baseline
from lrmtest.runs.outcomes import QuestionKey, QuestionOutcome, SampleOutcome, outcome_of


class EarlyStopping:
    """Grades completions as they arrive, and stops generation once the gate has decided.

    Args:
        plan: what is to be generated.
        baseline: what the gate compares with.
        settings: the gate's.

    Raises:
        UsageError: questions are missing on one side and `settings` do not allow it.
    """

    def __init__(self, plan: GenerationPlan, baseline: Baseline, settings: GateSettings) -> None:
        self._plan = plan
        self._questions = {
            (suite, question_id): question for suite, question_id, question, _ in plan.questions
        }
        self._baseline = baseline.outcomes
        if baseline.tokens_estimated:
            self._baseline = without_tokens(self._baseline)
        self._refuse_unselected(settings)
        greedy = plan.run_settings.temperature == 0
        samples = max(suite.samples for suite in plan.suites.values())
        budgets = [suite.max_tokens for suite in plan.suites.values()]
        budgets += [
            suite["max_tokens"]
            for name, suite in baseline.manifest["suites"].items()
            if name in plan.suites
        ]
        self._gate = SequentialGate(
            self._baseline,
            list(self._questions),
            # Greedy samples of one question are copies of each other.
            samples=1 if greedy else samples,
            budget=max(budgets),
            settings=settings,
            seed=plan.run_settings.seed,
        )
        self._place = {place: number for number, place in enumerate(self._gate.order)}
        self._samples: dict[str, SampleKey] = {
            request.key: (request.place.question, request.place.sample) for request in plan.requests
        }
        self._outcomes: dict[SampleKey, SampleOutcome] = {}

    def in_order(self, requests: Sequence[Request]) -> list[Request]:
        """Requests in the gate's order, fixed before anything is known; others at the end."""
        last = len(self._place)
        return sorted(
            requests,
            key=lambda request: self._place.get(
                (request.place.question, request.place.sample), last
            ),
        )

    def arrived(self, key: str, completion: Completion | None) -> bool:
        """Grade a completion and tell the gate; whether it has decided.

        Args:
            key: of the completion.
            completion: None for an engine error.
        """
        place = self._samples[key]
        if place in self._place:
            outcome = None if completion is None else self._graded(place[0], completion)
            if outcome is not None:
                self._outcomes[place] = outcome
            self._gate.update(*place, outcome)
        return self.decided

    @property
    def decided(self) -> bool:
        """Whether the gate has decided before all samples were there."""
        return self._gate.decision is not None

    def decision(self) -> Decision:
        """The gate's decision; when it has not decided early, that of the fixed gate."""
        return self._gate.finish()

    def apply(self, compared: ComparedRuns, dropped: Collection[str]) -> ComparedRuns:
        """Put the decision into a comparison, and what it saved.

        Args:
            compared: of the samples that `counted` gives, if generation was stopped.
            dropped: keys of the samples that were not generated.
        """
        early = self._facts(dropped) if dropped else None
        return replace(compared, decision=self.decision(), early=early)

    def counted(self) -> dict[QuestionKey, QuestionOutcome]:
        """The candidate's samples that the gate has counted: a fair part, as its order is."""
        samples: dict[QuestionKey, dict[int, SampleOutcome]] = {}
        for place in self._gate.order[: self._gate.looked_at]:
            if place in self._outcomes:
                samples.setdefault(place[0], {})[place[1]] = self._outcomes[place]
        return {key: QuestionOutcome(*key, part) for key, part in samples.items()}

    def _graded(self, key: QuestionKey, completion: Completion) -> SampleOutcome:
        question = self._questions[key]
        assert question is not None
        verdict = grade(question, completion, self._plan.spec.card.reasoning_tags)
        return outcome_of(verdict, completion.completion_tokens)

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
        pairs = [
            (self._baseline[key].samples[index], self._outcomes[key, index])
            for key, index in self._gate.order[: self._gate.looked_at]
            if (key, index) in self._outcomes and index in self._baseline[key].samples
        ]
        known = any(question.tokens for question in self._baseline.values())
        return EarlyStop(
            looked_at=self._gate.looked_at,
            samples=len(self._samples),
            not_generated=len(dropped),
            tokens_saved=self._expected_tokens(dropped) if known else None,
            tokens_full=self._expected_tokens(self._samples) if known else None,
            baseline_rate=fmean(before.passed for before, _ in pairs) if pairs else None,
            candidate_rate=fmean(after.passed for _, after in pairs) if pairs else None,
        )

    def _expected_tokens(self, keys: Collection[str]) -> float:
        """Tokens of these samples, if each took the baseline's mean for its question."""
        questions = [self._baseline.get(self._samples[key][0]) for key in keys]
        return sum(
            question.tokens / question.count
            for question in questions
            if question is not None and question.count
        )
