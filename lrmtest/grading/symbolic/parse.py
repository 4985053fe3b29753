"""An expression's tree, read from its tokens in one pass."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from lrmtest.grading.symbolic.node import Node, is_integer, number, opposite, product
from lrmtest.grading.symbolic.tokens import Token, UnreadableError, tokens_of
from lrmtest.grading.symbolic.units import unit_name
from lrmtest.grading.symbolic.words import MULTIPLIERS, NO_UNITS

_DEEPEST = 40
"""Brackets, fractions and powers within each other that are read."""
_MOST_CHAINED = 100
"""Operations in a row, as in x!!! or 1/2/3, beyond the first of each row."""
_MOST_DIGITS = 400
_RELATIONS = frozenset("=<>≤≥≠∈≈→≡∼")
_BEHIND = frozenset("!%°^_'")
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", "⟨": "⟩", "⌊": "⌋", "⌈": "⌉"}
_MATRICES = frozenset(
    ["pmatrix", "bmatrix", "Bmatrix", "matrix", "smallmatrix", "array", "vmatrix", "Vmatrix"]
)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._depth, self._chained = tokens, 0, 0, 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _is(self, kind: str, *values: str) -> bool:
        token = self._next
        return token.kind == kind and (not values or token.value in values)

    def _take(self, kind: str, *values: str) -> Token | None:
        if not self._is(kind, *values):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, kind: str, value: str) -> None:
        if not self._take(kind, value):
            raise UnreadableError(f"{value} is missing")

    def _chain(self, place: int) -> int:
        """The place of the next operation in a row of them, each of which is around the last."""
        self._chained += place > 0
        if self._chained > _MOST_CHAINED:
            raise UnreadableError("too many operations in a row")
        return place + 1

    def whole(self) -> Node:
        node = self._list()
        if not self._is("end of all"):
            raise UnreadableError(f"{self._next.value!r} behind it")
        return node

    def _list(self) -> Node:
        items = [self._relation()]
        separators: set[str] = set()
        while mark := self._take("sign", ",", "or"):
            separator = mark.value
            while mark := self._take("sign", ",", "or"):  # ", and"
                separator = mark.value
            separators.add(separator)
            if self._is("end of all"):
                break
            items.append(self._relation())
        if len(items) == 1:
            return items[0]
        return Node("list", tuple(items), "or" if separators == {"or"} else "")

    def _relation(self) -> Node:
        parts, signs = [self._union()], []
        while self._next.kind == "sign" and (
            self._next.value in _RELATIONS or self._next.value in (":", "not")
        ):
            sign = self._next.value
            self._at += 1
            if sign == "not":
                sign = {"=": "≠"}.get(self._next.value, "")
                if not sign:
                    raise UnreadableError("a denial")
                self._at += 1
            signs.append(sign)
            parts.append(self._union())
        return parts[0] if not signs else Node("relation", tuple(parts), " ".join(signs))

    def _union(self) -> Node:
        node, place = self._sum(), 0
        heads = {"∪": "union", "∩": "intersection", "∖": "difference"}
        while self._next.kind == "sign" and (head := heads.get(self._next.value)):
            self._at += 1
            place = self._chain(place)
            node = Node(head, (node, self._sum()))
        return node

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableError("too many brackets within each other")
        terms: list[Node] = []
        pending: tuple[str, Node | None] | None = None
        if sign := self._take("sign", "+", "-", "±", "∓"):
            if sign.value in "±∓":
                pending = (sign.value, None)
                terms.append(self._product())
            else:
                term = self._product()
                terms.append(opposite(term) if sign.value == "-" else term)
        else:
            terms.append(self._product())
        if pending is not None:
            terms = [Node("plus-minus", (number(0), terms[0]), pending[0])]
        place = 0
        while sign := self._take("sign", "+", "-", "±", "∓"):
            term = self._product()
            if sign.value in "±∓":
                place = self._chain(place)
                left = terms[0] if len(terms) == 1 else Node("sum", tuple(terms))
                terms = [Node("plus-minus", (left, term), sign.value)]
            else:
                terms.append(Node("negative", (term,)) if sign.value == "-" else term)
        self._depth -= 1
        node = terms[0] if len(terms) == 1 else Node("sum", tuple(terms))
        return self._with_unit(node)

    def _with_unit(self, node: Node) -> Node:
        """`node` with what follows it as its unit: ``5 \\text{ cm}^2``."""
        words: list[str] = []
        while True:
            if self._is("unit") or self._is("text"):
                word = self._next.value
                if not words and (times := MULTIPLIERS.get(word.casefold())):
                    self._at += 1
                    node = Node("product", (node, number(times)))
                    continue
                if any(part.casefold() in NO_UNITS for part in word.split()):
                    raise UnreadableError(f"{word!r} behind a value")
                words += word.split()
                self._at += 1
            elif words and self._is("sign", "^"):
                self._at += 1
                power = self._argument()
                if power.head != "number" or power.value not in (2, 3):
                    raise UnreadableError("a unit's power")
                words.append(f"^{power.value}")
            elif words and self._is("sign", "/"):
                self._at += 1
                words.append("per")
            else:
                break
        if not words:
            return node
        if node.head == "text":
            raise UnreadableError("a text behind a text")
        return Node("quantity", (node,), unit_name(words))

    def _product(self) -> Node:
        node, place = self._factor(), 0
        while True:
            if self._take("sign", "*"):
                node = product(node, self._signed_factor())
            elif self._is("sign", "/") and self._tokens[self._at + 1].kind not in ("unit", "text"):
                self._at += 1
                place = self._chain(place)
                node = Node("quotient", (node, self._signed_factor()))
            elif self._is("sign", ":") and self._tokens[self._at + 1].kind == "number":
                node = self._ratio(node)
            elif self._begins_factor():
                if self._is("number"):
                    if node.head != "number":
                        raise UnreadableError("a number behind a value")
                    node = self._mixed(node)
                elif self._is("function", "frac") and is_integer(node):
                    node = self._mixed_or_product(node)
                else:
                    node = product(node, self._factor())
            else:
                return node

    def _ratio(self, first: Node) -> Node:
        """``3:4``, which is a quotient; of three and more each has its place."""
        parts = [first]
        while self._is("sign", ":") and self._tokens[self._at + 1].kind == "number":
            self._at += 1
            parts.append(self._factor())
        if len(parts) == 2:
            return Node("quotient", tuple(parts))
        return Node("brackets", tuple(parts), ":")

    def _signed_factor(self) -> Node:
        if sign := self._take("sign", "-", "+"):
            factor = self._factor()
            return Node("negative", (factor,)) if sign.value == "-" else factor
        return self._factor()

    def _mixed(self, whole: Node) -> Node:
        """``1 4/5``, with a space between."""
        top, slash, bottom = (
            self._tokens[min(self._at + n, len(self._tokens) - 1)] for n in range(3)
        )
        fits = (
            top.spaced
            and top.value.isdigit()
            and (slash.kind, slash.value) == ("sign", "/")
            and bottom.kind == "number"
            and bottom.value.isdigit()
            and is_integer(whole)
        )
        if not fits or not 0 < int(top.value[:9]) < int(bottom.value[:9]):
            raise UnreadableError("two numbers side by side")
        self._at += 3
        return number(whole.value + Fraction(int(top.value), int(bottom.value)))

    def _mixed_or_product(self, whole: Node) -> Node:
        fraction = self._factor()
        top_bottom = fraction.parts if fraction.head == "quotient" else ()
        if len(top_bottom) == 2 and all(map(is_integer, top_bottom)):
            top, bottom = (part.value for part in top_bottom)
            if 0 < top < bottom:
                return number(whole.value + top / bottom)
        return Node("product", (whole, fraction))

    def _begins_factor(self) -> bool:
        token = self._next
        if token.kind == "sign":
            return token.value == "∞"
        return token.kind in ("number", "symbol", "function", "begin") or (
            token.kind == "open" and token.value not in ("⟨",)
        )

    def _factor(self) -> Node:
        node, place = self._base(), 0
        while True:
            if self._next.kind == "sign" and self._next.value in _BEHIND:
                place = self._chain(place)
            if self._take("sign", "!"):
                node = Node("factorial", (node,))
            elif mark := self._take("sign", "%", "°"):
                node = Node("quantity", (node,), "%" if mark.value == "%" else "degree")
            elif self._is("sign", "^"):
                after = self._tokens[self._at + 1 : self._at + 3]
                degree = after[0].value == "°" or (
                    len(after) > 1 and after[0].value == "{" and after[1].value == "°"
                )
                self._at += 1
                if degree:
                    braced = self._take("open", "{")
                    self._at += 1
                    if braced:
                        self._expect("close", "}")
                    unit = self._take("symbol", "C", "F")
                    node = Node("quantity", (node,), f"degree {unit.value}" if unit else "degree")
                elif self._take("sign", "'"):
                    node = Node("call", (node,), "prime")
                else:
                    exponent = self._exponent()
                    if exponent.head != "text" or exponent.name not in ("st", "nd", "rd", "th"):
                        node = Node("power", (node, exponent))
            elif self._take("sign", "_"):
                node = self._subscripted(node)
            elif self._take("sign", "'"):
                node = Node("call", (node,), "prime")
            else:
                return node

    def _exponent(self) -> Node:
        if sign := self._take("sign", "-", "+"):
            node = self._exponent()
            return Node("negative", (node,)) if sign.value == "-" else node
        node = self._argument(whole_number=True)
        if self._is("sign", "^"):
            self._at += 1
            return self._deeper(lambda: Node("power", (node, self._exponent())))
        return node

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableError("too many powers within each other")
        node = read()
        self._depth -= 1
        return node

    def _subscripted(self, node: Node) -> Node:
        if self._take("open", "{"):
            if self._is("text") and self._next.value.casefold() == "base":
                self._at += 1
            below = self._list()
            self._expect("close", "}")
        else:
            below = self._argument(whole_number=True)
        if node.head in ("number", "digits") and below.head == "number":
            if node.value.denominator != 1 or not node.name:
                raise UnreadableError("digits of another base")
            return Node("based", name=f"{node.name} {below.value}")
        if node.head not in ("symbol", "call", "subscript"):
            raise UnreadableError("a subscript")
        return Node("subscript", (node, below))

    def _argument(self, *, whole_number: bool = False) -> Node:
        """What a command or a power is applied to: a group, or the next sign alone.

        Args:
            whole_number: whether digits in a row are one, as nobody means 2^10 otherwise.
        """
        if self._take("open", "{"):
            node = self._deeper(self._list)
            self._expect("close", "}")
            return node
        token = self._next
        if token.kind == "number" and not whole_number and len(token.value) > 1:
            if "." in token.value:
                raise UnreadableError("a decimal where one digit is read")
            self._tokens[self._at] = Token("number", token.value[1:])
            return number(int(token.value[0]))
        return self._deeper(self._base)

    def _base(self) -> Node:
        token = self._next
        self._at += 1
        if token.kind == "number":
            if len(token.value) > _MOST_DIGITS:
                raise UnreadableError("too many digits")
            return Node("number", name=token.value, value=Fraction(token.value))
        if token.kind == "symbol":
            return Node("symbol", name=token.value)
        if token.kind == "function":
            return self._deeper(lambda: self._function(token.value))
        if token.kind == "open":
            return self._deeper(lambda: self._bracketed(token.value))
        if token.kind == "begin":
            return self._matrix(token.value)
        if token.kind == "sign" and token.value == "∞":
            return Node("infinity")
        if token.kind == "sign" and token.value in "|‖":
            inner = self._deeper(self._sum)
            self._expect("sign", token.value)
            return Node("call", (inner,), "abs" if token.value == "|" else "norm")
        if token.kind == "unit" and token.value in "$€£¥₩₹":
            return Node("quantity", (self._deeper(self._factor),), unit_name([token.value]))
        if token.kind in ("text", "unit"):
            words = [token.value]
            while more := self._take("text") or self._take("unit"):
                words.append(more.value)
            return Node("text", name=" ".join(words))
        raise UnreadableError(f"{token.value!r} where a value was expected")

    def _function(self, name: str) -> Node:
        if name == "frac":
            return Node("quotient", (self._argument(), self._argument()))
        if name == "binom":
            if self._is("open", "("):
                return Node("call", self._bracketed_arguments(), "binom")
            return Node("call", (self._argument(), self._argument()), "binom")
        if name in ("sqrt", "cbrt"):
            degree = number(3 if name == "cbrt" else 2)
            if self._take("open", "["):
                degree = self._list()
                self._expect("close", "]")
            return Node("root", (self._argument(whole_number=True), degree))
        if name == "abs":
            return Node("call", (self._argument(),), name)
        if name in ("overline", "vec", "hat", "bar"):
            letters = self._argument()
            if any(one.head != "symbol" for one in letters.parts or (letters,)):
                raise UnreadableError(f"{name} over an expression")
            # Unlike in a product their order matters.
            named = "".join(one.name for one in letters.parts or (letters,))
            return Node("symbol", name=f"{name} {named}")
        below, power = None, None
        while self._is("sign", "_", "^"):
            sign = self._next.value
            self._at += 1
            if sign == "_":
                below = self._argument(whole_number=True)
            else:
                power = self._exponent()
        if power is not None and power.head == "negative":
            if power.parts[0].value != 1 or name not in ("sin", "cos", "tan"):
                raise UnreadableError("a function's negative power")
            name, power = f"arc{name}", None
        arguments = self._bracketed_arguments() if self._is("open", "(") else (self._applied(),)
        node = Node("call", (*arguments, *([below] if below else [])), name)
        return node if power is None else Node("power", (node, power))

    def _bracketed_arguments(self) -> tuple[Node, ...]:
        self._at += 1
        inner = self._list()
        self._expect("close", ")")
        return inner.parts if inner.head == "list" else (inner,)

    def _applied(self) -> Node:
        """What a function without brackets is applied to: all factors up to the next function."""
        node = self._factor()
        while (self._begins_factor() and not self._is("function")) or self._is("function", "frac"):
            node = product(node, self._factor())
        if self._is("sign", "/") and self._tokens[self._at + 1].kind == "number":
            self._at += 1
            node = Node("quotient", (node, self._factor()))
        return node

    def _bracketed(self, opening: str) -> Node:
        closing = _CLOSING[opening]
        if self._take("close", closing):
            if opening == "\\{":
                return Node("symbol", name="emptyset")
            raise UnreadableError("empty brackets")
        inner = self._list()
        # Half-open intervals end in the other bracket.
        ends = (")", "]") if opening in "([" else (closing,)
        close = self._next.value
        if self._next.kind != "close" or close not in ends:
            raise UnreadableError("a bracket is missing")
        self._at += 1
        items = inner.parts if inner.head == "list" else (inner,)
        if opening == "\\{":
            return Node("set", items)
        if opening == "{":
            return inner if len(items) == 1 else Node("set", items)
        if opening in "⌊⌈":
            return Node("call", (inner,), "floor" if opening == "⌊" else "ceiling")
        if opening == "⟨":
            return Node("brackets", items, "()")
        if len(items) > 1:
            return Node("brackets", items, opening + close)
        if close != closing:
            raise UnreadableError("brackets that do not belong together")
        return inner

    def _matrix(self, name: str) -> Node:
        if name not in _MATRICES:
            raise UnreadableError(f"the environment {name}")
        rows: list[Node] = []
        cells: list[Node] = []
        while True:
            cells.append(self._deeper(self._relation))
            if self._take("sign", "&"):
                continue
            rows.append(Node("list", tuple(cells)))
            cells = []
            more = self._take("sign", "\\\\")
            if self._take("end", name):
                break
            if not more:
                raise UnreadableError("a matrix without an end")
        if len({len(row.parts) for row in rows}) > 1:
            raise UnreadableError("rows of different lengths")
        return Node("matrix", tuple(rows), name[0] if name.lower() == "vmatrix" else "")


def parse(text: str) -> Node:
    """The tree of an expression.

    Args:
        text: cleaned (`lrmtest.grading.answer_text.clean`).

    Raises:
        UnreadableError: it is no expression of those that are read here.
    """
    return _Parser(tokens_of(text)).whole()
