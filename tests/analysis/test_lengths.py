"""Token counts by correctness, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import sample_of

from lrmtest.analysis.lengths import length_bins, lengths
from lrmtest.grading.verdict import Verdict


def sample(correct, tokens):
    failure = None if correct else "wrong"
    verdict = Verdict(correct, float(correct), "1", failure, lenient_correct=correct)
    return sample_of("m", "s", "q", 0, verdict, reasoning_tokens=tokens // 3,
                        answer_tokens=tokens - tokens // 3)  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10_000)), min_size=1))
def test_percentiles_of_each(drawn):
    found = lengths([sample(*one) for one in drawn])
    for correct, spread in ((True, found.correct), (False, found.incorrect)):
        tokens = [count for flag, count in drawn if flag is correct]
        if not tokens:
            assert spread is None
            continue
        assert spread.count == len(tokens)
        expected = np.percentile(tokens, [5, 25, 50, 75, 95])
        found_percentiles = [spread.p5, spread.q1, spread.median, spread.q3, spread.p95]
        assert found_percentiles == pytest.approx(list(expected))


def test_unknown_counts_and_engine_errors_say_nothing():
    failed = sample_of("m", "s", "q", 0, None, error="lost", answer_tokens=5)
    assert lengths([failed, sample(True, 0)]) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40_000))), st.integers(1, 40))
def test_every_completion_is_in_one_bin(drawn, most):
    bins = length_bins([sample(*one) for one in drawn], most)
    known = [(flag, tokens) for flag, tokens in drawn if tokens]
    if not known:
        assert bins is None
        return
    assert list(bins.edges) == sorted(set(bins.edges))
    assert len(bins.edges) - 1 <= most
    for result, correct in (("correct", True), ("wrong", False)):
        tokens = [count for flag, count in known if flag is correct]
        expected = np.histogram(tokens, [*bins.edges[:-1], bins.edges[-1] - 0.5])[0]
        assert list(bins.counts.get(result, (0,) * len(expected))) == list(expected)


def test_bins_are_of_about_one_width_on_a_log_scale():
    bins = length_bins([sample(True, tokens) for tokens in (100, 1_000, 10_000)], 4)
    # The last ends behind the longest.
    assert bins.edges == (100, 317, 1001, 3163, 10_001)
    assert bins.counts == {"correct": (1, 1, 0, 1)}
