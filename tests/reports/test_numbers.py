from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.reports.numbers import count, duration, percent, rough_percent, size


@given(st.floats(0, 9e11))
def test_counts_take_five_characters_at_most(number):
    assert len(count(number)) <= 5


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (987, "987"), (9_870, "9,870"), (9_999.6, "10.0k"), (98_700, "98.7k"),
     (99_960, "100k"), (999_600, "1.00M"), (1_234_567, "1.23M"), (None, "–")],
)  # fmt: skip
def test_counts(number, shown):
    assert count(number) == shown


def test_estimates_are_marked():
    assert count(12_345, estimated=True) == "~12.3k"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (3.21, "3.2 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (133, "2 min 13 s"),
     (3599.7, "1 h 00 min"), (3900, "1 h 05 min"), (200_000, "2 d 08 h")],
)  # fmt: skip
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_sizes_and_percentages():
    assert [size(n) for n in (1, 312, 1_200_000, 9_960_000)] == [
        "1 byte", "312 bytes", "1.2 MB", "10 MB"
    ]  # fmt: skip
    assert (percent(0.6333), percent(1), percent(None)) == ("63.3 %", "100.0 %", "–")


@given(st.floats(0, 1))
def test_a_rough_share_has_no_power_of_ten_where_people_read_it(share):
    text = rough_percent(share)
    assert text.endswith(" %")
    if share >= 1e-5:
        assert "e" not in text
    assert abs(float(text[:-2]) - 100 * share) <= 0.06 * 100 * share
    assert rough_percent(1.0) == "100 %"
