"""Drawing tokens: the right frequencies, and nothing but seed and step decides."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

torch = pytest.importorskip("torch")

from lrmtest.models.engines.transformers import gumbel  # noqa: E402
from lrmtest.models.engines.transformers.gumbel import Cut, Draw, pick  # noqa: E402

MASK = (1 << 64) - 1


def splitmix64(state):
    """The published algorithm on Python's integers."""
    state = state + 0x9E3779B97F4A7C15 & MASK
    z = state
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return state, z ^ z >> 31


def drawn(logits, *, top_p=1.0, temperature=1.0, count=20_000, per_call=1000):
    rows = torch.tensor([logits]).expand(per_call, -1)
    tokens = []
    for start in range(0, count, per_call):
        draws = [Draw(temperature, top_p, seed=11, step=start + i) for i in range(per_call)]
        tokens += pick(rows, draws)[0]
    return [tokens.count(i) for i in range(len(logits))]


def test_splitmix64_reference_outputs():
    # First outputs for seed 1234567, from the reference implementation's published test vector.
    state, outputs = 1234567, []
    for _ in range(3):
        state, value = splitmix64(state)
        outputs.append(value)
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, MASK), st.lists(st.integers(0, 200_000), min_size=1, max_size=5))
def test_noise_is_the_ids_th_splitmix64_output(key, ids):
    noise = gumbel.gumbel(torch.tensor(gumbel._signed(key)), torch.tensor(ids)).tolist()
    for token, value in zip(ids, noise, strict=True):
        _, output = splitmix64(key + token * 0x9E3779B97F4A7C15 & MASK)
        uniform = ((output >> 12) + 0.5) / 2**52
        assert value == pytest.approx(-math.log(-math.log(uniform)), rel=1e-12)


def test_extreme_uniforms_give_finite_noise(monkeypatch):
    for bits in (0, -1):
        monkeypatch.setattr(gumbel, "_shifted", lambda x, n, b=bits: _extreme(x, n, b))
        assert gumbel.gumbel(torch.tensor([5]), torch.tensor([5])).isfinite().all()


def _extreme(x, bits, fill):
    return (torch.full_like(x, fill) >> bits) & ((1 << (64 - bits)) - 1)


def test_frequencies_match_the_softmax():
    logits = [2.0, 1.0, 0.0, -1.0, 1.5, 0.3]
    for temperature in (1.0, 0.6):
        expected = torch.softmax(torch.tensor(logits) / temperature, 0).double()
        counts = drawn(logits, temperature=temperature)
        assert stats.chisquare(counts, (expected / expected.sum() * 20_000).tolist()).pvalue > 1e-4


def test_frequencies_inside_the_nucleus():
    logits = torch.log(torch.tensor([0.1, 0.4, 0.05, 0.3, 0.15])).tolist()
    # 0.4 + 0.3 < 0.75, so that 0.15 belongs to the nucleus and the rest does not.
    counts = drawn(logits, top_p=0.75)
    assert counts[0] == counts[2] == 0
    expected = [share / 0.85 * 20_000 for share in (0.4, 0.3, 0.15)]
    assert stats.chisquare([counts[1], counts[3], counts[4]], expected).pvalue > 1e-4


def test_seeds_and_steps_are_independent():
    logits = torch.zeros(1, 64)
    pairs = torch.zeros(8, 8)
    for seed in range(60):
        row = logits.expand(60, -1)
        tokens, _ = pick(row, [Draw(1.0, 1.0, seed, step) for step in range(60)])
        for a, b in pairwise(tokens):
            pairs[a // 8, b // 8] += 1
    assert stats.chi2_contingency(pairs.numpy()).pvalue > 1e-4
    assert stats.chisquare(pairs.sum(0).tolist()).pvalue > 1e-4


@settings(max_examples=60)
@given(
    st.integers(0, 2**31 - 1),
    st.integers(2, 3000),
    st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    st.floats(0.01, 1.0),
)
def test_the_nucleus_is_the_smallest_that_reaches_top_p(seed, size, temperature, top_p):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, size, generator=generator) * 2
    (token,), _ = pick(logits, [Draw(temperature, top_p, seed, 3)])
    if temperature == 0:
        assert token == int(logits.argmax())
        return
    probabilities = torch.softmax(logits[0] / temperature, 0).double()
    likelier = probabilities[probabilities > probabilities[token]].sum().item()
    assert likelier < top_p + 1e-5


@settings(max_examples=40)
@given(st.data())
def test_what_else_is_in_the_batch_does_not_matter(data):
    size = data.draw(st.sampled_from([5, 300, 5000]))
    draws = data.draw(
        st.lists(
            st.builds(
                Draw,
                temperature=st.sampled_from([0.0, 0.2, 1.0, 5.0]),
                top_p=st.sampled_from([0.1, 0.9, 0.999, 1.0]),
                seed=st.integers(0, 2**31 - 1),
                step=st.integers(0, 100_000),
            ),
            min_size=1,
            max_size=6,
        )
    )
    logits = torch.randn(len(draws), size, generator=torch.Generator().manual_seed(size))
    together, _ = pick(logits, draws)
    alone = [pick(logits[i : i + 1], [draw])[0][0] for i, draw in enumerate(draws)]
    assert together == alone


