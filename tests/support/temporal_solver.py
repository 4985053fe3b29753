"""A solver of generated temporal sequences that only reads their text."""

import re

TIME = r"\d+(?::30)?(?:am|pm)"
SPAN = rf"({TIME}) to ({TIME})"


def half_hours(text):
    number, half, afternoon = re.fullmatch(r"(\d+)(:30)?(am|pm)", text).groups()
    assert 1 <= int(number) <= 12
    return 2 * (int(number) % 12 + 12 * (afternoon == "pm")) + bool(half)


def span(start, end):
    return set(range(half_hours(start), half_hours(end)))


def feasible_letters(prompt):
    """The options that fit between getting up and closing and meet no sighting."""
    person, place = re.search(r"^(\w+) made one visit to the (.+) today\.", prompt, re.M).groups()
    (opens,) = re.findall(rf"^{person} got up at (\S+)\.$", prompt, re.M)
    (closes,) = re.findall(rf"^The {place} closed at (\S+)\.$", prompt, re.M)
    seen = re.findall(rf"^\w+ saw {person} .+ from {SPAN}\.$", prompt, re.M)
    options = re.findall(rf"^\((\w)\) {SPAN}$", prompt, re.M)
    assert [letter for letter, _, _ in options] == list("ABCD")
    busy = set().union(*(span(*times) for times in seen))
    letters = [
        letter
        for letter, *times in options
        if span(*times) and span(*times) <= span(opens, closes) and not span(*times) & busy
    ]
    return letters, seen
