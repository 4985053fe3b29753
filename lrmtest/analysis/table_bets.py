"""Bets against a known table: whatever the baseline's true mean may be, the candidate is beyond it.

Let a be the mean over these questions of the baseline's true figures (1 for a failure, 0 for a
pass, say), and b the candidate's. The hypothesis "not regressed" is b <= r a + d, where r and d are
what is tolerated; it must be refuted without knowing a.

**Cut-offs.** Suppose a were c. Then two things can be bet on: that the baseline's samples have
another mean than c, a capital A(c) that is settled before the candidate's first sample; and that
the candidate's have a mean above r c + d, a capital B(c) that goes on with every sample. Under the
hypothesis, at the true c, neither is in expectation above 1, and they are independent, so A(c) B(c)
is not, either: the chance that it ever reaches 1 / alpha is alpha at most (Ville 1939). The gate
rejects when A(c) B(c) has reached 1 / alpha for *every* c, the true one among them. So no part of
alpha is set aside for the baseline's luck, and no value of c need be believed. "Ok" is the same
with all signs turned.

**Only finitely many.** For one bet, log A and log B are concave functions of c, since both are sums
of logarithms of linear ones. So in a cell between two cut-offs their sum is at its least at one of
the ends. Below the first cut-off the candidate is not bet on, and A alone is enough there, as it
only grows; above the last A counts as the part that was not staked, and B only grows.

**The bets on the baseline.** Its samples make rounds as the candidate's do, each question's figure
once; a figure is compared with the mean of those before it, which is known when it is bet on. The
stake is fixed beforehand by the number of samples and what is sought: at the point where the gate
should stop, log B changes with c by 2 log(1 / alpha) / delta, and with this slope A makes up for
it. A small part is not staked.

**The bets on the candidate.** A sample's figure is compared with the table's figure of its very
question, so that what questions differ by cancels. That is no claim about the question: only the
mean over all of them is, since the product over a round of 1 + bet x (expectation - limit) is at
most that of equal means. Stakes may come from the table, which is known: for "ok" what would grow
fastest if both models were equal, for "regressed" a mixture of what would for one, two and four
times the mde (Kelly 1956). A question that has its turn without being asked counts 0, and one that
is asked counts for one over its share (`lrmtest.analysis.known_table`).

**Tokens** have no scale of their own. The first round of the table is a pilot, that gives it; ok
counts lengths up to the longest that was seen there. A worsening is a ratio, r.

References:
    Ville (1939), Etude critique de la notion de collectif.
    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting. Journal
    of the Royal Statistical Society B 86.
    Wasserman, Ramdas & Balakrishnan (2020), Universal inference. PNAS 117: a nuisance parameter
    (here a) is got rid of by the hypothesis that is hardest to refute.
    Kelly (1956), A new interpretation of information rate. Bell System Technical Journal 35.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial
from math import exp, inf, log, log1p, prod
from operator import add
from statistics import fmean

from lrmtest.analysis.claim_bets import ClaimBets
from lrmtest.analysis.claims import Claim
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.runs.outcomes import Outcomes, QuestionKey, SampleOutcome

_STEPS = (
    *(-1.5, -1.2),
    *(-1 + 0.1 * step for step in range(20)),
    *(1.0, 1.3, 1.7, 2.2, 2.9, 4.0),
)
"""Cut-offs, from the table's own mean on, in units of what is sought. The first is the hardest:
the baseline is worse than it looks and the candidate only beside it, for "regressed"; or better."""
_UNSTAKED = 0.05
_BOLDEST = 0.95
"""Of the stake that one figure could ruin."""
_BOLDEST_ON_BASELINE = 0.45
_LEAST = 1e-9
_TOGETHER = 50
"""Factors of a capital that are multiplied before their logarithm is taken: each is above 0.01, at
what is staked, so that no product is too small for a float."""
_SOUGHT = (1.0, 2.0, 4.0)
"""Worsenings beyond the margin, in units of mde, that "regressed" is bet on with equal parts."""


@dataclass(frozen=True)
class Table:
    """A baseline's figures on one claim, in [0, 1]; one list item for each question.

    Attributes:
        rounds: in each, one figure of every question; of questions with more samples than others
            the mean of several.
        expected: what the candidate's figures are compared with.
        shares: of its turns in which a question is asked.
        mean: over questions, of all their samples.
        spread: the variance of a turn's figure if the candidate is as the baseline.
        pilot: whether the first round is no evidence.
    """

    rounds: Sequence[Sequence[float]]
    expected: Sequence[float]
    shares: Sequence[float]
    mean: float
    spread: float
    pilot: bool

    @cached_property
    def deviations(self) -> list[tuple[float, int]]:
        """Those of `deviations`, for both sides."""
        return deviations(self)


class CutOffs:
    """The capital of one side: that the candidate's mean is above a limit, or that it is below.

    Args:
        table: the baseline's.
        above: which side.
        ratio, offset: the limit is ``ratio c + offset`` if the baseline's true mean is c.
        expects: for each bet, the mean that the candidate then has.
        stakes: for each bet, what is staked on the baseline's samples, fixed without them.
        unit: of the cut-offs; above 0.
    """

    def __init__(
        self,
        table: Table,
        *,
        above: bool,
        ratio: float,
        offset: float,
        expects: Sequence[float],
        stakes: Sequence[float],
        unit: float,
    ) -> None:
        sign = 1.0 if above else -1.0
        cuts = [min(1.0, max(0.0, table.mean - sign * unit * step)) for step in _STEPS]
        centre = fmean(table.expected)
        limits = [ratio * cut + offset - centre for cut in cuts]
        against = max(
            (expected if above else 1 - expected) / share
            for expected, share in zip(table.expected, table.shares, strict=True)
        )
        self._cells = len(cuts)
        parts = len(expects)
        self._unstaked = log(_UNSTAKED / parts)
        figures = table.deviations
        baseline = [
            each + log((1 - _UNSTAKED) / parts)
            for stake in stakes
            for each in on_baseline(figures, cuts, stake, above=not above)
        ]
        # Of every bet, by cell: how much, and the limits at both ends. The last cell is open.
        self._bets: list[tuple[float, float, float]] = []
        for expect in expects:
            for low, high in zip(limits, [*limits[1:], limits[-1]], strict=True):
                gap = max(0.0, sign * (expect - centre - (low + high) / 2))
                boldest = _BOLDEST / max(_LEAST, against + max(0.0, sign * low, sign * high))
                bet = min(boldest, gap / (table.spread + gap**2))
                self._bets.append((sign * bet, low, high))
        # What was won at the lower ends, then at the upper ends.
        self._won = [0.0] * (2 * len(self._bets))
        self._known: dict[float, list[float]] = {}
        # What the baseline's samples won at the lower and the upper ends; nothing in the last cell.
        last = range(self._cells - 1, len(self._bets), self._cells)
        self._staked = (
            [-inf if place in last else each for place, each in enumerate(baseline)],
            [-inf if place in last else each for place, each in enumerate([*baseline[1:], -inf])],
        )
        # By cell, the bet whose capital was enough to tell that another cell is harder.
        self._largest = list(range(self._cells))
        # Beyond the first cut-off nothing is bet on the candidate, and the baseline's capital is
        # no less than at it; there is no mean below 0 or above 1.
        self._beyond = inf
        if 0 < cuts[0] < 1:
            starts = baseline[:: self._cells]
            self._beyond = _log_sum([*starts, log(_UNSTAKED)])
        self._hardest = 0
        self.most = -inf
        """Natural logarithm of the highest capital so far, at the cut-off where it is lowest."""

    def observe(self, figure: float) -> None:
        """Settle the bets on one turn.

        Args:
            figure: the candidate's less what was expected, over the question's share; 0 if the
                question was not asked.
        """
        steps = self._known.get(figure)
        if steps is None:
            steps = [log1p(bet * (figure - low)) for bet, low, _ in self._bets]
            steps += [log1p(bet * (figure - high)) for bet, _, high in self._bets]
            if len(self._known) < 500:
                self._known[figure] = steps
        self._won = [*map(add, self._won, steps)]
        least = self._beyond
        if least <= self.most:
            return
        # The cell that was hardest before mostly is so still, and then says all that is asked.
        least = self._capital(self._hardest, least)
        if least <= self.most:
            return
        won, bets, (at_low, at_high) = self._won, len(self._bets), self._staked
        for cell, place in enumerate(self._largest):
            if won[place] + at_low[place] >= least and won[bets + place] + at_high[place] >= least:
                continue
            total = self._capital(cell, least)
            if total < least:
                least, self._hardest = total, cell
                if least <= self.most:
                    return
        self.most = least

    def _capital(self, cell: int, least: float = inf) -> float:
        """Its logarithm at the hardest cut-off of a cell, or less; `least` if it is no less."""
        won, bets, unstaked = self._won, len(self._bets), self._unstaked
        at_low, at_high = self._staked
        parts = []
        # All parts together are no less than the largest of them.
        for place in range(cell, bets, self._cells):
            low, high = won[place], won[bets + place]
            # With nothing staked on the baseline, the capital changes with the cut-off one way.
            part = (low if low < high else high) + unstaked
            parts.append(part)
            low += at_low[place]
            high += at_high[place]
            other = low if low < high else high
            parts.append(other)
            if part >= least or other >= least:
                self._largest[cell] = place
                return least
        return min(least, _log_sum(parts))


class TableBets(ClaimBets):
    """Both bets on one claim, against the baseline's table.

    Args:
        claim, settings, budget: as in `ClaimBets`.
        baseline: its questions, each with two samples at least.
        shares: of its turns in which each question is asked.
        kept: as in `ClaimBets`.
    """

    def __init__(
        self,
        claim: Claim,
        settings: GateSettings,
        budget: int,
        baseline: Outcomes,
        shares: Mapping[QuestionKey, float],
        kept: float = 0.0,
    ) -> None:
        super().__init__(claim, settings, budget, kept)
        asked = {key: baseline[key] for key in sorted(baseline) if self.concerns(key[0])}
        self._means = {
            key: fmean(map(claim.figure, question.samples.values()))
            for key, question in asked.items()
        }
        relative = claim.what == "tokens"
        look = settings.look.looking
        # Longer ones are what the claims about truncation and looping are for.
        longest = min(budget, _longest_of_pilot(asked)) if relative else 1
        tables = {
            most: table_of(asked, partial(_scaled, claim, most), shares, pilot=relative)
            for most in {budget if relative else 1, longest}
        }
        self._worse = _Side(
            claim,
            asked,
            shares,
            tables,
            most=budget if relative else 1,
            level=settings.alpha / settings.series * look * claim.share,
            above=True,
        )
        self._better = _Side(
            claim,
            asked,
            shares,
            tables,
            most=longest,
            level=settings.test_beta * look,
            above=False,
        )

    def observe_turn(self, key: QuestionKey, sample: SampleOutcome | None, *, asked: bool) -> None:
        """Settle both bets on one question's turn, if the claim is about its suite.

        Args:
            key: the question.
            sample: the candidate's; None for an engine error, which counts as if it had gone
                against the bet, and where it was not asked.
            asked: whether it was.
        """
        if not self.concerns(key[0]):
            return
        if sample is not None:
            self._seen(self._means[key], self.claim.figure(sample))
        for side in (self._worse, self._better):
            side.observe(key, sample, asked=asked)
        self._settle(self._worse.capital.most, self._better.capital.most)

    def copied(self) -> TableBets:
        """A copy, on which the bets go on by themselves."""
        again = copy(self)
        again._worse, again._better = self._worse.copied(), self._better.copied()
        return again


class _Side:
    """One of both bets: a table on its scale, and what is bet against it.

    Args:
        claim: the claim.
        questions: the baseline's, of the claim's suites.
        shares: of its turns in which each question is asked.
        tables: the baseline's, by the figure that counts as 1.
        most: that figure; higher ones count as it.
        level: at which the bet should be won.
        above: whether it is that the candidate is worse than tolerated; else that it is better
            than what ok excludes.
    """

    def __init__(
        self,
        claim: Claim,
        questions: Outcomes,
        shares: Mapping[QuestionKey, float],
        tables: Mapping[float, Table],
        *,
        most: float,
        level: float,
        above: bool,
    ) -> None:
        self._claim, self._most, self._above = claim, most, above
        self._shares = {key: shares[key] for key in questions}
        table = tables[most]
        self._expected = dict(zip(questions, table.expected, strict=True))
        worsening = claim.margin if above else claim.limit
        ratio, offset = claim.ratio(worsening), claim.offset(worsening)

        def sought(mean: float) -> float:
            """How far a candidate that should be told is from the limit."""
            if above:
                return (
                    mean * claim.ratio(claim.limit)
                    + claim.offset(claim.limit)
                    - (ratio * mean + offset)
                )
            return ratio * mean + offset - mean

        unit = max(1e-6, sought(table.mean))
        # What is staked on the baseline's samples must not depend on them, but for the pilot.
        beforehand = max(1e-6, sought(fmean(table.rounds[0]) if table.pilot else 0.0))
        figures = len(table.expected) * (len(table.rounds) - table.pilot)
        times = _SOUGHT if above else (1.0,)
        tolerated = ratio * table.mean + offset if above else table.mean
        self.capital = CutOffs(
            table,
            above=above,
            ratio=ratio,
            offset=offset,
            expects=[min(1.0, tolerated + unit * each * above) for each in times],
            stakes=[
                min(
                    _BOLDEST_ON_BASELINE,
                    2 * log(1 / level) * ratio / (each * beforehand * max(1, figures)),
                )
                for each in times
            ],
            unit=unit / ratio,
        )

    def observe(self, key: QuestionKey, sample: SampleOutcome | None, *, asked: bool) -> None:
        """Settle the bet on one turn, as in `TableBets.observe_turn`."""
        if not asked:
            self.capital.observe(0.0)
            return
        lost = 0.0 if self._above else 1.0
        figure = lost if sample is None else _scaled(self._claim, self._most, sample)
        self.capital.observe((figure - self._expected[key]) / self._shares[key])

    def copied(self) -> _Side:
        """A copy, on which the bets go on by themselves."""
        again = copy(self)
        again.capital = copy(self.capital)
        return again


def _scaled(claim: Claim, most: float, sample: SampleOutcome) -> float:
    return min(1.0, claim.figure(sample) / most)


def table_of(
    questions: Outcomes,
    figure: Callable[[SampleOutcome], float],
    shares: Mapping[QuestionKey, float],
    *,
    pilot: bool,
) -> Table:
    """A baseline's table.

    Args:
        questions: each with two samples at least.
        figure: of a sample, in [0, 1].
        shares: of its turns in which each question is asked.
        pilot: whether the first round is to be no evidence.
    """
    figures = [
        [figure(question.samples[index]) for index in sorted(question.samples)]
        for question in questions.values()
    ]
    fewest = min(map(len, figures))
    blocks = [len(each) // fewest for each in figures]
    rounds = [
        [
            fmean(each[number * block : (number + 1) * block])
            for each, block in zip(figures, blocks, strict=True)
        ]
        for number in range(fewest)
    ]
    means = [fmean(each) for each in figures]
    mean = fmean(means)
    squares = [
        sum((one - own) ** 2 for one in each) for each, own in zip(figures, means, strict=True)
    ]
    within = sum(squares) / max(1, sum(len(each) - 1 for each in figures))
    asked = [shares[key] for key in questions]
    spread = fmean(
        ((square + within) / len(each) + within / len(each)) / share
        for square, each, share in zip(squares, figures, asked, strict=True)
    )
    return Table(
        rounds=rounds,
        # One sample more, at the mean: what never happened may happen yet.
        expected=[(sum(each) + mean) / (len(each) + 1) for each in figures],
        shares=asked,
        mean=mean,
        spread=max(spread, 1e-4),
        pilot=pilot,
    )


def deviations(table: Table) -> list[tuple[float, int]]:
    """The baseline's figures, each less what was expected of it, plus the mean of all of these.

    What is expected is the mean of the question's figures in the rounds before: known when it is
    bet on. So these figures have the baseline's true mean, over the questions of a round, and
    questions differ in them by less.

    Returns:
        Pairs of a figure and how often it occurs; those of a pilot are left out.
    """
    # A first guess of 1/2 for all questions leaves no trace: only their differences count.
    guess = 0.0 if table.pilot else 0.5
    sums = [0.0] * len(table.expected)
    found: Counter[float] = Counter()
    for number, figures in enumerate(table.rounds):
        rounds = max(1.0, number + 2 * guess)
        centre = (fmean(sums) + guess) / rounds
        if number or not table.pilot:
            found.update(
                one - (total + guess) / rounds + centre
                for one, total in zip(figures, sums, strict=True)
            )
        sums = [total + one for total, one in zip(sums, figures, strict=True)]
    return list(found.items())


def on_baseline(
    figures: Sequence[tuple[float, int]], cuts: Sequence[float], stake: float, *, above: bool
) -> list[float]:
    """Logarithm of the capital of bets that the baseline's mean is not each of `cuts`.

    Args:
        figures: what `deviations` gives.
        cuts: hypothetical means.
        stake: the same in every bet, in [0, 0.5).
        above: whether it is bet that the mean is above, else that it is below.
    """
    bet = stake if above else -stake
    groups = _powers(figures)
    found: dict[float, float] = {}
    for cut in cuts:
        if cut not in found:
            rest = 1 - bet * cut
            found[cut] = sum(
                [
                    power * log(prod([rest + bet * figure for figure in group]))
                    for power, group in groups
                ]
            )
    return [found[cut] for cut in cuts]


def _powers(figures: Sequence[tuple[float, int]]) -> list[tuple[int, list[float]]]:
    """The figures in groups that occur 1, 2, 4, ... times; one that occurs 3 times is in two.

    A logarithm takes longer than a product, so that a group needs only one.
    """
    powers: defaultdict[int, list[float]] = defaultdict(list)
    for figure, count in figures:
        while count:
            power = count & -count
            powers[power].append(figure)
            count -= power
    return [
        (power, group[start : start + _TOGETHER])
        for power, group in powers.items()
        for start in range(0, len(group), _TOGETHER)
    ]


def _longest_of_pilot(questions: Outcomes) -> float:
    """Tokens of the longest completion in the first round of a table; at least 1."""
    fewest = min(question.count for question in questions.values())
    return max(
        1,
        *(
            question.samples[index].tokens
            for question in questions.values()
            for index in sorted(question.samples)[: question.count // fewest]
        ),
    )


def _log_sum(logs: Sequence[float]) -> float:
    """Logarithm of the sum of numbers given by their logarithms."""
    most = max(logs)
    return most + log(sum([exp(each - most) for each in logs]))
