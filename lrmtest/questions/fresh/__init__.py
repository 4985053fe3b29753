"""Questions made on the spot: no model can have seen them, and there is no end of them.

Each family is a function of random draws and a difficulty; a seed and an index give the draws,
so that a question can be made again anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lrmtest.errors import UsageError
from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.fresh.arithmetic import arithmetic
from lrmtest.questions.fresh.draft import Draft, Family
from lrmtest.questions.fresh.draws import VERSION, DrawSource, seeded_draws
from lrmtest.questions.fresh.hops import hops
from lrmtest.questions.fresh.logic import logic
from lrmtest.questions.fresh.space import Space
from lrmtest.questions.fresh.temporal import temporal
from lrmtest.questions.question import Question

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "DIFFICULTIES",
    "FAMILIES",
    "VERSION",
    "Draft",
    "DrawSource",
    "Family",
    "fresh_question",
    "load_fresh",
    "strategy",
]

DIFFICULTIES = range(1, 6)
"""From 1, for the smallest models and the default, to 5."""

_TRIES = 100
"""How often a question that was made before under another index is drawn again."""

FAMILIES: dict[str, Family] = {
    "temporal": temporal,
    "arithmetic": arithmetic,
    "logic": logic,
    "hops": hops,
}
"""By name, what makes a question from draws and a difficulty."""


def fresh_question(family: str, seed: int, index: int, difficulty: int = 1) -> Question:
    """Question number `index` of a seed.

    Its id is ``temporal-0-17``; a difficulty above 1 is in it too: ``temporal-d3-0-17``.
    """
    return _question(family, seed, index, difficulty, again=0)


def strategy(family: str, difficulty: int = 1) -> SearchStrategy[Question]:
    """A hypothesis strategy for a family's questions; all it draws is an integer at a time.

    It shrinks to fewer and smaller draws: fewer sightings, rules, steps, smaller numbers, and
    names from the beginning of their lists. Equal draws make equal questions, whose ids tell
    their content: ``temporal-1f2e3d4c5b6a``.

    Raises:
        UsageError: there is no such family or difficulty.
    """
    if family not in FAMILIES or difficulty not in DIFFICULTIES:
        raise UsageError(
            f"there are no fresh questions of family {family!r} and difficulty {difficulty!r}",
            hint=f"families: {', '.join(FAMILIES)}; difficulties: "
            f"{DIFFICULTIES[0]} to {DIFFICULTIES[-1]}",
        )
    # Hypothesis takes longer to import than all of lrmtest: only what searches loads it.
    from lrmtest.questions.fresh.strategies import questions

    return questions(Space(f"fresh-{family}", FAMILIES[family], difficulty))


def load_fresh(family: str) -> Callable[[DataOptions], QuestionSet]:
    """The loader of a family's suite. No two of its questions are alike."""
    return partial(_load, family)


def _load(family: str, options: DataOptions) -> QuestionSet:
    seed, difficulty = options.fresh_seed, options.fresh_difficulty
    if options.fresh_count < 1 or seed < 0 or difficulty not in DIFFICULTIES:
        raise UsageError(
            f"{options.fresh_count} fresh questions with seed {seed} and difficulty {difficulty} "
            "cannot be made",
            hint="ask for at least 1 question, with a seed of at least 0 and a difficulty "
            f"from {DIFFICULTIES[0]} to {DIFFICULTIES[-1]}",
        )
    questions: dict[str, Question] = {}
    for index in range(options.fresh_count):
        for again in range(_TRIES):
            question = _question(family, seed, index, difficulty, again)
            if questions.setdefault(repr(question.material), question) is question:
                break
        else:
            raise UsageError(
                f"there are not {options.fresh_count} different questions of family {family!r} "
                f"with seed {seed} and difficulty {difficulty}",
                hint="ask for fewer, or for a higher --fresh-difficulty",
            )
    revision = f"{VERSION}, difficulty {difficulty}"
    return QuestionSet(
        tuple(questions.values()), Source("generated", f"fresh-{family}", revision=revision)
    )


def _question(family: str, seed: int, index: int, difficulty: int, again: int) -> Question:
    level = [] if difficulty == 1 else [f"d{difficulty}"]
    draw = seeded_draws(family, difficulty, seed, index, again)
    name = "-".join((family, *level, str(seed), str(index)))
    return FAMILIES[family](draw, difficulty).named(name, f"fresh-{family}")
