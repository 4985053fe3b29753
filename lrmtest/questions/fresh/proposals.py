"""Proposals: what hypothesis would try to find a failing question, and to shrink one.

hypothesis runs a test on one example at a time and lets each verdict decide what comes next.
Here it is told that every example passes, so that it lays open all that it would try until one
fails; those questions can then be asked together. Only its public interface is used, but for the
form in which its database keeps draws.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.database import ExampleDatabase, choices_to_bytes

from lrmtest.questions.fresh.draws import Draws
from lrmtest.questions.fresh.space import DrawnQuestion, Space
from lrmtest.questions.fresh.strategies import drawn_questions

_SEED = 0
"""The same proposals each time, so that a search can be repeated."""


class _Fails(Exception):
    """An example fails."""


class _Enough(BaseException):
    """Ends hypothesis's run; an `Exception` would be one more failure to it."""


class _Remembered(ExampleDatabase):
    """A database that holds one example, and keeps nothing.

    hypothesis shrinks no example again that it finds in its database as it left it there. One
    draw too many makes this one look like that of an older test.
    """

    def __init__(self, draws: Draws) -> None:
        super().__init__()
        self._entry = choices_to_bytes((*draws, 0))

    def fetch(self, key: bytes) -> Iterable[bytes]:
        """The example; for every key, since there is but one test."""
        return [] if key.endswith(b".pareto") else [self._entry]

    def save(self, key: bytes, value: bytes) -> None:
        """Nothing is kept."""

    def delete(self, key: bytes, value: bytes) -> None:
        """Nothing is kept."""


def to_search(space: Space, count: int, *, at_once: int = 64) -> Iterator[DrawnQuestion]:
    """What hypothesis would try in search of a failing question; that of zeros alone first.

    Args:
        space: the questions.
        count: how many examples it is allowed.
        at_once: how many are had from it at first; then twice as many, and so on, each time from
            the beginning, since it cannot be left and taken up again.
    """
    given = 0
    while True:
        tried = _first_tried(space, count, at_once)
        yield from tried[given:]
        if len(tried) < at_once:
            return
        given, at_once = at_once, 2 * at_once


def _first_tried(space: Space, count: int, enough: int) -> list[DrawnQuestion]:
    tried: dict[Draws, DrawnQuestion] = {}

    def fails(drawn: DrawnQuestion) -> bool:
        tried.setdefault(drawn.draws, drawn)
        if len(tried) >= enough:
            raise _Enough
        return False

    _run(space, fails, (Phase.generate,), count)
    return list(tried.values())


def to_shrink(
    space: Space, failing: DrawnQuestion, seen: Collection[str], count: int
) -> list[DrawnQuestion]:
    """What hypothesis would try to shrink a failing question, the simpler ones of it only.

    Args:
        space: the questions.
        failing: what is to be shrunk.
        seen: ids of questions that are to be left out.
        count: how many are wanted at most.

    Returns:
        Fewer than `count` when hypothesis would try nothing else: then it takes `failing` for
        minimal if none of them fails, and none of those that were left out does.
    """
    found: dict[str, DrawnQuestion] = {}

    def fails(drawn: DrawnQuestion) -> bool:
        name = drawn.question.id
        if drawn.size < failing.size and name not in seen:
            found.setdefault(name, drawn)
            if len(found) >= count:
                raise _Enough
        return drawn.draws == failing.draws

    if count > 0:
        _run(space, fails, (Phase.reuse, Phase.shrink), 1, _Remembered(failing.draws))
    return list(found.values())


def _run(
    space: Space,
    fails: Callable[[DrawnQuestion], bool],
    phases: tuple[Phase, ...],
    count: int,
    database: ExampleDatabase | None = None,
) -> None:
    """One run of hypothesis."""

    # In this order: a seed turns the database off that was set before.
    @settings(
        max_examples=count,
        phases=phases,
        database=database,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
        backend="hypothesis",
    )
    @seed(_SEED)
    @given(drawn_questions(space))
    def test(drawn: DrawnQuestion) -> None:
        if fails(drawn):
            raise _Fails

    # Without it --hypothesis-seed turns the database off.
    test._hypothesis_internal_database_key = b"lrmtest"  # type: ignore[attr-defined]
    with suppress(_Fails, _Enough):
        test()
