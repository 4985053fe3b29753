import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.option import grade_option
from lrmtest.questions.question import OPTION, Question

QUESTION = Question(
    "q", "temporal", {"options": ["6pm to 9pm", "7am to 11am", "1pm to 2pm", "2pm to 6pm"]},
    ("A",), OPTION,
)  # fmt: skip


def extracted(answer):
    return grade_option(QUESTION, answer).extracted


@pytest.mark.parametrize(
    "ending",
    [
        "Answer: (A)",
        "**Answer:** (A) 6pm to 9pm",
        "**Answer: (A)**",
        "Answer: **A**",
        "Answer: A.",
        "Answer: a",
        "Answer: [A]",
        "answer: option A",
        "The correct answer is (A) 6pm to 9pm.",
        "The correct answer is **(A) 6pm to 9pm**.",
        "The correct answer is option A, since (B) is when she slept.",
        "So the answer is A because she was free.",
        r"\boxed{A}",
        r"\boxed{\text{(A)}}",
        r"\boxed{6\text{pm} \text{ to } 9\text{pm}}",
        r"The correct answer is \boxed{A}.",
        "**Final Answer:**\n\n\\boxed{A}",
        "<answer>A</answer>",
        "(A) 6pm to 9pm",
        "A",
        "6pm to 9pm",
        "6 PM – 9 PM",
        "**6:00 p.m. - 9:00 p.m.**",
        "Answer: between 6pm and 9pm",
        "Answer: 6-9pm",
        "She could only have gone there from 6 pm until 9 pm.",
        "Therefore, she could have gone between **6pm to 9pm**.",
        "That makes option (A) the correct choice.",
        "The correct answer is:\n\n(A) 6pm to 9pm",
        "**Answer:** (A) 6pm to 9pm\n```\n(A) 6pm to 9pm\n```",
        "A is the correct answer.",
        "The correct choice is A.",
        "I choose (A).",
        "Answer (A)",
        "Answer: from 6 p.m. to 9 p.m.",
        "Answer: (B)\n\nWait, I misread. Answer: (A)",
    ],
)
def test_endings(ending):
    assert extracted("- 7am to 11am: at work\n- 2pm to 6pm: (D) is taken\n\n" + ending) == "A"


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "Answer: (A) or (B)",
        "Answer: A and B",
        "Answer: A/B",
        "Answer: (A)(B)",
        "Answer: (A) 6pm to 9pm and (B) 7am to 11am",
        r"\boxed{A} or \boxed{B}",
        "Answer: (A) is wrong",
        "The answer is (A), (B), or (C)",
        "Answer: (A) 7am to 11am",  # the letter of one, the text of another
        "Answer: 6pm to 9pm or 1pm to 2pm",
        "Answer: (E)",
        r"\boxed{E}",
        "Answer: none of the above",
        "Maybe the answer is (A).",
        "She could not have gone from 6pm to 9pm.",
        "She was at work from 7am to 11am and slept.",
        "Therefore it is (A) or (B).",
        "A person who works cannot go.",
        "The answer is a mystery.",
        "She went at 16pm to 9pm, so that is that.",
    ],
)
def test_no_answer(ending):
    assert extracted(ending) is None


@given(
    st.sampled_from("ABCD"),
    st.sampled_from(["Answer: ({})", "**Answer:** {}", "The answer is ({}).", r"\boxed{{{}}}",
                     "Answer: option {}", "<answer>{}</answer>"]),
    st.text(alphabet="ab .\n(){}*7pm", max_size=80),
)  # fmt: skip
def test_any_letter_in_any_surroundings(letter, form, noise):
    assert extracted(f"{noise}\n{form.format(letter)}\n") == letter


@given(st.sampled_from("ABCD"), st.sampled_from("ABCD"))
def test_two_final_letters_are_no_answer(first, second):
    wanted = first if first == second else None
    assert extracted(f"Answer: ({first}) and ({second})") == wanted


def test_plain_text_options():
    question = Question("q", "s", {"options": ["a red car", "a blue car"]}, ("B",), OPTION)
    assert grade_option(question, "Answer: a blue car").correct
    assert grade_option(question, "The correct answer is A red car.").extracted == "A"
