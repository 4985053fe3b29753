import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.evaluate import SECONDS, integer_value
from lrmtest.grading.integer import grade_integer
from lrmtest.questions.question import INTEGER, Question


def extracted(answer, expected="73"):
    question = Question("q", "aime", {}, (expected,), INTEGER)
    result = grade_integer(question, answer)
    assert result.score == float(result.correct)
    assert result.correct == (result.extracted == str(int(expected)))
    return result.extracted


BOXES = [
    r"\boxed{73}",
    r"\boxed{073}",
    r"\boxed{73.}",
    r"\boxed{73.0}",
    r"\boxed{ 73 }",
    r"\boxed 73",
    r"\boxed73",
    r"\fbox{73}",
    r"\\boxed{73}",
    r"\boxed{\boxed{73}}",
    r"\boxed{{73}}",
    r"\boxed{\text{73}}",
    r"\boxed{\mathbf{73}}",
    r"\boxed{\mathrm{73}}",
    r"\boxed{\boldsymbol{73}}",
    r"\boxed{\textbf{\text{73}}}",
    r"\boxed{**73**}",
    r"\boxed{$73$}",
    r"\boxed{\(73\)}",
    r"\boxed{\$73}",
    r"\boxed{73^\circ}",
    r"\boxed{73^{\circ}}",
    r"\boxed{73°}",
    r"\boxed{73\%}",
    r"\boxed{73\text{ minutes}}",
    r"\boxed{73 \text{ cm}^2}",
    r"\boxed{73\,\mathrm{units}}",
    r"\boxed{m+n=73}",
    r"\boxed{m + n = 70 + 3 = 73}",
    r"\boxed{73 = 70 + 3}",
    r"\boxed{N \equiv 73 \pmod{1000}}",
    r"\boxed{\text{Answer: }73}",
    r"\boxed{\displaystyle 73}",
    r"\boxed{\frac{146}{2}}",
    r"\boxed{\dfrac{146}{2}}",
    r"\boxed{146/2}",
    r"\boxed{+73}",
    r"\boxed{(73)}",
    r"\boxed{\left(73\right)}",
    r"\boxed{\approx 73}",
    r"\boxed{\Large 73}",
    r"\boxed{\color{red}73}",
    r"\boxed{\textcolor{blue}{73}}",
    r"\boxed{\begin{aligned}73\end{aligned}}",
    r"\boxed{73\\}",
    r"\boxed{\text{The answer is }73}",
    r"\boxed{73} or equivalently \boxed{073}",
    "$$\\boxed{\n73\n}$$",
    "\\[\\boxed{73}.\\]",
    "**Answer:** \\boxed{73}",
    "\x1b[1m\\boxed{73}\x1b[0m",
    "\\boxed{\u200f7\x003\u200e}",
    "\\boxed{７３}",
]


@pytest.mark.parametrize("box", BOXES)
def test_boxed(box):
    assert extracted(f"We had 12 and \\boxed{{5}} before. Thus the result is {box}") == "73"


@pytest.mark.parametrize(
    ("box", "value"),
    [
        (r"\boxed{1{,}000}", "1000"),
        (r"\boxed{1,000}", "1000"),
        (r"\boxed{1\,000}", "1000"),
        (r"\boxed{12\;345}", "12345"),
        (r"\boxed{000}", "0"),
        (r"\boxed{-7}", "-7"),
    ],
)
def test_other_integers(box, value):
    assert extracted(box) == value


@pytest.mark.parametrize(
    "box",
    [
        r"\boxed{\frac{3}{7}}",
        r"\boxed{7,3}",
        r"\boxed{73.5}",
        r"\boxed{\text{no solution}}",
        r"\boxed{73x}",
        r"\boxed{73 \text{ or } 74}",
        r"\boxed{x}",
    ],
)
def test_a_box_without_an_integer_is_a_wrong_answer(box):
    """It is a commitment all the same: the earlier one does not come back."""
    assert extracted(rf"The answer is 73. In the end, {box}") not in (None, "73")


@pytest.mark.parametrize("line", [r"\boxed{}", r"\boxed{\frac{73}{1}", r"\boxed", r"\boxed{7 x ="])
def test_an_empty_or_unfinished_box_is_none(line):
    assert extracted(line) in (None, "7 x =")
    assert extracted(r"\boxed{5} then " + line) in ("5", "7 x =")


