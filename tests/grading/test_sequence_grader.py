"""Grading words or numbers in their order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading import Completion, grade
from lrmtest.grading.could_say import could_say
from lrmtest.grading.sequence import grade_sequence
from lrmtest.questions import SEQUENCE, Question


def graded(reference, text):
    return grade_sequence(Question("1", "s", {"question": "?"}, (reference,), SEQUENCE), text)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("150, 2", "Answer: 150, 2"),
        ("150, 2", "Answer: 150,2."),
        ("150, 2", "**Answer:** (150, 2)"),
        ("150, 2", "Answer: 150 and 2"),
        ("150, 2", "Answer: X = 150, Y = 2"),
        ("150, 2", r"So it is \boxed{150, 2}."),
        ("150, 2", "The answer is 150, 2."),
        ("150, 2", "150, 2"),
        ("404.0", "Answer: 404"),
        ("404.0", "Answer: $404.00$"),
        ("0.5", "Answer: 0.50"),
        ("0", "Answer: -0"),
        ("1372", "Answer: 1,372"),
        ("-52", "Answer: −52"),
        ("0,1,1", "Answer: 0, 1, 1"),
        ("no, unknown, no", "Answer: No, Unknown, No"),
        ("no, unknown, no", "The answer is no, unknown, no because Ann lies."),
        ("unknown", "Answer: unknown"),
        ("unknown", 'Answer: "unknown"'),
        ("disproved", "It is proved.\n\nFinal Answer: **disproved**."),
        ("[emma, lily]", "Answer: Emma, Lily"),
        ("emma, lily", "Answer: [emma, lily]"),
        ("[]", "Answer: []"),
        ("crane (bird)", "Answer: (crane (bird))"),
        ("(a), (b)", "Answer: (a), (b)"),
        ("A", "Answer: A"),
        ("BC", r"The answer is $\boxed{\text{BC}}$"),
        ("B, B, A", "Answer: B, B, A"),
        ("Did we go?", "Answer: Did we go?"),
        ("Did we go?", "Answer: did we go"),
        ("els llaços", "Answer: els llac\u0327os"),
        ("[ətkəbox]", "Answer: ətkəbox"),
        ("7", "Answer: 6\nWait, that is wrong.\nAnswer: 7"),
        (
            ", ".join(f"word{n}" for n in range(60)),
            "Answer: " + ", ".join(f"word{n}" for n in range(60)),
        ),
    ],
)
def test_right(reference, text):
    assert graded(reference, text).correct, graded(reference, text)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("150, 2", "Answer: 2, 150"),
        ("150, 2", "Answer: 1502"),
        ("150, 2", "Answer: 150, 2, 1"),
        ("150, 2", "Answer: 150"),
        ("150, 2", "Answer: 150, 3"),
        ("150, 2", "X is 150 and Y is 2, I think."),
        ("0,1,1", "Answer: 1, 0, 1"),
        ("0,1,1", "Answer: 011"),
        ("67.75", "Answer: 6775"),
        ("67.75", "Answer: 67.8"),
        ("-52", "Answer: 52"),
        ("1372", "Answer: 1, 372"),
        ("yes, no", "The answer is not yes, no"),
        ("yes, no", "Answer: yes, no or no, yes"),
        ("A", "Answer: the"),
        ("A", "A man goes there and it is a story of a man."),
        ("E", "Answer: E or F"),
        ("7", "Answer: 7 or 8"),
        ("7", "Answer: 7?"),
        ("7", "Answer: 7\nWait, no, I made a mistake."),
        ("proved", "Answer: disproved"),
        ("[]", "Answer: none"),
        ("[]", "Answer:"),
        ("[]", r"\boxed{, }"),
        ("(a), (b)", "Answer: a, b"),
        ("7", ""),
        ("word0, word1", "Answer: " + "word0, word1" + ", word1" * 3000),
    ],
)
def test_not_right(reference, text):
    assert not graded(reference, text).correct, graded(reference, text)


ITEM = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.text("abcxyzäß", min_size=1, max_size=8),
)
ITEMS = st.lists(ITEM, min_size=1, max_size=6)
SPELLINGS = (
    "Answer: {}",
    "Hm.\n**Answer:** [{}].",
    "So the answer is\n\\boxed{{{}}}",
    "Final answer: ({})",
)


@given(items=ITEMS, spelling=st.sampled_from(SPELLINGS), comma=st.sampled_from([",", ", ", " , "]))
def test_every_sequence_is_itself(items, spelling, comma):
    # "1,234" is a number where one is asked for, as people write it.
    text = spelling.format(comma.join(items))
    assert graded(", ".join(items), text).correct


@given(items=ITEMS, others=ITEMS, spelling=st.sampled_from(SPELLINGS))
def test_no_other_sequence_is(items, others, spelling):
    def value(item):
        try:
            return float(item)
        except ValueError:
            return item.casefold()

    same = [*map(value, items)] == [*map(value, others)]
    assert graded(", ".join(items), spelling.format(", ".join(others))).correct == same


@given(items=ITEMS, text=st.text(max_size=60), spelling=st.sampled_from(SPELLINGS))
def test_what_is_right_could_have_been_said(items, text, spelling):
    question = Question("1", "s", {}, (", ".join(items),), SEQUENCE)
    for said in (text, spelling.format(", ".join(items)), spelling.format(text)):
        if grade_sequence(question, said).correct:
            assert could_say(grade_sequence, question, said), said


def test_the_kind_is_graded_without_more(tmp_path):
    from lrmtest.suites import questions_from_jsonl

    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"id": 1, "answer": "yes, no", "q": "?", "kind": SEQUENCE}) + "\n")
    (question,) = questions_from_jsonl(path, suite="mine").questions
    assert grade(question, Completion("Answer: Yes, no.", "stop")).correct
    cut = grade(question, Completion("Answer: no, yes, no", "length"))
    assert (cut.correct, cut.failure) == (False, "truncated")
