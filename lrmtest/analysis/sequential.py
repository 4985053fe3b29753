"""The sequential gate: it looks at every sample, stops when it knows, and errs no more often.

**Order.** Samples come in rounds: one of every question, in an order drawn from the seed, then
another of every question, and so on. The order is fixed before anything is generated, so it
cannot depend on outcomes. Completions arrive in another order, the short ones first, and short
ones are more often right: whoever looks at what has arrived looks at a biased part. So a sample
counts only when all before it in the order have arrived. Rounds spread the evidence over all
questions; all samples of one question in a row would say much about that question and little
about the suite.

**Evidence.** Where the baseline has samples enough, all of them are a table that is bet against
(`lrmtest.analysis.table_bets`, `known_table`), and what follows is about the other case, pairs.

The candidate's j-th sample of a question is paired with the baseline's j-th, never reusing one: a
baseline sample used twice would make its luck look like a trend. Each pair's worsening, -1, 0 or 1,
or of scores anything between, is bet on (`lrmtest.analysis.betting`), once for "worse by more than
the margin" and once for "worse by less than margin + mde".

**By index.** Where both runs drew with the same random numbers (`lrmtest.runs.same_draws`), the
candidate's sample of an index is paired with the baseline's of that very index, also where engine
errors have left gaps: a pair depends on nothing in any other pair, and whatever the two have in
common only makes their difference vary less. Nothing is bet against the table then. Given the
table, samples that share its random numbers no longer have the mean that the bets suppose.

**Stakes from reading.** Where pairs go by index and the baseline's traces have been read, the
stakes follow what that foresees (`lrmtest.analysis.foresight`). It is made of traces whose samples
are set apart, and not bet on.

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

**What is known before.** A claim that reading the baseline's traces has excluded
(`lrmtest.analysis.certificate`) is not waited for: that stage has its own part of 1 - power, and by
the union bound the parts add up, whenever the gate stops. What it has found against a claim that it
could not exclude is kept: both capitals, each times its part of 1 - power, are added. In
expectation the sum is no more than both parts together, at the start and ever after.

**Error rates.** Half of alpha and of 1 - power is spent on the looks (against a table mostly more:
`known_table.looking_share`); the rest on the fixed gate, which decides at the end if nothing was
decided before. Both together keep the gate's rates. When samples are added and the gate goes on,
its order begins as before, so that its looks are the same test still; the fixed gate's part is
spent over its repetitions (`lrmtest.runs.looks`).
The claim is about the expected rates on these questions, as with the fixed gate, and chance
is in the sampling. So questions are *not* treated as a finite population drawn without
replacement (Waudby-Smith & Ramdas 2020): that answers what the full run would have shown, which is
certain at its last sample, and is no claim about the model. On identical models it would be
"certain" of a drop in nearly half of all full runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from random import Random

from lrmtest.analysis.claim_bets import ClaimBets, PairBets
from lrmtest.analysis.claims import Claim, claims
from lrmtest.analysis.detectability import obstacles_to_come
from lrmtest.analysis.foresight import Foresight
from lrmtest.analysis.gate import (
    Check,
    Decision,
    check,
    conclude,
    decide,
    nothing_to_compare,
)
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.known_table import (
    draw_turns,
    looking_share,
    shares_of_turns,
    table_identity,
    table_pays,
)
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.table_bets import TableBets
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

FORESEEN_ORDER = "read:"

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
        by_index: samples of the same index drew with the same random numbers in both runs.
        excluded: what an earlier stage, with error rates of its own, found on claims whose limit it
            has excluded; these are not waited for.
        kept: what that stage has found on the others
            (`lrmtest.analysis.certificate.kept_evidence`).
        foresight: of all questions that are asked, what reading foresees of pairs by index.

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
        by_index: bool = False,
        excluded: Mapping[Claim, Check] | None = None,
        kept: Mapping[Claim, float] | None = None,
        foresight: Foresight | None = None,
    ) -> None:
        self.settings = settings or GateSettings()
        known = [key for key in questions if key in baseline and baseline[key].count]
        there = set(known)
        absent = [key for key in questions if key not in there]
        if not known or (absent and not self.settings.allow_missing):
            raise UsageError(
                "the baseline has no verdict on "
                + (f"{len(absent)} of the questions" if known else "any of the questions"),
                hint="run the baseline on the same questions, or allow missing ones",
            )
        self._metrics = dict(metrics or {})
        self._baseline = only_scores_of({key: baseline[key] for key in known}, self._metrics)
        self._by_index, self._excluded = by_index, dict(excluded or {})
        part = looking_share(self._baseline, samples, self.settings, by_index=by_index)
        self.settings = replace(self.settings, look=self.settings.look.with_looking(part))
        self._budget = budget
        self._samples = samples
        self._arrived: dict[SampleKey, SampleOutcome | None] = {}
        self._next = self._counted = 0
        tokens = any(question.tokens for question in self._baseline.values())
        suites = list(dict.fromkeys(suite for suite, _ in known))
        tested_claims = claims(suites, self.settings, tokens=tokens, metrics=self._metrics)
        self.baseline_known = not by_index and table_pays(self._baseline, self.settings)
        self._bets: list[PairBets | TableBets]
        kept = kept or {}
        if self.baseline_known:
            shares = shares_of_turns(self._baseline)
            turns, left = draw_turns(shares, samples, seed)
            self._turns = turns + left
            self._last = len(turns)
            self._bets = [
                TableBets(
                    claim, self.settings, budget, self._baseline, shares, kept.get(claim, 0.0)
                )
                for claim in tested_claims
            ]
        else:
            foreseen = foresight.pairs(self._baseline) if foresight and by_index else []
            self._paired = self._baseline
            if foresight is not None and by_index:
                self._paired = foresight.bet_on(self._baseline)
            self._turns = list(draw_order(self._paired, samples, seed, by_index=by_index))
            self._last = len(self._turns)
            self._rounds, self._blocks = rounds_of(self._paired, samples, by_index=by_index)
            self._asked = {
                key: asked_in_order(question, samples, by_index=by_index)
                for key, question in self._paired.items()
            }
            self._bets = [
                PairBets(claim, self.settings, budget, kept.get(claim, 0.0), foreseen)
                for claim in tested_claims
            ]
        self._order = [(key, sample) for key, sample in self._turns if sample is not None]
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
        return self._counted

    @property
    def decision(self) -> Decision | None:
        """None as long as the evidence does not suffice."""
        return self._decision

    def update(self, key: QuestionKey, sample: int, outcome: SampleOutcome | None) -> None:
        """Tell one sample of the candidate; an engine error is None, and counts for nothing.

        Samples told twice or not in `order` change nothing; neither does any after the decision.
        """
        self._arrived.setdefault((key, sample), outcome)
        while self._decision is None and self._next < len(self._turns):
            question, asked = self._turns[self._next]
            if asked is not None and (question, asked) not in self._arrived:
                return
            self._next += 1
            if asked is not None:
                self._counted += 1
            if self._bet_on(question, asked):
                self._look()

    def copied(self) -> SequentialGate:
        """A copy: what one of them is told from now on the other does not know.

        Of candidates against one baseline each needs a gate, and most of what makes one is the
        baseline's.
        """
        again = copy(self)
        again._arrived = dict(self._arrived)
        again._bets = [bet.copied() for bet in self._bets]
        return again

    def finish(self, look: Look | None = None, *, by_index: bool = False) -> Decision:
        """The decision when no more samples will come: the early one, or the fixed gate's.

        Args:
            look: what the fixed gate may spend, where there are or were other looks.
            by_index: it has turned out that samples of the same index share their random numbers.
        """
        if self._decision is not None:
            return self._decision
        settings = self.settings if look is None else replace(self.settings, look=look)
        candidate = _collect(self._arrived, set(self._baseline))
        budgets = {suite: self._budget for suite, _ in self._baseline}
        comparison = compare_outcomes(
            self._baseline,
            candidate,
            budgets=budgets,
            metrics=self._metrics,
            by_index=by_index or self._by_index,
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

    def _bet_on(self, key: QuestionKey, sample: int | None) -> bool:
        """Settle the bets on one turn; whether there were any."""
        if self.baseline_known:
            if self._next > self._last:
                return False
            outcome = None if sample is None else self._arrived[key, sample]
            for bet in self._bets:
                assert isinstance(bet, TableBets)
                bet.observe_turn(key, outcome, asked=sample is not None)
            return True
        assert sample is not None
        block, asked = self._blocks[key], self._asked[key]
        last = asked.index(sample)
        if last >= self._rounds * block or (last + 1) % block:
            return False
        baseline = self._paired[key].samples
        indices = sorted(baseline)
        pairs = [
            (baseline[indices[number]], after)
            for number in range(last + 1 - block, last + 1)
            if (after := self._arrived[key, asked[number]]) is not None
        ]
        if not pairs and self._rounds == 1 and block == self._samples:
            # Without any sample the question is not compared, and the claim is not about it.
            return False
        for bet in self._bets:
            assert isinstance(bet, PairBets)
            bet.observe(key[0], pairs)
        return True

    def _look(self) -> None:
        """Decide, if the bets do."""
        if any(bet.result == "regressed" for bet in self._bets) or all(
            map(self._is_ok, self._bets)
        ):
            self._decision = conclude(list(map(self._check, self._bets)), (), self.settings)

    def _check(self, bet: ClaimBets) -> Check:
        """What is known of a claim: by its bets, else by what was found before."""
        found = bet.check(self._blocked.get(bet.claim))
        return self._excluded.get(bet.claim, found) if found.result == "undecided" else found

    def _is_ok(self, bet: ClaimBets) -> bool:
        """Whether a claim does not keep the gate from being ok."""
        if bet.claim in self._blocked:
            return bet.claim.may_stay_untold(self.settings)
        return bet.result == "ok" or bet.claim in self._excluded


def asked_in_order(
    question: QuestionOutcome, samples: int, *, by_index: bool = False
) -> Sequence[int]:
    """The candidate's samples of a question in the order in which they are paired.

    Args:
        question: the baseline's.
        samples: per question of the candidate.
        by_index: those that the baseline has, too, come first, since only they have a partner.
    """
    if not by_index:
        return range(samples)
    shared = [index for index in sorted(question.samples) if index < samples]
    return shared + [index for index in range(samples) if index not in question.samples]


def draw_order(
    baseline: Outcomes, samples: int, seed: int, *, by_index: bool = False
) -> list[SampleKey]:
    """All samples in rounds, each round's questions shuffled.

    The order depends on the seed and on which questions and samples there are, on nothing else.
    Samples that belong to no round follow at the end. More samples make it longer, and leave what
    it was before as it is.
    """
    random = Random(seed)
    rounds, blocks = rounds_of(baseline, samples, by_index=by_index)
    asked = {
        key: asked_in_order(question, samples, by_index=by_index)
        for key, question in baseline.items()
    }
    order: list[SampleKey] = []
    left: list[SampleKey] = []
    for number in range(samples):
        keys = sorted(baseline)
        random.shuffle(keys)
        for key in keys:
            block = blocks[key]
            if number < rounds:
                order += [
                    (key, asked[key][at]) for at in range(number * block, (number + 1) * block)
                ]
            if number >= rounds * block:
                left.append((key, asked[key][number]))
    return order + left


def rounds_of(
    baseline: Outcomes, samples: int, *, by_index: bool = False
) -> tuple[int, dict[QuestionKey, int]]:
    """How many rounds can be bet on, and how many samples each question has in one.

    Args:
        baseline: questions with at least one sample each. The samples per round follow from it
            alone, so that a gate that goes on with more samples of the candidate goes on with
            the same rounds.
        samples: per question of the candidate.
        by_index: a sample of the candidate is of use only where the baseline has its index.
    """
    fewest = min(question.count for question in baseline.values())
    blocks = {key: question.count // fewest for key, question in baseline.items()}
    useful = {
        key: sum(index < samples for index in question.samples) if by_index else samples
        for key, question in baseline.items()
    }
    return min(fewest, min(useful[key] // block for key, block in blocks.items())), blocks


def order_identity(
    baseline: Outcomes,
    questions: Collection[QuestionKey],
    seed: int,
    settings: GateSettings,
    *,
    by_index: bool = False,
    foresight: Foresight | None = None,
) -> str:
    """Equal for two gates of which one goes on where the other's order ends.

    One that bets against another table, or with another foresight, is another test; that of a
    foresight begins with `FORESEEN_ORDER`.
    """
    known = sorted(key for key in questions if key in baseline and baseline[key].count)
    asked = {key: baseline[key] for key in known}
    identity: dict[str, object] = {"seed": seed, "questions": [list(key) for key in known]}
    if by_index:
        identity["by_index"] = True
    elif known and table_pays(asked, settings):
        identity["table"] = table_identity(asked)
    if by_index and foresight is not None:
        identity["foresight"] = foresight.identity
        return FORESEEN_ORDER + fingerprint(identity)[:16]
    return fingerprint(identity)[:16]


def _collect(
    arrived: Mapping[SampleKey, SampleOutcome | None], wanted: Collection[QuestionKey]
) -> Outcomes:
    samples: dict[QuestionKey, dict[int, SampleOutcome]] = {}
    for (key, sample), outcome in arrived.items():
        if outcome is not None and key in wanted:
            samples.setdefault(key, {})[sample] = outcome
    return {key: QuestionOutcome(*key, part) for key, part in samples.items()}
