"""All the questions that a family can make, each known by the draws that make it."""

from __future__ import annotations

from dataclasses import dataclass

from lrmtest.questions.fresh.draft import Family
from lrmtest.questions.fresh.draws import Draws, DrawSource, NotedDraws, ReplayedDraws, seeded_draws
from lrmtest.questions.question import Question

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class DrawnQuestion:
    """A question and the draws that make it."""

    draws: Draws
    question: Question

    @property
    def size(self) -> tuple[int, int, Draws]:
        """What is smaller is simpler: fewer draws, then a smaller sum, then smaller draws first.

        In the families that come with lrmtest fewer draws are fewer sightings, rules, facts or
        steps, and smaller draws are smaller numbers, or names nearer to the beginning of a list.
        """
        return len(self.draws), sum(self.draws), self.draws


@dataclass(frozen=True, slots=True)
class Space:
    """The questions of one family at one difficulty.

    Attributes:
        suite: the name of their suite: ``fresh-temporal``.
        family: what makes them.
        difficulty: what it is to heed.
    """

    suite: str
    family: Family
    difficulty: int

    @property
    def name(self) -> str:
        """The family's name, as in ids: ``temporal``."""
        return self.suite.removeprefix("fresh-")

    def made(self, draw: DrawSource) -> DrawnQuestion:
        """The question that `draw` make. Its id tells its content."""
        noted = NotedDraws(draw)
        draft = self.family(noted, self.difficulty)
        digest = draft.named("", self.suite).digest[:_ID_DIGITS]
        level = "" if self.difficulty == 1 else f"d{self.difficulty}-"
        question = draft.named(f"{self.name}-{level}{digest}", self.suite)
        return DrawnQuestion(tuple(noted.noted), question)

    def played(self, draws: Draws) -> DrawnQuestion:
        """The question of these draws; every draws make one, see `ReplayedDraws`."""
        return self.made(ReplayedDraws(draws))

    def seeded(self, seed: int, index: int) -> DrawnQuestion:
        """Question number `index` of a seed, as the suite asks it, under an id of its own."""
        return self.made(seeded_draws(self.name, self.difficulty, seed, index))
