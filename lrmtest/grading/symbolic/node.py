"""Nodes: the parts of an expression's tree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression.

    Attributes:
        head: what it is:
            ``number`` (`value`: a fraction), ``symbol`` (`name`), ``sum``, ``product``,
            ``quotient``, ``power``, ``root`` (radicand, degree), ``negative``, ``call`` (`name` of
            the function), ``factorial``, ``plus-minus`` (left, right; `name`: the sign), ``based``
            (`name`: digits and base), ``infinity``, ``text`` (`name`), ``quantity`` (`name`: the
            unit), ``list`` (`name`: "or" where that parts it), ``set``, ``brackets`` (`name`: both
            brackets), ``union``, ``intersection``, ``difference``, ``matrix`` (rows, each a
            ``list``; `name`: the determinant's bar or nothing), ``relation`` (`name`: its signs,
            parted by spaces), ``subscript``.
        parts: the parts of the part.
        name, value: see above.
    """

    head: str
    parts: tuple[Node, ...] = ()
    name: str = ""
    value: Fraction = Fraction(0)


def number(value: int | Fraction) -> Node:
    """The node of a number."""
    return Node("number", value=Fraction(value))


IN_AN_EXPRESSION = {
    "degree": Node("quotient", (Node("symbol", name="pi"), number(180))),
    "%": number(Fraction(1, 100)),
}
"""The values of units that stand within an expression."""


def opposite(node: Node) -> Node:
    """The opposite of a value, with the unit outside."""
    if node.head == "quantity":
        return replace(node, parts=(opposite(node.parts[0]),))
    return Node("negative", (node,))


def product(node: Node, factor: Node) -> Node:
    """A product with one factor more."""
    if node.head == "product":
        return replace(node, parts=(*node.parts, factor))
    return Node("product", (node, factor))


def is_integer(node: Node) -> bool:
    """Whether a node is a whole number in digits."""
    return node.head == "number" and node.value.denominator == 1
