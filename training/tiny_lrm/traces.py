"""Fresh questions turned into chats: the suite's own prompt, a short reasoning, the answer.

The reasoning says only what a small model can look up or copy: a span of the day, and whether it
is among the sightings; a rule and what it gives; a fact; a sum of two numbers. What a line looks
something up under stands in the line before the thing that is found. Questions are read from
their text, as the model reads them.
"""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import NamedTuple

from lrmtest.questions import Question, render_prompt
from lrmtest.questions.fresh import FAMILIES, fresh_question
from lrmtest.questions.fresh.hops import ATTRIBUTES, RELATIONS
from lrmtest.questions.fresh.logic import PROPERTIES
from lrmtest.questions.fresh.words import PEOPLE
from lrmtest.suites import suite_named

_FIELD = re.compile(r"\{[a-z_]+\}")


class Chat(NamedTuple):
    """One training example; the model completes what follows `prompt`."""

    prompt: str
    reasoning: str
    answer: str


def chat(family: str, seed: int, index: int, *, bare: bool = False) -> Chat:
    """Question `index` of `seed` at difficulty 1, asked and answered.

    Args:
        family: of the question.
        seed: of the question.
        index: of the question.
        bare: leave out all lines of the prompt that are the same for every question.

    Raises:
        ValueError: the reasoning does not lead to the reference answer.
    """
    question = fresh_question(family, seed, index)
    template = suite_named(question.suite).prompt
    if bare:
        template = "\n\n".join(line for line in template.split("\n") if _FIELD.search(line))
    prompt = render_prompt(template, question)
    reasoning, answer = _SOLVERS[family](question)
    if answer != question.expected:
        raise ValueError(f"{question.id}: the reasoning leads to {answer}")
    return Chat(prompt, reasoning, _ANSWERS[family].format(answer))


def drill(draws: random.Random) -> Chat:
    """A list of facts and the same facts in another order: nothing but looking up.

    In a question one step in ten looks something up under a name; here it is every one.
    """
    if draws.random() < 0.5:
        people = draws.sample(PEOPLE, draws.randint(4, 10))
        facts = [f"{person} is {draws.choice(PROPERTIES)}." for person in people]
    else:
        people = draws.sample(PEOPLE, draws.randint(2, 5))
        attribute = draws.choice(list(ATTRIBUTES))
        steps = [*draws.sample(RELATIONS, 2), attribute]
        values = {step: ATTRIBUTES.get(step, PEOPLE) for step in steps}
        pairs = [(person, step) for person in people for step in steps]
        facts = [
            f"{person}'s {step} is {draws.choice(values[step])}."
            for person, step in draws.sample(pairs, draws.randint(4, min(9, len(pairs))))
        ]
    again = draws.sample(facts, len(facts))
    return Chat("\n".join(facts), "\n".join(again), f"Answer: {again[-1].split()[-1][:-1]}")


def chains(draws: random.Random) -> Chat:
    """A logic question, and what would follow from each of its properties, in any order.

    A question asks once or twice whether anything follows; here every line does.
    """
    seed, index = draws.randrange(1 << 40), draws.randrange(1 << 40)
    question = fresh_question("logic", seed, index)
    rules, facts = _premises(question)
    asked = _conclusion(question)[2]
    known = sorted({*facts.values(), *rules, *(gets for _, gets in rules.values())})
    lines = [_whether(question)]
    for has in draws.sample(known, len(known)):
        lines.append(f"Who is {' is '.join(_chain(rules, has, asked))}.")
    prompt = chat("logic", seed, index, bare=True).prompt
    return Chat(prompt, "\n".join(lines), f"Answer: {lines[-1].split()[-1][:-1]}")


def _temporal(question: Question) -> tuple[str, str]:
    story = question.material["story"]
    seen = set(re.findall(r"^\w+ saw .+ from (.+)\.$", story, re.M))
    times = list(dict.fromkeys(re.findall(r"\d+[ap]m", story)))
    walk = [f"{start} to {end}" for start, end in pairwise(times)]
    lines = [f"From {span} {'seen' if span in seen else 'free'}." for span in walk]
    for letter, span in zip("ABCD", question.material["options"], strict=True):
        lines.append(f"({letter}) {span} {'seen' if span in seen else 'free'}.")
        if span not in seen:
            return "\n".join(lines), letter
    raise ValueError(f"{question.id}: no option is free")


