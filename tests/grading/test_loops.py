"""A loop is found wherever there is one, and nowhere else."""

import os
import random
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrmtest.grading.loops import (
    MAX_PERIOD,
    NAME_REPEATS,
    NAME_WINDOWS,
    STOP_REPEATS,
    STOP_WINDOWS,
    Loop,
    LoopDetector,
    _smallest_period,
    find_loop,
)

ALPHABETS = ("ab", "abc \n", "etaoin shrdlu,.", "0123456789", "思考的é\ud800\x00 ")


def in_chunks(text, sizes):
    """`text` cut into pieces of the given sizes, over and over."""
    begin, turn = 0, 0
    while begin < len(text):
        size = sizes[turn % len(sizes)]
        yield text[begin : begin + size]
        begin, turn = begin + size, turn + 1


def stream(text, sizes=(4,)):
    """The loop, and how much text had been fed when it was reported."""
    detector, fed = LoopDetector(), 0
    for chunk in in_chunks(text, sizes):
        fed += len(chunk)
        loop = detector.feed(chunk)
        if loop is not None:
            return loop, fed
    return None, fed


def naive_period(text):
    return next(p for p in range(1, len(text) + 1) if text[p:] == text[: len(text) - p])


def assert_true_loop(loop, text, *, repeats, length):
    """What is claimed holds, and nothing longer to the left would."""
    tail = text[loop.start : loop.end]
    assert len(tail) >= length
    assert loop.repeats >= repeats
    assert loop.repeats == pytest.approx(len(tail) / loop.period)
    assert naive_period(tail) == loop.period
    assert loop.start == 0 or text[loop.start - 1] != text[loop.start - 1 + loop.period]


def noise(seed, length, alphabet):
    return "".join(random.Random(seed).choices(alphabet, k=length))


words = st.builds(
    noise, st.integers(0, 2**32), st.integers(1, MAX_PERIOD), st.sampled_from(ALPHABETS)
)
prefixes = st.builds(
    noise, st.integers(0, 2**32), st.integers(0, 20_000), st.sampled_from(ALPHABETS)
)