@pytest.mark.parametrize("line", [r"\boxed{73", r"$\boxed{73$", "So \\boxed{73\nDone."])
def test_a_box_that_the_end_of_its_line_closes_is_read(line):
    assert extracted(line) == "73"


@pytest.mark.parametrize(
    "joint",
    [" or ", " and ", "$ or $", r"\text{ or }", r" \quad\text{or}\quad ",
     ", or possibly ", " and/or ",
     " oder ", "或", "或者", " または ", " 또는 ", " ou ", " o ", " или ", ", or, if n is even, "],
)  # fmt: skip
def test_boxes_joined_by_or_are_no_answer(joint):
    assert extracted(rf"The answer is 5. In the end, \boxed{{73}}{joint}\boxed{{5}}") is None
    assert extracted(rf"In the end, \boxed{{5}}{joint}\boxed{{73}}") is None
    assert extracted(rf"In the end, \boxed{{73}}{joint}\boxed{{073}}") == "73"


@pytest.mark.parametrize(
    "prose",
    [
        "The answer is 73.",
        "the final answer is **73**",
        "**Answer:** 73",
        "**Answer**: 73",
        "Answer: $73$",
        "Final Answer: 73 minutes",
        "### Final Answer\n\n73",
        "<answer>73</answer>",
        "<answer> 073 </answer>",
        "So the answer to the problem is $m+n = 73$.",
        "Therefore, the answer is \\(73\\), as claimed.",
        "The answer should be 73",
        "The answer is 73 because 5 and 7 are prime.",
        "the answer is: 73",
        "Answer = 73",
        "Answer 73",
        "Final answer - 73.",
    ],
)
def test_commitments_in_prose(prose):
    assert extracted("We find 12, and 19 in the second case.\n" + prose) == "73"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "We get 70 + 3 = 73",
        "73 is the number of ways, and",
        "The answer is not 73.",
        "Is the answer 73?",
        "Could it be that the answer is 73? No.",
        "Maybe the answer is 73.",
        "If the answer is 73, then",
        "The answer must be an integer from 0 to 999.",
        "The answer is 73/2.",
        "The answer is 73^2 mod 7.",
        "The answer is 73.5",
        "The answer is 73 or 74.",
    ],
)
def test_no_commitment(text):
    assert extracted(text) is None


@pytest.mark.parametrize("answer", ["73", " **073**. ", "$73$\n", "x = 73"])
def test_an_answer_that_is_nothing_but_the_number(answer):
    assert extracted(answer) == (None if "=" in answer else "73")


def test_the_last_commitment_wins():
    assert extracted(r"\boxed{5}, no: the answer is 73.") == "73"
    assert extracted(r"The answer is 5. Check: \boxed{73}") == "73"
    assert extracted(r"\boxed{73} \boxed{5}") == "5"


@pytest.mark.parametrize(
    "formula", [r"\sqrt{5329}", "70 + 3", r"2^6 + 9", r"\frac{1}{2} \cdot 146", r"\binom{73}{1}"]
)
def test_formulas_that_math_verify_reads(formula):
    assert extracted(rf"\boxed{{{formula}}}") == "73"


def test_an_endless_formula_is_given_up():
    start = time.monotonic()
    assert integer_value("9^{9^{9^{9}}}") is None
    assert time.monotonic() - start < SECONDS + 60
    assert integer_value("70+3") == 73  # with a new worker


@given(st.integers(0, 999), st.integers(0, 2**32))
def test_any_integer_in_any_spelling(value, seed):
    rng = random.Random(seed)
    text = str(value).zfill(rng.choice([1, 3]))
    for _ in range(rng.randrange(4)):
        wrap = rng.choice([r"\text{%s}", r"\mathbf{%s}", "{%s}", "$%s$", " %s ", r"\textbf{%s}"])
        text = wrap % text
    text = rng.choice(["", "x = ", "m+n=", "a+b+c = "]) + text
    text += rng.choice(["", ".", r"\text{ units}", r"^\circ"])
    assert extracted(rf"so \boxed{{{text}}}", expected=str(value)) == str(value)
