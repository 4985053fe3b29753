"""Generated word problems, checked by a solver that only reads their text."""

import re
from collections import Counter

from drawn import asked
from hypothesis import given, settings

from lrmtest.questions import INTEGER
from lrmtest.questions.fresh import fresh_question

# What a sentence says -> what becomes of the collection.
READINGS = (
    (r"\w+ has (\d+) boxes with (\d+) \w+ in each\.", lambda have, a, b: a * b),
    (r"\w+ has (\d+) times as many \w+ as \w+ has now\.", lambda have, n: have + n * have),
    (r"\w+ has (\d+) \w+\.", lambda have, n: n),
    (r"\w+ (?:gives \w+|finds|buys) (\d+) more(?: .+)?\.", lambda have, n: have + n),
    (r"\w+ (?:gives|loses|sells) (\d+) of them .+\.", lambda have, n: have - n),
    (r"\w+ then adds as many as \w+ already has\.", lambda have: 2 * have),
    (r"\w+ then gives half of them to \w+\.", lambda have: have / 2),
    (r"\w+ then packs them into (\d+) equal bags and keeps one bag\.", lambda have, n: have / n),
)


def numbers_on_the_way(problem):
    """How many there are after each sentence."""
    *sentences, question = re.findall(r"\w[^.?]*[.?]", problem)
    assert re.fullmatch(r"How many \w+ (do both have together|does \w+ have now)\?", question)
    have, numbers = None, []
    for sentence in sentences:
        ((pattern, change),) = [r for r in READINGS if re.fullmatch(r[0], sentence)]
        have = change(have, *map(int, re.fullmatch(pattern, sentence).groups()))
        numbers.append(have)
    return numbers


@settings(max_examples=400)
@given(asked("arithmetic"))
def test_the_sentences_lead_to_the_answer(case):
    prompt, question, difficulty = case
    numbers = numbers_on_the_way(question.material["problem"])
    assert str(numbers[-1]).removesuffix(".0") == question.expected
    assert all(number == int(number) and 1 <= number <= 999 for number in numbers)
    assert difficulty + 2 <= len(numbers) <= difficulty + 4
    assert question.kind == INTEGER
    assert r"\boxed{}" in prompt
    named = re.findall(r"\d+", question.material["problem"].partition(" times as many")[0])
    assert difficulty > 3 or len(set(named)) == len(named)


def test_many_questions_are_varied():
    questions = [fresh_question("arithmetic", 3, index) for index in range(4000)]
    answers = Counter(q.expected for q in questions)
    assert len(answers) > 40
    assert max(answers.values()) < 300
    hard = [fresh_question("arithmetic", 3, index, 5) for index in range(2000)]
    assert len({q.expected for q in hard}) > 500
