"""Words and commands that mathematics is spelled with."""

from __future__ import annotations

from typing import Literal

FUNCTIONS = {
    **{
        name: name
        for name in [
        "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "ln", "log", "exp",
        "gcd", "lcm", "max", "min", "det", "arcsin", "arccos", "arctan",
    ]
    },
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "lg",
}  # fmt: skip
"""Functions by command or word."""

GREEK = {
    name: name
    for name in [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi",
        "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega", "pi",
        "ell",
    ]
} | {
    "varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho", "Pi": "Pi",
    "π": "pi", "θ": "theta", "α": "alpha", "β": "beta", "γ": "gamma", "λ": "lambda", "φ": "phi",
    "ω": "omega", "σ": "sigma", "μ": "mu", "ρ": "rho", "τ": "tau", "δ": "delta", "ε": "epsilon",
}  # fmt: skip
"""Symbols by command or character."""

SPELLED: dict[str, tuple[Literal["symbol", "function", "sign"], str]] = {
    **{name: ("function", value) for name, value in FUNCTIONS.items()},
    **{name: ("symbol", name) for name in ("pi", "theta", "alpha", "beta", "lambda", "phi")},
    "sqrt": ("function", "sqrt"), "abs": ("function", "abs"), "binom": ("function", "binom"),
    "cbrt": ("function", "cbrt"), "infinity": ("sign", "∞"), "inf": ("sign", "∞"),
    "oo": ("sign", "∞"), "union": ("sign", "∪"),
    "percent": ("sign", "%"), "per cent": ("sign", "%"),
    "degree": ("sign", "°"), "degrees": ("sign", "°"), "deg": ("sign", "°"),
}  # fmt: skip
"""Words that stand for a sign, a symbol or a function, in lower case."""

SEPARATORS = dict.fromkeys(["and", "und", "et", "и", "和", "と"], ",") | dict.fromkeys(
    ["or", "oder", "ou", "или", "或", "または", "또는"], "or"
)
"""Words that part the items of a list, and the sign that each is read as."""

MULTIPLIERS = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
"""Words behind a number that multiply it."""

NO_UNITS = frozenset(
    [
        "more",
        "less",
        "fewer",
        "minus",
        "plus",
        "times",
        "at",
        "than",
        "least",
        "most",
        "over",
        "under",
        "half",
        "dozen",
        "not",
        "about",
        "only",
        "approximately",
        "around",
        "nearly",
        "almost",
        "no",
        "none",
        "if",
        "when",
        "unless",
        "mod",
        "modulo",
        "factorial",
        "squared",
        "cubed",
        "remaining",
        "other",
        "another",
        "first",
        "second",
        "third",
        "score",
        "both",
        "either",
        "neither",
        "each",
        "remainder",
    ]
)
"""Words that change what the number before them says, so that they are no unit."""
