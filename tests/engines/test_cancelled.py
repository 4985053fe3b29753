"""What waits within a request is ended by its engine's closing, in whatever moment that comes."""

import asyncio

import pytest

from lrmtest.models.engines.http.first import FirstGoesAlone
from lrmtest.models.engines.http.retry import CircuitBreaker


async def turn_to_come():
    """A request that waits for the first of its kind, and what lets it go on."""
    first = FirstGoesAlone()
    known = await first.turn("kind")
    return first.turn("kind"), known.set


async def next_try():
    """A request that waits for its next try, and what ends that early."""
    breaker = CircuitBreaker(failures=1, patience=0.0)
    return breaker.pause(600.0), lambda: breaker.failed("gone")


@pytest.mark.parametrize("waiting", [turn_to_come, next_try])
@pytest.mark.parametrize("steps", range(6))
def test_a_wait_that_ends_in_the_same_moment_keeps_the_closing_from_nothing(waiting, steps):
    async def cancelled_after_the_wait():
        wait, end = await waiting()

        async def request():
            await wait
            await asyncio.Event().wait()  # for its answer

        task = asyncio.create_task(request())
        await asyncio.sleep(0.01)
        end()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=30.0)
        task.cancel()
        return bool(ended)

    assert asyncio.run(cancelled_after_the_wait())
