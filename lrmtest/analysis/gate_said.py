"""The words for a gate's decision: its badge, what it means here, and what a reader must know.

"OK" alone is read as "no worse". It means less: that a drop of a certain size is excluded, in what
was asked, at a certain error rate. All of it depends on the gate's settings and on the runs, so one
function puts it together from them, and every report shows what it returns. The warnings of an ok
say where somebody who looked at the figures would not call it green.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lrmtest.analysis.certificate_said import assumptions, stage_said
from lrmtest.analysis.claims import Claim
from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.ends import UnknownEnds
from lrmtest.analysis.gate import Check, Decision, GateResult, amount, named
from lrmtest.analysis.holm import adjust
from lrmtest.analysis.paired_comparison import RateChange, SuiteComparison
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.analysis.written import p_words
from lrmtest.counted import three_digits
from lrmtest.suites.suite import PASS

WarningKind = Literal[
    "drop-likely", "drop-beyond", "costs", "questions-worse", "ran-out", "floor", "not-told",
    "missing", "unknown-ends", "greedy", "differs", "not-gated", "other-metric",
]  # fmt: skip
"""What a warning is about; machines know it by this word."""

_LIKELY = 0.05
"""One-sided p-value at which a drop counts as likely: the upper end of its 90 % interval is 0."""
_COSTS_LIKELY = 0.025
"""The same of the costs: the 95 % interval leaves out no change."""
_NOTABLE_RATE, _NOTABLE_TOKENS = 0.05, 0.25
"""Rises of the costs, in points / 100 and relative, that are told though they may be chance."""
_RAN_OUT = 0.2
"""Share of the candidate's samples from which on it matters that they ran out or looped."""
_FLOOR = 0.5
"""Share of the questions that the baseline never passes from which on it matters."""

_RESULTS: dict[GateResult, str] = {
    "ok": "OK",
    "regressed": "Regressed",
    "undecided": "Undecided",
    "cannot-tell": "Cannot tell",
}


@dataclass(frozen=True, slots=True)
class GateWarning:
    """Why an ok is less than it looks.

    Attributes:
        kind: what it is about.
        text: the warning, with its figures.
    """

    kind: WarningKind
    text: str


@dataclass(frozen=True, slots=True)
class GateSaid:
    """What is said of a decision.

    Attributes:
        result: the decision's.
        badge: a few words: ``OK: a drop of 10 points is excluded``.
        meaning: the sentence behind it: in what, at which error rate, and what was not asked.
        warnings: of an ok alone.
    """

    result: GateResult
    badge: str
    meaning: str
    warnings: tuple[GateWarning, ...]

    @property
    def headline(self) -> str:
        """The badge with the number of warnings, for where there is one line."""
        if not self.warnings:
            return self.badge
        number = len(self.warnings)
        return f"{self.badge}, with {number} warning{'s' * (number > 1)}"

    @property
    def texts(self) -> list[str]:
        """The warnings' texts."""
        return [warning.text for warning in self.warnings]


def gate_said(compared: ComparedRuns) -> GateSaid | None:
    """The words for a comparison's decision; None without a gate."""
    decision = compared.decision
    if decision is None:
        return None
    badge = f"{_RESULTS[decision.result]}: {_badge(compared, decision)}"
    if decision.result != "ok":
        return GateSaid(decision.result, badge, _rates(decision), ())
    return GateSaid("ok", badge, _meaning(compared, decision), tuple(_warnings(compared)))


