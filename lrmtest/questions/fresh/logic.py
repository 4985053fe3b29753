"""First-order-logic entailment: does a conclusion follow from premises in plain English?

Every premise is a fact about somebody or a rule for everybody whose conditions are positive, and
a property that a rule denies is a condition or a consequence of none. So there are two
models: the least one, in which only that holds which can be derived, and one in which everybody
has every property that no rule denies. A conclusion that is derived is True, one whose opposite
is derived is False, and about any other the two disagree, or they can be made to: it is Uncertain.
"""

from __future__ import annotations

from lrmtest.questions.fresh.draft import Draft
from lrmtest.questions.fresh.draws import DrawSource
from lrmtest.questions.fresh.words import PEOPLE
from lrmtest.questions.question import LABEL

# fmt: off
PROPERTIES = (
    "brave", "bright", "calm", "careful", "cheerful", "clever", "curious", "eager", "famous",
    "fast", "gentle", "glad", "grumpy", "honest", "hungry", "jolly", "kind", "lazy", "loud",
    "lucky", "modest", "neat", "noisy", "patient", "polite", "proud", "quiet", "rich", "shy",
    "silly", "sleepy", "strict", "strong", "tall", "tired", "wise",
)
# fmt: on


def logic(draw: DrawSource, difficulty: int) -> Draft:
    """A chain of rules that leads to the conclusion, to its opposite, or breaks off.

    Args:
        draw: makes the draws.
        difficulty: 1 has one to three rules in the chain, each step one more. From 2 on rules
            may have two conditions and properties several rules, from 3 on rules may lead from
            one person to another, from 4 on the conclusion may be about everybody or somebody.
    """
    return _Chain(draw, difficulty).draft()


class _Chain:
    """The premises under construction."""

    def __init__(self, draw: DrawSource, difficulty: int) -> None:
        self._draw = draw
        self._difficulty = difficulty
        self._people = draw.shuffled(PEOPLE)
        self._unused = draw.shuffled(PROPERTIES)
        self._person = self._people.pop()
        self._bystander = self._people.pop()
        self._has = self._unused.pop()
        self._premises = [f"{self._person} is {self._has}."]

    def draft(self) -> Draft:
        """The question."""
        draw = self._draw
        label = draw.pick(("True", "False", "Uncertain"))
        length = self._difficulty + draw.below(3)
        breaks = draw.below(length) if label == "Uncertain" else None
        denies = bool(draw.below(2))
        for number in range(length):
            self._link(number == breaks, last=number == length - 1, denies=denies)
        self._add_distractors()
        agrees = bool(draw.below(2)) if label == "Uncertain" else label == "True"
        conclusion = self._conclusion(agrees=agrees, denies=denies)
        material = {"premises": draw.shuffled(self._premises), "conclusion": conclusion}
        return Draft(material, (label,), LABEL)

    def _link(self, broken: bool, *, last: bool, denies: bool) -> None:
        """Lead on to the next property; when `broken`, only seem to."""
        draw, person, has, gets = self._draw, self._person, self._has, self._unused.pop()
        kind = draw.below(min(self._difficulty, 3))
        condition = f"who is {has}"
        if kind == 1:
            also = self._unused.pop()
            condition += f" and {also}"
            self._premises.append(f"{self._bystander if broken else person} is {also}.")
        elif kind == 2:
            self._person = self._people.pop()
            condition = f"admired by someone {has}"
            admirer = self._bystander if broken else person
            self._premises.append(f"{admirer} admires {self._person}.")
        elif broken and (last or draw.below(2)):
            condition = f"who is {self._unused.pop()}"
        elif broken:
            # The chain goes on from a property that nobody is known to have.
            self._premises.append(f"Everyone {condition} is {self._unused.pop()}.")
            self._has = gets
            return
        self._premises.append(
            f"{'No one' if last and denies else 'Everyone'} {condition} is {gets}."
        )
        self._has = gets

    def _add_distractors(self) -> None:
        """A chain about somebody else and, from difficulty 2 on, rules that lead aside."""
        has = self._unused.pop()
        self._premises.append(f"{self._bystander} is {has}.")
        for _ in range(1 + self._draw.below(2)):
            gets = self._unused.pop()
            self._premises.append(f"Everyone who is {has} is {gets}.")
            has = gets
        first = self._premises[0].removesuffix(".").rpartition(" ")[2]
        for _ in range(self._difficulty - 1):
            self._premises.append(f"Everyone who is {first} is {self._unused.pop()}.")

    def _conclusion(self, *, agrees: bool, denies: bool) -> str:
        """What the unbroken chain leads to, or its opposite: of the person, or of somebody.

        Nobody else can be shown to have or to lack the last property, so that one is as true,
        false or uncertain as the other.
        """
        gets = self._has
        if self._difficulty >= 4 and self._draw.below(2):
            if denies:
                return f"Someone is not {gets}." if agrees else f"Everyone is {gets}."
            return f"Someone is {gets}." if agrees else f"No one is {gets}."
        return f"{self._person} is {'' if agrees != denies else 'not '}{gets}."
