"""Fresh questions as hypothesis strategies; the families' own tests solve what they make."""

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.questions import Question
from lrmtest.questions.fresh import DIFFICULTIES, FAMILIES, fresh_question, strategy
from lrmtest.questions.fresh.space import Space

families = st.sampled_from(list(FAMILIES))
difficulties = st.sampled_from(list(DIFFICULTIES))
few = settings(max_examples=50, database=None)


def space_of(family, difficulty=1):
    return Space(f"fresh-{family}", FAMILIES[family], difficulty)


@given(st.data(), families, difficulties)
def test_a_strategy_gives_questions_named_by_their_content(data, family, difficulty):
    question = data.draw(strategy(family, difficulty))
    assert isinstance(question, Question)
    assert question.suite == f"fresh-{family}"
    other = data.draw(strategy(family, difficulty))
    assert (question.id == other.id) == (question.material == other.material)
    assert question.id.startswith(f"{family}-d{difficulty}-" if difficulty > 1 else f"{family}-")


@given(families, difficulties, st.lists(st.integers(-3, 500), max_size=120))
def test_any_integers_make_a_question_and_equal_draws_equal_questions(family, difficulty, draws):
    drawn = space_of(family, difficulty).played(tuple(draws))
    again = space_of(family, difficulty).played(drawn.draws)
    assert again == drawn
    assert again.question.digest == drawn.question.digest


@given(families, difficulties, st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_is_drawn_as_the_suite_draws_is_its_question(family, difficulty, seed, index):
    drawn = space_of(family, difficulty).seeded(seed, index)
    asked = fresh_question(family, seed, index, difficulty)
    assert drawn.question.material == asked.material
    assert drawn.question.references == asked.references
    assert space_of(family, difficulty).played(drawn.draws) == drawn


@pytest.mark.parametrize("family", ["temporal", "logic"])
def test_the_simplest_question_is_all_zeros(family):
    simplest = find(strategy(family), lambda question: True, settings=few)
    drawn = space_of(family).played(())
    assert simplest == drawn.question
    assert not any(drawn.draws)


@pytest.mark.parametrize(
    ("family", "many", "least"),
    [
        ("temporal", lambda question: question.material["story"].count(" saw "), 5),
        ("logic", lambda question: len(question.material["premises"]), 6),
        ("hops", lambda question: question.material["question"].count("'s "), 3),
    ],
)
def test_it_shrinks_to_as_few_as_are_needed(family, many, least):
    found = find(strategy(family), lambda question: many(question) >= least, settings=settings(few))
    assert many(found) == least


def test_numbers_shrink():
    def enough(question):
        # Boxes are products, none of which comes to just any number.
        return int(question.expected) >= 20 and "boxes" not in question.material["problem"]

    found = find(strategy("arithmetic"), enough, settings=settings(few))
    assert int(found.expected) == 20


@pytest.mark.parametrize(("family", "difficulty"), [("temporel", 1), ("temporal", 0), ("logic", 6)])
def test_what_there_is_not_is_refused(family, difficulty):
    with pytest.raises(UsageError, match="there are no fresh questions"):
        strategy(family, difficulty)
