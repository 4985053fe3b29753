"""The shaping of distributions: what reading repeats, and what it refuses to."""

from __future__ import annotations

import pytest

from lrmtest.errors import UsageError
from lrmtest.models.engines.base import Sampling
from lrmtest.models.reading import Shaping
from lrmtest.models.shaping import shaping_of

DRAWN, GREEDY = Sampling(10, 0.6, 0.95), Sampling(10, 0.0, 1.0)


@pytest.mark.parametrize(
    ("sampling", "fields", "shaping"),
    [
        (DRAWN, None, Shaping(0.6, 0.95)),
        (DRAWN, {"top_k": 20, "min_p": 0.1}, Shaping(0.6, 0.95, 20, 0.1)),
        (DRAWN, {"top_k": -1, "min_p": 0}, Shaping(0.6, 0.95)),
        (DRAWN, {"repeat_last_n": 64, "presence_penalty": 0.0}, Shaping(0.6, 0.95)),
        (DRAWN, {"chat_template_kwargs": {"a": 1}, "reasoning_effort": "low"}, Shaping(0.6, 0.95)),
        (GREEDY, {"top_k": 20, "top_p": 0.5}, Shaping(0.0)),
    ],
)
def test_what_can_be_repeated(sampling, fields, shaping):
    assert shaping_of(sampling, fields) == shaping


@pytest.mark.parametrize("sampling", [DRAWN, GREEDY])
@pytest.mark.parametrize(
    "fields",
    [
        {"repetition_penalty": 1.1},
        {"frequency_penalty": 0.5},
        {"logit_bias": {"5": 2}},
        {"min_tokens": 9},
        {"samplers": ["top_k"]},
        {"dry_multiplier": 0.8, "dry_base": 1.75},
    ],
    ids=str,
)
def test_what_cannot(sampling, fields):
    with pytest.raises(UsageError, match=f"drawn with {next(iter(fields))}"):
        shaping_of(sampling, fields)


def test_a_nucleus_below_1_or_a_cut_is_something():
    assert Shaping(1.0).nothing
    for shaping in (Shaping(0.9), Shaping(1.0, 0.9), Shaping(1.0, top_k=5), Shaping(1, min_p=0.1)):
        assert not shaping.nothing
