"""A small family of generated questions whose failing ones are easily foreseen: sums."""

import re

from lrmtest.questions.fresh import Draft


def adding(draw, difficulty):
    """Two to five numbers below 50 to be added."""
    numbers = [draw.below(50) for _ in range(2 + draw.below(4))]
    return Draft({"sum": " + ".join(map(str, numbers))}, (str(sum(numbers)),), "integer")


SUITE = """
import lrmtest
from adding import adding

def load(options):
    question = lrmtest.Question("q0", "adding", {"sum": "1 + 1"}, ("2",), "integer")
    return lrmtest.QuestionSet((question,), lrmtest.Source("inline", "adding"))

ADDING = lrmtest.Suite("adding", load, "What is {sum}?", max_tokens=64, family=adding)

@lrmtest.suite(ADDING)
def test_adding(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""

SMALLEST = (5, 19)
"""The smallest questions that `long_and_large` says are hard have five draws, of sum 19: two more
numbers than two, three of them 0 and one 17."""


def numbers_in(prompt):
    """The numbers that a prompt asks to add."""
    return [int(number) for number in re.findall(r"\d+", prompt)]


def long_and_large(numbers):
    """At least four numbers, one of which is at least 17."""
    return len(numbers) >= 4 and max(numbers) >= 17


def answering(hard=long_and_large):
    """What a model answers that adds rightly, but for hard questions."""

    def answer(prompt, seed):
        numbers = numbers_in(prompt)
        return f"\\boxed{{{sum(numbers) + bool(hard(numbers))}}}"

    return answer
