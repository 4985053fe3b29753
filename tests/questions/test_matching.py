"""Finding the question that a text asks."""

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.questions import Question
from lrmtest.questions.matching import QuestionFinder


def asking(prompt, *questions):
    return QuestionFinder(prompt, questions)


def question(id_, **material):
    return Question(id_, "s", material, ("1",), "integer")


def test_a_question_is_found_in_another_tools_prompt():
    finder = asking("{problem}", question("a", problem="What is 1 + 1?"))
    assert finder.in_text("Answer briefly.\n\nQ:  what IS 1\n+ 1?\nA:").id == "a"
    assert finder.in_text("What is 1 + 10?") is None
    assert finder.in_text("") is None


def test_a_number_is_no_part_of_a_longer_one():
    finder = asking("{sum}", question("a", sum="2 + 2"), question("b", sum="12 + 20"))
    assert finder.in_text("What is 2 + 2?").id == "a"
    assert finder.in_text("What is 12 + 20?").id == "b"
    assert finder.in_text("What is 2 + 20?") is None


def test_of_two_the_larger_one_wins():
    # A conclusion may be a part of another conclusion about the same premises.
    finder = asking(
        "{premises}\n{conclusion}",
        question("part", premises=["All cats purr.", "Tom is a cat."], conclusion="Tom purrs."),
        question(
            "whole",
            premises=["All cats purr.", "Tom is a cat."],
            conclusion="If it rains, Tom purrs.",
        ),
    )
    premises = "All cats purr. Tom is a cat.\n"
    assert finder.in_text(premises + "If it rains, Tom purrs.").id == "whole"
    assert finder.in_text(premises + "Tom purrs.").id == "part"


def test_two_that_are_as_good_are_none():
    finder = asking("{q}", question("a", q="one two"), question("b", q="six ten"))
    assert finder.in_text("one two six ten") is None


def test_options_count_without_their_letters():
    options = ["6pm to 9pm", "1am to 2am"]
    finder = asking(
        "{q}\n{options_text}",
        question("a", q="When?", options=options, options_text="(A) 6pm to 9pm\n(B) 1am to 2am"),
    )
    assert finder.in_text("When? A. 6pm to 9pm  B. 1am to 2am").id == "a"
    assert finder.in_text("When? A. 6pm to 9pm  B. 1am to 3am") is None


def test_material_that_the_prompt_does_not_show_is_not_asked_for():
    finder = asking("{question}", question("a", question="Who?", paragraphs=["A long text."]))
    assert finder.in_text("Who?").id == "a"


def test_a_position_is_no_name():
    finder = asking("{q}", question("17", q="x"), question("2024-I-4", q="y"))
    assert finder.named("17") is None
    assert finder.named("2024-I-4").id == "2024-I-4"
    assert finder.named("2024-I-5") is None


texts_with_words = st.text(alphabet="abcd é1+.?", min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
)


@given(st.lists(texts_with_words, min_size=1, max_size=8, unique=True))
def test_every_question_is_found_in_a_text_of_its_own(texts):
    questions = [question(f"q{number}", q=text) for number, text in enumerate(texts)]
    finder = asking("{q}", *questions)
    for each in questions:
        found = finder.in_text(f"xyz {each.material['q']} xyz")
        # Two that differ in white space or case alone ask the same.
        same = [
            other.id
            for other in questions
            if asking("{q}", other).in_text(f"xyz {each.material['q']} xyz") is not None
        ]
        assert each.id in same
        assert found is None or found.id in same
        if same == [each.id]:
            assert found is not None
            assert found.id == each.id
