"""Generated premises and conclusions: every label is proved by Z3, an SMT solver."""

import re
from collections import Counter

import pytest
from drawn import asked
from hypothesis import given, settings

from lrmtest.questions import LABEL
from lrmtest.questions.fresh import DIFFICULTIES, fresh_question

z3 = pytest.importorskip("z3")

PERSON = z3.DeclareSort("Person")
X, Y = z3.Consts("x y", PERSON)


def has(name, person):
    return z3.Function(name, PERSON, z3.BoolSort())(person)


def admires(one, other):
    return z3.Function("admires", PERSON, PERSON, z3.BoolSort())(one, other)


def formula(sentence):
    """A sentence in first-order logic."""
    if match := re.fullmatch(r"(\w+) admires (\w+)\.", sentence):
        return admires(*(z3.Const(name, PERSON) for name in match.groups()))
    if match := re.fullmatch(r"(Everyone|No one) who is (\w+)(?: and (\w+))? is (\w+)\.", sentence):
        who, first, second, then = match.groups()
        condition = z3.And(has(first, X), has(second, X)) if second else has(first, X)
        return z3.ForAll([X], z3.Implies(condition, is_or_not(who, has(then, X))))
    if match := re.fullmatch(r"(Everyone|No one) admired by someone (\w+) is (\w+)\.", sentence):
        who, first, then = match.groups()
        condition = z3.And(has(first, Y), admires(Y, X))
        return z3.ForAll([X, Y], z3.Implies(condition, is_or_not(who, has(then, X))))
    who, negation, what = re.fullmatch(r"(\w+|No one) is (not )?(\w+)\.", sentence).groups()
    if who in ("Everyone", "No one"):
        return z3.ForAll([X], is_or_not(who, has(what, X)))
    person = X if who == "Someone" else z3.Const(who, PERSON)
    said = z3.Not(has(what, person)) if negation else has(what, person)
    return z3.Exists([X], said) if who == "Someone" else said


def is_or_not(who, said):
    return z3.Not(said) if who == "No one" else said


def satisfiable(*formulas):
    solver = z3.Solver()
    solver.add(*formulas)
    result = solver.check()
    assert result != z3.unknown
    return result == z3.sat


def proved_label(prompt):
    """What Z3 proves of the conclusion in a prompt."""
    premises = re.search(r"^Premises:\n(.*?)\n\n", prompt, re.M | re.S)[1].split("\n")
    conclusion = re.search(r"^Conclusion:\n(.*?)\n\n", prompt, re.M | re.S)[1]
    given_, claim = [formula(premise) for premise in premises], formula(conclusion)
    assert satisfiable(*given_)
    if not satisfiable(*given_, z3.Not(claim)):
        return "True"
    return "Uncertain" if satisfiable(*given_, claim) else "False"


@settings(max_examples=300, deadline=None)
@given(asked("logic"))
def test_the_label_is_proved(case):
    prompt, question, _ = case
    assert proved_label(prompt) == question.expected
    assert question.kind == LABEL


@settings(max_examples=200)
@given(asked("logic"))
def test_the_premises_are_told_once_and_mention_what_is_concluded(case):
    _, question, _ = case
    premises = question.material["premises"]
    assert len(set(premises)) == len(premises)
    what = question.material["conclusion"].rstrip(".").rpartition(" ")[2]
    assert sum(f" is {what}." in premise for premise in premises) == 1


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_labels_are_uniform_and_the_polarity_does_not_tell_them(difficulty):
    questions = [fresh_question("logic", 3, index, difficulty) for index in range(3000)]
    labels = Counter(q.expected for q in questions)
    # Chi-squared with 2 degrees of freedom: 13.8 is exceeded once in a thousand.
    assert sum((labels[x] - 1000) ** 2 / 1000 for x in ("True", "False", "Uncertain")) < 13.8
    for label in labels:
        mine = [q for q in questions if q.expected == label]
        negative = sum(
            " is not " in q.material["conclusion"] or "No one" in q.material["conclusion"]
            for q in mine
        )
        assert 0.4 < negative / len(mine) < 0.6
