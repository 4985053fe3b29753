"""The sequential gate: it looks at every sample, stops when it knows, and errs no more often.

**Order.** Samples come in rounds: one of every question, in an order drawn from the seed, then
another of every question, and so on. The order is fixed before anything is generated, so it
cannot depend on outcomes. Completions arrive in another order, the short ones first, and short
ones are more often right: whoever looks at what has arrived looks at a biased part. So a sample
counts only when all before it in the order have arrived. Rounds spread the evidence over all
questions; all samples of one question in a row would say much about that question and little
about the suite.

**Evidence.** The candidate's sample j of a question is paired with the baseline's sample j, never
reusing one: a baseline sample used twice would make its luck look like a trend. Each pair's
worsening, -1, 0 or 1, or of scores anything between, is bet on (`lrmtest.analysis.betting`), once
for "worse by more than the margin" and once for "worse by less than margin + mde".

**Error rates.** Half of alpha and of 1 - power is spent on the looks; the other half on the fixed
gate, which decides at the end if nothing was decided before. Both halves together keep the gate's
rates. The claim is about the expected rates on these questions, as with the fixed gate, and chance
is in the sampling. So questions are *not* treated as a finite population drawn without
replacement (Waudby-Smith & Ramdas 2020): that answers what the full run would have shown, which is
certain at its last sample, and is no claim about the model. On identical models it would be
"certain" of a drop in nearly half of all full runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import exp
from random import Random

from lrmtest.analysis.betting import Capital
from lrmtest.analysis.claims import Claim, GateSettings, claims
from lrmtest.analysis.detectability import Obstacle, obstacles_to_come
from lrmtest.analysis.gate import (
    Check,
    Decision,
    GateResult,
    check,
    conclude,
    nothing_to_compare,
)
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError
from lrmtest.runs.outcomes import (
    Outcomes,
    QuestionKey,
    QuestionOutcome,
    SampleOutcome,
    only_scores_of,
)

SPENT_LOOKING = 0.5
"""Share of both error rates that is spent on looking early."""

SampleKey = tuple[QuestionKey, int]
"""A question and the index of a sample of it."""


class SequentialGate:
    """Decides as early as it can whether a candidate is worse than its baseline.

    Submit samples to the engine in the order of `order`, tell every one with `update`, in
    whatever order they finish, and stop generating once `decision` is there; when all have been
    told, `finish` decides.

    Args:
        baseline: the baseline's questions.
        questions: the questions that the candidate is asked.
        samples: samples per question of the candidate. Those beyond the baseline's are of no
            use to early looks and come last.
        budget: the largest number of tokens that a completion can have, in either run.
        settings: margins and error rates.
        seed: draws the order.
        metrics: the primary metric of each suite that is compared by a score.

    Raises:
        UsageError: no question is in the baseline, or questions are missing there and
            `settings.allow_missing` is not set.
    """

    def __init__(
        self,
        baseline: Outcomes,
        questions: Sequence[QuestionKey],
        *,
        samples: int,
        budget: int,
        settings: GateSettings | None = None,
        seed: int = 0,
        metrics: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings or GateSettings()
        known = [key for key in questions if key in baseline and baseline[key].count]
        absent = [key for key in questions if key not in set(known)]
        if not known or (absent and not self.settings.allow_missing):
            raise UsageError(
                "the baseline has no verdict on "
                + (f"{len(absent)} of the questions" if known else "any of the questions"),
                hint="run the baseline on the same questions, or allow missing ones",
            )
        self._metrics = dict(metrics or {})
        self._baseline = only_scores_of({key: baseline[key] for key in known}, self._metrics)
        self._budget = budget
        self._order = draw_order(self._baseline, samples, seed)
        self._arrived: dict[SampleKey, SampleOutcome | None] = {}
        self._next = 0
        tokens = any(question.tokens for question in self._baseline.values())
        suites = list(dict.fromkeys(suite for suite, _ in known))
        self._bets = [
            _Bet(claim, self.settings, budget)
            for claim in claims(suites, self.settings, tokens=tokens, metrics=self._metrics)
        ]
        tested = [bet.claim for bet in self._bets]
        self._blocked = obstacles_to_come(
            tested, self._baseline, samples, self.settings, SPENT_LOOKING
        )
        self._decision: Decision | None = None

    @property
    def order(self) -> Sequence[SampleKey]:
        """Every sample, in the order in which it counts and should be submitted."""
        return self._order

    @property
    def looked_at(self) -> int:
        """How many samples of `order` have been counted."""
        return self._next

    @property
    def decision(self) -> Decision | None:
        """None as long as the evidence does not suffice."""
        return self._decision

    def update(self, key: QuestionKey, sample: int, outcome: SampleOutcome | None) -> None:
        """Tell one sample of the candidate; an engine error is None, and counts for nothing.

        Samples told twice or not in `order` change nothing; neither does any after the decision.
        """
        self._arrived.setdefault((key, sample), outcome)
        while self._decision is None and self._next < len(self._order):
            place = self._order[self._next]
            if place not in self._arrived:
                return
            self._next += 1
            self._count(place, self._arrived[place])

    def finish(self) -> Decision:
        """The decision when no more samples will come: the early one, or the fixed gate's."""
        if self._decision is not None:
            return self._decision
        candidate = _collect(self._arrived, set(self._baseline))
        comparison = compare_outcomes(self._baseline, candidate, metrics=self._metrics)
        if not comparison.total.questions:
            return nothing_to_compare(self.settings)
        early = {(bet.claim.what, bet.claim.suite): bet.check() for bet in self._bets}
        checks = []
        for fixed in check(comparison, self.settings, SPENT_LOOKING):
            seen = early.get((fixed.claim.what, fixed.claim.suite))
            excluded = seen is not None and seen.result == "ok" and fixed.result == "undecided"
            checks.append(seen if seen is not None and excluded else fixed)
        return conclude(checks, comparison.missing, self.settings)

    def _count(self, place: SampleKey, after: SampleOutcome | None) -> None:
        key, sample = place
        before = self._baseline[key].samples.get(sample)
        if before is None or after is None:
            return
        for bet in self._bets:
            bet.observe(key[0], before, after)
        if any(bet.result == "regressed" for bet in self._bets) or all(
            map(self._is_ok, self._bets)
        ):
            checks = [bet.check(self._blocked.get(bet.claim)) for bet in self._bets]
            self._decision = conclude(checks, (), self.settings)

    def _is_ok(self, bet: _Bet) -> bool:
        """Whether a claim does not keep the gate from being ok."""
        if bet.claim in self._blocked:
            return self.settings.allows(bet.claim)
        return bet.result == "ok"


