"""Token counts by correctness, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import sample_of

from lrmtest.analysis.lengths import lengths
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