@settings(max_examples=60)
@given(prefix=prefixes, body=words, step=st.integers(1, 3000))
@example(prefix="", body="a", step=1)
@example(prefix="x" * 1023, body="ab" * (MAX_PERIOD // 2 - 1) + "ac", step=7)
@example(prefix="So the answer is 3. ", body="-" * 500 + "\n", step=4)
def test_any_period_after_any_prefix_is_stopped_in_time(prefix, body, step):
    window = next(w for w in STOP_WINDOWS if w >= STOP_REPEATS * len(body))
    latest = len(prefix) + window + window // 4
    text = prefix + body * (2 * window // len(body) + 2)

    loop, fed = stream(text, (step,))

    assert loop is not None
    assert loop.end <= latest
    assert loop.end <= fed < loop.end + step
    assert_true_loop(loop, text, repeats=STOP_REPEATS, length=STOP_WINDOWS[0])
    assert find_loop(text[: loop.end]) is not None


@settings(max_examples=60)
@given(prefix=prefixes, body=words, part=st.floats(0, 1))
def test_a_finished_text_that_ends_in_a_loop_is_named(prefix, body, part):
    window = next(w for w in NAME_WINDOWS if w >= NAME_REPEATS * len(body))
    copies = window // len(body) + 1
    text = prefix + body * copies + body[: int(part * len(body))]

    loop = find_loop(text)

    assert loop is not None
    assert loop.end == len(text)
    assert_true_loop(loop, text, repeats=NAME_REPEATS, length=NAME_WINDOWS[0])


@settings(max_examples=40)
@given(
    prefix=prefixes,
    body=words,
    copies=st.integers(0, 40),
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=8).filter(any),
)
def test_the_loop_does_not_depend_on_the_chunks(prefix, body, copies, sizes):
    text = prefix + body * min(copies, 60_000 // len(body)) + prefix
    at_once = LoopDetector().feed(text)
    loop, fed = stream(text, sizes)

    assert loop == at_once
    if loop is not None:
        assert LoopDetector().feed(text[: loop.end - 1]) is None
        assert fed >= loop.end


@settings(max_examples=30)
@given(prefix=prefixes, body=words)
def test_a_loop_that_was_left_again_is_not_the_tail(prefix, body):
    text = prefix + body * (20_000 // len(body) + 2) + "\n\nTherefore the answer is #."
    assert find_loop(text) is None


@given(
    window=st.one_of(
        st.text("ab", max_size=40),
        st.builds(lambda w, n: (w * n)[:40], st.text("ab", min_size=1, max_size=9), st.just(40)),
    ),
    data=st.data(),
)
def test_the_smallest_period_is_that_of_the_definition(window, data):
    longest = data.draw(st.integers(0, len(window) // 2))
    expected = naive_period(window) if window else 1
    assert _smallest_period(window, longest) == (expected if expected <= longest else None)


def test_the_loop_stays_reported_once_it_was():
    detector = LoopDetector()
    loop = detector.feed("again " * 1000)
    assert loop == Loop(start=0, end=4096, period=6)
    assert detector.feed("and now something else") == loop


def test_a_repetitive_passage_inside_the_period_does_not_hide_the_period():
    body = "| x | y |\n" + "-" * 1500
    assert find_loop(body * 20) == Loop(start=0, end=20 * len(body), period=len(body))


def test_a_short_text_has_no_loop():
    assert find_loop("") is None
    assert LoopDetector().feed("") is None
    assert find_loop("a" * (NAME_WINDOWS[0] - 1)) is None
    assert LoopDetector().feed("a" * (STOP_WINDOWS[0] - 1)) is None


def test_a_period_beyond_the_longest_is_no_loop():
    body = noise(1, MAX_PERIOD + 1, "abcdefgh")
    assert LoopDetector().feed(body * 30) is None
    assert find_loop(body * 30) is None


PRIMES = [n for n in range(2, 8000) if all(n % d for d in range(2, int(n**0.5) + 1))]
GRID = "\n".join(" & ".join("1" if i == j else "0" for j in range(60)) for i in range(60))
HONEST = {
    "counters": "".join(f"Step {n}: check n = {n}, not a square.\n" for n in range(1, 3000)),
    "options": "".join(
        f"n = {n}: (A) fails. (B) fails. (C) fails. (D) fails. So n = {n} is out.\n\n"
        for n in range(100, 900)
    ),
    "numbered list": "".join(f"{n}. {{0,{n}}} and {{{n},7}}\n" for n in range(1500)),
    "table": "| n | even | odd |\n|---|---|---|\n"
    + "".join(f"| {n} | {n % 2 == 0} | {n % 2 == 1} |\n" for n in range(1500)),
    "primes": ", ".join(map(str, PRIMES)),
    "multiples of one": "1, 2, 3\n" + " + ".join(f"{n} * 1" for n in range(3000)),
    "digits of 2 ** 13000": str(2**13_000),
    "digits of 7 ** 20000 in base 16": f"{7**20_000:x}",
    "identity matrix": GRID,
    "zero matrix": ("0 & " * 29 + "0 \\\\\n") * 30,
    "ones": "1 " * 1500,
    "a long rule": "-" * 3000 + "\n",
    "rules between sections": "".join(
        f"## Part {n}\n\n{'text ' * (n % 7)}\n{'-' * 80}\n" for n in range(400)
    ),
    "code": "".join(
        f"    if x == {n}:\n        return table[{n * n}]\n    else:\n        pass\n"
        for n in range(800)
    ),
    "blank test cases": "".join(f"assert f({n}) == 0\n" + "\n" * (n % 3) for n in range(2000)),
    "binary counting": "\n".join(f"{n:012b}" for n in range(4096)),
    "thirty times the same sentence": "Wait, let me think again. " * 30 + "It is 4.",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_repetition_is_never_stopped(name):
    assert LoopDetector().feed("Let me see.\n" + HONEST[name]) is None


@settings(max_examples=60)
@given(
    template=st.lists(st.text("abc ,.:=()\n|-", max_size=12), min_size=2, max_size=6),
    first=st.integers(0, 10**6),
    stride=st.integers(1, 1000),
)
def test_an_enumeration_is_neither_stopped_nor_named(template, first, stride):
    text = "".join(str(first + k * stride).join(template) + "\n" for k in range(2000))
    assert LoopDetector().feed(text) is None
    assert find_loop(text) is None


def hostile(length):
    """Texts made to be expensive: nearly periodic, at every scale that is looked at."""
    yield "".join("a" * n + "b" for n in range(400, 400 + length // 600))
    yield "".join("a" * (500 + n % 24) + "b" for n in range(length // 520))
    yield "".join(("a" * 4000 + "b") * 7 + f"{n}" for n in range(length // 28_000))
    short, long = "a", "ab"
    while len(long) < length:
        short, long = long, long + short
    yield long[:length]
    yield noise(2, length, "ab")


def test_streaming_costs_microseconds_per_chunk_on_hostile_text():
    for text in hostile(400_000):
        began = time.thread_time()
        loop, _ = stream(text)
        seconds = time.thread_time() - began
        assert loop is None  # else it would have ended early, and cheaply
        # Of computing. Measured 0.1 to 0.3 s; a quadratic search would take minutes.
        assert seconds < 4


def test_memory_is_a_window_and_not_the_text():
    chunk = noise(3, 997, "abcdefgh ")
    detector = LoopDetector()
    tracemalloc.start()
    for turn in range(4000):
        assert detector.feed(f"{turn}{chunk}") is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000  # of 4,000,000 characters


@pytest.mark.data
def test_no_verdict_on_a_recorded_output_changes():
    data_dir = os.environ.get("LRMTEST_DATA_DIR")
    if not data_dir or not any(Path(data_dir).glob("recorded/*.jsonl")):
        pytest.skip("needs recorded/*.jsonl in LRMTEST_DATA_DIR")
    benchmark = Path(__file__).parents[2] / "benchmarks" / "loops.py"
    done = subprocess.run(
        [sys.executable, str(benchmark), "--data-dir", data_dir],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("copies", [20_000, 30_000, 60_000])
@pytest.mark.parametrize("prefix", ["", "x", "said once:"])
def test_a_long_loop_starts_where_it_starts(prefix, copies):
    loop = find_loop(prefix + "so it is 73. " * copies)
    assert loop.start == len(prefix)
    assert loop.period == 13
