"""A suite: a named set of questions with its prompt, budget, grader, metric and description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lrmtest.errors import UsageError
from lrmtest.grading import Grader, grade_by_kind, grader_for
from lrmtest.questions import DataOptions, QuestionSet
from lrmtest.questions.fresh.draft import Family
from lrmtest.questions.sources import Release

PASS = "pass"
"""The primary metric of a suite whose answers are right or wrong: whether a completion passed."""


class DefaultBudget(int):
    """A token budget that nobody chose for a test of their own: a model card's goes before it."""


@dataclass(frozen=True, slots=True)
class SuiteDescription:
    """A suite in words, for whoever has not read its questions; nothing that changes an outcome.

    Attributes:
        title: what is asked, in one line without a full stop.
        kinds: the questions' answer kinds; none where only the questions tell.
        questions: how many there are; None for as many as asked for, and where only the data say.
        releases: the data that it can be read from, the first one that is there; none for
            generated questions.
        extra: what must be installed, as in ``pip install 'lrmtest[EXTRA]'``; mostly nothing.
        module: what that installs, by the name under which it is imported.
        base: the same questions as they are released, for a suite that asks them otherwise:
            loading them tells whether the suite's can be read.
    """

    title: str
    kinds: tuple[str, ...] = ()
    questions: int | None = None
    releases: tuple[Release, ...] = ()
    extra: str = ""
    module: str = ""
    base: Callable[[DataOptions], QuestionSet] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of questions with its prompt, its token budget and its grader.

    Attributes:
        name: the suite's name, as in reports: ``aime``, ``folio``, ...
        load: reads or makes the questions; raises DataError.
        prompt: template of the user message. ``{field}`` is replaced by the question's
            material; any other brace stays as it is, so LaTeX needs no escaping.
        max_tokens: the budget: the most tokens one completion may have, reasoning included. It
            goes before a model card's, unless it is a `DefaultBudget`; ``--max-tokens`` goes
            before both.
        grader: grades one answer, see `lrmtest.Grader`; unless it is given, each question's
            answer kind says how.
        family: makes further questions of draws and a difficulty; None for a suite whose
            questions are fixed. With one, ``--property`` can search for a failing question.
        primary: the primary metric, by which two runs are compared and a gate decides: ``pass``,
            the share of completions that passed, or the name of a figure in [0, 1] that the
            grader gives each answer, ``score`` or one of its grade's metrics (``f1``, ...). A
            completion that ran out of its budget has 0 of it.
        described: the suite in words, for `lrmtest suites`; None: only its questions tell.

    Raises:
        UsageError: `max_tokens` is no integer of at least 1.
    """

    name: str
    load: Callable[[DataOptions], QuestionSet] = field(repr=False)
    prompt: str = field(repr=False)
    max_tokens: int
    grader: Grader = field(default=grade_by_kind, repr=False)
    family: Family | None = field(default=None, repr=False)
    primary: str = PASS
    described: SuiteDescription | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        budget: object = self.max_tokens
        if not isinstance(budget, int) or isinstance(budget, bool) or budget < 1:
            raise UsageError(
                f"suite {self.name!r}: max_tokens={budget!r:.40} is no number of tokens",
                hint="give an integer of at least 1, or leave it out",
            )

    @property
    def has_own_budget(self) -> bool:
        """Whether its budget was chosen for it, and not left to the default."""
        return not isinstance(self.max_tokens, DefaultBudget)

    def grader_for(self, kind: str) -> Grader:
        """What grades the suite's questions of an answer kind.

        Raises:
            UsageError: the kind is to say it, and nobody registered a grader for it.
        """
        return grader_for(kind) if self.grader is grade_by_kind else self.grader
