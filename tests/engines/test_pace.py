"""The pace of reading, by a clock that jumps: a few reads for many tokens, and nothing waits."""

from __future__ import annotations

import asyncio
import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_shapes import PLAIN, end
from virtual_time import HEAD, LAST, ScriptedWire, framed, run, wires

from lrmtest.grading.forms import DEFAULT_TAGS
from lrmtest.grading.loops import LoopDetector
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.pace import (
    LONGEST_PAUSE,
    SHARE_LOOKED_AT,
    SHARE_OF_AGE,
    TICK,
    Pace,
    pause_after,
)
from lrmtest.models.engines.http.stream import ChatStream


def script(tokens, rate, *, first=0.5, text=" word", ends=True):
    """A token every `1 / rate` seconds, and behind the last one its end."""
    yield 0.0, HEAD
    for number in range(tokens):
        yield first + number / rate, framed(PLAIN["vllm"](text, number))
    if ends:
        yield first + (tokens - 1) / rate, framed(end(tokens=tokens)) + LAST


def ask(monkeypatch, make, count=1, *, budget=None, timeout=60.0, detector=None, streams=0):
    """Seconds at which the replies were there, the wires, and what was collected."""

    async def main():
        pace = Pace()
        pace.streams = streams  # others, of which nothing comes
        loop = asyncio.get_running_loop()

        async def one():
            client = ChatClient(Endpoint("http://127.0.0.1:1/v1"), timeout=timeout, pace=pace)
            stream = ChatStream(DEFAULT_TAGS, budget or 10**6, detector() if detector else None)
            reply = await client.chat({}, stream)
            return loop.time(), reply, stream

        return await asyncio.gather(*(one() for _ in range(count)))

    with wires(monkeypatch, make) as made:
        return run(main()), made


@pytest.mark.parametrize("budget", [512, None])
def test_at_a_gpu_s_rate_a_read_brings_many_tokens_and_ends_do_not_wait(monkeypatch, budget):
    parts = list(script(512, 60))
    done, made = ask(monkeypatch, lambda: ScriptedWire(parts), 3, budget=budget, streams=253)
    took = 511 / 60
    longest = 2 * TICK if budget else min(LONGEST_PAUSE, SHARE_OF_AGE * took) + TICK
    for at, reply, _ in done:
        assert (reply.completion_tokens, reply.pieces) == (512, 512)
        assert at - (0.5 + took) <= longest
    assert max(len(wire.read_at) for wire in made) <= 512 / 5


def test_a_long_completion_is_read_four_times_a_second(monkeypatch):
    parts = list(script(3000, 60))
    _, (wire,) = ask(monkeypatch, lambda: ScriptedWire(parts), streams=255)
    assert len(wire.read_at) <= 3000 / 12


@pytest.mark.parametrize("tokens", [8, 30])
def test_short_answers_do_not_wait(monkeypatch, tokens):
    done, _ = ask(monkeypatch, lambda: ScriptedWire(script(tokens, 60)), 2, streams=254)
    for at, _, _ in done:
        assert at - (0.5 + (tokens - 1) / 60) <= 2 * TICK


def test_a_slow_server_is_read_as_it_comes(monkeypatch):
    parts = list(script(20, 2))
    _, (wire,) = ask(monkeypatch, lambda: ScriptedWire(parts))
    assert wire.read_at == pytest.approx(sorted({at for at, _ in parts}), abs=TICK)
    _, made = ask(monkeypatch, lambda: ScriptedWire(parts), 2, streams=14)
    for wire in made:  # a pause that brought nothing is followed by none
        assert wire.read_at == pytest.approx(sorted({at for at, _ in parts}), abs=0.064 + TICK)


def test_a_first_token_is_read_at_once(monkeypatch):
    _, made = ask(monkeypatch, lambda: ScriptedWire(script(512, 60)), 2, streams=254)
    assert {wire.read_at[1] for wire in made} == {0.5}


def test_a_pause_does_not_slow_a_stream_that_is_faster_than_the_kernel_holds(monkeypatch):
    parts = [(0.0, HEAD)]
    parts += [(0.0, framed(b"".join(PLAIN["vllm"](" word", n) for n in range(100))))] * 1000
    parts += [(0.0, framed(end(tokens=100_000)) + LAST)]
    done, _ = ask(monkeypatch, lambda: ScriptedWire(parts, room=64 << 10), streams=255)
    ((at, reply, _),) = done
    assert reply.pieces == 100_000
    assert at < 1.0


def test_a_pause_is_no_silence(monkeypatch):
    parts = list(script(30, 5))
    done, _ = ask(monkeypatch, lambda: ScriptedWire(parts), timeout=0.6, streams=255)
    assert done[0][1].pieces == 30
    with pytest.raises(BrokenAnswerError, match=r"not a byte within 0\.6 s"):
        ask(monkeypatch, lambda: ScriptedWire(script(30, 5, ends=False)), timeout=0.6, streams=255)


def test_silence_is_counted_from_the_last_byte(monkeypatch):
    ended = []

    async def main():
        pace = Pace()
        pace.streams = 255
        client = ChatClient(Endpoint("http://127.0.0.1:1/v1"), timeout=5.0, pace=pace)
        with pytest.raises(BrokenAnswerError, match="not a byte within 5 s"):
            await client.chat({}, ChatStream(DEFAULT_TAGS, 1000))
        ended.append(asyncio.get_running_loop().time())

    with wires(monkeypatch, lambda: ScriptedWire(script(120, 60, ends=False))) as (made):
        run(main())
    last = 0.5 + 119 / 60
    assert last + 5.0 <= ended[0] <= last + 5.0 + LONGEST_PAUSE + TICK
    assert made[0].closed


