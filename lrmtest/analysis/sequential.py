"""The sequential gate: it looks at every sample, stops when it knows, and errs no more often.

**Order.** Samples come in rounds: one of every question, in an order drawn from the seed, then
another of every question, and so on. The order is fixed before anything is generated, so it
cannot depend on outcomes. Completions arrive in another order, the short ones first, and short
ones are more often right: whoever looks at what has arrived looks at a biased part. So a sample
counts only when all before it in the order have arrived. Rounds spread the evidence over all
questions; all samples of one question in a row would say much about that question and little
about the suite.

**Evidence.** The candidate's j-th sample of a question is paired with the baseline's j-th, never
reusing one: a baseline sample used twice would make its luck look like a trend. Each pair's
worsening, -1, 0 or 1, or of scores anything between, is bet on (`lrmtest.analysis.betting`), once
for "worse by more than the margin" and once for "worse by less than margin + mde".

**Unequal numbers of samples.** The claim is about the mean over all questions, so each counts once
in every round. If the baseline has four times as many samples of some questions as of others, four
of these in a row make one figure, their mean. Bets end with the last round in which every question
has its samples; those left over are for the end. A question whose samples in a round all ended in
engine errors is bet on as if they had gone against the bet, which cannot make the gate err more
often, whatever the errors depend on.

**Why one may look.** Over a whole round the capital's expectation does not rise under the
hypothesis: the product of 1 + bet x (mean of question - margin) is at most that of equal means.
So Ville's inequality holds for looks between rounds whatever the questions are. Within a round the
same is true at every fixed moment, because the order is random; that nothing is lost by looking
at all of them is measured (`benchmarks/gate.py`).

**Error rates.** Half of alpha and of 1 - power is spent on the looks; the other half on the fixed
gate, which decides at the end if nothing was decided before. Both halves together keep the gate's
rates. When samples are added and the gate goes on, its order begins as before, so that its looks
are the same test still; the fixed gate's half is spent over its repetitions (`lrmtest.runs.looks`).
The claim is about the expected rates on these questions, as with the fixed gate, and chance
is in the sampling. So questions are *not* treated as a finite population drawn without
replacement (Waudby-Smith & Ramdas 2020): that answers what the full run would have shown, which is
certain at its last sample, and is no claim about the model. On identical models it would be
"certain" of a drop in nearly half of all full runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import exp
from random import Random
from statistics import fmean

from lrmtest.analysis.betting import Capital
from lrmtest.analysis.claims import Claim, GateSettings, claims
from lrmtest.analysis.detectability import Obstacle, obstacles_to_come
from lrmtest.analysis.gate import (
    Check,
    Decision,
    GateResult,
    check,
    conclude,
    decide,
    nothing_to_compare,
)
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.looks import FIRST_SHARE, Look
from lrmtest.runs.outcomes import (
    Outcomes,
    QuestionKey,
    QuestionOutcome,
    SampleOutcome,
    only_scores_of,
)

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
        settings = settings or GateSettings()
        self.settings = replace(settings, look=settings.look.with_looking())
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
        self._rounds, self._blocks = rounds_of(self._baseline, samples)
        self._samples = samples
        self._arrived: dict[SampleKey, SampleOutcome | None] = {}
        self._next = 0
        tokens = any(question.tokens for question in self._baseline.values())
        suites = list(dict.fromkeys(suite for suite, _ in known))
        self._bets = [
            _Bet(claim, self.settings, budget)
            for claim in claims(suites, self.settings, tokens=tokens, metrics=self._metrics)
        ]
        tested = [bet.claim for bet in self._bets]
        # What the fixed gate may spend at the end is not settled before the samples are there.
        look = self.settings.look
        at_the_end = replace(look, share=look.share or FIRST_SHARE * look.left or look.looking)
        self._blocked = obstacles_to_come(
            tested, self._baseline, samples, replace(self.settings, look=at_the_end)
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
            self._count(place)

    def finish(self, look: Look | None = None) -> Decision:
        """The decision when no more samples will come: the early one, or the fixed gate's.

        Args:
            look: what the fixed gate may spend, where there are or were other looks.
        """
        if self._decision is not None:
            return self._decision
        settings = self.settings if look is None else replace(self.settings, look=look)
        candidate = _collect(self._arrived, set(self._baseline))
        budgets = {suite: self._budget for suite, _ in self._baseline}
        comparison = compare_outcomes(
            self._baseline, candidate, budgets=budgets, metrics=self._metrics
        )
        if not comparison.total.questions:
            return nothing_to_compare(settings)
        if not settings.look.share:
            return decide(comparison, settings)
        early = {(bet.claim.what, bet.claim.suite): bet.check() for bet in self._bets}
        checks = []
        for fixed in check(comparison, settings):
            seen = early.get((fixed.claim.what, fixed.claim.suite))
            excluded = seen is not None and seen.result == "ok" and fixed.result == "undecided"
            checks.append(seen if seen is not None and excluded else fixed)
        return conclude(checks, comparison.missing, settings)

    def _count(self, place: SampleKey) -> None:
        key, sample = place
        block = self._blocks[key]
        if sample >= self._rounds * block or (sample + 1) % block:
            return
        baseline = self._baseline[key].samples
        indices = sorted(baseline)
        pairs = [
            (baseline[indices[number]], after)
            for number in range(sample + 1 - block, sample + 1)
            if (after := self._arrived[key, number]) is not None
        ]
        if not pairs and self._rounds == 1 and block == self._samples:
            # Without any sample the question is not compared, and the claim is not about it.
            return
        for bet in self._bets:
            bet.observe(key[0], pairs)
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
    Samples that belong to no round follow at the end. More samples make it longer, and leave what
    it was before as it is.
    """
    random = Random(seed)
    rounds, blocks = rounds_of(baseline, samples)
    order: list[SampleKey] = []
    left: list[SampleKey] = []
    for number in range(samples):
        keys = sorted(baseline)
        random.shuffle(keys)
        for key in keys:
            block = blocks[key]
            if number < rounds:
                order += [(key, sample) for sample in range(number * block, (number + 1) * block)]
            if number >= rounds * block:
                left.append((key, number))
    return order + left


