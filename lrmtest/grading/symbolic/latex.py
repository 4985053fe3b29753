r"""A tree as LaTeX that math-verify reads as it is meant: every group in braces or brackets.

Decimals are written as fractions, so that nothing is rounded.
"""

from __future__ import annotations

from lrmtest.grading.symbolic.node import IN_AN_EXPRESSION, Node
from lrmtest.grading.symbolic.tokens import UnreadableError

_PLAIN = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "sinh",
        "cosh",
        "tanh",
        "arcsin",
        "arccos",
        "arctan",
        "ln",
        "exp",
    ]
)


def latex_of(node: Node) -> str:
    """The LaTeX of a single value.

    Raises:
        UnreadableError: a part has no spelling that math-verify is sure to read alike.
    """
    parts = [latex_of(part) for part in node.parts]
    match node.head:
        case "number":
            value = node.value
            if value.denominator == 1:
                return str(value.numerator) if value >= 0 else f"({value.numerator})"
            return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        case "symbol" if node.name == "i":
            return r"\sqrt{-1}"  # the letter would be read as a symbol
        case "symbol" if " " not in node.name:
            return node.name if len(node.name) == 1 else rf"\{node.name} "
        case "sum":
            return "(" + "+".join(parts) + ")"
        case "negative":
            return f"(-1 \\cdot {parts[0]})"
        case "product":
            return "(" + r" \cdot ".join(parts) + ")"
        case "quotient":
            return rf"\frac{{{parts[0]}}}{{{parts[1]}}}"
        case "power":
            return f"({parts[0]})^{{{parts[1]}}}"
        case "root":
            if parts[1] == "2":
                return rf"\sqrt{{{parts[0]}}}"
            return rf"\sqrt[{parts[1]}]{{{parts[0]}}}"
        case "quantity" if node.name in IN_AN_EXPRESSION:
            return rf"({parts[0]} \cdot {latex_of(IN_AN_EXPRESSION[node.name])})"
        case "factorial":
            return f"({parts[0]})!"
        case "call" if node.name in _PLAIN and len(parts) == 1:
            return rf"\{node.name}({parts[0]})"
        case "call" if node.name == "abs":
            return f"|{parts[0]}|"
        case "call" if node.name == "floor":
            return rf"\lfloor {parts[0]} \rfloor"
        case "call" if node.name == "log" and len(parts) == 2:
            return rf"\log_{{{parts[1]}}}({parts[0]})"
        case "call" if node.name == "binom":
            return rf"\binom{{{parts[0]}}}{{{parts[1]}}}"
    raise UnreadableError(node.head)
