"""Whether divergence foretells damage, in words."""

from __future__ import annotations

from typing import Any

from lrmtest.analysis.foretold import Foretold
from lrmtest.analysis.rank_correlation import RankCorrelation
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import p_value

NOTHING = "nothing to correlate"


def foretold_said(found: Foretold) -> list[str]:
    """Sentences: how many questions changed, and how divergence goes with it."""
    asked = counted(len(found.questions), "question")
    if not (found.fell or found.rose):
        return [
            f"Does divergence foretell which questions break? Nothing to correlate: no pass rate "
            f"of {asked} that were read has changed."
        ]
    changed = f"{found.fell:,} fell, {found.rose:,} rose of {asked} read"
    pairs = (("S", found.variation), ("would not write", found.unwritten))
    figures = [f"{name} {correlation_said(one)}" for name, one in pairs if one is not None]
    if not figures:
        return [
            f"Does divergence foretell which questions break? Nothing to correlate: {changed}, "
            "and all diverge alike."
        ]
    lines = [
        "Does divergence foretell which questions break? Rank correlation with the loss in pass "
        f"rate: {'; '.join(figures)} ({changed})."
    ]
    if found.suites:
        within = "; ".join(
            f"{one_line(suite, 60)} {NOTHING if one is None else correlation_said(one)}"
            for suite, one in found.suites.items()
        )
        lines.append(f"Within suites, S: {within}.")
    return lines


def correlation_said(one: RankCorrelation) -> str:
    """``0.53 [0.31, 0.71], p < 0.001``."""
    ends = f"[{one.interval.low:.2f}, {one.interval.high:.2f}]"
    p = p_value(one.p)
    return f"{one.value:.2f} {ends}, p {p if p.startswith('<') else f'= {p}'}"


def foretold_document(found: Foretold) -> dict[str, Any]:
    """The same as JSON values, unrounded."""
    return {
        "questions": len(found.questions),
        "fell": found.fell,
        "rose": found.rose,
        "variation": _correlation(found.variation),
        "unwritten": _correlation(found.unwritten),
        "suites": {suite: _correlation(one) for suite, one in found.suites.items()},
    }


def _correlation(one: RankCorrelation | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "spearman": one.value,
        "interval": [one.interval.low, one.interval.high],
        "level": one.interval.level,
        "p": one.p,
    }
