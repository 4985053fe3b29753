"""What a generation measures of itself, by a clock that the test moves."""

from __future__ import annotations

from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Message, Progress, Request, Sampling
from lrmtest.plugin.generation.expected import ExpectedTokens
from lrmtest.plugin.generation.outlook import Outlook
from lrmtest.questions.place import Place


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def requests(count, suite="s"):
    return [
        Request(
            Place(f"k{number}", suite, f"q{number}", 0),
            (Message("user", "?"),),
            Sampling(1000, 0.6, 0.95),
            number,
        )
        for number in range(count)
    ]


def completion(tokens, finish="stop"):
    return Completion("x", finish, 5, tokens, 0, seconds=1.0)


def begun(count=8, **expected):
    clock = Clock()
    outlook = Outlook(4, clock=clock)
    outlook.submitted(requests(count), ExpectedTokens(expected.get("expected", {})))
    return clock, outlook


def test_there_is_a_range_while_the_engine_starts():
    clock, outlook = begun()
    outlook.starts()
    clock.now += 1
    outlook.look_ahead()
    assert outlook.starting_seconds == 1
    assert 0 < outlook.left.low < outlook.left.middle < outlook.left.high
    assert outlook.tokens_per_second is None


def test_the_rate_is_of_the_last_seconds_and_without_the_self_test():
    clock, outlook = begun()
    progress = Progress(tokens=500, running=4)  # of the self-test
    outlook.starts()
    outlook.runs(progress)
    for _ in range(60):
        clock.now += 1
        progress.tokens += 100
        outlook.measure(progress)
    assert outlook.generated == 6000
    for _ in range(20):
        clock.now += 1
        progress.tokens += 10
        outlook.measure(progress)
    assert 9 < outlook.tokens_per_second < 20
    for _ in range(20):
        clock.now += 1
        outlook.measure(progress)
    assert outlook.tokens_per_second is None


def test_it_counts_down_between_two_looks_and_ends():
    clock, outlook = begun(2)
    outlook.runs(Progress())
    outlook.look_ahead()
    before = outlook.left
    clock.now += 0.5
    assert outlook.left == before.after(0.5)
    outlook.arrived("k0", completion(10))
    outlook.arrived("k1", None)
    assert outlook.left is None
    outlook.look_ahead()
    assert outlook.left is None


def test_what_earlier_runs_took_makes_a_difference():
    _, unknown = begun()
    _, known = begun(expected={("s", f"q{number}"): 20.0 for number in range(8)})
    for outlook in (unknown, known):
        outlook.runs(Progress())
        outlook.look_ahead()
    assert known.left.high < unknown.left.high


def test_the_first_that_have_not_come_are_those_that_run():
    clock, outlook = begun(8)
    progress = Progress(running=2)
    outlook.runs(progress)
    clock.now += 10
    progress.tokens = 60
    outlook.measure(progress)
    outlook.arrived("k0", completion(30))
    clock.now += 10
    progress.tokens = 120
    outlook.measure(progress)
    awaited = outlook._awaited(clock.now)
    # k1 has run for twenty seconds, k2 for ten: 90 tokens are theirs.
    assert [round(one.so_far) for one in awaited[:2]] == [60, 30]
    assert all(one.so_far is None for one in awaited[2:])


def test_a_server_that_was_started_again_counts_anew():
    clock, outlook = begun()
    progress = Progress(tokens=0, running=4)
    outlook.runs(progress)
    clock.now += 1
    progress.tokens = 1000
    outlook.measure(progress)
    clock.now += 1
    progress.tokens = 5
    outlook.measure(progress)
    assert outlook.generated == 1000