def draw_order(baseline: Outcomes, samples: int, seed: int) -> list[SampleKey]:
    """All samples in rounds, each round's questions shuffled.

    The order depends on the seed and on which questions and samples there are, on nothing else.
    Samples that the baseline lacks follow at the end.
    """
    random = Random(seed)
    order: list[SampleKey] = []
    unpaired: list[SampleKey] = []
    for sample in range(samples):
        keys = sorted(baseline)
        random.shuffle(keys)
        for key in keys:
            (order if sample in baseline[key].samples else unpaired).append((key, sample))
    return order + unpaired


class _Bet:
    """Both bets on one claim: that it is worse than its margin, and better than its limit."""

    def __init__(self, claim: Claim, settings: GateSettings, budget: int) -> None:
        self.claim = claim
        self.result: GateResult = "undecided"
        self._budget = budget
        # Tokens are bet on as a difference, in which the tolerated ratio is a rise of 0.
        relative = claim.what == "tokens"
        self._worse = Capital(0.0 if relative else claim.margin)
        self._better = Capital(0.0 if relative else -claim.limit)
        self._alpha = settings.alpha
        self._beta = 1 - settings.power
        self._p_regressed = self._p_ok = 1.0
        self._before = self._after = 0.0
        self._pairs = 0

    def observe(self, suite: str, before: SampleOutcome, after: SampleOutcome) -> None:
        """Settle both bets on a pair of samples, if the claim is about their suite."""
        if self.claim.suite not in (suite, ALL_SUITES):
            return
        self._pairs += 1
        if self.claim.what == "tokens":
            self._add(before.tokens, after.tokens)
            self._worse.observe(self._rise(before, after, 1 + self.claim.margin))
            self._better.observe(-self._rise(before, after, 1 + self.claim.limit))
        else:
            was, is_now = _badness(self.claim, before), _badness(self.claim, after)
            self._add(was, is_now)
            self._worse.observe(is_now - was)
            self._better.observe(was - is_now)
        # What was once established stays so: the bound is on ever reaching the level.
        spent = SPENT_LOOKING
        p_regressed = exp(-self._worse.log) / (self.claim.share * spent)
        self._p_regressed = min(self._p_regressed, p_regressed)
        self._p_ok = min(self._p_ok, exp(-self._better.log) / spent)
        if self._p_regressed <= self._alpha:
            self.result = "regressed"
        elif self._p_ok <= self._beta:
            self.result = "ok"

    def check(self, obstacle: Obstacle | None = None) -> Check:
        """What has been found so far; the p-values hold however often one looks.

        Args:
            obstacle: what keeps its ok from meaning anything.
        """
        change = self._after - self._before
        if self.claim.what == "tokens":
            worsening = change / self._before if self._before else 0.0
        else:
            worsening = change / self._pairs if self._pairs else 0.0
        result, needed = self.result, None
        if obstacle is not None and result != "regressed":
            result, needed = "cannot-tell", obstacle.samples_needed
        p_values = self._p_regressed, self._p_ok
        return Check(self.claim, result, worsening, *p_values, needed, obstacle)

    def _add(self, before: float, after: float) -> None:
        self._before += before
        self._after += after

    def _rise(self, before: SampleOutcome, after: SampleOutcome, ratio: float) -> float:
        """Above 0 on average when tokens rise by more than `ratio`; in [-1, 1]."""
        spent = min(after.tokens, self._budget) - ratio * min(before.tokens, self._budget)
        return spent / (ratio * self._budget)


def _badness(claim: Claim, sample: SampleOutcome) -> float:
    if claim.primary:
        return 1 - sample.value
    return sample.failure == ("truncated" if claim.what == "truncation" else "looped")


def _collect(
    arrived: Mapping[SampleKey, SampleOutcome | None], wanted: Collection[QuestionKey]
) -> Outcomes:
    samples: dict[QuestionKey, dict[int, SampleOutcome]] = {}
    for (key, sample), outcome in arrived.items():
        if outcome is not None and key in wanted:
            samples.setdefault(key, {})[sample] = outcome
    return {key: QuestionOutcome(*key, part) for key, part in samples.items()}
