r"""Equality of an answer with a reference, decided by what both are.

First their kind must agree: an ordered tuple or an interval with one of the same brackets, element
by element; a list or a set with another of the same elements in any order; a matrix with a matrix;
a text with a text. Then single values, by these steps, of which the first that decides counts:

1. Both are brought to the form of `lrmtest.grading.symbolic.exact`: the same form is equality, and
   different rational numbers are none.
2. Floating point at three places (`lrmtest.grading.symbolic.approximate`) shows that they differ.
3. What agrees there and is not proved, a few in a thousand, is asked of math-verify and sympy in a
   process of its own, in bounded time (`lrmtest.grading.evaluate`).

There is no tolerance: a decimal is equal to the number that its digits say, 0.5 to 1/2 and not
0.333 to 1/3. A tolerance would have to be chosen for the reference, and whatever it is lets wrong
neighbours pass; a question that wants a rounded value has it as its reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lrmtest.grading.answer_text import clean
from lrmtest.grading.evaluate import are_equal
from lrmtest.grading.numerals import integer_of
from lrmtest.grading.symbolic.approximate import PLACES, NoValueError, apart, approximate
from lrmtest.grading.symbolic.arithmetic import TooLargeError
from lrmtest.grading.symbolic.exact import MOST_STEPS, Evaluation, UndefinedError
from lrmtest.grading.symbolic.latex import latex_of
from lrmtest.grading.symbolic.node import Node, number
from lrmtest.grading.symbolic.shapes import (
    REALS,
    SHAPES,
    difference,
    is_name,
    items_of,
    joined_parts,
    plain_relation,
    scaled,
    turned,
    with_alternatives,
    without_names,
)
from lrmtest.grading.symbolic.spelling import (
    CHOSEN_LETTER,
    IN_TEXT,
    LAYOUT,
    LONGEST_SPELLING,
    ONE_SIGN,
    ONLY_WORDS,
    OPTION_LETTER,
    has_words,
    spelled,
    tree_of,
)
from lrmtest.grading.symbolic.tokens import UnreadableError
from lrmtest.grading.symbolic.units import MEASURES, PLAIN_UNITS, UNIT_OF

Proved = bool | None
"""Equal or not; None where nothing decides it within bounds."""

Prover = Callable[[str, str], Proved]
"""Decides on two expressions in LaTeX that are no lists, tuples, relations or texts."""


def undecided(_one: str, _other: str) -> Proved:
    """The prover that decides nothing: for what is to be seen at a glance."""
    return None


_MOST_ITEMS = 64


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """What the question says of its answer.

    Attributes:
        words: the words of its text, in lower case: units that an answer may name. Where a unit
            is among them, none of the same measure that is not may be named.
        percent: whether it asks for a number of per cent, so that the sign may be left out.
        formulas: those in its text: what it asks to work out is among them.
    """

    words: frozenset[str] = frozenset()
    percent: bool = False
    formulas: frozenset[str] = frozenset()


NO_TERMS = QuestionTerms()


class _Equality:
    """One comparison.

    Args:
        asked: what the question says of its answer.
        ask: decides on what is not decided here.
        steps: the most that all exact values in it may take.
    """

    def __init__(self, asked: QuestionTerms, ask: Prover, steps: int = MOST_STEPS) -> None:
        self._asked, self._ask, self._left = asked, ask, steps
        self._asking = True

    def equal(self, reference: Node, answer: Node) -> Proved:
        """Whether an answer equals the reference."""
        reference, answer = with_alternatives(reference), with_alternatives(answer)
        wanted, given = items_of(reference), items_of(answer)
        if len(wanted) != len(given):
            return False
        if len(wanted) == 1:
            return self._item(wanted[0], given[0])
        if len(wanted) > _MOST_ITEMS:
            return None
        return self._matched(without_names(wanted), without_names(given))

    def _matched(self, wanted: Sequence[Node], given: Sequence[Node]) -> Proved:
        """Whether two collections have the same elements, each as often."""
        left = list(given)
        undecided: list[Node] = []
        for want in wanted:
            self._asking, asking = False, self._asking
            decisions = [self._item(want, one) for one in left]
            self._asking = asking
            if True in decisions:
                del left[decisions.index(True)]
            elif None in decisions:
                undecided.append(want)
            else:
                return False
        for want in undecided:
            decisions = [self._item(want, one) for one in left]
            if True in decisions:
                del left[decisions.index(True)]
            else:
                return None if None in decisions else False
        return True

    def _item(self, reference: Node, answer: Node) -> Proved:
        if reference == answer:
            return True
        if "relation" in (reference.head, answer.head):
            return self._relations(reference, answer)
        reference, answer = REALS.get(reference, reference), REALS.get(answer, answer)
        if "quantity" in (reference.head, answer.head):
            return self._quantities(reference, answer)
        if "text" in (reference.head, answer.head):
            if reference.head == answer.head:
                return _words(reference) == _words(answer)
            reference, answer = _counted(reference), _counted(answer)
            if "text" in (reference.head, answer.head):
                return False
        reference, answer = scaled(reference), scaled(answer)
        if "union" in (reference.head, answer.head):
            wanted, given = list(joined_parts(reference)), list(joined_parts(answer))
            if len(wanted) != len(given) or len(wanted) > _MOST_ITEMS:
                return False
            return self._matched(wanted, given)
        if reference.head in SHAPES or answer.head in SHAPES:
            if (reference.head, reference.name) != (answer.head, answer.name):
                return False
            if reference.head == "matrix":
                wide = len(reference.parts[0].parts)
                if wide != len(answer.parts[0].parts):
                    return False
                wanted, given = (
                    [cell for row in one.parts for cell in row.parts] for one in (reference, answer)
                )
                return self._in_order(wanted, given)
            return self._in_order(reference.parts, answer.parts)
        return self._values(reference, answer)

    def _in_order(self, wanted: Sequence[Node], given: Sequence[Node]) -> Proved:
        if len(wanted) != len(given):
            return False
        decisions = []
        for want, one in zip(wanted, given, strict=True):
            # A set in a tuple is one element of it.
            decisions.append(self.equal(want, one))
            if decisions[-1] is False:
                return False
        return None if None in decisions else True

    # Units.

    def _quantities(self, reference: Node, answer: Node) -> Proved:
        wanted, given = (one.name if one.head == "quantity" else "" for one in (reference, answer))
        reference, answer = _without_unit(reference), _without_unit(answer)
        if wanted == given:
            return self._item(reference, answer)
        if "%" in (wanted, given):
            if wanted and given:
                return False
            if self._asked.percent:
                return self._item(reference, answer)
            hundred = number(100)
            if wanted:
                return self._item(Node("quotient", (reference, hundred)), answer)
            return self._item(reference, Node("quotient", (answer, hundred)))
        if wanted and given:
            return False
        if given and not self._is_unit(given):
            return False
        return self._item(reference, answer)

    def _is_unit(self, name: str) -> bool:
        """Whether a word behind a number is a unit: a known one, or a thing of the question."""
        words = re.findall(r"[^\W\d_]+", name)
        named = {UNIT_OF[word] for word in self._asked.words & PLAIN_UNITS}
        for measure in MEASURES:
            # "How many inches ...": feet are another answer.
            if named & measure and (measure - named) & set(words):
                return False
        return all(
            word in _UNIT_NAMES
            or any(form in self._asked.words for form in (word, f"{word}s", f"{word}es"))
            for word in words
        )

    # Relations.

    def _relations(self, reference: Node, answer: Node) -> Proved:
        wanted, given = plain_relation(reference), plain_relation(answer)
        if wanted.head == given.head == "relation":
            return self._two_relations(wanted, given)
        if wanted.head != "relation" and given.head != "relation":
            return self.equal(wanted, given)
        if given.head == "relation":
            if given.name == "∈" or set(given.name.split()) == {"="}:
                left, right = given.parts[0], given.parts[-1]
                turned = is_name(right) and not is_name(left) and not is_name(wanted)
                return self.equal(wanted, left if turned else right)
            return False
        if wanted.name in ("∈", "=") and is_name(wanted.parts[0]):
            return self.equal(wanted.parts[1], given)
        return False

    def _two_relations(self, wanted: Node, given: Node) -> Proved:
        if set(wanted.name.split()) == set(given.name.split()) == {"="}:
            left, right = wanted.parts[0], wanted.parts[-1]
            given_left, given_right = given.parts[0], given.parts[-1]
            decisions = [
                self._in_order((left, right), sides)
                for sides in ((given_left, given_right), (given_right, given_left))
            ]
            if True in decisions:
                return True
            # Terms may stand on the other side: left - right, or its opposite, is the same.
            try:
                moved, other = difference(left, right), difference(given_left, given_right)
            except TypeError:
                return False
            values = [self._values(moved, one) for one in (other, Node("negative", (other,)))]
            return True if True in values else None if None in (*values, *decisions) else False
        for one in (given, turned(given)):
            if one.name == wanted.name:
                decision = self._in_order(wanted.parts, one.parts)
                if decision is not False:
                    return decision
        return False

    # Single values.

    def _values(self, reference: Node, answer: Node) -> Proved:
        if "infinity" in (_bare(reference), _bare(answer)):
            return reference == answer
        if "based" in (reference.head, answer.head):
            return reference == answer
        if has_words(reference) is not has_words(answer):
            return False
        evaluation = Evaluation(self._left)
        try:
            one, other = evaluation.value(reference), evaluation.value(answer)
            if evaluation.equal(one, other):
                return True
            if one.rational is not None and other.rational is not None:
                return False
        except UndefinedError:
            return False
        except TooLargeError:
            pass
        finally:
            self._left = max(0, self._left - evaluation.steps)
        compared = 0
        for place in range(PLACES):
            try:
                if apart(approximate(reference, place), approximate(answer, place)):
                    return False
                compared += 1
            except NoValueError:
                continue
        if not compared or not self._asking:
            # Too large, or undefined: there is nothing that sympy would do quickly, either.
            return None
        try:
            return self._ask(latex_of(reference), latex_of(answer))
        except UnreadableError:
            return None


_UNIT_NAMES = frozenset(word for name in UNIT_OF.values() for word in name.split())


def _bare(node: Node) -> str:
    return node.parts[0].head if node.head == "negative" else node.head


def _without_unit(node: Node) -> Node:
    return node.parts[0] if node.head == "quantity" else node


def _words(node: Node) -> str:
    words = re.findall(r"\w+", node.name.casefold())
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)


def _counted(node: Node) -> Node:
    """A number in English words, as a number."""
    value = integer_of(node.name.casefold()) if node.head == "text" else None
    return node if value is None else number(value)


def decide(
    reference: str,
    answer: str,
    asked: QuestionTerms = NO_TERMS,
    ask: Prover = are_equal,
    *,
    steps: int = MOST_STEPS,
) -> Proved:
    """Whether an answer equals a reference, both in LaTeX or as typed.

    Args:
        reference: one expression, tuple, list, text, ...
        answer: what a model gave; hostile.
        asked: what the question says of its answer.
        ask: decides on single values that nothing here decides on.
        steps: the most that all exact values in it may take.

    Returns:
        None where nothing decides it within bounds: that is no equality.
    """
    if len(answer) > LONGEST_SPELLING:
        return False
    reference, answer = clean(reference), clean(answer)
    option = OPTION_LETTER.fullmatch(IN_TEXT.sub(r"\1", reference).strip())
    if option is not None and re.search(r"[(\\]", reference):
        letter = LAYOUT.sub("", IN_TEXT.sub(r"\1", answer)).strip(" .*")
        chosen = CHOSEN_LETTER.fullmatch(letter) or OPTION_LETTER.fullmatch(letter)
        return chosen is not None and chosen[1].upper() == option[1].upper()
    if spelled(reference) == spelled(answer) != "":
        return True
    wanted, given = tree_of(reference), tree_of(answer)
    if wanted is not None and wanted.head == "text" and (plain := ONLY_WORDS.fullmatch(answer)):
        given = Node("text", name=plain[1])
    if wanted is None or given is None:
        return False if wanted is not None or given is not None else _unread(reference, answer, ask)
    return _Equality(asked, ask, steps).equal(wanted, given)


def _unread(reference: str, answer: str, ask: Prover) -> Proved:
    """On two expressions that are not read here: math-verify, where it cannot be too lenient."""
    one, other = (spelled(ONE_SIGN.sub(r"\1", text)) for text in (reference, answer))
    if one == other:
        return True
    if max(len(reference), len(answer)) > 200 or not (_is_single(reference) and _is_single(answer)):
        return False
    return ask(reference, answer)


_NOT_SINGLE = re.compile(
    r"[,;=<>%]|\\(?:le|ge|lt|gt|ne|in|cup|cap|text|pm|mp|begin|approx|infty|mod|pmod)"
)


def _is_single(text: str) -> bool:
    return not _NOT_SINGLE.search(text) and re.search(r"\d|\\", text) is not None
