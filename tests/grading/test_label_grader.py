import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.label import grade_label
from lrmtest.questions.question import LABEL, Question


def extracted(answer):
    return grade_label(Question("q", "folio", {}, ("True",), LABEL), answer).extracted


T, F, U = "True", "False", "Uncertain"


@pytest.mark.parametrize(
    ("ending", "label"),
    [
        ("Answer: True", T),
        ("**Answer:** False.", F),
        ("**Answer: Uncertain**", U),
        ("Answer: Unknown", U),
        ("**Answer**: The conclusion is **false**.", F),
        ("Final Answer: the conclusion is uncertain based on the premises.", U),
        (r"\boxed{False}", F),
        (r"\boxed{\text{Uncertain}}", U),
        ("<answer>true</answer>", T),
        ("the answer is 'False'", F),
        ("The answer is “Uncertain”.", U),
        ("The correct answer is **True** because the premise says it is not false.", T),
        ("False", F),
        ("**True.**\n\n**Explanation:** every cat in the story purrs.", T),
        ("Conclusion: Uncertain", U),
        ("**Conclusion:** True.\n\nThe shop sells bread.", T),
        ("The conclusion that all cats purr is **uncertain** because no premise says so.", U),
        ("Therefore, the conclusion is not true.", F),
        ("Therefore, the statement is not necessarily true.", U),
        ("So the claim is neither true nor false given what we know.", U),
        ("The conclusion cannot be determined from the premises.", U),
        ("The conclusion cannot be definitively determined as true, false or otherwise.", U),
        ("The conclusion does not necessarily follow from the premises.", U),
        ("Hence the conclusion does not follow.", U),
        ("The conclusion logically follows from the premises.", T),
        ("The conclusion that Ann sings is supported by the third premise.", T),
        ("The conclusion is not supported by any premise.", U),
        ("The conclusion cannot be true because a premise denies it.", F),
        ("Therefore, the conclusion is incorrect.", F),
        ("Therefore the conclusion is not false.", T),
        ("There is not enough information to confirm the conclusion.", U),
        ("It is uncertain whether Ann sings; in any case, the conclusion is false.", F),
        ("It is unclear if the statement is true.", U),
        ("We cannot tell whether the conclusion is true.", U),
        ("We are unable to determine if the statement is true or false.", U),
        ("The statement that it is not true that Ann sings is false.", F),
        ('The statement "it is not true that Ann sings" is true.', T),
        ("The conclusion is uncertain, not false.", U),
        ("The conclusion is true, although it is not certain that Ann sings.", T),
        ("Ann has a cat, making the conclusion that Ann has no pet false.", F),
        ("The conclusion is true.\n\nAnn sings.", T),
        ("The conclusion is true. Wait. Actually, the conclusion is false.", F),
        ('Hence, "Ann sings every day" is False.', F),
        ("The conclusion can be neither proven nor disproven.", U),
        ("The conclusion is inconsistent with the premises.", F),
        ("So the answer is False, not True.", F),
        ("Answer: True\n\nOn reflection:\n\nAnswer: False", F),
        ("\x1b[32mAnswer: \u202eTrue\x1b[0m", T),
        ("<b>Answer:</b> True", T),
    ],
)
def test_endings(ending, label):
    assert (
        extracted("The premises speak of cats, true friends and false ones.\n\n" + ending) == label
    )


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "Ann sings.",
        "Premise 2 is true.",
        "In conclusion, Ann is a true friend.",
        "Answer: maybe",
        "Is the conclusion true?",
        "If the conclusion is true, then Ann sings.",
        "Answer: True or False",
        "Answer: True|False|Uncertain",
        "Answer: True / Uncertain",
        "Perhaps the answer is True.",
        "The conclusion might be true.",
        "We now have to say whether the conclusion is true.",
    ],
)
def test_no_label(ending):
    assert extracted(ending) is None


@given(
    st.sampled_from(["True", "False", "Uncertain"]),
    st.sampled_from(["Answer: {}", "**Answer:** {}.", "**Answer: {}**", "The answer is {}.",
                     r"\boxed{{{}}}", "<answer>{}</answer>", "Final Answer: '{}'"]),
    st.sampled_from([str, str.lower, str.upper]),
    st.text(alphabet="ab .\n(){}*", max_size=80),
)  # fmt: skip
def test_format_lines_in_any_surroundings(label, form, case, noise):
    assert extracted(f"{noise}\n{form.format(case(label))}\n") == label


def test_reference_spelling():
    question = Question("q", "folio", {}, ("Unknown",), LABEL)
    assert grade_label(question, "Answer: Uncertain").correct
