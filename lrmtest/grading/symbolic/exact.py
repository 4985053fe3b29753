r"""Exact values: an expression as a quotient of sums of products of powers, in one form.

A sum is a mapping from monomials to rational coefficients; a monomial is a sorted tuple of atoms
with rational exponents. Atoms are symbols, pi, e, i, primes (to a power below 1: the square root
of 8 is 2 times the prime 2 to the power 1/2), and whatever is not taken apart further: the sine of
a value, the root of a sum. Two quotients are equal where a/b - c/d, brought to one denominator, is
the empty sum. That is a proof; that it is not empty proves nothing, except between rational
numbers.

No more than `MOST_STEPS` products of terms are formed and no number has more than `MOST_BITS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, gcd
from typing import ClassVar

from lrmtest.grading.symbolic.arithmetic import TooLargeError, factors_of, rational_call
from lrmtest.grading.symbolic.node import IN_AN_EXPRESSION, Node

MOST_STEPS = 20_000
MOST_BITS = 4_096
_MOST_POWER = 64
"""The highest power of a sum that is multiplied out."""
_MOST_FACTORIAL = 300

Monomial = tuple[tuple[object, Fraction], ...]
Terms = dict[Monomial, Fraction]


class UndefinedError(TooLargeError):
    """There is no value: a division by zero."""


@dataclass(frozen=True, slots=True)
class Exact:
    """A quotient of two sums in normal form; `below` is never empty."""

    above: Terms
    below: Terms

    @property
    def rational(self) -> Fraction | None:
        """The rational number that it is; None when it is none, or not plainly one."""
        if any(self.above.keys() - {()}) or any(self.below.keys() - {()}):
            return None
        return self.above.get((), Fraction(0)) / self.below[()]


_ONE: Terms = {(): Fraction(1)}


class Evaluation:
    """One evaluation, with the steps that it has taken.

    Attributes:
        steps: products of terms that were formed.
        most: how many may be.
    """

    def __init__(self, most: int = MOST_STEPS) -> None:
        self.steps, self.most = 0, most

    def equal(self, one: Exact, other: Exact) -> bool:
        """Whether two values are proved to be equal.

        Raises:
            TooLargeError: see the module.
        """
        left = self._times(one.above, other.below)
        return left == self._times(other.above, one.below)

    def value(self, node: Node) -> Exact:
        """The value of a tree.

        Raises:
            TooLargeError: see the module; or the tree is no single value.
        """
        reader = self._READERS.get(node.head)
        if reader is None:
            raise TooLargeError(f"no value for {node.head}")
        return reader(self, node)

    # Sums in normal form.

    def _step(self, steps: int) -> None:
        self.steps += steps
        if self.steps > self.most:
            raise TooLargeError("too many steps")

    def _plus(self, one: Terms, other: Terms) -> Terms:
        self._step(len(other))
        total = dict(one)
        for monomial, coefficient in other.items():
            value = total.get(monomial, Fraction(0)) + _bounded(coefficient)
            if value:
                total[monomial] = value
            else:
                total.pop(monomial, None)
        return total

    def _times(self, one: Terms, other: Terms) -> Terms:
        self._step(len(one) * len(other))
        total: Terms = {}
        for left, factor in one.items():
            for right, times in other.items():
                exponents = dict(left)
                for atom, exponent in right:
                    exponents[atom] = exponents.get(atom, Fraction(0)) + exponent
                product = self._reduced(exponents, _bounded(factor * times))
                total = self._plus(total, product) if total else product
        return total

    def _reduced(self, exponents: dict[object, Fraction], coefficient: Fraction) -> Terms:
        """A product of powers in normal form: whole powers of primes, of i and of sums done."""
        sums: list[tuple[tuple[tuple[Monomial, Fraction], ...], int]] = []
        kept: dict[object, Fraction] = {}
        for atom, exponent in exponents.items():
            if not exponent:
                continue
            kind, what = atom if isinstance(atom, tuple) else ("", None)
            whole = exponent.numerator // exponent.denominator
            if kind == "prime":
                if abs(whole) > MOST_BITS:
                    raise TooLargeError("too many digits")
                coefficient = _bounded(coefficient * Fraction(what) ** whole)
                exponent -= whole
            elif kind == "i":
                coefficient *= (1, 1, -1, -1)[whole % 4]
                exponent = exponent - whole + whole % 2
            elif kind == "power of a sum" and exponent >= 1:
                sums.append((what, whole))
                exponent -= whole
            if exponent:
                kept[atom] = exponent
        monomial = tuple(sorted(kept.items(), key=repr))
        terms: Terms = {monomial: coefficient} if coefficient else {}
        for terms_of_sum, power in sums:
            for _ in range(power):
                terms = self._times(terms, dict(terms_of_sum))
        return terms

    # Quotients.

    def _quotient(self, above: Terms, below: Terms) -> Exact:
        if not below:
            raise UndefinedError("a division by zero")
        if len(below) == 1:
            ((monomial, coefficient),) = below.items()
            inverse = self._reduced(
                {atom: -exponent for atom, exponent in monomial}, 1 / coefficient
            )
            return Exact(self._times(above, inverse), _ONE)
        return Exact(above, below)

    def _sum(self, node: Node) -> Exact:
        total = Exact({}, _ONE)
        for part in node.parts:
            term = self.value(part)
            if term.below == total.below:
                total = Exact(self._plus(total.above, term.above), total.below)
            else:
                above = self._plus(
                    self._times(total.above, term.below), self._times(term.above, total.below)
                )
                total = self._quotient(above, self._times(total.below, term.below))
        return total

    def _product(self, node: Node) -> Exact:
        above, below = _ONE, _ONE
        for part in node.parts:
            factor = self.value(part)
            above, below = self._times(above, factor.above), self._times(below, factor.below)
        return self._quotient(above, below)

    def _division(self, node: Node) -> Exact:
        top, bottom = map(self.value, node.parts)
        if not bottom.above:
            raise UndefinedError("a division by zero")
        return self._quotient(
            self._times(top.above, bottom.below), self._times(top.below, bottom.above)
        )

    def _negative(self, node: Node) -> Exact:
        value = self.value(node.parts[0])
        return Exact({monomial: -times for monomial, times in value.above.items()}, value.below)

    def _symbol(self, node: Node) -> Exact:
        atom: object = ("i", "") if node.name == "i" else ("symbol", node.name)
        return Exact({((atom, Fraction(1)),): Fraction(1)}, _ONE)

    def _opaque(self, node: Node) -> Exact:
        """What is not taken apart, by its name and the exact values of its arguments."""
        arguments = []
        for part in node.parts:
            value = self.value(part)
            arguments.append((_key(value.above), _key(value.below)))
        atom = (node.head, (node.name, tuple(arguments)))
        return Exact({((atom, Fraction(1)),): Fraction(1)}, _ONE)

    def _named(self, node: Node) -> Exact:
        atom = ("named", repr(node))
        return Exact({((atom, Fraction(1)),): Fraction(1)}, _ONE)

    # Powers.

    def _power(self, node: Node) -> Exact:
        base, exponent = map(self.value, node.parts)
        power = exponent.rational
        if power is None:
            return self._symbolic_power(base, exponent)
        if power.denominator == 1:
            return self._whole_power(base, int(power))
        return self._fractional_power(base, power, real=False)

    def _root(self, node: Node) -> Exact:
        degree = self.value(node.parts[1]).rational
        if degree is None or degree.denominator != 1 or not 2 <= degree <= _MOST_POWER:
            raise TooLargeError("a root's degree")
        return self._fractional_power(self.value(node.parts[0]), 1 / degree, real=True)

    def _whole_power(self, base: Exact, power: int) -> Exact:
        if power < 0:
            if not base.above:
                raise UndefinedError("a division by zero")
            base, power = self._quotient(base.below, base.above), -power
        if power == 0 and not base.above:
            raise TooLargeError("zero to the power of zero")
        single = len(base.above) <= 1 and len(base.below) == 1
        if power > (MOST_BITS if single else _MOST_POWER):
            raise TooLargeError("a high power")
        if single and base.above:
            return Exact(self._monomial_power(base.above, Fraction(power)), _ONE)
        above, below = _ONE, _ONE
        for _ in range(power):
            above, below = self._times(above, base.above), self._times(below, base.below)
        return Exact(above, below)

    def _monomial_power(self, terms: Terms, power: Fraction) -> Terms:
        ((monomial, coefficient),) = terms.items()
        bits = max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length())
        if bits * power > MOST_BITS:
            raise TooLargeError("too many digits")
        raised = {atom: exponent * power for atom, exponent in monomial}
        return self._reduced(raised, coefficient ** int(power))

    def _fractional_power(self, base: Exact, power: Fraction, *, real: bool) -> Exact:
        """`base` to a power that is no integer.

        Args:
            base: any.
            power: any.
            real: whether an odd root of a negative number is the real one, as a root's sign says,
                and not the principal one.
        """
        if not base.above:
            if power < 0:
                raise UndefinedError("a division by zero")
            return base
        if len(base.below) != 1 or () not in base.below:
            above = self._fractional_power(Exact(base.above, _ONE), power, real=real)
            below = self._fractional_power(Exact(base.below, _ONE), power, real=real)
            if not self._is_positive(base.below):
                raise TooLargeError("the root of a quotient that may be negative")
            return self._quotient(
                self._times(above.above, below.below), self._times(above.below, below.above)
            )
        terms = {monomial: times / base.below[()] for monomial, times in base.above.items()}
        content = _content(terms)
        rest = {monomial: times / content for monomial, times in terms.items()}
        if len(rest) > 1:
            atom = ("power of a sum", _key(rest))
            root = self._reduced({atom: power}, Fraction(1))
            return Exact(self._times(self._root_of(content, power), root), _ONE)
        ((monomial, sign),) = rest.items()
        if any(atom[0] != "prime" for atom, _ in monomial):  # type: ignore[index]
            if sign == 1 and all(_positive(atom) for atom, _ in monomial):
                known = {atom: exponent * power for atom, exponent in monomial}
                return Exact(
                    self._times(self._root_of(content, power), self._reduced(known, Fraction(1))),
                    _ONE,
                )
            atom = ("power of a sum", _key(rest))
            root = self._reduced({atom: power}, Fraction(1))
            return Exact(self._times(self._root_of(content, power), root), _ONE)
        value = self._times(
            self._root_of(content, power),
            self._reduced({atom: exponent * power for atom, exponent in monomial}, Fraction(1)),
        )
        if sign == 1:
            return Exact(value, _ONE)
        if power.denominator == 2:
            unit = self._reduced({("i", ""): 2 * power}, Fraction(1))
        elif real and power.denominator % 2 and power.numerator == 1:
            unit = {(): Fraction(-1)}
        else:
            raise TooLargeError("a root of a negative number")
        return Exact(self._times(value, unit), _ONE)

    def _is_positive(self, terms: Terms) -> bool:
        return all(
            times > 0 and all(_positive(atom) for atom, _ in monomial)
            for monomial, times in terms.items()
        )

    def _root_of(self, value: Fraction, power: Fraction) -> Terms:
        """A positive rational number to a power that is no integer."""
        exponents: dict[object, Fraction] = {}
        for number, sign in ((value.numerator, 1), (value.denominator, -1)):
            for prime, times in factors_of(number).items():
                atom = ("prime", prime)
                exponents[atom] = exponents.get(atom, Fraction(0)) + sign * times * power
        return self._reduced(exponents, Fraction(1))

    def _symbolic_power(self, base: Exact, exponent: Exact) -> Exact:
        """A power with a symbol in it: of each of the exponent's terms one factor."""
        if base.below != _ONE or exponent.below != _ONE or not self._is_positive(base.above):
            raise TooLargeError("a power")
        factors: Terms = _ONE
        for monomial, times in exponent.above.items():
            if monomial == ():
                raised = self._power_of(base, times)
            else:
                atom = ("symbolic power", (_key(base.above), monomial))
                raised = {((atom, times),): Fraction(1)}
            factors = self._times(factors, raised)
        return Exact(factors, _ONE)

    def _power_of(self, base: Exact, power: Fraction) -> Terms:
        if power.denominator == 1:
            raised = self._whole_power(base, int(power))
        else:
            raised = self._fractional_power(base, power, real=False)
        if raised.below != _ONE:
            raise TooLargeError("a power")
        return raised.above

    def _quantity(self, node: Node) -> Exact:
        """Degrees and per cent within an expression, as in the sine of 30 degrees."""
        factor = IN_AN_EXPRESSION.get(node.name)
        if factor is None:
            raise TooLargeError("a unit in an expression")
        return self._product(Node("product", (node.parts[0], factor)))

    # Functions that have a rational value now and then.

    def _call(self, node: Node) -> Exact:
        known = [self.value(part).rational for part in node.parts]
        if known and None not in known:
            value = rational_call(node.name, [v for v in known if v is not None])
            if value is not None:
                return _exact(value)
        return self._opaque(node)

    def _factorial(self, node: Node) -> Exact:
        value = self.value(node.parts[0]).rational
        if value is None:
            return self._opaque(node)
        if value.denominator != 1 or not 0 <= value <= _MOST_FACTORIAL:
            raise TooLargeError("a factorial")
        return _exact(Fraction(factorial(int(value))))

    _READERS: ClassVar[dict[str, Callable[[Evaluation, Node], Exact]]] = {
        "number": lambda _, node: _exact(node.value),
        "symbol": _symbol,
        "sum": _sum,
        "product": _product,
        "quotient": _division,
        "negative": _negative,
        "power": _power,
        "root": _root,
        "call": _call,
        "factorial": _factorial,
        "quantity": _quantity,
        "subscript": _named,
        "based": _named,
    }


def _exact(value: Fraction) -> Exact:
    return Exact({(): _bounded(value)} if value else {}, _ONE)


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise TooLargeError("too many digits")
    return value


def _key(terms: Terms) -> tuple[tuple[Monomial, Fraction], ...]:
    return tuple(sorted(terms.items(), key=repr))


def _positive(atom: object) -> bool:
    """Whether an atom is a positive number: not a symbol, of which that is not known."""
    return isinstance(atom, tuple) and (
        atom[0] == "prime" or atom in (("symbol", "pi"), ("symbol", "e"))
    )


def _content(terms: Terms) -> Fraction:
    """The greatest positive rational number that leaves integers without a common divisor."""
    top, bottom = 0, 1
    for times in terms.values():
        top = gcd(top, times.numerator)
        bottom = bottom * times.denominator // gcd(bottom, times.denominator)
        if bottom.bit_length() > MOST_BITS:
            raise TooLargeError("too many digits")
    return Fraction(top, bottom)
