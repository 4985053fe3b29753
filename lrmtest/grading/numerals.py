r"""Integers as they are written: in digits of several locales, as fractions, in words."""

from __future__ import annotations

import re

NUMBER = r"[-+]?\d(?:[\d,\s'_]{0,40}\d)?(?:\.\d{1,40})?"
"""What may be a number in running text; `integer_of` says whether it is an integer."""

# One mark throughout; one dot could as well be a decimal point.
_GROUPS = re.compile(r"[-+]?\d{1,3}(?:(?:,\d{3})+|(?:\s\d{3})+|(?:'\d{3})+|(?:_\d{3})+)(?:\.0*)?")
_DOTS = re.compile(r"[-+]?\d{1,3}(?:\.\d{3}){2,}(?:,0*)?")
_DOT_OR_DOTS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,0*)?")
_DIGITS = re.compile(r"[-+]?\d{1,40}(?:\.0*)?")
_DIGITS_COMMA = re.compile(r"[-+]?\d{1,40},0{1,3}")
_FRACTION = re.compile(
    r"(-?)\\[dtc]?frac\s?(?:\{\s?(-?\d{1,18})\s?\}|(\d))\s?(?:\{\s?(\d{1,18})\s?\}|(\d))"
)
_RATIO = re.compile(r"(-?\d{1,18})\s?/\s?(\d{1,18})")
_POWER_OF_TEN = re.compile(
    r"([-+]?\d{1,18})(?:\.(\d{1,18}))?\s?(?:\\times|\\cdot|×|\*|·)\s?10\s?\^\s?\{?\s?(\d{1,2})\s?\}?"
)

_DECIMAL_COMMA = frozenset(("de", "es", "fr", "it", "pt", "ru"))

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12,
    **{f"{word.removesuffix('y')}ieth": value for word, value in _TENS.items()},
    **{
        f"{word}th": value
        for word, value in _UNITS.items()
        if word not in ("zero", "one", "two", "three", "five", "eight", "nine", "twelve")
    },
}  # fmt: skip
_SMALL = _UNITS | _TENS | _ORDINALS
_WORDS = re.compile(r"[a-z]{3,9}(?:(?:-|\s(?:and\s)?)[a-z]{3,9}){0,11}")
# Without one, which is an article as well.
_OTHER_WORDS = {
    language: {word: value for value, word in enumerate(words.split(), 2)}
    for language, words in {
        "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn"
        " sechzehn siebzehn achtzehn neunzehn zwanzig",
        "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze"
        " seize dix-sept dix-huit dix-neuf vingt",
        "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
        " dieciséis diecisiete dieciocho diecinueve veinte",
        "ru": "два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать"
        " тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
        " двадцать",
    }.items()
}
NUMBER_WORD = re.compile(
    rf"(?<![^\W\d_])(?:{'|'.join((*_SMALL, 'hundred', 'thousand'))})"
    rf"|{'|'.join(word for words in _OTHER_WORDS.values() for word in words)}"
    r"|[零〇一二三四五六七八九十百千两兩]",
    re.I,
)
"""A word of some number, in whatever language numbers are read in."""
_HAN = dict(zip("零一二三四五六七八九", range(10), strict=True)) | {"〇": 0, "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_NUMBER = re.compile(r"[零〇一二三四五六七八九十百千万萬两兩]{1,12}")


def _of_words(text: str) -> int | None:
    """The value of English number words up to 999,999, ordinals too."""
    if not _WORDS.fullmatch(text):
        return None
    thousands, current, last = 0, 0, ""
    for word in text.replace("-", " ").split():
        if word == "and":
            continue
        if word in ("hundred", "hundredth") and 0 < current < 10:
            current *= 100
        elif word in ("thousand", "thousandth") and current and not thousands:
            thousands, current = current * 1000, 0
        elif word in _SMALL and (not last or last not in _SMALL or last in _TENS):
            if last in _TENS and not 0 < _SMALL[word] < 10:
                return None
            current += _SMALL[word]
        else:
            return None
        last = word
    return thousands + current if last else None


def _of_han(text: str) -> int | None:
    """The value of a Chinese or Japanese numeral up to 99,999,999; None for digits in a row."""
    if not _HAN_NUMBER.fullmatch(text):
        return None
    if len(text) > 1 and not re.search("[十百千万萬]", text):
        return int("".join(str(_HAN[digit]) for digit in text))
    total, section, digit = 0, 0, 0
    for character in text:
        if character in _HAN:
            digit = _HAN[character]
        elif character in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[character]
            digit = 0
        elif total:
            return None
        else:
            total, section, digit = (section + digit) * 10_000, 0, 0
    return total + section + digit


def integer_of(text: str, language: str = "en") -> int | None:
    r"""The integer that `text` is, with nothing around it but braces or parentheses.

    Args:
        text: a squeezed fragment: ``73``, ``10,080``, ``1 234 567``, ``\frac{146}{2}``,
            ``7.3 \times 10^1``, ``seventy-three``, ``七十三``.
        language: of the sentence it stands in: where the comma is the decimal mark, one dot
            may part thousands ("10.080"), and ",0" is no group.

    Returns:
        None when it is no integer, or could be two ("10.080" in English).
    """
    for _ in range(4):
        if text[:1] + text[-1:] not in ("{}", "()", "[]", "||"):
            break
        if text[:1] == "|" and text.count("|") == 2:
            value = integer_of(text[1:-1].strip(), language)
            return None if value is None else abs(value)
        text = text[1:-1].strip()
    if _GROUPS.fullmatch(text):
        return int(re.sub(r"[,\s'_]", "", text).partition(".")[0])
    if _DOTS.fullmatch(text) or (language in _DECIMAL_COMMA and _DOT_OR_DOTS.fullmatch(text)):
        return int(text.partition(",")[0].replace(".", ""))
    if _DIGITS.fullmatch(text):
        return int(text.partition(".")[0])
    if language in _DECIMAL_COMMA and _DIGITS_COMMA.fullmatch(text):
        return int(text.partition(",")[0])
    if power := _POWER_OF_TEN.fullmatch(text):
        whole, decimals, exponent = power[1], (power[2] or "").rstrip("0"), int(power[3])
        if len(decimals) <= exponent <= 18:
            return int(f"{whole}{decimals}{'0' * (exponent - len(decimals))}")
        return None
    if fraction := _FRACTION.fullmatch(text):
        sign, *parts = fraction.groups()
        top, bottom = int(parts[0] or parts[1]), int(parts[2] or parts[3])
        top = -top if sign else top
    elif ratio := _RATIO.fullmatch(text):
        top, bottom = int(ratio[1]), int(ratio[2])
    elif (word := _OTHER_WORDS.get(language, {}).get(text.lower())) is not None:
        return word
    else:
        value = _of_han(text)
        return _of_words(text.lower()) if value is None else value
    return int(top // bottom) if bottom and top % bottom == 0 else None
