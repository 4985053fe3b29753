"""Generated chains of facts, checked by a solver that only reads their text."""

import re
from collections import Counter

from drawn import asked
from hypothesis import given, settings

from lrmtest.questions import SHORT_TEXT
from lrmtest.questions.fresh import fresh_question


def read(prompt):
    """The facts, (whose, what) -> value, and the question, as its first person and its steps."""
    facts = {}
    for line in re.findall(r"^(.+'s .+)\.$", prompt, re.M):
        forward = re.fullmatch(r"(\w+)'s ([a-z ]+) is (\w+)", line)
        backward = re.fullmatch(r"(\w+) is (\w+)'s ([a-z ]+)", line)
        whose, what, value = forward.groups() if forward else backward.group(2, 3, 1)
        assert (whose, what) not in facts
        facts[whose, what] = value
    (question,) = re.findall(r"^What is (.+)\?$", prompt, re.M)
    if " of " in question:
        *steps, person = question.split(" of ")
        return facts, person, [step.removeprefix("the ") for step in reversed(steps)]
    person, *steps = question.split("'s ")
    return facts, person, steps


def follow(facts, at, steps):
    for step in steps:
        at = facts[at, step]
    return at


@settings(max_examples=300)
@given(asked("hops"))
def test_the_facts_lead_to_the_answer(case):
    prompt, question, difficulty = case
    facts, person, steps = read(prompt)
    assert follow(facts, person, steps).lower() == question.expected.lower()
    assert len(set(steps)) == len(steps)
    fewest, most = (3 if difficulty >= 4 else 2), (3 if difficulty == 1 else 4)
    assert fewest <= len(steps) <= most
    assert len(facts) == 2 * len(steps) + 3 * (difficulty - 1)
    assert question.kind == SHORT_TEXT


@settings(max_examples=200)
@given(asked("hops"))
def test_every_fact_of_the_chain_is_needed(case):
    """No other way leads to the answer, and the question says nothing about it."""
    prompt, question, _ = case
    facts, *_ = read(prompt)
    said = [value.lower() for value in facts.values()]
    assert said.count(question.expected.lower()) == 1
    assert question.expected.lower() not in question.material["question"].lower()


def test_without_its_facts_nothing_tells_the_answer():
    """Over many worlds, each kind of answer is uniform whatever the question is."""
    questions = [fresh_question("hops", 3, index) for index in range(8000)]
    by_kind = {}
    for q in questions:
        kind = q.material["question"].rpartition("'s ")[2]
        by_kind.setdefault(kind, Counter())[q.expected] += 1
    assert len(by_kind) == 4
    for counts in by_kind.values():
        mean = counts.total() / len(counts)
        # Chi-squared with at most 15 degrees of freedom: 37.7 once in a thousand.
        assert sum((n - mean) ** 2 / mean for n in counts.values()) < 37.7
    assert Counter(len(read(q.material["question"])[2]) for q in questions).keys() == {2, 3}
