"""The place of a sample: which completion it is, of which question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a completion belongs, from its request to its record.

    Attributes:
        key: identifies the completion in the store; empty where no store is known.
        suite: the suite's name, empty for a test's own prompt.
        question_id: the question's id; the test's, for its own prompt.
        sample: index of the sample, from 0.
    """

    key: str
    suite: str
    question_id: str
    sample: int

    @property
    def question(self) -> tuple[str, str]:
        """The question's suite and id."""
        return self.suite, self.question_id
