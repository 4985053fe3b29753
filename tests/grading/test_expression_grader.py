"""Grading expressions: which answer counts, what is equal to it, and what is left undecided."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest
from expression_cases import EQUAL, UNEQUAL
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.grading import Completion, evaluate, grade
from lrmtest.grading.answer_text import clean
from lrmtest.grading.symbolic import equality, grade_expression
from lrmtest.grading.symbolic.arithmetic import TooLargeError
from lrmtest.grading.symbolic.equality import QuestionTerms, decide
from lrmtest.grading.symbolic.exact import MOST_STEPS, Evaluation
from lrmtest.grading.symbolic.parse import parse
from lrmtest.grading.symbolic.spelling import spelled
from lrmtest.grading.symbolic.tokens import LONGEST, UnreadableError
from lrmtest.questions import DataOptions
from lrmtest.questions.question import EXPRESSION, Question
from lrmtest.reports.failure import explain
from lrmtest.suites import suite_named

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import contextlib

from expression_texts import neighbours, spellings

MADE = [
    *("7", "-13", "2048", "12,\\!960", "0.625", ".075", r"\frac{7}{12}", r"-\frac{5}{8}"),
    r"\frac 38",
    *(r"3\frac{2}{5}", r"4\sqrt{3}", r"\frac{2\sqrt{7}}{5}", r"5+3\sqrt{2}", r"14\pi", "4-9i"),
    *("3k+5", "x^4-3x^2+x-9", "(2,-7)", r"\left( 5, \frac{\pi}{3} \right)", "(1,8,-4)", "[-3,6)"),
    *(r"(-\infty,4]", r"(-\infty, 1) \cup (6, \infty)", r"x \in [-5,9]", "3,-8", r"\{4,6,11\}"),
    *(r"2 \pm \sqrt{7}", "x=11", "y = 3x - 8", "2x - 9y + 4z + 5 = 0", "312_7", "1101_{2}"),
    *(r"\text{Maria}", r"\text{(D)}", r"\text{north}", r"48^\circ", r"\$27", r"6.5 \text{ hours}"),
    *(r"21\mbox{ cm}^2", r"\begin{pmatrix} 4 \\ -9 \\ 2 \end{pmatrix}"),
    r"\begin{pmatrix} 3 & 0 \\ -5 & 8 \end{pmatrix}",
    r"\begin{pmatrix} 2/7 \\ -3/7 \end{pmatrix}",
]  # fmt: skip


def question(*references, **material):
    return Question("q", "s", material, references, EXPRESSION)


def extracted(text, reference="7"):
    return grade_expression(question(reference), text).extracted


def passes(text, reference, **material):
    return grade_expression(question(reference, **material), text).correct


@pytest.mark.parametrize(("reference", "answer"), EQUAL)
def test_what_says_the_same_is_equal(reference, answer):
    assert decide(reference, answer) is True


@pytest.mark.parametrize(("reference", "answer"), UNEQUAL)
def test_what_says_something_else_is_not(reference, answer):
    assert decide(reference, answer) is not True
    assert decide(answer, reference) is not True or "%" in reference + answer


@pytest.mark.parametrize("reference", MADE)
def test_ten_spellings_pass_and_no_neighbour_does(reference):
    asked = question(reference)
    ways = list(dict.fromkeys(spellings(reference)))
    assert len(ways) >= 10
    wrong = [way for way in ways if not grade_expression(asked, rf"So \boxed{{{way}}}.").correct]
    assert wrong == []
    near = list(neighbours(reference))
    assert len(near) >= 5
    assert [one for one in near if grade_expression(asked, rf"So \boxed{{{one}}}.").correct] == []


@pytest.mark.data
def test_math_500_in_ten_spellings_and_5000_neighbours(data_dir):
    questions = suite_named("math-500").load(DataOptions(data_dir)).questions
    missed, passed, made = [], [], 0
    for asked in questions:
        ways = list(dict.fromkeys(spellings(asked.expected)))
        assert len(ways) >= 10
        missed += [one for one in ways if not grade_expression(asked, rf"\boxed{{{one}}}").correct]
        near = list(neighbours(asked.expected))
        made += len(near)
        passed += [one for one in near if grade_expression(asked, rf"\boxed{{{one}}}").correct]
    assert (missed, passed) == ([], [])
    assert made >= 5000


# Which answer counts.


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        (r"so \boxed{\frac{7}{2}}.", r"\frac{7}{2}"),
        (r"First \boxed{3}. Then I see more: \boxed{\sqrt{2}}", r"\sqrt{2}"),
        ("The answer is $x = 5$.", "x = 5"),
        ("The final answer is $(3, 4]$, since the end belongs to it.", "(3, 4]"),
        ("**Final Answer**\n\n$$\n\\frac{3}{4}\n$$", r"\frac{3}{4}"),
        ("Answer: 3/4", "3/4"),
        ("Die Antwort ist $\\frac{3}{4}$.", r"\frac{3}{4}"),
        ("La réponse est $2\\pi$.", r"2\pi"),
        ("答案是 $\\sqrt{3}$。", r"\sqrt{3}"),
        ("答えは $(1, 2)$ です。", "(1, 2)"),
        ("Ответ: $\\frac{1}{2}$", r"\frac{1}{2}"),
        ("Therefore, $m = \\frac{3}{4}$.", r"m = \frac{3}{4}"),
        (r"\frac{3}{4}", r"\frac{3}{4}"),
        (r"Answer: \frac{1}{2} (since both are even)", r"\frac{1}{2}"),
        (r'{"answer": "2\\sqrt{5}"}', r"2\sqrt{5}"),
        ("The answer is $5$ cm.", r"5 \text{ cm }"),
        (r"The roots are \boxed{2} and \boxed{-3}.", "2, -3"),
        (r"\boxed{\frac12} or \boxed{0.5}", "0.5"),
    ],
)
def test_what_is_committed_to_is_read(text, reading):
    assert extracted(text) == reading


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot solve this.",
        "The answer is unknown.",
        r"It is \boxed{2} or \boxed{3}.",
        "The answer is not $7$.",
        "Tom says the answer is $7$.",
        "If the answer is $7$, then it is odd.",
        "We know that $x + 7 = 12$ and go on",
        r"\boxed{}",
        r"\boxed{7}. Wait, no, I made a mistake.",
        "so our result is correct",
    ],
)
def test_what_is_no_answer(text):
    assert not extracted(text)


def test_a_corrected_answer_counts():
    assert passes(r"\boxed{7}. Wait, that is wrong. \boxed{\frac{1}{2}}", r"\frac12")
    assert not passes(r"\boxed{\frac{1}{2}}. Wait, that is wrong. \boxed{7}", r"\frac12")


def test_boxes_joined_by_and_are_a_list_and_those_joined_by_or_are_none():
    assert passes(r"\boxed{2} and \boxed{-3}", "-3, 2")
    assert not passes(r"\boxed{2} and \boxed{-3}", "2")
    assert not passes(r"\boxed{2} or \boxed{-3}", "2, -3")


def test_a_name_is_an_answer_where_one_is_asked_for():
    assert passes("The answer is Maria.", r"\text{Maria}")
    assert not passes("The answer is Maria or Ben.", r"\text{Maria}")
    assert passes("The answer is (D).", r"\text{(D)}")
    assert not passes("The answer is 5, so D is wrong.", r"\text{(D)}")


def test_an_alias_will_do():
    assert grade_expression(question("7", r"\frac{1}{2}"), r"\boxed{0.5}").correct


# Units.


def test_a_thing_of_the_question_is_a_unit_and_others_are_not():
    assert passes(r"\boxed{36 \text{ marbles}}", "36", problem="How many marbles has she?")
    assert not passes(r"\boxed{36 \text{ marbles}}", "36", problem="How many has she?")
    assert not passes(r"\boxed{36 \text{ or more marbles}}", "36", problem="How many marbles?")
    assert not passes(r"The answer is $36$ million.", "36", problem="How many marbles?")


def test_a_unit_of_the_same_measure_that_the_question_does_not_name_is_another_answer():
    assert passes(r"\boxed{144 \text{ inches}}", "144", problem="How many inches long is it?")
    assert not passes(r"\boxed{144 \text{ feet}}", "144", problem="How many inches long is it?")
    assert passes(r"\boxed{30^\circ}", "30", problem="A side is 3 inches long. Find the angle.")
    assert passes(r"\boxed{60 \text{ miles per hour}}", "60", problem="How many miles an hour?")
    assert not passes(r"\boxed{36 \text{ per cent}}", "36", problem="How many?")


def test_per_cent_is_a_hundredth_unless_the_question_asks_for_it():
    assert decide("0.5", r"50\%") is True
    assert decide("0.5", "50") is False
    assert decide("0.5", r"0.5\%") is False
    assert decide("50", r"50\%") is False
    asking = QuestionTerms(percent=True)
    assert decide("50", r"50\%", asking) is True
    assert decide(r"50\%", "50", asking) is True
    assert decide(r"50\%", "0.5", asking) is False
    assert passes(r"\boxed{15\%}", "15", problem="What percent of 40 is 6?")
    assert not passes(r"\boxed{15\%}", "15", problem="A price of 40 rises by 5 percent. Find it.")


def test_units_are_compared_and_never_converted():
    assert decide(r"65 \text{ cents}", r"65 \text{ cent}") is True
    assert decide(r"65 \text{ cents}", r"\$0.65") is False
    assert decide(r"30^\circ", r"30 \text{ degrees}") is True
    assert decide(r"30^\circ", r"\frac{\pi}{6}") is False


# Without a tolerance.


@given(st.fractions(max_denominator=999), st.integers(1, 12))
def test_a_rounded_decimal_is_another_number(value, places):
    rounded = round(value, places)
    decimal = f"{float(rounded):.{places}f}"
    exact = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert decide(exact, decimal) is (Fraction(decimal) == value)


numbers = st.integers(-99, 99)


def spelled_tree(tree, style):
    """A tree of sums, products and quotients as text, in one of two styles."""
    if isinstance(tree, int):
        return f"({tree})" if tree < 0 else str(tree)
    sign, left, right = tree
    one, other = spelled_tree(left, style), spelled_tree(right, style)
    if sign == "/":
        return rf"\frac{{{one}}}{{{other}}}" if style else f"({one})/({other})"
    if style and sign in "+*":  # the other way round
        one, other = other, one
    return f"({one} {sign if sign != '*' or style else chr(215)} {other})"


def value_of(tree):
    if isinstance(tree, int):
        return Fraction(tree)
    sign, left, right = tree
    one, other = value_of(left), value_of(right)
    return (
        {"+": one + other, "-": one - other, "*": one * other}[sign] if sign != "/" else one / other
    )


trees = st.recursive(
    numbers, lambda inner: st.tuples(st.sampled_from("+-*/"), inner, inner), max_leaves=8
)


@settings(max_examples=200)
@given(trees)
def test_rational_expressions_have_the_values_that_python_gives(tree):
    one, other = spelled_tree(tree, True), spelled_tree(tree, False)
    try:
        value = value_of(tree)
    except ZeroDivisionError:
        assert decide(one, "1") is not True
        return
    exact = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert decide(exact, one) is True
    assert decide(one, other) is True
    assert decide(rf"\frac{{{value.numerator + 1}}}{{{value.denominator}}}", one) is False


# What nothing here decides.


class Asking:
    """Stands in for the worker and counts."""

    def __init__(self, reply):
        self.reply, self.pairs = reply, []

    def __call__(self, one, other):
        self.pairs.append((one, other))
        return self.reply


def test_only_what_agrees_and_is_not_proved_is_asked():
    for reference, answer in [*EQUAL, *UNEQUAL]:
        asking = Asking(None)
        decide(reference, answer, ask=asking)
        assert len(asking.pairs) <= 2
    asking = Asking(True)
    assert decide(r"\cot x", r"\frac{\cos x}{\sin x}", ask=asking) is True
    assert len(asking.pairs) == 1


def test_sympy_decides_and_is_not_lenient():
    assert evaluate.are_equal(r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}") is True
    assert evaluate.are_equal(r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{3}") is False
    assert evaluate.are_equal(r"\frac{1}{3}", r"\frac{333333333}{1000000000}") is False


def test_an_endless_comparison_is_undecided_and_the_next_one_is_not():
    tower = "9^{9^{9^{9}}}"
    assert evaluate.are_equal(tower, f"{tower}+1") is None
    assert evaluate.are_equal("70+3", "73") is True


def test_undecided_is_not_correct_and_is_told(monkeypatch):
    monkeypatch.setattr("lrmtest.grading.symbolic.grade.decide", lambda *_, **__: None)
    asked = question("7")
    completion = Completion(r"\boxed{\sqrt{49}}", "stop")
    verdict = grade(asked, completion)
    assert not verdict.correct
    assert verdict.failure == "wrong"
    assert verdict.metrics == {"undecided": 1.0}
    assert "nothing decided within bounds whether it is equal" in explain(
        asked, [(completion, verdict, None)]
    )


# Hostile answers, by the work that they cause.

HOSTILE = [
    "{" * 100_000 + "7" + "}" * 100_000,
    "(" * 400 + "7" + ")" * 400,
    r"\frac{" * 150 + "1" + "}{2}" * 150,
    r"\sqrt{" * 160 + "2" + "}" * 160,
    "9^{9^{9^9}}",
    "9^" * 300 + "9",
    "9^{" * 200 + "9" + "}" * 200,
    "2^{99999999999999999999}",
    "10^{-99999999999999999999}",
    "9" * 1000,
    "0." + "1" * 990,
    "999999999!",
    "170!" * 200,
    "((5!)!)!",
    r"\binom{999999999}{499999999}",
    "(a+b+c+d+e+f)^{64}",
    "(a+b)^{64}(c+d)^{64}(x+y)^{64}",
    "(1+x)(1+y)(1+z)(1+a)(1+b)(1+c)(1+d)(1+f)(1+g)(1+h)(1+k)(1+m)(1+n)(1+p)(1+q)(1+r)(1+s)",
    r"\sqrt{" + "9" * 300 + "}",
    "7" + r"\pm 1" * 200,
    "(" + r"\pm 1," * 150 + "1)",
    ",".join(map(str, range(240))),
    r"\cup".join(["(1,2)"] * 140),
    r"\begin{pmatrix}" + "&".join("1" * 400) + r"\end{pmatrix}",
    r"\begin{pmatrix}" + r"\\".join("1" * 300) + r"\end{pmatrix}",
    r"\begin{pmatrix}1&2\\3\end{pmatrix}",
    r"\begin{pmatrix}1&2\\3&4",
    r"\newcommand{\x}{\x\x}\x",
    r"\def\x{7}\x",
    r"\input{/etc/passwd}",
    "__import__('os').system('true')",
    r"\int_0^\infty e^{-x^2}dx",
    r"\sum_{k=1}^{99999999} k",
    "7" + "\u200b" * 50_000,
    "\u202e7\u202c",
    "٧",
    "７",
    "7\ufe0f",
    "\ud800",
    "\x00",
    "7\x1b[31m",
    "é" * 900,
    "∞" * 900,
    "$" * 900 + "7",
    "\\" * 999,
    "=" * 900,
    "7" + "=7" * 400,
    "7<" * 400 + "7",
    "|" * 900,
    "-" * 900 + "7",
    "!" * 900,
    "7" + "!" * 900,
    "7" + "'" * 900,
    "7" + "%" * 900,
    "7" + "^2" * 400,
    "x_" * 400 + "x",
    r"\sin " * 200 + "x",
    r"\text{" * 140 + "7" + "}" * 140,
    r"\text{a} " * 100,
    "1 " * 400,
    "1/" * 400 + "1",
    "7e999999999",
    r"7 \times 10^{999999999}",
    "0^0",
    "1/0",
    "0/0",
    r"\frac{0}{0}",
    "nan",
    "inf",
]


def says_seven(answer):
    """Whether what is left of a hostile answer is a 7, some signs that say nothing, or 7 = 7."""
    left = clean(answer)
    return set(left) <= set("7$=") and "77" not in left and "7" in left


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_no_answer_causes_more_than_bounded_work(answer, monkeypatch):
    asking = Asking(None)
    evaluations: list[Evaluation] = []

    class Counted(Evaluation):
        def __init__(self, most):
            super().__init__(most)
            evaluations.append(self)

    monkeypatch.setattr(equality, "Evaluation", Counted)
    for reference in ("7", "1, 2", "(1, 2)", r"\frac{x}{x+1}", r"\text{Maria}"):
        assert decide(reference, answer, ask=asking) is not True or says_seven(answer)
        decide(answer, answer[:-1] + "8", ask=asking)
    # What would be one step too many is counted and not taken; ten comparisons were made.
    assert sum(min(one.steps, one.most) for one in evaluations) <= 10 * MOST_STEPS
    assert len(evaluations) <= 3_000
    assert len(asking.pairs) <= 10


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_box_is_graded(answer, monkeypatch):
    asked = []
    monkeypatch.setattr(evaluate, "_asked", asked.append)
    verdict = grade(question("7"), Completion(rf"Hence \boxed{{{answer}}}", "stop"))
    assert verdict.correct is says_seven(answer)
    assert len(verdict.extracted or "") <= 200
    assert len(asked) <= 2


def test_what_is_long_is_not_read():
    with pytest.raises(UnreadableError):
        parse("1+" * LONGEST + "1")
    assert decide("7", "7" * 50_000_000) is False
    assert decide(r"\text{Maria}", "Maria " * 10_000_000) is False


@settings(max_examples=500)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    r"\frac",
                    r"{",
                    r"}",
                    r"(",
                    r")",
                    r"[",
                    r"]",
                    r"1",
                    r"2",
                    r"x",
                    r"\sqrt",
                    r"^",
                    r"_",
                    r",",
                    r"=",
                    r"<",
                    r"\pm",
                    r"+",
                    r"-",
                    r"*",
                    r"/",
                    r"!",
                    r"|",
                    r"\text",
                    r"\begin{pmatrix}",
                    r"\end{pmatrix}",
                    r"\\",
                    r"&",
                    r"\cup",
                    r"\infty",
                    r"\{",
                    r"\}",
                    r"%",
                    r"\circ",
                    r"$",
                    r"i",
                    r"\pi",
                    r"\sin",
                    r"\in",
                    r"or",
                    r"and",
                ]
            ),
            st.text(max_size=4),
        ),
        max_size=30,
    ).map(" ".join)
)
def test_any_text_is_read_or_refused_and_is_equal_to_itself(text):
    cleaned = clean(text)
    try:
        tree = parse(cleaned)
    except UnreadableError:
        tree = None
    if tree is not None:
        with contextlib.suppress(TooLargeError):
            Evaluation().value(tree)
    for other in ("7", "(1,2)", r"\text{a}", text):
        decide(other, text, ask=Asking(None))
        decide(text, other, ask=Asking(None))
    if spelled(cleaned):
        assert decide(text, text, ask=Asking(None)) is True or len(text) > 4000


@pytest.mark.parametrize(
    ("problem", "reference", "answer"),
    [
        ("Factor $x^2 - 9$.", "(x-3)(x+3)", "x^2-9"),
        (
            r"Convert $\frac{21}{2^2 \cdot 5^7}$ to a decimal.",
            ".0000672",
            r"\frac{21}{2^2\cdot 5^7}",
        ),
        (r"What is $5 + 2 \cdot 3$?", "11", r"5+2\cdot3"),
        (
            r"Evaluate \[\sin^2 20^\circ + \cos^2 20^\circ.\]",
            "1",
            r"\sin^2 20^\circ + \cos^2 20^\circ",
        ),
    ],
)
def test_the_task_itself_is_no_answer_to_it(problem, reference, answer):
    """It has the reference's value, and nothing was worked out."""
    text = rf"The answer is $\boxed{{{answer}}}$."
    assert passes(text, reference)
    assert not passes(text, reference, problem=problem)
    assert passes(rf"\boxed{{{reference}}}", reference, problem=problem)


@pytest.mark.parametrize(
    ("problem", "reference", "answer"),
    [
        (r"Which is greater, $\frac{3}{4}$ or $\frac{2}{3}$?", r"\frac34", r"\frac{3}{4}"),
        (r"Is the area $2\pi$ or $\pi$?", r"2\pi \text{ cm}^2", r"2\pi"),
        ("Is it $-5$ or $5$?", "-5", "-5"),
        ("Which is right, $x^2+1$ or $x^2-1$?", "x^2-1", "x^2 - 1"),
        ("Which point lies on it, $(1,2)$ or $(2,1)$?", r"\left(1,2\right)", "(1,2)"),
    ],
)
def test_a_value_that_the_question_names_may_be_repeated(problem, reference, answer):
    assert passes(rf"\boxed{{{answer}}}", reference, problem=problem)