def _arithmetic(question: Question) -> tuple[str, str]:
    lines: list[str] = []
    have = 0
    for sentence in re.findall(r"[^.?]+[.?]", question.material["problem"]):
        numbers = [int(number) for number in re.findall(r"\d+", sentence)]
        if len(numbers) == 2:
            boxes, each = numbers
            have = boxes * each
            lines.append(f"{boxes} boxes of {each}: {boxes} * {each} = {have}.")
        elif " more" in sentence:
            lines.append(f"{numbers[0]} more: {have} + {numbers[0]} = {have + numbers[0]}.")
            have += numbers[0]
        elif " of them" in sentence:
            lines.append(f"{numbers[0]} less: {have} - {numbers[0]} = {have - numbers[0]}.")
            have -= numbers[0]
        elif numbers:
            have = numbers[0]
            lines.append(f"{have} to begin with.")
    return "\n".join(lines), str(have)


def _logic(question: Question) -> tuple[str, str]:
    rules, facts = _premises(question)
    person, denied, asked = _conclusion(question)
    chain = _chain(rules, facts[person], asked)
    lines = [_whether(question), f"{person} is {' is '.join(chain)}."]
    if chain[-1] == "nothing":
        return "\n".join(lines), "Uncertain"
    everyone, _ = rules[chain[-3]]
    same = denied == (everyone == "No one")
    lines.append(
        f"{everyone}, asked {'not' if denied else 'so'}: {'the same' if same else 'the opposite'}."
    )
    return "\n".join(lines), str(same)


def _conclusion(question: Question) -> tuple[str, bool, str]:
    """Whom it is about, whether it denies the property, and the property."""
    person, denied, asked = re.fullmatch(
        r"(\w+) is (not )?(\w+)\.", question.material["conclusion"]
    ).groups()
    return person, bool(denied), asked


def _whether(question: Question) -> str:
    return f"Whether {question.material['conclusion'][:-1]} is asked."


def _premises(question: Question) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """For each condition whom the rule is about and what it gives; for each person the property."""
    rules: dict[str, tuple[str, str]] = {}
    facts: dict[str, str] = {}
    for premise in question.material["premises"]:
        if match := re.fullmatch(r"(Everyone|No one) who is (\w+) is (\w+)\.", premise):
            rules[match[2]] = (match[1], match[3])
        else:
            person, has = re.fullmatch(r"(\w+) is (\w+)\.", premise).groups()
            facts[person] = has
    return rules, facts


def _chain(rules: dict[str, tuple[str, str]], has: str, asked: str) -> list[str]:
    """The properties that follow one from the other, and how that ends.

    Of a property it is said that it `is` the next one, or that it `is asked`; where neither is
    found, nothing is.
    """
    chain = [has]
    while chain[-1] in rules and chain[-1] != asked:
        chain.append(rules[chain[-1]][1])
    return [*chain, "asked" if chain[-1] == asked else "nothing"]


def _hops(question: Question) -> tuple[str, str]:
    facts = dict(
        re.fullmatch(r"(.+) is (\w+)\.", fact).groups() for fact in question.material["facts"]
    )
    at, *steps = question.material["question"].removeprefix("What is ").rstrip("?").split("'s ")
    lines = []
    for step in steps:
        value = facts[f"{at}'s {step}"]
        lines.append(f"{at}'s {step} is {value}.")
        at = value
    return "\n".join(lines), at


_SOLVERS = {"temporal": _temporal, "arithmetic": _arithmetic, "logic": _logic, "hops": _hops}
_ANSWERS = {
    "temporal": "Answer: ({})",
    "arithmetic": "\\boxed{{{}}}",
    "logic": "Answer: {}",
    "hops": "Answer: {}",
}
assert set(_SOLVERS) == set(FAMILIES)
