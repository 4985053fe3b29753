"""What drafts would save, from traces that were read or from S alone."""

from __future__ import annotations

from array import array
from itertools import product
from math import log, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import run

from lrmtest.analysis.draft_plan import drafts_from_readings, drafts_from_variation
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.plan import plan
from lrmtest.models.reading import Reading
from lrmtest.questions.place import Place

PASS_RATE = GateSettings(token_margin=None, rate_margin=None)


def reading(written, read, variation=(), sample=0):
    read = array("f", [log(p) if p else -float("inf") for p in read])
    written = array("f", map(log, written))
    return Reading(
        Place("k", "s", "q", sample), written, read, read, array("f", variation), array("f")
    )


def test_a_trace_is_kept_up_to_where_the_reader_finds_its_tokens_less_likely():
    one = reading([0.5, 0.5, 0.5, 0.5], [0.5, 0.25, 0.9, 0.0], [0.0, 0.25, 0.4, 1.0])
    found = drafts_from_readings([one])
    # By rejection it stands to places 1, 2, 3, 4 with chances 1, 1/2, 1/2, 0.
    assert found.generated.low == pytest.approx(1 - 2 / 4)
    # With shared noise at least with 1, 1/2 / 1.25, that / 1.4, 0.
    assert found.generated.high == pytest.approx(1 - (1 + 0.4 + 0.4 / 1.4) / 4)
    assert (found.left.low, found.left.high) == (1, 1)
    assert found.variation == pytest.approx(1.65)
    assert not found.estimated
    assert drafts_from_readings([reading([0.5], [0.25])]).estimated


def test_a_model_that_reads_its_own_traces_generates_nothing():
    found = drafts_from_readings([reading([0.5, 0.1], [0.5, 0.1], [0, 0], i) for i in range(3)])
    assert (found.generated.high, found.left.high, found.variation) == (0, 0, 0)
    assert drafts_from_readings([]) is None


PLACES = st.lists(
    st.tuples(*[st.lists(st.floats(0.01, 1), min_size=3, max_size=3)] * 2), min_size=1, max_size=4
)


@given(PLACES)
def test_s_alone_never_promises_more_than_the_traces_do(places):
    """Over all traces of three tokens' alphabet, weighted by how likely they are written."""
    distributions = [
        tuple([each / sum(side) for each in side] for side in sides) for sides in places
    ]
    apart = [sum(max(0.0, a - b) for a, b in zip(p, q, strict=True)) for p, q in distributions]
    left = 0.0
    for tokens in product(range(3), repeat=len(places)):
        written = [p[token] for (p, _), token in zip(distributions, tokens, strict=True)]
        read = [q[token] for (_, q), token in zip(distributions, tokens, strict=True)]
        found = drafts_from_readings([reading(written, read, apart)])
        assert 0 <= found.generated.low <= found.generated.high <= found.left.high + 1e-6
        left += prod(written) * found.left.high
    assert left <= drafts_from_variation(sum(apart)).left.high + 1e-5


@pytest.mark.parametrize("apart", [0.05, 0.3, 1.0])
def test_shared_noise_keeps_a_token_as_often_as_is_said(apart):
    """The very draws of the transformers engine, 20,000 of a place; five standard errors."""
    torch = pytest.importorskip("torch")
    from lrmtest.models.engines.transformers.gumbel import Draw, pick

    maker = torch.Generator().manual_seed(1)
    logits = torch.randn((1, 12), generator=maker)
    other = logits + apart * torch.randn((1, 12), generator=maker)
    p, q = logits.softmax(-1)[0], other.softmax(-1)[0]
    variation = float((p - q).clamp(min=0).sum())
    draws = [Draw(1.0, 1.0, seed, 0) for seed in range(20_000)]
    one, its = (torch.tensor(pick(each.expand(20_000, -1), draws)[0]) for each in (logits, other))
    for token in range(12):
        drawn = one == token
        number = int(drawn.sum())
        if number < 500:
            continue
        kept = float((its[drawn] == token).float().mean())
        ratio = min(1.0, float(q[token] / p[token]))
        exact = 1 / float(torch.maximum(p, q * p[token] / q[token]).sum())
        error = 5 * (0.25 / number) ** 0.5
        assert abs(kept - exact) <= error
        assert ratio / (1 + variation) - 1e-6 <= exact <= ratio + 1e-6


def test_pairs_of_which_few_can_differ_need_fewer_samples():
    baseline = run(1, samples=4)
    apart = plan(baseline, PASS_RATE)
    assert apart.paired_samples is None
    alike = plan(baseline, PASS_RATE, differ=0.02)
    assert alike.paired_samples < alike.samples == apart.samples
    assert alike.paired.tokens < alike.fixed.tokens
    assert plan(baseline, PASS_RATE, differ=1.0).paired_samples == apart.samples
    assert plan(baseline, PASS_RATE, differ=0.02, greedy=True).paired_samples is None