def _badge(compared: ComparedRuns, decision: Decision) -> str:
    checks = decision.checks
    if not checks:
        if decision.result == "cannot-tell":
            return "nothing could be compared"
        # Nothing was tested: its rates are spent, or the session ended too soon; the reason says.
        return re.split("[;:]", " ".join(decision.reasons[:1]))[0]
    found = [check for check in checks if check.result == decision.result]
    if decision.result == "ok":
        blind = [check.claim.suite for check in checks if check.result == "cannot-tell"]
        but = f", except in {' and '.join(blind)}" if blind else ""
        by = " by reading, nothing was generated" if compared.certified else ""
        return f"{_worsening(checks[0].claim, checks[0].claim.limit)} is excluded{by}{but}"
    if decision.result == "regressed":
        return f"{_established(found[0].claim)} is established"
    if decision.result == "cannot-tell":
        claim = found[0].claim
        return f"{_worsening(claim, claim.limit)} could not have been seen{_where(claim)}"
    if _too_many_unknown(compared, decision):
        return "too many samples do not say how they ended"
    if not found:
        return "questions are missing"
    claim = found[0].claim
    return (
        f"neither is {_established(claim)} established nor {_worsening(claim, claim.limit)} "
        "excluded" + ("" if claim.primary else f" of {claim.what}")
    )


def _established(claim: Claim) -> str:
    """The worsening that regressed establishes: any, or one beyond the margin."""
    more = f"of more than {amount(claim, claim.margin)}" if claim.margin else ""
    what = "a drop" if claim.primary else f"a rise of {claim.what}"
    if claim.metric != PASS and claim.primary:
        what += f" of {claim.metric}"
    return " ".join(filter(None, (what, more))) + _where(claim)


def _worsening(claim: Claim, size: float) -> str:
    """A worsening of a size: ``a drop of 10 points``, ``a drop of f1 by 10 points``."""
    if not claim.primary:
        return f"a rise of {claim.what} by {amount(claim, size)}"
    if claim.metric != PASS:
        return f"a drop of {claim.metric} by {amount(claim, size)}"
    return f"a drop of {amount(claim, size)}"


def _where(claim: Claim) -> str:
    return "" if claim.suite == ALL_SUITES else f" in {claim.suite}"


def _meaning(compared: ComparedRuns, decision: Decision) -> str:
    """What an ok excludes, claim by claim, what it leaves open, and how often it is wrong."""
    excluded = [check.claim for check in decision.checks if check.result == "ok"]
    primary = [claim for claim in excluded if claim.primary]
    suites = [claim.suite for claim in primary if claim.suite != ALL_SUITES]
    of = "pass rate" if primary[0].metric == PASS else primary[0].metric
    text = f"Excluded is a drop of the {of} by {amount(primary[0], primary[0].limit)}"
    asked = _suites(compared)
    if suites:
        each = "in each of them" if len(suites) == len(asked) else f"in {_listed(suites)}"
        text += f", over {_listed(asked)} together and {each}"
    elif len(asked) == 1:
        text += f" in {asked[0]}"
    costs = [claim for claim in excluded if not claim.primary]
    if costs:
        rises = [f"{claim.what} by {amount(claim, claim.limit)}" for claim in costs]
        text += f"; and a rise of {_listed(rises)}"
    text += ". A smaller one is not."
    left_out = _not_gated(compared, decision)
    if left_out:
        text += f" Not gated: {_listed(left_out)}."
    if compared.certified and compared.certificate is not None:
        found = compared.certificate
        text = f"{text} {stage_said(found)} {' '.join(assumptions(found))}"
    return f"{text} {_rates(decision)}"


def _suites(compared: ComparedRuns) -> list[str]:
    """The suites that the decision is about."""
    if compared.certified:
        wanted = compared.candidate.manifest.suites
        return [name for name in compared.baseline.suites if name in wanted]
    return [part.suite for part in compared.comparison.suites]


def _rates(decision: Decision) -> str:
    settings = decision.settings
    return (
        f"Error rates: ok for a model that much worse in at most {100 * (1 - settings.power):g} %, "
        f"regressed for one that is not in at most {100 * settings.alpha:g} %."
    )


def _not_gated(compared: ComparedRuns, decision: Decision) -> list[str]:
    gated = {check.claim.what for check in decision.checks}
    costs = [what for what in ("tokens", "truncation", "looping") if what not in gated]
    blind = [named(check.claim) for check in decision.checks if check.result == "cannot-tell"]
    return [*costs, *blind]


