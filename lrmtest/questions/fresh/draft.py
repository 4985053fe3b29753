"""A draft: a question that has no name yet, which is what a family makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lrmtest.questions.fresh.draws import DrawSource
from lrmtest.questions.question import Question


@dataclass(frozen=True, slots=True)
class Draft:
    """A question without an id and a suite; the attributes are `Question`'s."""

    material: Mapping[str, Any]
    references: tuple[str, ...]
    kind: str

    def named(self, id_: str, suite: str) -> Question:
        """The question, under a name."""
        return Question(id_, suite, self.material, self.references, self.kind)


Family = Callable[[DrawSource, int], Draft]
"""Makes a question of draws and a difficulty, and of nothing else."""
