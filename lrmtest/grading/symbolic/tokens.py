r"""Tokens of an expression, in LaTeX or as it is typed: ``\dfrac{1}2``, ``1/2``, ``sqrt(2)``.

Layout (``\left``, spacing, fonts, math delimiters) is gone behind this; the many names of one sign
are one. Linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from lrmtest.grading.symbolic.units import PLAIN_UNITS, UNIT_OF
from lrmtest.grading.symbolic.words import FUNCTIONS, GREEK, SEPARATORS, SPELLED

Kind = Literal[
    "number",
    "symbol",
    "function",
    "sign",
    "open",
    "close",
    "text",
    "unit",
    "begin",
    "end",
    "end of all",
]


class UnreadableError(ValueError):
    """A text that is no expression of those that are read here."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind, what it says, and whether white space or an explicit space is before."""

    kind: Kind
    value: str
    spaced: bool = False


LONGEST = 1000
"""Characters of an expression that is read: what is kept of a box."""

_SKIPPED = re.compile(
    r"\\(?:left|right|[bB]ig{1,2}[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|bf|rm|it"
    r"|bfseries|tiny|small|normalsize|large|Large|LARGE|huge|Huge|mathstrut|strut|hfill|noindent"
    r"|nonumber|notag|qed|blacksquare|cdotp)(?![A-Za-z])\.?|(?<!\\)\$|\\[()\[\]]|\*\*|`|[\u200b-\u200f\u2060\ufeff]"
)
_SPACE = re.compile(
    r"(?:\s|~|\\(?:[,;:!> ]|quad(?![A-Za-z])|qquad(?![A-Za-z])|thinspace(?![A-Za-z]))"
    r"|\\[hv]space\{[^{}]{0,20}\}|\\[hv]?phantom\{[^{}]{0,40}\})+"
)
# A comma that is written so as not to be a separator.
_GROUPED = re.compile(r"\d{1,3}(?:(?:,\\!\s{0,2}|\{,\}\s{0,2}|\\,\s{0,2})\d{3})+(?!\d)(?:\.\d+)?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+|(?: \d{3})+)(?![\d,/])(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"(\d+)\{,\}(\d+)")
_REPEATING = re.compile(r"(\d{0,20})\.(\d{0,20})\\overline\s?\{(\d{1,20})\}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_TRAILING_POINT = re.compile(r"\.(?=\s*$|\s*[,;)}\]])")
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_WORD = re.compile(r"(?:(?![⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉])[^\W\d_])+(?:'[a-z]{1,2}(?![a-z]))?")
_FONT = frozenset(
    [
        "text",
        "textbf",
        "textit",
        "textrm",
        "textsf",
        "texttt",
        "textnormal",
        "textup",
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "mathtt",
        "mathnormal",
        "mathcal",
        "boldsymbol",
        "bm",
        "mbox",
        "hbox",
        "emph",
        "underline",
        "operatorname",
        "mathop",
        "boxed",
        "fbox",
        "ensuremath",
        "pmb",
        "overline",
        "vec",
        "hat",
        "bar",
    ]
)
_KEPT = frozenset(("overline", "vec", "hat", "bar"))
"""Decorations that change what they stand on: read as functions."""
_ENVIRONMENT = re.compile(r"\s{0,4}\{\s{0,4}([A-Za-z]{1,20})\*?\s{0,4}\}")
_COLUMNS = re.compile(r"\s{0,4}(?:\[[a-z]\])?\{[^{}]{0,40}\}")
_BRACED_WORDS = re.compile(r"\s{0,4}\{([^{}\\$]{0,200})\}")
_SIGNS = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "pm": "±", "mp": "∓", "le": "≤", "leq": "≤",
    "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "lt": "<", "gt": ">", "ne": "≠",
    "neq": "≠", "in": "∈", "cup": "∪", "cap": "∩", "setminus": "∖", "approx": "≈",
    "thickapprox": "≈", "sim": "∼", "equiv": "≡",
    "to": "→", "rightarrow": "→", "Rightarrow": "→", "implies": "→", "mid": "|", "vert": "|",
    "lvert": "|", "rvert": "|", "colon": ":", "lor": "or", "vee": "or", "land": ",", "wedge": ",",
    "prime": "'", "circ": "°", "degree": "°", "infty": "∞", "backslash": "∖", "doteq": "=",
    "bullet": "*", "dots": "…", "ldots": "…", "cdots": "…",
}  # fmt: skip
_CHARACTERS = {
    "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "÷": "/", "⁄": "/", "−": "-", "–": "-",
    "±": "±", "∓": "∓",
    "≤": "≤", "⩽": "≤", "≥": "≥", "⩾": "≥", "≠": "≠", "∈": "∈", "∪": "∪", "∩": "∩", "∖": "∖",
    "≈": "≈", "≡": "≡", "→": "→", "⇒": "→", "∞": "∞", "°": "°", "º": "°", "%": "%", "…": "…",
    "'": "'",
}  # fmt: skip
_BRACKETS = {"lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]", "lparen": "(",
             "rparen": ")", "langle": "⟨", "rangle": "⟩", "lfloor": "⌊", "rfloor": "⌋",
             "lceil": "⌈", "rceil": "⌉"}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5",
    "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip
