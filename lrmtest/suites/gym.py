"""reasoning-gym: further generated suites out of that package, ``gym-NAME``.

Those of its datasets fit that have one right answer, an integer or a few words, so that lrmtest's
own graders can tell it. The others bring verifiers of their own, a dozen of which evaluate what
the model wrote, and that must not happen in this process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version

from lrmtest.errors import DataError, UsageError
from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.question import INTEGER, SHORT_TEXT, Question
from lrmtest.suites.suite import DefaultBudget, Suite

# fmt: off
_FITTING = (
    "aiw", "basic_arithmetic", "binary_alternation", "count_bits", "count_primes",
    "course_schedule", "gcd", "isomorphic_strings", "largest_island", "lcm", "leg_counting",
    "letter_counting", "mahjong_puzzle", "maze", "number_sequence", "ransom_note",
    "rotten_oranges", "simple_equations", "simple_geometry", "syllogism",
)
# fmt: on

_PROMPT = """{question}

Reason step by step. Then end with one line that holds only the answer:
Answer: <answer>"""
_INTEGER = re.compile(r"[+-]?\d{1,40}")
_TRIES = 100
"""How often a question that was made before under another index is drawn again."""


def _load(dataset: str, options: DataOptions) -> QuestionSet:
    """The questions; ids and difficulties are as for the other families.

    Material: ``question``. Difficulty is reasoning-gym's level of every attribute, from 1 on.

    Raises:
        DataError: reasoning-gym is not installed, or of a release in which this differs.
        UsageError: there are not as many different questions.
    """
    name = f"gym-{dataset.replace('_', '-')}"
    make = _maker(dataset, options.fresh_difficulty)
    level = "" if options.fresh_difficulty == 1 else f"-d{options.fresh_difficulty}"
    questions: dict[str, Question] = {}
    for index in range(options.fresh_count):
        for again in range(_TRIES):
            text, answer = make(options.fresh_seed, index, again)
            if text not in questions:
                break
        else:
            raise UsageError(
                f"suite {name!r} has not {options.fresh_count} different questions",
                hint="ask for fewer, or for a higher --fresh-difficulty",
            )
        questions[text] = Question(
            id=f"{dataset.replace('_', '-')}{level}-{options.fresh_seed}-{index}",
            suite=name,
            material={"question": text},
            references=(answer,),
            kind=INTEGER if _INTEGER.fullmatch(answer) else SHORT_TEXT,
        )
    revision = f"reasoning-gym {version('reasoning-gym')}, difficulty {options.fresh_difficulty}"
    return QuestionSet(tuple(questions.values()), Source("generated", name, revision=revision))


def _maker(dataset: str, difficulty: int) -> Callable[[int, int, int], tuple[str, str]]:
    """What gives a question's text and answer for a seed, an index and a number of tries."""
    try:
        factory = import_module("reasoning_gym.factory")
        import_module("reasoning_gym")
        kind, _ = factory.DATASETS[dataset]
        curriculum = factory.create_curriculum(dataset)
    except ImportError as error:
        raise DataError(
            f"generated questions of {dataset!r} need reasoning-gym: {error}",
            hint="pip install 'lrmtest[gym]'",
        ) from error
    except (KeyError, ValueError) as error:
        raise DataError(
            f"this reasoning-gym has no dataset {dataset!r} with a curriculum: {error}",
            hint="pip install 'lrmtest[gym]'",
        ) from error
    curriculum.set_global_level(difficulty - 1)

    def make(seed: int, index: int, again: int) -> tuple[str, str]:
        # Its own item `index` of `seed` is item 0 of `seed + index`: seeds next to each other
        # would share questions.
        name = f"{dataset}/{difficulty}/{seed}/{index}/{again}"
        derived = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        item = kind(curriculum.generate_configuration({"seed": derived, "size": 1}))[0]
        return item["question"], item["answer"]

    return make


_BUDGET = DefaultBudget(16384)

GYM_SUITES = tuple(
    # A question's answer says its kind, and the kind how it is graded.
    Suite(
        f"gym-{dataset.replace('_', '-')}",
        partial(_load, dataset),
        _PROMPT,
        max_tokens=DefaultBudget(16384),
    )
    for dataset in _FITTING
)
"""Nothing is imported before one is loaded."""
