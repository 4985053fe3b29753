"""What `--protect` means: patterns, and random controls that meet the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.compress.protect import Protection, parse_protect
from lrmtest.errors import UsageError

PARTS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj")
SHAPES = {
    f"model.layers.{layer}.{part}": (40 if "gate" in part else 16, 40 if "down" in part else 16)
    for layer in range(12)
    for part in PARTS
}
SIZES = {name: rows * columns for name, (rows, columns) in SHAPES.items()}
TOTAL = sum(SIZES.values())


def chosen(*texts, seed=0):
    return parse_protect(texts, seed).chosen(SIZES)


def layer(number, *parts):
    return {f"model.layers.{number}.{part}" for part in parts}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("layers.1.mlp", layer(1, "mlp.gate_proj", "mlp.down_proj")),
        ("model.layers.1.mlp", layer(1, "mlp.gate_proj", "mlp.down_proj")),
        ("*.layers.1.mlp.*", layer(1, "mlp.gate_proj", "mlp.down_proj")),
        ("model.layers.11.self_attn.q_proj", layer(11, "self_attn.q_proj")),
        ("last:mlp", layer(11, "mlp.gate_proj", "mlp.down_proj")),
        ("first:mlp.gate_proj", layer(0, "mlp.gate_proj")),
        ("last:*", layer(11, *PARTS)),
        ("o_proj", {name for name in SIZES if name.endswith("o_proj")}),
        ("layers.[23].self_attn.[qk]_proj", layer(2, PARTS[0]) | layer(3, PARTS[0])),
        ("layers.1", layer(1, *PARTS)),
    ],
)
def test_a_pattern_is_a_name_or_a_run_of_its_parts(pattern, expected):
    assert chosen(pattern) == expected


def test_patterns_add_up():
    assert chosen("layers.1.mlp", "last:mlp.down_proj") == (
        layer(1, "mlp.gate_proj", "mlp.down_proj") | layer(11, "mlp.down_proj")
    )
    assert chosen() == frozenset()


@pytest.mark.parametrize(
    ("pattern", "near"),
    [
        ("layers.1.mpl", "layers.1.mlp"),
        ("layers.12.mlp", "layers.1"),
        ("lm_head", "model.layers.0"),
        ("Layers.1.MLP", "layers.1"),
        ("last:mlq", "mlp"),
    ],
)
def test_a_pattern_without_a_match_names_near_ones(pattern, near):
    with pytest.raises(UsageError) as caught:
        chosen(pattern)
    assert repr(pattern) in caught.value.message
    assert near in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", " ", "random:", "random:2", "random:0%", "random:nan%", "random:-1%", "random:101%",
     "random:inf%", "random:like:", "random:like:random:2%", "random:2 percent"],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text):
    with pytest.raises(UsageError, match="--protect"):
        parse_protect([text], 0)


def test_shares_add_up_to_all_at_most():
    assert parse_protect(["random:2%", "random:.5 %"], 7) == Protection(share=0.025, seed=7)
    with pytest.raises(UsageError, match="more than there are"):
        parse_protect(["random:60%", "random:60%"], 0)


@given(text=st.text(max_size=30), seed=st.integers())
def test_any_text_is_read_or_refused(text, seed):
    try:
        protection = parse_protect([text, f"random:{text}"], seed)
        protection.chosen(SIZES)
        protection.rows(SHAPES)
    except UsageError:
        pass


@given(percent=st.floats(1, 99), seed=st.integers(0, 2**32))
def test_random_rows_meet_the_budget(percent, seed):
    rows = parse_protect([f"random:{percent:.6f}%"], seed).rows(SHAPES)
    weights = sum(len(set(kept)) * SHAPES[name][1] for name, kept in rows.items())
    budget = round(percent, 6) / 100 * TOTAL
    assert budget - 16 <= weights <= budget  # a row has at least 16
    for name, kept in rows.items():
        assert list(kept) == sorted(set(kept))
        assert kept[0] >= 0
        assert kept[-1] < SHAPES[name][0]


@given(percent=st.floats(2, 60), seed=st.integers(0, 2**32))
def test_random_modules_stay_within_the_budget(percent, seed):
    weights = sum(SIZES[name] for name in chosen(f"random:{percent}%", seed=seed))
    assert percent / 100 * TOTAL - min(SIZES.values()) < weights <= percent / 100 * TOTAL


def test_a_seed_says_which_rows():
    first, again, other = (parse_protect(["random:5%"], s).rows(SHAPES) for s in (1, 1, 2))
    assert first == again != other
    assert parse_protect(["random:5%"], 1).rows(dict(reversed(SHAPES.items()))) == first
    # So it must stay: a variant that was made once is made again.
    sizes = {f"m{number}": 1 for number in range(10)}
    assert sorted(parse_protect(["random:30%"], 0).chosen(sizes)) == ["m3", "m5", "m7"]


def test_every_weight_has_the_same_chance():
    """Over 400 draws of 10 %, each row is drawn about 40 times: binomial, 8 sigma wide."""
    counts = dict.fromkeys(((name, row) for name in SHAPES for row in range(SHAPES[name][0])), 0)
    for seed in range(400):
        for name, kept in parse_protect(["random:10%"], seed).rows(SHAPES).items():
            for row in kept:
                counts[name, row] += 1
    assert all(abs(number - 40) < 48 for number in counts.values())
    long = [number for (name, _), number in counts.items() if "down" in name]
    assert sum(long) / len(long) == pytest.approx(40, abs=1)


@given(seed=st.integers(0, 2**32))
def test_a_control_has_the_budget_of_what_it_controls_and_none_of_its_weights(seed):
    named = chosen("last:mlp")
    rows = parse_protect(["random:like:last:mlp"], seed).rows(SHAPES)
    weights = sum(len(kept) * SHAPES[name][1] for name, kept in rows.items())
    assert sum(SIZES[name] for name in named) - 16 < weights <= sum(SIZES[name] for name in named)
    assert not named & rows.keys()
    assert not named & parse_protect(["random:like:last:mlp"], seed).chosen(SIZES)


def test_named_modules_are_whole_and_are_not_drawn_again():
    rows = parse_protect(["last:mlp", "random:50%"], 3).rows(SHAPES)
    for name in chosen("last:mlp"):
        assert list(rows[name]) == list(range(SHAPES[name][0]))
    weights = sum(len(kept) * SHAPES[name][1] for name, kept in rows.items())
    named = sum(SIZES[name] for name in chosen("last:mlp"))
    assert weights == pytest.approx(named + TOTAL / 2, abs=16)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["last:*", "random:95%"], "only"),
        (["random:like:mlp"], "protect less"),
        (["random:0.00001%"], "less than any row"),
    ],
)
def test_a_budget_that_cannot_be_met_is_refused(texts, message):
    with pytest.raises(UsageError) as caught:
        parse_protect(texts, 0).rows(SHAPES)
    assert message in str(caught.value)


def test_a_module_that_is_too_large_is_said_to_be():
    with pytest.raises(UsageError) as caught:
        chosen("random:1%")
    assert "smallest tensor has 256" in caught.value.message
    assert "rows" in caught.value.hint
