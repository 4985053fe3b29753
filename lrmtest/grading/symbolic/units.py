"""Units: the spellings of each, by its one name here.

Units are compared by name and never converted: 65 cents are not 0.65 dollars, and an answer in
another unit than the reference is not the answer that was asked for.
"""

from __future__ import annotations

_SPELLINGS = {
    "degree": "° degree degrees deg",
    "dollar": "$ dollar dollars usd",
    "cent": "cent cents ¢",
    "euro": "€ euro euros eur",
    "pound": "£ pound pounds lb lbs",
    "yen": "¥ yen",
    "won": "₩ won",
    "rupee": "₹ rupee rupees",
    "unit": "unit units",
    "square unit": "squnits",
    "millimetre": "mm millimeter millimeters millimetre millimetres",
    "centimetre": "cm centimeter centimeters centimetre centimetres",
    "metre": "m meter meters metre metres",
    "kilometre": "km kilometer kilometers kilometre kilometres",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard yards",
    "mile": "mi mile miles",
    "second": "s sec secs seconds",
    "minute": "min minute minutes mins",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years yr yrs",
    "gram": "g gram grams",
    "kilogram": "kg kilogram kilograms",
    "ounce": "oz ounce ounces",
    "litre": "l liter liters litre litres",
    "millilitre": "ml milliliter milliliters",
    "gallon": "gallon gallons gal",
    "mile per hour": "mph",
    "kilometre per hour": "kmh kph",
    "radian": "rad radian radians",
    "point": "point points",
    "way": "way ways",
    "person": "person people persons",
    "student": "student students",
    "time": "times",
    "solution": "solution solutions",
    "square": "square sq",
    "cubic": "cubic cu",
    "per": "per",
}

UNIT_OF = {spelling: name for name, text in _SPELLINGS.items() for spelling in text.split()}
"""Names of units by spelling, in lower case."""

PLAIN_UNITS = frozenset(name for name in UNIT_OF if len(name) > 1) - {
    "in",
    "times",
    "per",
    "won",
    "min",
}
"""Spellings that are units in mathematics, too, where other letters are symbols."""

MEASURES = tuple(
    frozenset(names.split())
    for names in (
        "millimetre centimetre metre kilometre inch foot yard mile",
        "second minute hour day week month year",
        "gram kilogram ounce pound",
        "litre millilitre gallon",
        "dollar cent euro yen",
        "degree radian",
    )
)
"""Units of the same measure, of which a number of one is not as many of another."""

_POWERS = {"square": "2", "cubic": "3"}


def unit_name(words: list[str]) -> str:
    """The one name of a unit that is written in these words: "square inches" is ``inch^2``.

    Args:
        words: in the order they stand in; a power behind a word is one of them, ``^2``.

    Returns:
        Its name; of words that are no unit's, themselves.
    """
    named = [UNIT_OF.get(word, word.rstrip("s") or word) for word in map(str.casefold, words)]
    if len(named) > 1 and (power := _POWERS.get(named[0])):
        named = [*named[1:], f"^{power}"]
    return " ".join(named).replace(" ^", "^")
