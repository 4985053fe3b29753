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
        self.places = 8
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
                tokens += pick(following(self.rows[row])[None], [feed.draw])[0]
                if feed.position < feed.last_position:
                    draw = replace(feed.draw, step=feed.draw.step + 1)
                    feed = replace(feed, token=tokens[-1], position=feed.position + 1, draw=draw)
            block.append(tokens)
        return block

    def follow(self, stretches):
        assert len(stretches) * max(len(one.tokens) for one in stretches) <= max(
            self.places, len(stretches)
        )
        found = []
        for one in stretches:
            if self.fail_on is not None and self.fail_on in one.tokens:
                raise RuntimeError("no such token")
            drawn = []
            for column, token in enumerate(one.tokens):
                held = self.rows[one.row][: one.position + column]
                assert len(held) == one.position + column < self.length
                self.rows[one.row] = [*held, token]
                draw = replace(one.draw, step=one.draw.step + column)
                drawn += pick(following(self.rows[one.row])[None], [draw])[0]
            found.append(drawn)
        return found


def following(tokens):
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(hash(tuple(tokens))))


def running(prompt, budget, seed=0, temperature=1.0, draft=None):
    request = Request(
        Place(f"{seed}", "s", f"q{seed}", 0), (), Sampling(budget, temperature, 0.9), seed
    )
    return Running(request, 0.0, list(prompt), draft=draft)


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


def agreeing(tokens, draft):
    """How many tokens both begin with."""
    return next(
        (i for i, (a, b) in enumerate(zip(tokens, draft, strict=False)) if a != b),
        min(len(tokens), len(draft)),
    )


@settings(max_examples=150)
@given(
    requests,
    st.integers(1, 6),
    st.integers(1, 80),
    st.integers(1, 5),
    st.integers(1, 200),
    st.data(),
)
def test_whatever_the_draft_the_text_is_that_without_it(
    asked, limit, positions, block, places, data
):
    plain = [running(*one) for one in asked]
    alone = Batcher(ListSlots(), EOS, limit=1, memory=10**9)
    alone.add(plain)
    finish(alone)

    drafts, sequences = [], []
    for one, text in zip(asked, plain, strict=True):
        kept = data.draw(st.integers(0, len(text.generated)))
        other = data.draw(st.lists(st.integers(0, VOCABULARY - 1), max_size=6))
        drafts.append(data.draw(st.sampled_from([None, [*text.generated[:kept], *other]])))
        sequences.append(running(*one, draft=drafts[-1]))
    slots = ListSlots(block)
    slots.places = places
    batcher = Batcher(slots, EOS, limit=limit, memory=positions * POSITION)
    batcher.add(sequences)
    ended = finish(batcher)

    assert sorted(map(id, ended)) == sorted(map(id, sequences))
    for sequence, text, draft in zip(sequences, plain, drafts, strict=True):
        assert sequence.generated == text.generated
        assert sequence.finish_reason == text.finish_reason
        expected = None if draft is None else agreeing(text.generated, draft)
        assert sequence.drafted == expected
    assert batcher.drafted == sum(sequence.drafted or 0 for sequence in sequences)
    assert batcher.taken + batcher.drafted == sum(len(text.generated) for text in plain)


def test_drafts_are_followed_together_a_stretch_at_a_time():
    class Counting(ListSlots):
        def follow(self, stretches):
            calls.append([len(one.tokens) for one in stretches])
            return super().follow(stretches)

    calls = []
    plain = [running([1, 2], 300, seed, temperature=0.0) for seed in range(3)]
    batcher = Batcher(ListSlots(), frozenset(), limit=3, memory=10**9)
    batcher.add(plain)
    finish(batcher)
    slots = Counting()
    slots.places = 3 * 100
    batcher = Batcher(slots, frozenset(), limit=3, memory=10**9)
    batcher.add([running([1, 2], 300, 0, 0.0, draft=plain[0].generated) for _ in range(3)])
    finish(batcher)
    assert (batcher.taken, batcher.drafted) == (0, 900)
    assert calls == [[width] * 3 for width in (32, 32, 64, 100, 72)]


def test_a_draft_that_fails_is_an_error_of_its_own():
    slots = ListSlots()
    slots.fail_on, slots.places = 7, 1000
    batcher = Batcher(slots, EOS, limit=4, memory=10**9)
    plain = running([1, 2], 9, 5)
    other = Batcher(ListSlots(), EOS, limit=1, memory=10**9)
    other.add([plain])
    finish(other)
    # A draft that is right up to a token which the model cannot take.
    good = [running([1, 2], 9, 5, draft=plain.generated) for _ in range(2)]
    bad = running([1, 2], 9, 5, draft=[*plain.generated[:1], 7, 7])
    batcher.add([good[0], bad, good[1]])
    ended = finish(batcher)
    assert {id(one) for one in ended} == {id(one) for one in (*good, bad)}
    assert "failed on the draft" in bad.error.message
    assert bad.finish_reason is None
    assert [one.generated for one in good] == [plain.generated] * 2


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
@pytest.mark.parametrize("tokens", [None, 40, 500])
def test_a_watcher_sees_every_piece_once_and_can_stop_a_sequence(crowd, tokens):
    seen, draft = [], None
    if tokens is not None:
        whole = running([1, 2], budget=tokens, temperature=0.0)
        alone = Batcher(ListSlots(), frozenset(), limit=1, memory=10**9)
        alone.add([whole])
        finish(alone)
        draft = whole.generated

    def loops(piece):
        seen.append(piece)
        return len(seen) == 3

    batcher = Batcher(ListSlots(), frozenset(), limit=8, memory=10**9)
    watched = running([1, 2], budget=500, temperature=0.0, draft=draft)
    watched.loops = loops
    batcher.add([watched, *(running([3], budget=70 + n, seed=n) for n in range(crowd))])
    finish(batcher)
    assert watched.finish_reason == "loop"
    assert len(watched.generated) == 3 * WATCHED_TOKENS
    assert watched.drafted == (tokens and min(tokens, 3 * WATCHED_TOKENS))
    assert [token for piece in seen for token in piece] == watched.generated
