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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lrmtest.grading.answer_text import clean
from lrmtest.grading.evaluate import are_equal
from lrmtest.grading.symbolic.approximate import PLACES, NoValueError, apart, approximate
from lrmtest.grading.symbolic.exact import Evaluation, TooLargeError
from lrmtest.grading.symbolic.latex import latex_of
from lrmtest.grading.symbolic.parse import Node, number, parse
from lrmtest.grading.symbolic.tokens import UnreadableError
from lrmtest.grading.symbolic.units import UNIT_OF

Decision = bool | None
"""Equal or not; None where nothing decides it within bounds."""

Ask = Callable[[str, str], Decision]
"""Decides on two expressions in LaTeX that are no lists, tuples, relations or texts."""

_MOST_ITEMS = 64
_MOST_SIGNS = 3
"""Signs of plus or minus in one expression: each doubles its values."""
_ORDER = frozenset("<>≤≥")
_TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the question says of its answer.

    Attributes:
        words: the words of its text, in lower case: units that an answer may name.
        percent: whether it asks for a number of per cent, so that the sign may be left out.
    """

    words: frozenset[str] = frozenset()
    percent: bool = False


NOTHING_ASKED = Asked()


class Comparison:
    """One comparison: what was asked, and who decides on what is not decided here."""

    def __init__(self, asked: Asked, ask: Ask) -> None:
        self._asked, self._ask = asked, ask

    def equal(self, reference: Node, answer: Node) -> Decision:
        """Whether an answer equals the reference."""
        reference, answer = _alternatives(reference), _alternatives(answer)
        wanted, given = _items(reference), _items(answer)
        if len(wanted) != len(given):
            return False
        if len(wanted) == 1:
            return self._item(wanted[0], given[0])
        if len(wanted) > _MOST_ITEMS:
            return None
        return self._matched(_named_alike(wanted), _named_alike(given))

    def _matched(self, wanted: Sequence[Node], given: Sequence[Node]) -> Decision:
        """Whether two collections have the same elements, each as often."""
        left = list(given)
        undecided: list[Node] = []
        for want in wanted:
            cheaply = Comparison(self._asked, _undecided)
            decisions = [cheaply._item(want, one) for one in left]
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

    def _item(self, reference: Node, answer: Node) -> Decision:
        if reference == answer:
            return True
        if "relation" in (reference.head, answer.head):
            return self._relations(reference, answer)
        if "quantity" in (reference.head, answer.head):
            return self._quantities(reference, answer)
        if "text" in (reference.head, answer.head):
            return reference.head == answer.head and _words(reference) == _words(answer)
        reference, answer = _scaled(reference), _scaled(answer)
        if "union" in (reference.head, answer.head):
            wanted, given = list(_joined(reference)), list(_joined(answer))
            if len(wanted) != len(given) or len(wanted) > _MOST_ITEMS:
                return False
            return self._matched(wanted, given)
        if reference.head in _SHAPES or answer.head in _SHAPES:
            if (reference.head, reference.name) != (answer.head, answer.name):
                return False
            return self._in_order(reference.parts, answer.parts)
        return self._values(reference, answer)

    def _in_order(self, wanted: Sequence[Node], given: Sequence[Node]) -> Decision:
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

    def _quantities(self, reference: Node, answer: Node) -> Decision:
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
        return all(
            word in _UNIT_NAMES or any(form in self._asked.words for form in (word, f"{word}s", f"{word}es"))
            for word in words
        )

    # Relations.

    def _relations(self, reference: Node, answer: Node) -> Decision:
        wanted, given = _relation(reference), _relation(answer)
        if wanted.head == given.head == "relation":
            return self._two_relations(wanted, given)
        if given.head == "relation":
            if given.name == "∈" or set(given.name.split()) == {"="}:
                left, right = given.parts[0], given.parts[-1]
                turned = _is_name(right) and not _is_name(left) and not _is_name(wanted)
                return self.equal(wanted, left if turned else right)
            return False
        if wanted.name in ("∈", "=") and _is_name(wanted.parts[0]):
            return self.equal(wanted.parts[1], given)
        return False

    def _two_relations(self, wanted: Node, given: Node) -> Decision:
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
                difference, other = _difference(left, right), _difference(given_left, given_right)
            except TypeError:
                return False
            values = [
                self._values(difference, one) for one in (other, Node("negative", (other,)))
            ]
            return True if True in values else None if None in (*values, *decisions) else False
        for one in (given, _turned(given)):
            if one.name == wanted.name:
                decision = self._in_order(wanted.parts, one.parts)
                if decision is not False:
                    return decision
        return False

    # Single values.

    def _values(self, reference: Node, answer: Node) -> Decision:
        if "infinity" in (_bare(reference), _bare(answer)):
            return reference == answer
        if "based" in (reference.head, answer.head):
            return reference == answer
        evaluation = Evaluation()
        try:
            one, other = evaluation.value(reference), evaluation.value(answer)
            if evaluation.equal(one, other):
                return True
            if one.rational is not None and other.rational is not None:
                return False
        except TooLargeError:
            pass
        compared = 0
        for place in range(PLACES):
            try:
                if apart(approximate(reference, place), approximate(answer, place)):
                    return False
                compared += 1
            except NoValueError:
                continue
        if not compared:
            # Too large, or undefined: there is nothing that sympy would do quickly, either.
            return None
        try:
            return self._ask(latex_of(reference), latex_of(answer))
        except UnreadableError:
            return None


_SHAPES = frozenset(("brackets", "matrix", "list", "set", "intersection", "difference", "relation", "text"))
_UNIT_NAMES = frozenset(word for name in UNIT_OF.values() for word in name.split())


def _undecided(_reference: str, _answer: str) -> None:
    return None


def _alternatives(node: Node) -> Node:
    """Inequalities with "or" between them, as the union of their intervals."""
    if (node.head, node.name) != ("list", "or"):
        return node
    intervals = [_relation(part) for part in node.parts]
    if len({one.parts[0] for one in intervals if one.head == "relation" and one.name == "∈"}) != 1:
        return node
    union = intervals[0].parts[-1] if intervals[0].parts else node
    for one in intervals[1:]:
        if one.head != "relation" or one.name != "∈":
            return node
        union = Node("union", (union, one.parts[1]))
    return Node("relation", (intervals[0].parts[0], union), "∈")


def _items(node: Node) -> list[Node]:
    """The elements of a list or a set, and both values of plus or minus; else the node alone."""
    node = _plain_union(node)
    if node.head == "relation" and node.name in ("=", "∈"):
        values = _items(node.parts[1])
        if len(values) == 1 and node.parts[1].head not in ("list", "set"):
            return [node]
        return [Node("relation", (node.parts[0], value), "=") for value in values]
    if node.head == "quantity" and node.parts[0].head in ("list", "plus-minus"):
        return [replace(node, parts=(one,)) for one in _items(node.parts[0])]
    if node.head not in ("list", "set"):
        return _both(node)
    found = [value for part in node.parts for value in _items(part)]
    units = {one.name for one in found if one.head == "quantity"}
    if len(units) == 1 and found[-1].head == "quantity" and found[0].head != "quantity":
        # "2, 3 cm": the unit of the last is that of all.
        unit = units.pop()
        found = [one if one.head == "quantity" else Node("quantity", (one,), unit) for one in found]
    return found


def _plain_union(node: Node) -> Node:
    """A union of finite sets is a set."""
    if node.head != "union":
        return node
    parts = list(_joined(node))
    if all(part.head == "set" for part in parts):
        return Node("set", tuple(item for part in parts for item in part.parts))
    return node


def _both(node: Node) -> list[Node]:
    """The values of an expression with signs of plus or minus.

    With a minus-or-plus among them the signs go together, otherwise each is free.
    """
    signs: list[str] = []
    _collect_signs(node, signs)
    if not signs or len(signs) > _MOST_SIGNS:
        return [node]
    if "∓" in signs:
        choices = [["+" if sign == "±" else "-" for sign in signs]]
        choices.append(["-" if sign == "±" else "+" for sign in signs])
    else:
        choices = [
            ["-" if number_ >> place & 1 else "+" for place in range(len(signs))]
            for number_ in range(2 ** len(signs))
        ]
    return [_chosen(node, iter(choice)) for choice in choices]


def _collect_signs(node: Node, signs: list[str]) -> None:
    if node.head == "plus-minus":
        signs.append(node.name)
    for part in node.parts:
        _collect_signs(part, signs)


def _chosen(node: Node, choice: Iterator[str]) -> Node:
    if node.head == "plus-minus":
        sign = next(choice)
        left, right = (_chosen(part, choice) for part in node.parts)
        return Node("sum", (left, right if sign == "+" else Node("negative", (right,))))
    if not node.parts:
        return node
    return replace(node, parts=tuple(_chosen(part, choice) for part in node.parts))


def _named_alike(items: list[Node]) -> list[Node]:
    """Items without "x =" where all have it, or only the first: "x = 2, 3"."""
    named = [one for one in items if one.head == "relation" and one.name == "=" and _is_name(one.parts[0])]
    names = {one.parts[0] for one in named}
    if len(names) == 1 and (len(named) == len(items) or (len(named) == 1 and items[0] is named[0])):
        return [one.parts[1] if one in named else one for one in items]
    return items


def _relation(node: Node) -> Node:
    """A chain of relations as what it says: an interval, a value in steps, or itself."""
    if node.head != "relation":
        return node
    signs, parts = node.name.split(), node.parts
    while "→" in signs:  # only what comes of it
        at = signs.index("→")
        signs, parts = signs[at + 1 :], parts[at + 1 :]
    if not signs:
        return parts[0]
    if (signs, parts) != (node.name.split(), node.parts):
        return _relation(Node("relation", parts, " ".join(signs)))
    if "≈" in signs:
        # "2 sqrt(5) ≈ 4.47" says 2 sqrt(5); "x ≈ 4.47" says 4.47.
        at = signs.index("≈")
        if at == 0 and _is_name(parts[0]):
            return _relation(Node("relation", parts[:2], "="))
        before = parts[: at + 1]
        return before[0] if at == 0 else _relation(Node("relation", before, " ".join(signs[:at])))
    if signs and set(signs) <= {"=", "≡"}:
        return Node("relation", parts, " ".join("=" for _ in signs))
    interval = _interval(signs, parts)
    return node if interval is None else interval


def _interval(signs: list[str], parts: tuple[Node, ...]) -> Node | None:
    """The interval that an inequality of one symbol describes, as a relation with "in"."""
    if not set(signs) <= _ORDER:
        return None
    turn = {">": "<", "≥": "≤"}
    if signs[0] in turn:
        if not all(sign in turn for sign in signs):
            return None
        signs, parts = [turn[sign] for sign in reversed(signs)], parts[::-1]
    elif any(sign in turn for sign in signs):
        return None
    infinity = Node("infinity")
    if len(signs) == 2 and _is_name(parts[1]):
        low, name, high = parts
        brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    elif len(signs) == 1 and _is_name(parts[0]) and _is_constant(parts[1]):
        low, name, high = Node("negative", (infinity,)), parts[0], parts[1]
        brackets = "(" + (")" if signs[0] == "<" else "]")
    elif len(signs) == 1 and _is_name(parts[1]) and _is_constant(parts[0]):
        low, name, high = parts[0], parts[1], infinity
        brackets = ("(" if signs[0] == "<" else "[") + ")"
    else:
        return None
    return Node("relation", (name, Node("brackets", (low, high), brackets)), "∈")


def _turned(relation: Node) -> Node:
    signs = [_TURNED.get(sign, sign) for sign in reversed(relation.name.split())]
    return Node("relation", relation.parts[::-1], " ".join(signs))


_CONSTANTS = frozenset(("pi", "e", "i"))


def _is_name(node: Node) -> bool:
    """Whether a node names a quantity: ``x``, ``x_1``, ``f(x)``, ``\\angle`` and letters."""
    if node.head == "symbol":
        return node.name not in ("pi", "e", "emptyset")
    if node.head in ("subscript", "product") or (node.head, node.name) in _DECORATED:
        return all(map(_is_name, node.parts[:1] if node.head == "subscript" else node.parts))
    return node.head == "brackets" and all(map(_is_name, node.parts))


_DECORATED = frozenset(("call", name) for name in ("prime", "overline", "vec", "hat", "bar"))


def _is_constant(node: Node) -> bool:
    if node.head == "symbol":
        return node.name in _CONSTANTS
    return all(map(_is_constant, node.parts))


def _difference(left: Node, right: Node) -> Node:
    """left - right.

    Raises:
        TypeError: one of them is no single value.
    """
    for side in (left, right):
        if side.head in _SHAPES or side.head in ("quantity", "union", "infinity"):
            raise TypeError
    return Node("sum", (left, Node("negative", (right,))))


def _joined(node: Node) -> Iterator[Node]:
    if node.head == "union":
        for part in node.parts:
            yield from _joined(part)
    else:
        relation = _relation(node)
        yield relation.parts[1] if relation.head == "relation" and relation.name == "∈" else relation


def _bare(node: Node) -> str:
    return node.parts[0].head if node.head == "negative" else node.head


def _without_unit(node: Node) -> Node:
    return node.parts[0] if node.head == "quantity" else node


def _words(node: Node) -> str:
    words = re.findall(r"\w+", node.name.casefold())
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)


def _scaled(node: Node) -> Node:
    """A matrix or tuple times a value, with the value in its elements; -(…) too."""
    if node.head == "negative":
        inner, factor = _scaled(node.parts[0]), number(-1)
    elif node.head == "product" and len(node.parts) == 2:
        factor, inner = node.parts[0], _scaled(node.parts[1])
        if factor.head == "matrix":
            factor, inner = node.parts[1], factor
    elif node.head == "quotient":
        inner, factor = _scaled(node.parts[0]), Node("quotient", (number(1), node.parts[1]))
    else:
        return node
    if inner.head != "matrix" or factor.head == "matrix" or inner.name:
        return node
    rows = tuple(
        Node("list", tuple(Node("product", (factor, cell)) for cell in row.parts))
        for row in inner.parts
    )
    return Node("matrix", rows)


@lru_cache(maxsize=1024)
def _tree(text: str) -> Node | None:
    try:
        return parse(text)
    except (UnreadableError, ValueError):
        return None


def readable(text: str) -> bool:
    """Whether a text is an expression of those that are read here."""
    return _tree(text) is not None


def is_text(text: str) -> bool:
    """Whether a text is an answer in words: a name, "even", or the letter of an option."""
    tree = _tree(text)
    return tree is None or tree.head == "text" or _OPTION.fullmatch(text) is not None


_LAYOUT = re.compile(
    r"\\(?:left|right|[bB]ig{1,2}[lrm]?|displaystyle)(?![A-Za-z])|\$|\\[()\[\]](?!\w)"
)
_BLANK = re.compile(r"(?:\s|~|\\[,;:! ]|\\q?quad(?![A-Za-z]))+")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|normal)?|mathrm|mbox|mathbf|boldsymbol)\s?\{([^{}]*)\}")
_OPTION = re.compile(r"\(?([A-Za-z])\)?[.:]?")
_CHOSEN = re.compile(r"\(([A-Za-z])\)[.:]?(?:\s(?!.{0,400}\([A-Za-z]\)).*)?", re.DOTALL)
_LONGEST_SPELLING = 4000


def spelled(text: str) -> str:
    """A spelling without layout, for comparing what is not read as an expression."""
    text = _FRACTION.sub(r"\\frac", _TEXT.sub(r"\1", text[:_LONGEST_SPELLING]))
    text = _BLANK.sub(" ", _LAYOUT.sub("", text))
    # "1 4/5" is not "14/5".
    return re.sub(r"(?<!\w) | (?!\w)", "", text).strip(".,;: ")


def decide(reference: str, answer: str, asked: Asked = NOTHING_ASKED, ask: Ask = are_equal) -> Decision:
    """Whether an answer equals a reference, both in LaTeX or as typed.

    Args:
        reference: one expression, tuple, list, text, ...
        answer: what a model gave; hostile.
        asked: what the question says of its answer.
        ask: decides on single values that nothing here decides on.

    Returns:
        None where nothing decides it within bounds: that is no equality.
    """
    if len(answer) > _LONGEST_SPELLING:
        return False
    reference, answer = clean(reference), clean(answer)
    option = _OPTION.fullmatch(_TEXT.sub(r"\1", reference).strip())
    if option is not None and "(" in reference:
        plain = _TEXT.sub(r"\1", answer).strip(" $.*")
        chosen = _CHOSEN.fullmatch(plain) or _OPTION.fullmatch(plain)
        return chosen is not None and chosen[1].upper() == option[1].upper()
    if spelled(reference) == spelled(answer) != "":
        return True
    wanted, given = _tree(reference), _tree(answer)
    if wanted is None or given is None:
        return False if wanted is not None or given is not None else _unread(reference, answer, ask)
    return Comparison(asked, ask).equal(wanted, given)


def _unread(reference: str, answer: str, ask: Ask) -> Decision:
    """On two expressions that are not read here: math-verify, where it cannot be too lenient."""
    if max(len(reference), len(answer)) > 200 or not (_is_single(reference) and _is_single(answer)):
        return False
    return ask(reference, answer)


_NOT_SINGLE = re.compile(r"[,;=<>%]|\\(?:le|ge|lt|gt|ne|in|cup|cap|text|pm|mp|begin|approx|infty|mod|pmod)")


def _is_single(text: str) -> bool:
    return not _NOT_SINGLE.search(text) and re.search(r"\d|\\", text) is not None
