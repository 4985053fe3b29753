"""Graders where no test is at hand: for `lrmtest regrade`, and for imported logs.

A suite that comes with lrmtest grades its own questions, an answer kind all others. A suite of
somebody's own may have a grader of its own, which only its tests know: the manifest says so among
the suite's answer kinds, so that nothing is graded again by another grader in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lrmtest.errors import UsageError
from lrmtest.grading import Grader, grader_for
from lrmtest.suites.registry import known_suite
from lrmtest.suites.suite import Suite

_OWN = "own:"


def stored_grader(suite: str, kind: str, answer_kinds: Collection[str] = ()) -> Grader:
    """The grader of a stored question.

    Args:
        suite: the name of its suite.
        kind: its answer kind.
        answer_kinds: what the manifest says of the suite, see `answer_kinds_of`.

    Raises:
        UsageError: the suite has a grader of its own, or nobody registered one for the kind.
    """
    own = sorted(name.removeprefix(_OWN) for name in answer_kinds if name.startswith(_OWN))
    if own:
        raise UsageError(
            f"suite {suite!r} has a grader of its own, {own[0]}, which only its tests know",
            hint="run its tests again: they grade what is stored, and generate nothing that is; "
            "marks of an imported log stay as they were given",
        )
    known = known_suite(suite)
    return grader_for(kind) if known is None else known.grader_for(kind)


def answer_kinds_of(suite: Suite, kinds: Iterable[str]) -> list[str]:
    """For a manifest: what grades a suite's questions of these answer kinds, sorted.

    An answer kind where that tells the grader, else the name of the suite's own.
    """
    return sorted({_kind_or_own(suite, kind) for kind in kinds})


def _kind_or_own(suite: Suite, kind: str) -> str:
    grader = suite.grader_for(kind)
    try:
        if stored_grader(suite.name, kind) == grader:
            return kind
    except UsageError:
        pass  # Nobody registered such a kind: it is there for the suite's own grader.
    return own_grader(getattr(grader, "__qualname__", type(grader).__qualname__))


def own_grader(name: str) -> str:
    """What stands for a grader among the answer kinds that has no kind of answers to itself."""
    return _OWN + name
