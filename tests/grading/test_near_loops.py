"""A tail that says the same over and over is seen, to the letter or not; honest work is not."""

import random
import sys
import time
from pathlib import Path

import pytest

from lrmtest.grading.near_loops import LONGEST_TAIL, is_near_loop

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from loop_texts import HONEST_LISTS, NEAR_LOOPS

WORDS = [
    "".join(pair)
    for pair in zip(
        *[iter(random.Random(1).choices("bcdfglmnprst aeiou", k=9000))] * 6, strict=False
    )
]


def prose(seed, words=150):
    rng = random.Random(seed)
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


PARAGRAPHS = [prose(seed, 30 + seed % 90) for seed in range(80)]


@pytest.mark.parametrize("name", [name for name in NEAR_LOOPS if name != "drifting words"])
def test_every_kind_of_near_loop_is_seen(name):
    seen = 0
    for seed in range(12):
        rng = random.Random(f"{name} {seed}")
        seen += is_near_loop(prose(seed) + "\n" + NEAR_LOOPS[name](rng, PARAGRAPHS))
    assert seen >= 11


@pytest.mark.parametrize("name", HONEST_LISTS)
def test_honest_lists_are_not_even_where_they_are_cut(name):
    for seed in range(12):
        rng = random.Random(f"{name} {seed}")
        made = HONEST_LISTS[name](rng)
        for cut in (len(made), rng.randint(len(made) // 2, len(made))):
            assert not is_near_loop(prose(seed, 400) + "\n" + made[:cut])


def test_prose_is_not_however_long():
    for seed in range(5):
        assert not is_near_loop(prose(seed, 8000))


def test_an_answer_that_copies_its_reasoning_is_none():
    said = prose(3, 500)
    assert not is_near_loop(said + "\n</think>\n" + said)
    assert not is_near_loop(prose(4, 300) + said + "\n</think>\n" + said + prose(5, 20))


def test_a_loop_that_was_left_again_is_none():
    looped = "So, 2:3 is 200:300. Thus it is. " * 200
    assert is_near_loop(prose(1) + looped)
    assert not is_near_loop(looped + prose(2, 2500))


def test_short_texts_and_nothing():
    for text in ("", "a", "again " * 100, "\ud800" * 500, "\x00" * 100):
        assert not is_near_loop(text)


def test_only_the_tail_is_looked_at():
    before = prose(1, 20_000)
    assert len(before) > 2 * LONGEST_TAIL
    tail = NEAR_LOOPS["counting on"](random.Random(2), PARAGRAPHS)[-LONGEST_TAIL:]
    assert is_near_loop(before + tail * 2)
    began = time.thread_time()
    is_near_loop(before * 300)  # about 40 million characters
    # Of computing. Measured 0.1 s.
    assert time.thread_time() - began < 4
