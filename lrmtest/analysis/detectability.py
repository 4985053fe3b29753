"""Detectability: whether a change for the worse of the size sought could have been seen at all.

"Ok" says that a worsening by margin + mde is excluded. Of a baseline that has less than that to
lose it is excluded of every candidate, of one that answers nothing but nonsense, too. So a gate
asks two things before it says ok, and a plan asks the same of the samples it proposes:

**Room.** Does the baseline have margin + mde to lose, with certainty `power`? The hypothesis that
its own expected figure on these questions is lower is tested by Gaffke's method on its samples
(of passes, with as many samples of each question, this is Clopper and Pearson's bound). Whatever
the baseline's true figure is, a candidate that has lost all of it is then called ok with
probability 1 - power at most: where the figure is margin + mde or higher, by the test of the
worsening; where it is lower, by this one. Of shares that rise (truncated, looped) the room is
what is not truncated or looped yet.

**Samples.** Would the most damaged candidate, one that passes nothing, be called regressed with as
many samples? Where it would not, the gate can never fail.

Room is asked of every rate, for each suite and pooled, samples of the pooled figure alone: a suite
that breaks by itself may end undecided, which is not ok either. Of tokens neither is asked.

References:
    Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of
    the binomial. Biometrika 26.
    Hoeffding (1956), On the distribution of the number of successes in independent trials.
    Annals of Mathematical Statistics 27: unequal questions make the bound wide, not narrow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lrmtest.analysis.bounded_mean import p_mean_at_most
from lrmtest.analysis.claims import Claim
from lrmtest.analysis.fewest import fewest_samples
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import BAD, how_many_bad, paired
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.runs.outcomes import Outcomes

_MOST_SAMPLES = 1 << 12
"""Per question; more are proposed to nobody."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a worsening by a claim's limit could not have been seen.

    Attributes:
        claim: the claim that so cannot be decided.
        suite: name of the one suite that it is about; empty when it is about several.
        figure: the baseline's, mean over questions, in [0, 1]: how much there is to lose.
        passed: the sum of its samples' figures: how many passed; of scores, their sum.
        questions, samples: the baseline's, in all.
        has_room: False: the baseline may have less than the limit to lose. True: it has enough,
            but too few samples for even the most damaged candidate to be called regressed.
        samples_needed: per question in both runs, with which the obstacle would be gone if further
            samples went like these; None if no number would do.
    """

    claim: Claim
    suite: str
    figure: float
    passed: float
    questions: int
    samples: int
    has_room: bool
    samples_needed: int | None

    def words(self) -> str:
        """The obstacle in a sentence."""
        of_suite = f" of {self.suite}" if self.suite else ""
        of_samples = f"{self.samples:,} samples of " if self.samples > self.questions else ""
        of_questions = f"{of_samples}{self.questions:,}{of_suite}"
        limit = f"{100 * self.claim.limit:.3g} points"
        if self.claim.what == "pass rate":
            has = f"the baseline passes {self.passed:.4g} of {of_questions}"
        elif self.claim.what == "score":
            metric, mean = self.claim.metric, f"{100 * self.figure:.3g} %"
            questions = f"{of_samples}{self.questions:,} questions{of_suite}"
            has = f"the baseline's {metric} is {mean} on {questions}"
        else:
            done = "truncated" if self.claim.what == "truncation" else "looped"
            already = self.samples - self.passed
            has = f"{already:.4g} of {of_questions} are {done} in the baseline"
        change = "a drop" if self.claim.primary else "a rise"
        if self.has_room:
            why = "with so few samples not even a model that passes nothing is called regressed"
        elif self.figure < self.claim.limit:
            why = f"so {change} of {limit} cannot happen there"
        else:
            why = f"not enough to be sure that {change} of {limit} can happen there"
        more = ""
        if self.samples_needed is not None:
            more = f" (about {self.samples_needed} samples per question in both runs would do)"
        return f"cannot tell: {has}, {why}{more}"


def obstacles(
    tested: Sequence[Claim],
    questions: Callable[[Claim], Sequence[PairedQuestion]],
    suites: Sequence[str],
    settings: GateSettings,
) -> Mapping[Claim, Obstacle]:
    """What keeps a gate from seeing a worsening, by claim; claims without an obstacle are left out.

    Args:
        tested: the gate's claims.
        questions: those of a claim. Only the baseline's samples count, and how many the candidate
            has; how these went does not.
        suites: names of all suites that are compared.
        settings: error rates, and what this look may spend of them.
    """
    found = {}
    for claim in tested:
        if claim.what != "tokens":
            alpha = settings.look_alpha * claim.share
            name = claim.suite if claim.suite != ALL_SUITES else suites[0] * (len(suites) == 1)
            obstacle = _obstacle(claim, name, questions(claim), alpha, 1 - settings.power)
            if obstacle is not None:
                found[claim] = obstacle
    return found


def obstacles_to_come(
    tested: Sequence[Claim],
    baseline: Outcomes,
    samples: int,
    settings: GateSettings,
) -> Mapping[Claim, Obstacle]:
    """The obstacles to a comparison with a baseline, before there is a candidate.

    Args:
        tested: the gate's claims.
        baseline: with a verdict on at least one question of each claim's suite.
        samples: per question, that the candidate will have.
        settings: as in `obstacles`.
    """
    suites = list(dict.fromkeys(each.suite for each in baseline.values() if each.count))
    return obstacles(tested, lambda claim: _expected(claim, baseline, samples), suites, settings)


def samples_to_see(tested: Sequence[Claim], baseline: Outcomes, settings: GateSettings) -> int:
    """The fewest samples per question, in both runs, with which no claim has an obstacle.

    The arguments are as in `obstacles_to_come`; no claim has an obstacle that stays.
    """
    most = 1
    for claim in tested:
        if claim.what != "tokens":
            alpha = settings.look_alpha * claim.share
            questions = _expected(claim, baseline, 1)
            most = max(most, _samples_to_see(claim, questions, alpha, 1 - settings.power) or 1)
    return most


def _expected(claim: Claim, baseline: Outcomes, samples: int) -> list[PairedQuestion]:
    """The baseline's questions of a claim, beside a candidate of which only that many are known."""
    assert claim.what != "tokens"
    part = [
        question
        for question in baseline.values()
        if question.count and claim.suite in (question.suite, ALL_SUITES)
    ]
    bad = BAD[claim.what]
    if bad == "short":
        both = paired([(question, question) for question in part], bad)
        return [
            PairedQuestion(each.baseline, each.baseline_samples, 0, samples, each.baseline_squares)
            for each in both
        ]
    known: dict[tuple[int, int], PairedQuestion] = {}
    found = []
    for question in part:
        counts = how_many_bad(question, bad), question.count
        if counts not in known:
            known[counts] = PairedQuestion(*counts, 0, samples)
        found.append(known[counts])
    return found