def test_the_deadline_holds_in_a_pause(monkeypatch):
    async def main():
        pace = Pace()
        pace.streams = 255
        client = ChatClient(Endpoint("http://127.0.0.1:1/v1"), timeout=60.0, pace=pace)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.05):
                await client.chat({}, ChatStream(DEFAULT_TAGS, 10**6))
        assert asyncio.get_running_loop().time() == pytest.approx(3.05)

    with wires(monkeypatch, lambda: ScriptedWire(script(600, 60))) as made:
        run(main())
    assert made[0].closed


def test_a_loop_is_stopped_within_a_pause(monkeypatch):
    done, made = ask(
        monkeypatch,
        lambda: ScriptedWire(script(2_000, 60, text=" so")),
        streams=255,
        detector=LoopDetector,
    )
    needed = 4096 / 3
    for _, reply, stream in done:
        assert reply.finish_reason == "loop"
        assert needed <= stream.pieces <= needed + 60 * (LONGEST_PAUSE + 2 * TICK)
    assert all(wire.closed for wire in made)


@given(
    streams=st.integers(1, 10_000),
    age=st.floats(0, 1e5),
    size=st.integers(0, 1 << 18),
    waited=st.floats(0, 100),
    gap=st.floats(0, 100) | st.just(math.inf),
    left=st.floats(0, 1e9),
)
def test_every_pause_is_bounded(streams, age, size, waited, gap, left):
    pause = pause_after(streams=streams, age=age, size=size, waited=waited, gap=gap, left=left)
    assert pause.seconds == 0 or TICK <= pause.seconds <= LONGEST_PAUSE
    if pause.seconds:
        assert pause.seconds <= max(TICK, left)
        # What is longer than this is looked at, or short all the same.
        if pause.seconds > max(TICK, SHARE_OF_AGE * age):
            assert pause.ticks or pause.seconds <= 6 * TICK
            assert pause.seconds <= SHARE_LOOKED_AT * age
        assert size * pause.seconds <= (48 << 10) * max(waited, 1e-9) * 1.001
        assert 0 <= pause.ticks <= 3
        if pause.ticks:
            assert gap < pause.ticks * TICK


def test_an_end_that_cannot_be_foreseen_is_seen_by_nothing_more_coming(monkeypatch):
    """Of completions that end anywhere each is there some ticks after its last byte."""
    ends = {}

    def make():
        number = len(ends)
        tokens = 300 + 7 * number
        ends[number] = 0.5 + (tokens - 1) / 78
        return ScriptedWire(script(tokens, 78))

    done, made = ask(monkeypatch, make, 64, streams=192)
    late = [at - ends[n] for n, (at, _, _) in enumerate(done)]
    assert all(0 <= each <= 4 * TICK + 0.001 for each in late)
    assert sum(late) / len(late) <= 2 * TICK
    # It costs no more reads than waiting did.
    tokens = sum(reply.pieces for _, reply, _ in done)
    assert sum(len(wire.read_at) for wire in made) <= tokens / 6
    assert sum(wire.looks for wire in made) <= tokens


def test_a_stream_that_rests_is_read_and_goes_on(monkeypatch):
    parts = [(0.0, HEAD)]
    at = 0.5
    for number in range(600):
        at += 1.0 if number % 200 == 199 else 1 / 78
        parts.append((at, framed(PLAIN["vllm"](" word", number))))
    parts.append((at, framed(end(tokens=600)) + LAST))
    done, (wire,) = ask(monkeypatch, lambda: ScriptedWire(parts), streams=255)
    ((finished, reply, _),) = done
    assert (reply.pieces, reply.completion_tokens) == (600, 600)
    assert finished - at <= 4 * TICK + 0.001
    assert len(wire.read_at) <= 600 / 6


def test_pieces_that_join_many_tokens_are_not_looked_for(monkeypatch):
    parts = [(0.0, HEAD)]
    parts += [(0.5 + n / 4, framed(PLAIN["vllm"](" word" * 20, n))) for n in range(60)]
    parts += [(0.5 + 59 / 4, framed(end(tokens=1200)) + LAST)]
    _, (wire,) = ask(monkeypatch, lambda: ScriptedWire(parts), streams=255)
    assert wire.looks == 0


def test_one_that_is_left_in_a_pause_disturbs_no_other(monkeypatch):
    """Its wire is closed, and tells no number of bytes any more."""

    class Closing(ScriptedWire):
        def unread(self):
            return -1 if self.closed else super().unread()

    async def main():
        pace = Pace()
        pace.streams = 255

        async def one(seconds):
            client = ChatClient(Endpoint("http://127.0.0.1:1/v1"), timeout=60.0, pace=pace)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    return await client.chat({}, ChatStream(DEFAULT_TAGS, 10**6))

        return await asyncio.gather(one(None), one(3.05), one(4.11))

    with wires(monkeypatch, lambda: Closing(script(600, 78))) as made:
        done = run(main())
    assert [wire.closed for wire in made] == [False, True, True]
    assert done[0].completion_tokens == 600
    assert done[1:] == [None, None]