def rounds_of(baseline: Outcomes, samples: int) -> tuple[int, dict[QuestionKey, int]]:
    """How many rounds can be bet on, and how many samples each question has in one.

    Args:
        baseline: questions with at least one sample each. The samples per round follow from it
            alone, so that a gate that goes on with more samples of the candidate goes on with
            the same rounds.
        samples: per question of the candidate.
    """
    fewest = min(question.count for question in baseline.values())
    blocks = {key: question.count // fewest for key, question in baseline.items()}
    return min(fewest, min(samples // block for block in blocks.values())), blocks


def order_identity(baseline: Outcomes, questions: Collection[QuestionKey], seed: int) -> str:
    """Equal for two gates of which one goes on where the other's order ends."""
    known = sorted(key for key in questions if key in baseline and baseline[key].count)
    return fingerprint({"seed": seed, "questions": [list(key) for key in known]})[:16]


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
        self._series, self._looking = settings.series, settings.look.looking
        self._beta, self._unread = 1 - settings.power, settings.look.unread
        self._p_regressed = self._p_ok = 1.0
        self._before = self._after = 0.0
        self._questions = 0

    def observe(self, suite: str, pairs: Sequence[tuple[SampleOutcome, SampleOutcome]]) -> None:
        """Settle both bets on one question's turn, if the claim is about its suite.

        Args:
            suite: the question's.
            pairs: samples of baseline and candidate; none if all ended in engine errors.
        """
        if self.claim.suite not in (suite, ALL_SUITES):
            return
        if pairs:
            self._questions += 1
            self._before += fmean(self._figure(before) for before, _ in pairs)
            self._after += fmean(self._figure(after) for _, after in pairs)
        # Tokens are bet on with the tolerated ratio as a rise of 0.
        tolerated, limit = self._ratio(self.claim.margin), self._ratio(self.claim.limit)
        self._worse.observe(self._mean_rise(pairs, tolerated) if pairs else -1.0)
        self._better.observe(-self._mean_rise(pairs, limit) if pairs else -1.0)
        # What was once established stays so: the bound is on ever reaching the level.
        p_regressed = exp(-self._worse.log) / (self.claim.share * self._looking) * self._series
        self._p_regressed = min(self._p_regressed, p_regressed)
        p_ok = exp(-self._better.log) / (self._looking * self._unread)
        self._p_ok = min(self._p_ok, p_ok)
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
            worsening = change / self._questions if self._questions else 0.0
        result, needed = self.result, None
        if obstacle is not None and result != "regressed":
            result, needed = "cannot-tell", obstacle.samples_needed
        p_values = self._p_regressed, self._p_ok
        return Check(self.claim, result, worsening, *p_values, needed, obstacle)

    def _ratio(self, worsening: float) -> float:
        return 1 + worsening if self.claim.what == "tokens" else 1.0

    def _figure(self, sample: SampleOutcome) -> float:
        return sample.tokens if self.claim.what == "tokens" else _badness(self.claim, sample)

    def _mean_rise(
        self, pairs: Sequence[tuple[SampleOutcome, SampleOutcome]], ratio: float
    ) -> float:
        """Above 0 on average when the figure rises by more than `ratio`; in [-1, 1]."""
        most = self._budget if self.claim.what == "tokens" else 1
        return fmean(
            (min(self._figure(after), most) - ratio * min(self._figure(before), most))
            / (ratio * most)
            for before, after in pairs
        )


def _badness(claim: Claim, sample: SampleOutcome) -> float:
    if claim.primary:
        return 1 - sample.value
    return sample.end == ("ran-out" if claim.what == "truncation" else "loop")


def _collect(
    arrived: Mapping[SampleKey, SampleOutcome | None], wanted: Collection[QuestionKey]
) -> Outcomes:
    samples: dict[QuestionKey, dict[int, SampleOutcome]] = {}
    for (key, sample), outcome in arrived.items():
        if outcome is not None and key in wanted:
            samples.setdefault(key, {})[sample] = outcome
    return {key: QuestionOutcome(*key, part) for key, part in samples.items()}
