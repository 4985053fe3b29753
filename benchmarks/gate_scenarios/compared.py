"""Comparisons of simulated runs by their pass rate alone, as the gate takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lrmtest.analysis.paired_comparison import Comparison, RateChange, SuiteComparison
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.summary import ALL_SUITES

_LEVEL = 0.95


def comparison_of(questions: Sequence[PairedQuestion]) -> Comparison:
    """The comparison of two runs of one suite, by how often each question failed in them."""
    asked = list(questions)
    change = RateChange("failed", 0.0, 0.0, asked, pair(asked), _LEVEL)
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
    return Comparison(_LEVEL, (suite("simulated"),), suite(ALL_SUITES), ())