def _listed(parts: Sequence[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _warnings(compared: ComparedRuns) -> Iterator[GateWarning]:
    """What stands against reading an ok as "no worse", the gravest first."""
    decision = compared.decision
    assert decision is not None
    # Of what had arrived by then the figures are no fair part.
    if compared.early is None and not compared.certified:
        yield from _drops(compared, decision)
        yield from _costs(compared)
        yield from _questions(compared)
    yield from _floors(compared, decision)
    yield from _not_alike(compared, decision)


def _drops(compared: ComparedRuns, decision: Decision) -> Iterator[GateWarning]:
    limits = {check.claim.suite: check.claim for check in decision.checks if check.claim.primary}
    likely = _likely(compared, lambda part: _primary(part).pairs.p_above(0.0), _LIKELY)
    for part in _parts(compared):
        change, claim = _primary(part), limits.get(part.suite)
        low, high = (100 * end for end in (change.interval.low, change.interval.high))
        what = part.metric if part.score is not None else "pass rate"
        where = _where_of(part)
        fell = f"{what}{where} fell by {100 * change.worsening:.3g} points"
        seen = "" if compared.greedy else f", 95 % interval of the drop [{low:.3g}, {high:.3g}]"
        if part.suite in likely:
            yield GateWarning(
                "drop-likely",
                f"{fell}{seen}: a drop is likely ({p_words(likely[part.suite])}), only one as "
                "large as the gate asks about is excluded",
            )
        elif claim is not None and not compared.greedy and change.interval.high >= claim.limit:
            yield GateWarning(
                "drop-beyond",
                f"the 95 % interval of the drop of {what}{where} [{low:.3g}, {high:.3g}] reaches "
                f"{amount(claim, claim.limit)}, which are excluded at "
                f"{100 * (1 - decision.settings.power):g} % alone",
            )


def _costs(compared: ComparedRuns) -> Iterator[GateWarning]:
    for name in ("truncated", "looped"):

        def p_of(part: SuiteComparison, name: str = name) -> float:
            return _of(part, name).pairs.p_above(0.0)

        found = _likely(compared, p_of, _COSTS_LIKELY)
        for part in _parts(compared):
            change = _of(part, name)
            if part.suite in found:
                surely = p_words(found[part.suite])
            elif part.suite == ALL_SUITES and change.worsening >= _NOTABLE_RATE:
                surely = "which may be chance"
            else:
                continue
            yield GateWarning(
                "costs",
                f"{100 * change.candidate:.3g} % of the candidate's samples{_where_of(part)} are "
                f"{name}, {100 * change.baseline:.3g} % of the baseline's ({surely})",
            )
    counted = [part for part in _parts(compared) if part.tokens is not None]

    def p_tokens(part: SuiteComparison) -> float:
        assert part.tokens is not None
        return part.tokens.p_above(1.0)

    found = _likely(compared, p_tokens, _COSTS_LIKELY, counted)
    for part in counted:
        assert part.tokens is not None
        rise = f"tokens{_where_of(part)} rose by {three_digits(100 * (part.tokens.ratio - 1))} %"
        if part.suite in found:
            yield GateWarning("costs", f"{rise} ({p_words(found[part.suite])})")
        elif part.suite == ALL_SUITES and part.tokens.ratio >= 1 + _NOTABLE_TOKENS:
            yield GateWarning("costs", f"{rise} as seen, which may be chance")


def _where_of(part: SuiteComparison) -> str:
    return "" if part.suite == ALL_SUITES else f" of {part.suite}"


def _questions(compared: ComparedRuns) -> Iterator[GateWarning]:
    found = compared.changed
    if found.surely_worse:
        yield GateWarning(
            "questions-worse",
            f"at least {found.surely_worse} of the {found.fell} questions that fell are really "
            f"worse ({100 * found.level:g} % confidence), whatever others make up for",
        )
    total = compared.comparison.total
    gone = total.truncated.candidate + total.looped.candidate
    if gone >= _RAN_OUT:
        yield GateWarning(
            "ran-out",
            f"{100 * gone:.3g} % of the candidate's samples ran out of their budget or looped: "
            "the pass rate is of what got done",
        )


def _floors(compared: ComparedRuns, decision: Decision) -> Iterator[GateWarning]:
    for check in decision.checks:
        if check.result == "cannot-tell":
            yield GateWarning("not-told", f"{named(check.claim)}: {_obstacle(check)}")
    questions = [one for one in compared.baseline.outcomes.values() if one.count]
    if not compared.certified:
        questions = [flip.baseline for flip in compared.flips]
    never = sum(question.passes == 0 for question in questions)
    if questions and never > _FLOOR * len(questions):
        yield GateWarning(
            "floor",
            f"the baseline passes {never} of {len(questions)} questions in no sample: a drop "
            f"could come from the other {len(questions) - never} alone",
        )


def _obstacle(check: Check) -> str:
    return "cannot tell" if check.obstacle is None else check.obstacle.words()


def _not_alike(compared: ComparedRuns, decision: Decision) -> Iterator[GateWarning]:
    if compared.comparison.missing and not compared.certified:
        number = len(compared.comparison.missing)
        yield GateWarning(
            "missing", f"{number} question{'s' * (number > 1)} without a verdict on one side"
        )
    for side, ends in (
        ("candidate", compared.candidate_ends),
        ("baseline", compared.baseline_ends),
    ):
        if ends.unknown:
            yield GateWarning("unknown-ends", _untold(side, ends))
    if compared.greedy:
        yield GateWarning(
            "greedy",
            "temperature 0: each question has one text, and the gate is about other questions "
            "like these",
        )
    for difference in compared.told:
        yield GateWarning("differs", f"{difference.name} differs: {difference.values}")
    for difference in compared.differences:
        yield GateWarning("differs", f"{difference}, which was allowed to differ")
    for suite in compared.by_passes:
        yield GateWarning(
            "other-metric", f"{suite} is compared by what passed, not by its primary metric"
        )
    left_out = [one for one in _not_gated(compared, decision) if " of " not in one]
    if left_out:
        yield GateWarning("not-gated", f"not gated: {_listed(left_out)}")


def _untold(side: str, ends: UnknownEnds) -> str:
    return (
        f"{ends.unknown} of {ends.samples} samples of the {side} do not say how they ended: pass "
        f"rate {100 * ends.rate:.3g} %, and {100 * ends.known:.3g} % if none of them had"
    )


def _too_many_unknown(compared: ComparedRuns, decision: Decision) -> bool:
    most = decision.settings.max_unknown_ends
    return max(compared.baseline_ends.share, compared.candidate_ends.share) > most


def _primary(part: SuiteComparison) -> RateChange:
    return part.failed if part.score is None else part.score


def _of(part: SuiteComparison, name: str) -> RateChange:
    return part.truncated if name == "truncated" else part.looped


def _parts(compared: ComparedRuns) -> list[SuiteComparison]:
    """All suites together, then each where there are several."""
    comparison = compared.comparison
    alone = len(comparison.suites) == 1
    return [comparison.total, *(() if alone else comparison.suites)]


def _likely(
    compared: ComparedRuns,
    p_of: Callable[[SuiteComparison], float],
    level: float,
    parts: Sequence[SuiteComparison] | None = None,
) -> dict[str, float]:
    """Where a worsening is likely: the p-value of all suites, and of each by Holm's method."""
    parts = _parts(compared) if parts is None else parts
    found = {part.suite: p_of(part) for part in parts if part.suite == ALL_SUITES}
    found |= adjust({part.suite: p_of(part) for part in parts if part.suite != ALL_SUITES})
    return {suite: p for suite, p in found.items() if p <= level}