_ALPHABET = re.compile(r"[A-Za-z]")
_OPEN, _CLOSE = "([⟨⌊⌈", ")]⟩⌋⌉"


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._tokens: list[Token] = []
        self._spaced = False
        self._brackets = 0

    def tokens(self) -> list[Token]:
        text = self._text
        while self._at < len(text):
            if space := _SPACE.match(text, self._at):
                # "\!" takes space away, and stands between the digits of one number only.
                self._spaced = True
                self._at = space.end()
            elif skipped := _SKIPPED.match(text, self._at):
                self._at = skipped.end()
            elif text[self._at] == "\\":
                self._command()
            else:
                self._character()
        return [*self._tokens, Token("end of all", "")]

    def _emit(self, kind: Kind, value: str, end: int) -> None:
        self._tokens.append(Token(kind, value, self._spaced))
        self._spaced = False
        self._at = end

    def _character(self) -> None:
        text, at = self._text, self._at
        character = text[at]
        if number := self._number():
            self._emit("number", *number)
        elif character in "{}":
            self._emit("open" if character == "{" else "close", character, at + 1)
        elif character in _OPEN:
            self._brackets += 1
            self._emit("open", character, at + 1)
        elif character in _CLOSE:
            self._brackets = max(0, self._brackets - 1)
            self._emit("close", character, at + 1)
        elif character in "+-*/^_=<>!,;:|&":
            twice = text[at : at + 2]
            sign = {"<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "=>": "→", "**": "^", "==": "="}
            value = sign.get(twice, character)
            self._emit("sign", "," if value == ";" else value, at + 1 + (twice in sign))
        elif character in _CHARACTERS:
            self._emit("sign", _CHARACTERS[character], at + 1)
        elif character in "√π∅ℝ":
            name = {"√": "sqrt", "π": "pi", "∅": "emptyset", "ℝ": "R"}[character]
            kinds: dict[str, Kind] = {"sqrt": "function", "emptyset": "symbol"}
            self._emit(kinds.get(name, "symbol"), name if name != "R" else "ℝ", at + 1)
        elif raised := _SUPERSCRIPT.match(text, at):
            self._emit("sign", "^", at)
            self._emit("open", "{", at)
            for sign in re.findall(r"\d+|[-+]", raised[0].translate(_SUPERSCRIPTS)):
                self._emit("number" if sign[0].isdigit() else "sign", sign, at)
            self._emit("close", "}", raised.end())
        elif lowered := _SUBSCRIPT.match(text, at):
            self._emit("sign", "_", at)
            self._emit("number", lowered[0].translate(_SUBSCRIPTS), lowered.end())
        elif character in _VULGAR:
            top, _, bottom = _VULGAR[character].partition("/")
            for kind, value in (("function", "frac"), ("number", top), ("number", bottom)):
                self._emit(kind, value, at + 1)  # type: ignore[arg-type]
        elif character in "€£¥₩₹":
            self._emit("unit", character, at + 1)
        elif _TRAILING_POINT.match(text, at):
            self._at += 1
        elif word := _WORD.match(text, at):
            self._word(word[0], word.end(), plain=True)
        else:
            raise UnreadableError(f"{character!r} in it")

    def _number(self) -> tuple[str, int] | None:
        text, at = self._text, self._at
        if found := _REPEATING.match(text, at):
            whole, once, again = found[1] or "0", found[2], found[3]
            value = int(whole + once + again) - int(whole + once)
            return str(Fraction(value, 10 ** len(once) * (10 ** len(again) - 1))), found.end()
        for pattern in (_GROUPED, *([] if self._brackets else [_THOUSANDS])):
            if found := pattern.match(text, at):
                return re.sub(r"[^\d.]", "", found[0]), found.end()
        if found := _DECIMAL_COMMA.match(text, at):
            return f"{found[1]}.{found[2]}", found.end()
        found = _NUMBER.match(text, at)
        return (found[0], found.end()) if found and found[0].isascii() else None

    def _command(self) -> None:
        text, at = self._text, self._at
        command = _COMMAND.match(text, at)
        if command is None:
            following = text[at + 1 : at + 2]
            if following in ("{", "}"):
                kind: Kind = "open" if following == "{" else "close"
                self._brackets = max(0, self._brackets + (1 if kind == "open" else -1))
                self._emit(kind, f"\\{following}", at + 2)
            elif following == "%":
                self._emit("sign", "%", at + 2)
            elif following == "$":
                self._emit("unit", "$", at + 2)
            elif following == "\\":
                self._emit("sign", "\\\\", at + 2)
            elif following == "|":
                self._emit("sign", "‖", at + 2)
            elif following in ("_", "&", "#", ""):
                self._at += 2
            else:
                raise UnreadableError("a backslash")
            return
        name, end = command[1], command.end()
        if name in ("begin", "end"):
            self._environment(name, end)
        elif name in _FONT and name not in _KEPT:
            self._font(name, end)
        elif name in ("frac", "dfrac", "tfrac", "cfrac", "sfrac"):
            self._emit("function", "frac", end)
        elif name in ("binom", "dbinom", "tbinom", "sqrt"):
            self._emit("function", "sqrt" if name == "sqrt" else "binom", end)
        elif name in _SIGNS:
            self._emit("sign", _SIGNS[name], end)
        elif name in _BRACKETS:
            bracket = _BRACKETS[name]
            value = f"\\{bracket}" if bracket in "{}" else bracket
            opens = bracket in "{([⟨⌊⌈"
            self._brackets = max(0, self._brackets + (1 if opens else -1))
            self._emit("open" if opens else "close", value, end)
        elif name in ("dollar", "textdollar"):
            self._emit("unit", "$", end)
        elif name in ("angle", "measuredangle", "triangle"):
            self._at = end  # "\\angle A" is named A
        elif name in ("not",):
            self._emit("sign", "not", end)
        elif name in ("mathbb", "Bbb", "mathbf"):
            self._at = end
            found = _BRACED_WORDS.match(text, end)
            letter = found[1].strip() if found else text[end : end + 1]
            if letter not in ("R", "Z", "N", "Q", "C"):
                raise UnreadableError("a letter in blackboard bold")
            self._emit("symbol", "ℝℤℕℚℂ"["RZNQC".index(letter)], found.end() if found else end + 1)
        elif name in ("emptyset", "varnothing"):
            self._emit("symbol", "emptyset", end)
        elif name in GREEK:
            self._emit("symbol", GREEK[name], end)
        elif name in FUNCTIONS:
            self._emit("function", FUNCTIONS[name], end)
        elif name in _KEPT:
            self._emit("function", name, end)
        elif name in ("pmod", "mod", "bmod"):
            raise UnreadableError("a modulus")
        else:
            raise UnreadableError(f"the command {name}")

    def _environment(self, name: str, end: int) -> None:
        found = _ENVIRONMENT.match(self._text, end)
        if found is None:
            raise UnreadableError("an environment without a name")
        end = found.end()
        if name == "begin" and found[1] in ("array", "tabular"):
            columns = _COLUMNS.match(self._text, end)
            end = columns.end() if columns else end
        self._brackets = max(0, self._brackets + (1 if name == "begin" else -1))
        self._emit("begin" if name == "begin" else "end", found[1], end)

    def _font(self, name: str, end: int) -> None:
        """A command around a text: its words, or what is in it where that is mathematics."""
        found = _BRACED_WORDS.match(self._text, end)
        if found is None:
            self._at = end  # mathematics in a font
            return
        words = found[1].strip()
        if not words:
            self._spaced = True
            self._at = found.end()
        elif not re.search(r"[^\W\d_]{2}", words) and not (
            name.startswith(("text", "mbox", "hbox")) and re.fullmatch(r"\(?[^\W\d_]\)?", words)
        ):
            # "\text{5}", "\mathrm{e}": the braces around are a group.
            self._at = end
        elif re.search(r"\d", words):
            self._at = end
        else:
            # A single letter behind a number is a unit, "5 \text{ m}"; alone it is a text.
            self._word(words, found.end(), plain=False)

    def _word(self, word: str, end: int, *, plain: bool) -> None:
        folded = " ".join(word.casefold().split())
        if separator := SEPARATORS.get(folded):
            self._emit("sign", separator, end)
        elif folded in SPELLED and (plain or len(word) > 1):
            kind, value = SPELLED[folded]
            self._emit(kind, value, end)
        elif not plain:
            self._emit("unit" if folded in UNIT_OF else "text", word, end)
        elif folded in PLAIN_UNITS:
            self._emit("unit", word, end)
        elif len(word) <= 3 and word.isascii() and (len(set(word)) == len(word) or len(word) < 3):
            for place, letter in enumerate(word, self._at + 1):
                self._emit("symbol", letter, place)
        elif len(word) == 1:
            self._emit("symbol", GREEK.get(word, word), end)
        else:
            self._emit("text", word, end)


def tokens_of(text: str) -> list[Token]:
    """The tokens of an expression, the last of kind "end of all".

    Args:
        text: cleaned (`lrmtest.grading.answer_text.clean`).

    Raises:
        UnreadableError: it is longer than `LONGEST`, or has a sign or command that is not read.
    """
    if len(text) > LONGEST:
        raise UnreadableError("too long")
    return _Scanner(text).tokens()