def test_logits_that_are_no_numbers_give_no_token():
    logits = torch.zeros(3, 10)
    logits[1, 4] = torch.nan
    greedy, sampled = Draw(0.0, 1.0, 1, 1), Draw(1.0, 0.9, 1, 1)
    for draw in (greedy, sampled):
        tokens, _ = pick(logits, [draw] * 3)
        assert tokens[1] is None
        assert None not in (tokens[0], tokens[2])


def kept(logits, temperature, cut, top_p):
    """The tokens that may be drawn, worked out one by one, and their probabilities."""
    shares = torch.softmax(torch.tensor(logits, dtype=torch.float64) / temperature, 0).tolist()
    ranked = sorted(range(len(shares)), key=lambda i: -shares[i])
    left = [i for i in ranked if shares[i] >= cut.min_p * shares[ranked[0]]]
    if cut.top_k:
        left = [i for i in left if shares[i] >= shares[ranked[min(cut.top_k, len(shares)) - 1]]]
    mass, nucleus = sum(shares[i] for i in left), []
    for i in left:
        if sum(shares[j] for j in nucleus) / mass >= top_p:
            break
        nucleus.append(i)
    total = sum(shares[i] for i in nucleus)
    return {i: shares[i] / total for i in nucleus}


@pytest.mark.parametrize("cut", [Cut(top_k=3), Cut(min_p=0.2), Cut(4, 0.1), Cut(top_k=99)])
@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_what_is_cut_is_never_drawn_and_the_rest_by_its_shares(cut, top_p):
    logits = [2.0, 1.0, 0.0, -1.0, 1.5, 0.3, -3.0]
    expected = kept(logits, 0.7, cut, top_p)
    rows = torch.tensor([logits]).expand(1000, -1)
    tokens = []
    for start in range(0, 10_000, 1000):
        draws = [Draw(0.7, top_p, seed=5, step=start + i) for i in range(1000)]
        tokens += pick(rows, draws, cut)[0]
    counts = [tokens.count(i) for i in range(len(logits))]
    assert {i for i, count in enumerate(counts) if count} == {*expected}
    if len(expected) > 1:
        pairs = [(counts[i], share * 10_000) for i, share in expected.items()]
        assert stats.chisquare(*zip(*pairs, strict=True)).pvalue > 1e-4


@given(
    st.lists(st.floats(-9, 9), min_size=2, max_size=40),
    st.integers(0, 50),
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    st.sampled_from([0.5, 0.95, 1.0]),
    st.sampled_from([0.0, 0.6, 2.0]),
    st.integers(0, 99),
)
def test_a_cut_by_fixed_operations_is_the_same(logits, top_k, min_p, top_p, temperature, seed):
    cut, row = Cut(top_k, min_p), torch.tensor([logits])
    (token,), _ = pick(row, [Draw(temperature, top_p, seed, 2)], cut)
    codes, _, _ = gumbel.pick_fixed(
        row,
        torch.tensor([temperature]),
        torch.tensor([top_p], dtype=torch.float64),
        torch.tensor([gumbel.seed_state(seed)]),
        torch.tensor([2]),
        whole=top_p >= 1 and temperature > 0,
        candidates=64 if top_p < 1 and temperature > 0 else 0,
        cut=cut,
    )
    assert codes.tolist() == [token]
    if min_p == 1.0 or top_k == 1:
        assert logits[token] == pytest.approx(max(logits), abs=1e-5)


@given(
    st.lists(st.floats(-9, 9), min_size=2, max_size=40),
    st.sampled_from([Cut(), Cut(top_k=5), Cut(min_p=0.05)]),
    st.sampled_from([0.013, 0.507, 0.953, 1.0]),
    st.sampled_from([0.0, 0.6, 2.0]),
    st.integers(0, 99),
)
def test_a_token_is_told_with_the_probability_that_it_was_drawn_by(
    logits, cut, top_p, temperature, seed
):
    row = torch.tensor([logits])
    (token,), (logprob,) = pick(row, [Draw(temperature, top_p, seed, 2)], cut)
    if temperature == 0:
        expected = torch.log_softmax(row.double(), 1)[0, token].item()
    else:
        shares = kept(row[0].tolist(), temperature, cut, top_p)
        # Of tokens that are equal but for rounding, others may be in the nucleus.
        expected = math.log(shares.get(token, 0.0) or 1e-9)
        near = [share for share in shares.values() if abs(math.log(share) - logprob) < 1e-3]
        if token not in shares and near:
            expected = logprob
    assert logprob == pytest.approx(expected, abs=1e-4)
    codes, _, told = gumbel.pick_fixed(
        row,
        torch.tensor([temperature]),
        torch.tensor([top_p], dtype=torch.float64),
        torch.tensor([gumbel.seed_state(seed)]),
        torch.tensor([2]),
        whole=top_p >= 1 and temperature > 0,
        candidates=64 if top_p < 1 and temperature > 0 else 0,
        cut=cut,
    )
    assert codes.tolist() == [token]
    assert told.tolist() == pytest.approx([logprob], abs=1e-6)


def test_a_nucleus_wider_than_what_is_looked_at_first_is_told_whole():
    logits = torch.randn(3, 6000, generator=torch.Generator().manual_seed(1)) * 0.01
    draws = [Draw(1.0, 0.999, seed, 0) for seed in range(3)]
    tokens, logprobs = pick(logits, draws)
    whole = torch.log_softmax(logits.double(), 1)
    for row, (token, logprob) in enumerate(zip(tokens, logprobs, strict=True)):
        assert logprob == pytest.approx(whole[row, token].item() - math.log(0.999), abs=1e-3)
