"""Generated temporal sequences, checked by a solver that only reads their text."""

import re
from collections import Counter

from drawn import asked
from hypothesis import given, settings
from temporal_solver import feasible_letters, half_hours

from lrmtest.questions import OPTION
from lrmtest.questions.fresh import fresh_question


@settings(max_examples=300)
@given(asked("temporal"))
def test_exactly_one_option_is_feasible(case):
    prompt, question, difficulty = case
    letters, seen = feasible_letters(prompt)
    assert letters == [question.expected]
    assert 3 <= len(seen) - 2 * (difficulty - 1) <= 7
    assert len(set(question.material["options"])) == 4
    assert question.kind == OPTION
    witnesses = re.findall(r"^(\w+) saw", question.material["story"], re.M)
    assert len(set(witnesses)) == len(witnesses)
    in_order = [half_hours(start) for start, _ in seen]
    assert difficulty >= 3 or in_order == sorted(in_order)
    assert difficulty >= 2 or ":30" not in prompt


def test_many_questions_are_varied_and_answers_uniform():
    questions = [fresh_question("temporal", 3, index) for index in range(4000)]
    assert len({q.material["story"] for q in questions}) == 4000
    letters = Counter(q.expected for q in questions)
    # Chi-squared with 3 degrees of freedom: 16.3 is exceeded once in a thousand.
    assert sum((letters[x] - 1000) ** 2 / 1000 for x in "ABCD") < 16.3
    lengths = Counter(q.material["story"].count(" saw ") for q in questions)
    assert set(lengths) == {3, 4, 5, 6, 7}
    assert min(lengths.values()) > 600
