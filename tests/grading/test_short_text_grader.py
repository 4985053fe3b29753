import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.short_text import exact_match, f1, grade_short_text, normalize
from lrmtest.questions.question import SHORT_TEXT, Question


def result(answer, *references):
    return grade_short_text(Question("q", "musique", {}, references, SHORT_TEXT), answer)


def test_normalize_as_squad_does():
    assert normalize('The  Beatles\' "White Album", a classic.') == "beatles white album classic"
    assert normalize("U.S.A.") == "usa"


@pytest.mark.parametrize(
    ("prediction", "reference", "score"),
    [
        ("the Eiffel Tower", "Eiffel Tower", 1.0),
        ("tower", "Eiffel Tower", 2 / 3),
        ("in Paris, France", "Paris", 0.5),
        ("no no no", "no no", 0.8),  # multisets
        ("Rome", "Paris", 0.0),
        ("the", "a", 1.0),  # nothing is left of either
        ("the", "Paris", 0.0),
    ],
)
def test_f1(prediction, reference, score):
    assert f1(prediction, reference) == pytest.approx(score)


words = st.lists(st.sampled_from(["the", "red", "Red,", "car", "42", "a"]), max_size=6).map(
    " ".join
)


@given(words, words)
def test_f1_is_symmetric_and_bounded(one, other):
    assert f1(one, other) == f1(other, one)
    assert 0.0 <= f1(one, other) <= 1.0
    assert f1(one, one) == 1.0
    assert f1(one, other) >= exact_match(one, other)


def test_the_best_alias_counts():
    assert result("Answer: GDR", "East Germany", "GDR").correct
    assert result("Answer: German Republic", "GDR", "German Democratic Republic").score == 0.8


def test_official_figures_judge_the_whole_answer_without_a_format_line():
    grade = result("The tower was built by **Gustave Eiffel**.", "Gustave Eiffel")
    assert grade.extracted == "Gustave Eiffel"
    assert not grade.correct
    assert grade.metrics["em"] == 0.0
    assert grade.score == grade.metrics["f1"] == pytest.approx(4 / 8)
    assert grade.metrics["em_short"] == grade.metrics["f1_short"] == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "Gustave Eiffel",
        "gustave eiffel.",
        "Some words first.\nAnswer: Gustave Eiffel",
        "Some words first.\n**Answer:** *Gustave Eiffel*.",
        r"So \boxed{\text{Gustave Eiffel}}",
        "<answer>Gustave Eiffel</answer>",
    ],
)
def test_exact_matches(answer):
    grade = result(answer, "Gustave Eiffel")
    assert grade.correct
    assert grade.score == 1.0
    assert set(grade.metrics.values()) == {1.0}


@pytest.mark.parametrize(
    ("answer", "short"),
    [
        ("The designer of the tower is Gustave Eiffel.", "Gustave Eiffel"),
        ("The band was formed in 1984.", "1984"),
        ("**Answer:** The tower was opened in the year **1889**.", "1889"),
        ("The mascot is **Bob**.\n\nIt has been so for years.", "Bob"),
    ],
)
def test_short_answers(answer, short):
    assert result(answer, "x").extracted == short


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n",
        "Answer: It cannot be determined from the text.",
        "I am sorry, I cannot answer that question. I am an assistant.",
        "The exact date is not publicly known.",
    ],
)
def test_abstentions_are_no_answer(answer):
    grade = result(answer, "Paris")
    assert grade.extracted is None
    assert not grade.correct


@given(st.text(max_size=200), st.text(min_size=1, max_size=20))
def test_what_is_correct_was_extracted(answer, reference):
    grade = result(answer, reference)
    assert not grade.correct or grade.extracted is not None
    assert all(0.0 <= value <= 1.0 for value in (grade.score, *grade.metrics.values()))


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("The terms are **four years**.", "four-year", True),
        ("It lasted **12 days**.", "12-day", True),
        ("It is a **five-mile** road.", "five miles", True),
        ("The terms are **four years**.", "five-year", False),
        ("The terms are **fourteen years**.", "four years", False),
        ("It lasted **4 months**.", "4 years", False),
    ],
)
def test_a_quantity_is_one_in_every_form(answer, reference, same):
    assert (result(answer, reference).metrics["em_short"] == 1.0) == same
