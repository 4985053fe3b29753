"""A suite: a named set of questions with its prompt, its token budget and its grader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lrmtest.grading import Grader, grade_by_kind, grader_for
from lrmtest.questions import DataOptions, QuestionSet
from lrmtest.questions.fresh.draft import Family


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of questions with its prompt, its token budget and its grader.

    Attributes:
        name: the suite's name, as in reports: ``aime``, ``folio``, ...
        load: reads or makes the questions; raises DataError.
        prompt: template of the user message. ``{field}`` is replaced by the question's
            material; any other brace stays as it is, so LaTeX needs no escaping.
        max_tokens: the budget: the most tokens one completion may have, reasoning included.
        grader: grades one answer, see `lrmtest.Grader`; unless it is given, each question's
            answer kind says how.
        family: makes further questions of draws and a difficulty; None for a suite whose
            questions are fixed. With one, ``--property`` can search for a failing question.
    """

    name: str
    load: Callable[[DataOptions], QuestionSet] = field(repr=False)
    prompt: str = field(repr=False)
    max_tokens: int
    grader: Grader = field(default=grade_by_kind, repr=False)
    family: Family | None = field(default=None, repr=False)

    def grader_for(self, kind: str) -> Grader:
        """What grades the suite's questions of an answer kind.

        Raises:
            UsageError: the kind is to say it, and nobody registered a grader for it.
        """
        return grader_for(kind) if self.grader is grade_by_kind else self.grader
