"""What runs together: nobody starves, nothing is lost, memory is kept, text does not change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from lrmtest.models.engines.base import Request, Sampling  # noqa: E402
from lrmtest.models.engines.transformers.batcher import WATCHED_TOKENS, Batcher, Running  # noqa: E402
from lrmtest.models.engines.transformers.gumbel import pick  # noqa: E402
from lrmtest.questions.place import Place  # noqa: E402

VOCABULARY = 50
EOS = frozenset({0})
POSITION = 100


class ListSlots:
    """Slots that remember tokens: the next token depends on all that a slot holds."""

    def __init__(self, block=1, prefill_tokens=1):
        self.block, self.prefill_tokens = block, prefill_tokens
        self.rows, self.length, self.fills = [], 0, 0
        self.logprobs = []
        self.fail_on = None
        self.peak = 0

    def memory(self, length):
        return length * POSITION

    def reserve(self, rows, length, *, spare):
        if rows > len(self.rows) or length > self.length:
            count = max(rows, spare)
            self.rows = [row[:length] for row in self.rows[:count]]
            self.rows += [[] for _ in range(count - len(self.rows))]
            self.length = length
        self.peak = max(self.peak, len(self.rows) * self.length * POSITION)

    def copy(self, source, target, length):
        assert len(self.rows[source]) >= length
        self.rows[target] = self.rows[source][:length]

    def fill(self, row, prompts, start):
        self.fills += 1
        for number, tokens in enumerate(prompts, start=row):
            if self.fail_on is not None and self.fail_on in tokens:
                raise RuntimeError("no such token")
            self.rows[number] = self.rows[number][:start] + list(tokens)
            assert start + len(tokens) == len(self.rows[number]) <= self.length

    def advance(self, feeds):
        block = []
        for row, feed in enumerate(feeds):
            tokens = []
            for _ in range(self.block):
                self.rows[row] = [*self.rows[row][: feed.position], feed.token]
                assert len(self.rows[row]) == feed.position + 1 <= self.length
                tokens += pick(following(self.rows[row])[None], [feed.draw])
                if feed.position < feed.last_position:
                    draw = replace(feed.draw, step=feed.draw.step + 1)
                    feed = replace(feed, token=tokens[-1], position=feed.position + 1, draw=draw)
            block.append(tokens)
        return block


def following(tokens):
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(hash(tuple(tokens))))


def running(prompt, budget, seed=0, temperature=1.0):
    request = Request(
        Place(f"{seed}", "s", f"q{seed}", 0), (), Sampling(budget, temperature, 0.9), seed
    )
    return Running(request, 0.0, list(prompt))


def finish(batcher, steps=10_000):
    ended = []
    while batcher.unfinished():
        ended += batcher.step()
        steps -= 1
        assert steps > 0
    return ended


requests = st.lists(
    st.tuples(
        st.lists(st.integers(1, 3), min_size=1, max_size=8),
        st.integers(1, 12),
        st.integers(0, 2**31 - 1),
        st.sampled_from([0.0, 1.0]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150)
@given(
    requests, st.integers(1, 6), st.integers(1, 80), st.integers(1, 5), st.sampled_from([1, 8, 40])
)
def test_any_limit_and_any_memory_give_the_text_of_each_alone(
    asked, limit, positions, block, prefill_tokens
):
    slots = ListSlots(block, prefill_tokens)
    batcher = Batcher(slots, EOS, limit=limit, memory=positions * POSITION)
    sequences = [running(*one) for one in asked]
    batcher.add(sequences)
    ended = finish(batcher)

    assert sorted(map(id, ended)) == sorted(map(id, sequences))
    assert batcher.running == 0
    one = max(
        min(s.length + block, len(s.prompt) + s.request.sampling.max_tokens) for s in sequences
    )
    one *= POSITION
    assert batcher.taken == sum(len(s.generated) for s in sequences)
    assert slots.peak <= max(positions * POSITION, one)
    for sequence, single in zip(sequences, (running(*one) for one in asked), strict=True):
        alone = Batcher(ListSlots(), EOS, limit=1, memory=10**9)
        alone.add([single])
        finish(alone)
        assert sequence.generated == single.generated
        assert sequence.finish_reason == single.finish_reason
        budget = sequence.request.sampling.max_tokens
        assert (sequence.finish_reason == "stop") == (sequence.generated[-1] in EOS)
        assert len(sequence.generated) <= budget
        assert sequence.finish_reason == "stop" or len(sequence.generated) == budget


def test_prompts_that_have_little_in_common_are_filled_together():
    slots = ListSlots(prefill_tokens=64)
    batcher = Batcher(slots, EOS, limit=10, memory=10**9)
    same = [running([1, 2, 3, 4], 5, seed) for seed in range(3)]
    batcher.add([running([seed, 1, 2], 5) for seed in range(5, 9)] + same)
    batcher.step()
    assert batcher.running == 7
    assert slots.fills == 1 + 2  # one for all, and of two samples nothing but what is copied


@pytest.mark.parametrize("prefill_tokens", [1, 100])
def test_a_prompt_that_fails_is_an_error_of_its_own(prefill_tokens):
    slots = ListSlots(prefill_tokens=prefill_tokens)
    slots.fail_on = 7
    batcher = Batcher(slots, EOS, limit=4, memory=10**9)
    good, bad, later = running([1, 2], 5), running([1, 7, 2], 5), running([2, 2], 5)
    batcher.add([good, bad, later])
    finish(batcher)
    assert "no such token" in str(bad.error)
    assert good.finish_reason
    assert later.finish_reason


def test_everything_is_in_flight_at_once_when_there_is_room():
    batcher = Batcher(ListSlots(), frozenset(), limit=10, memory=10**9)
    batcher.add([running([1], 5, seed) for seed in range(10)])
    batcher.step()
    assert batcher.running == 10


@pytest.mark.parametrize("crowd", [0, 5])
def test_a_watcher_sees_every_piece_once_and_can_stop_a_sequence(crowd):
    seen = []

    def loops(piece):
        seen.append(piece)
        return len(seen) == 3

    batcher = Batcher(ListSlots(), frozenset(), limit=8, memory=10**9)
    watched = running([1, 2], budget=500, temperature=0.0)
    watched.loops = loops
    batcher.add([watched, *(running([3], budget=70 + n, seed=n) for n in range(crowd))])
    finish(batcher)
    assert watched.finish_reason == "loop"
    assert len(watched.generated) == 3 * WATCHED_TOKENS
    assert [token for piece in seen for token in piece] == watched.generated
