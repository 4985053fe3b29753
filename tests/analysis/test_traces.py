from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.traces import parting

words = st.lists(st.text("ab\x1b<\0\ud800", min_size=1, max_size=3), max_size=12)


@given(words, words, words)
def test_they_part_after_what_they_share(shared, left, right):
    ours, theirs = " ".join(shared + left), "\n\n".join(shared + right)
    part = parting(ours, theirs)
    if ours.split() == theirs.split():
        assert part is None
        return
    ahead = list(zip(ours.split(), theirs.split(), strict=False))
    same = next((i for i, (a, b) in enumerate(ahead) if a != b), len(ahead))
    assert part.words == same
    assert ours[: part.left_at].split() == theirs[: part.right_at].split() == ours.split()[:same]
    assert ours[part.left_at :].startswith(part.left)
    assert theirs[part.right_at :].startswith(part.right)
    assert part.shared == "" or ours[: part.left_at].rstrip().endswith(part.shared)


def test_one_that_goes_on():
    part = parting("so x is 3", "so x is 3 or 4")
    assert (part.words, part.left_at, part.left, part.right) == (4, 9, "", "or 4")
    assert part.shared == "so x is 3"


@pytest.mark.parametrize("unit", ["wait ", "x", "\x1b[2J "])
def test_megabytes_take_a_moment_and_come_back_short(unit):
    text = unit * (4_000_000 // len(unit))
    began = time.thread_time()
    part = parting(text + " yes", text + " no", context=100)
    assert time.thread_time() - began < 5
    assert (part.left, part.right) == ("yes", "no")
    assert len(part.shared) <= 100
