"""Comparisons of simulated runs by their pass rate alone, as the gate takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.paired_comparison import Comparison, RateChange, SuiteComparison
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.summary import ALL_SUITES

_NO_INTERVAL = Interval(-1.0, 1.0, 0.95, "none")


def comparison_of(questions: Sequence[PairedQuestion]) -> Comparison:
    """The comparison of two runs of one suite, by how often each question failed in them."""
    asked = list(questions)
    change = RateChange("failed", 0.0, 0.0, asked, pair(asked), _NO_INTERVAL, _NO_INTERVAL)
    suite = partial(
        SuiteComparison,
        questions=len(asked),
        baseline_samples=sum(each.baseline_samples for each in asked),
        candidate_samples=sum(each.candidate_samples for each in asked),
        failed=change,
        truncated=change,
        looped=change,
        tokens=None,
        p_different=1.0,
        p_adjusted=1.0,
    )
    return Comparison(0.95, (suite("simulated"),), suite(ALL_SUITES), ())
