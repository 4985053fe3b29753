"""Shapes: collections, relations, unions and matrices, brought to the form that is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lrmtest.grading.symbolic.node import Node, number

_MOST_SIGNS = 3
"""Signs of plus or minus in one expression: each doubles its values."""
_ORDER = frozenset("<>≤≥")
_TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}


SHAPES = frozenset(("brackets", "matrix", "set", "intersection", "difference", "relation", "text"))
"""Heads of what is no single value, but for quantities, unions and infinities."""


# What the real numbers are called, and the interval that they are.
REALS = dict.fromkeys(
    (
        Node("symbol", name="ℝ"),
        Node("text", name="all real numbers"),
        Node("text", name="all reals"),
    ),
    Node("brackets", (Node("negative", (Node("infinity"),)), Node("infinity")), "()"),
)


def with_alternatives(node: Node) -> Node:
    """Inequalities with "or" between them, as the union of their intervals."""
    if (node.head, node.name) != ("list", "or"):
        return node
    intervals = [plain_relation(part) for part in node.parts]
    if any((one.head, one.name) != ("relation", "∈") for one in intervals):
        return node
    if len({one.parts[0] for one in intervals}) != 1:
        return node
    union = intervals[0].parts[1]
    for one in intervals[1:]:
        union = Node("union", (union, one.parts[1]))
    return Node("relation", (intervals[0].parts[0], union), "∈")


def items_of(node: Node) -> list[Node]:
    """The elements of a list or a set, and both values of plus or minus; else the node alone."""
    node = _plain_union(node)
    if node.head == "relation" and node.name in ("=", "∈"):
        values = items_of(node.parts[1])
        if len(values) == 1 and node.parts[1].head not in ("list", "set"):
            return [node]
        return [Node("relation", (node.parts[0], value), "=") for value in values]
    if node.head == "quantity" and node.parts[0].head in ("list", "plus-minus"):
        return [replace(node, parts=(one,)) for one in items_of(node.parts[0])]
    if node.head not in ("list", "set"):
        return _both(node)
    found = [value for part in node.parts for value in items_of(part)]
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
    parts = list(joined_parts(node))
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


def without_names(items: list[Node]) -> list[Node]:
    """Items without "x =" where all have it, or only the first: "x = 2, 3"."""
    named = [
        one for one in items if one.head == "relation" and one.name == "=" and is_name(one.parts[0])
    ]
    names = {one.parts[0] for one in named}
    if len(names) == 1 and (len(named) == len(items) or (len(named) == 1 and items[0] is named[0])):
        return [one.parts[1] if one in named else one for one in items]
    return items


def plain_relation(node: Node) -> Node:
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
        return plain_relation(Node("relation", parts, " ".join(signs)))
    if "≈" in signs:
        # "2 sqrt(5) ≈ 4.47" says 2 sqrt(5); "x ≈ 4.47" says 4.47.
        at = signs.index("≈")
        if at == 0 and is_name(parts[0]):
            return plain_relation(Node("relation", parts[:2], "="))
        before = parts[: at + 1]
        return (
            before[0] if at == 0 else plain_relation(Node("relation", before, " ".join(signs[:at])))
        )
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
    if len(signs) == 2 and is_name(parts[1]):
        low, name, high = parts
        brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    elif len(signs) == 1 and is_name(parts[0]) and _is_constant(parts[1]):
        low, name, high = Node("negative", (infinity,)), parts[0], parts[1]
        brackets = "(" + (")" if signs[0] == "<" else "]")
    elif len(signs) == 1 and is_name(parts[1]) and _is_constant(parts[0]):
        low, name, high = parts[0], parts[1], infinity
        brackets = ("(" if signs[0] == "<" else "[") + ")"
    else:
        return None
    return Node("relation", (name, Node("brackets", (low, high), brackets)), "∈")


def turned(relation: Node) -> Node:
    """The same relation, read from the right."""
    signs = [_TURNED.get(sign, sign) for sign in reversed(relation.name.split())]
    return Node("relation", relation.parts[::-1], " ".join(signs))


_CONSTANTS = frozenset(("pi", "e", "i"))


def is_name(node: Node) -> bool:
    """Whether a node names a quantity: ``x``, ``x_1``, ``f(x)``, ``\\angle`` and letters."""
    if node.head == "symbol":
        return node.name not in ("pi", "e", "emptyset")
    if node.head in ("subscript", "product") or (node.head, node.name) == ("call", "prime"):
        return all(map(is_name, node.parts[:1] if node.head == "subscript" else node.parts))
    return node.head == "brackets" and all(map(is_name, node.parts))


def _is_constant(node: Node) -> bool:
    if node.head == "symbol":
        return node.name in _CONSTANTS
    return all(map(_is_constant, node.parts))


def difference(left: Node, right: Node) -> Node:
    """left - right.

    Raises:
        TypeError: one of them is no single value.
    """
    for side in (left, right):
        if side.head in SHAPES or side.head in ("quantity", "union", "infinity"):
            raise TypeError
    return Node("sum", (left, Node("negative", (right,))))


def joined_parts(node: Node) -> Iterator[Node]:
    """The parts of a union, each as the set that it says; a set alone is one."""
    if node.head == "union":
        for part in node.parts:
            yield from joined_parts(part)
    else:
        relation = plain_relation(node)
        yield (
            relation.parts[1] if relation.head == "relation" and relation.name == "∈" else relation
        )


def scaled(node: Node) -> Node:
    """A matrix or tuple times a value, with the value in its elements; -(…) too."""
    if node.head == "negative":
        inner, factor = scaled(node.parts[0]), number(-1)
    elif node.head == "product":
        matrices = [part for part in node.parts if part.head == "matrix"]
        others = tuple(part for part in node.parts if part.head != "matrix")
        if len(matrices) != 1:
            return node
        (inner,), factor = matrices, Node("product", others)
    elif node.head == "quotient":
        inner, factor = scaled(node.parts[0]), Node("quotient", (number(1), node.parts[1]))
    else:
        return node
    if inner.head != "matrix" or factor.head == "matrix" or inner.name:
        return node
    rows = tuple(
        Node("list", tuple(Node("product", (factor, cell)) for cell in row.parts))
        for row in inner.parts
    )
    return Node("matrix", rows)