def _obstacle(
    claim: Claim, suite: str, questions: Sequence[PairedQuestion], alpha: float, beta: float
) -> Obstacle | None:
    """The obstacle to a claim.

    Args:
        claim: about a rate.
        suite: what `Obstacle` says.
        questions: with a verdict in both runs; at least one.
        alpha: the claim's own.
        beta: how often ok may be said of what is worse by the limit.
    """
    figures = _to_lose(questions)
    count = sum(number for _, number in figures)
    has_room = p_mean_at_most(figures, 0.0, claim.limit) <= beta
    if has_room and not _fails_as_a_whole(claim):
        return None
    if has_room:
        # Of samples that are all bad it does not matter which ones they are paired with.
        worst = {
            each: replace(
                each,
                candidate=each.candidate_samples,
                candidate_squares=None,
                indexed=0,
                indexed_squares=0.0,
            )
            for each in set(questions)
        }
        if pair(worst[each] for each in questions).p_above(claim.margin) <= alpha:
            return None
    passed = sum(each.baseline_samples - each.baseline for each in questions)
    return Obstacle(
        claim=claim,
        suite=suite,
        figure=sum(figure * number for figure, number in figures) / count,
        passed=passed,
        questions=len(questions),
        samples=sum(each.baseline_samples for each in questions),
        has_room=has_room,
        samples_needed=_samples_to_see(claim, questions, alpha, beta),
    )


def _samples_to_see(
    claim: Claim, questions: Sequence[PairedQuestion], alpha: float, beta: float
) -> int | None:
    """The fewest samples per question, in both runs, without an obstacle; None if none are enough.

    The baseline's further samples are taken to go as those that are there.
    """
    figures = _to_lose(questions)
    count = sum(number for _, number in figures)
    per_question = count / len(questions)
    if sum(figure * number for figure, number in figures) / count <= claim.limit:
        return None

    def enough(samples: int) -> bool:
        grown = [(figure, number * samples / per_question) for figure, number in figures]
        return p_mean_at_most(grown, 0.0, claim.limit) <= beta and (
            not _fails_as_a_whole(claim) or p_mean_at_most(grown, -1.0, claim.margin) <= alpha
        )

    return fewest_samples(enough, _MOST_SAMPLES)


def _fails_as_a_whole(claim: Claim) -> bool:
    """Whether the most damaged candidate must be called regressed by this claim."""
    return claim.primary and claim.suite == ALL_SUITES


def _to_lose(questions: Sequence[PairedQuestion]) -> list[tuple[float, float]]:
    """The baseline's samples as (figure, how many), their mean that over questions.

    A figure is 1 for a sample that was not bad, times what makes all questions weigh the same. A
    score counts as passes with the same mean, which vary more than any scores with that mean do.
    """
    samples = sum(each.baseline_samples for each in questions)
    figures: dict[float, float] = defaultdict(float)
    for each in questions:
        weight = samples / (len(questions) * each.baseline_samples)
        figures[round(weight, 9)] += each.baseline_samples - each.baseline
        figures[0.0] += each.baseline
    return [(figure, number) for figure, number in figures.items() if number]
