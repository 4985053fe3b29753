"""Word problems about a growing and shrinking collection; the answer is an integer up to 999."""

from __future__ import annotations

from lrmtest.questions.fresh.draft import Draft
from lrmtest.questions.fresh.draws import DrawSource
from lrmtest.questions.fresh.words import PEOPLE
from lrmtest.questions.question import INTEGER

# fmt: off
_ITEMS = (
    "apples", "badges", "beads", "books", "buttons", "candles", "cards", "coins", "corks", "eggs",
    "keys", "lemons", "marbles", "medals", "nails", "pears", "pencils", "shells", "stamps",
    "tickets",
)
# fmt: on
_MORE = (
    "{other} gives {person} {n} more.",
    "{person} finds {n} more in a drawer.",
    "{person} buys {n} more at the market.",
)
_LESS = (
    "{person} gives {n} of them to {other}.",
    "{person} loses {n} of them on the way.",
    "{person} sells {n} of them at the market.",
)
_DOUBLED = "{other} then adds as many as {person} already has."
_HALVED = "{person} then gives half of them to {other}."
_SHARED = "{person} then packs them into {n} equal bags and keeps one bag."
_LARGEST_START = (20, 60, 120, 250, 400)
_LARGEST_CHANGE = (9, 40, 90, 150, 250)
_LARGEST = 999


def arithmetic(draw: DrawSource, difficulty: int) -> Draft:
    """How many of something somebody has in the end.

    Args:
        draw: makes the draws.
        difficulty: 1 begins with at most 20, or with a few boxes, and adds or takes 2 to 9 two
            or three times; each step has one change more and larger numbers. From 2 on the
            number may be doubled or halved, from 3 on shared out, from 4 on compared with
            somebody else's.
    """
    person, other = draw.sample(PEOPLE, 2)
    item = draw.pick(_ITEMS)
    used: set[int] = set()
    if draw.below(2):
        have = draw.between(5, _LARGEST_START[difficulty - 1])
        used.add(have)
        sentences = [f"{person} has {have} {item}."]
    else:
        boxes, each = draw.sample(range(2, 5 + 2 * difficulty), 2)
        used |= {boxes, each}
        have = boxes * each
        sentences = [f"{person} has {boxes} boxes with {each} {item} in each."]
    for _ in range(difficulty + 1 + draw.below(2)):
        template, amount, have = _change(draw, difficulty, have, used)
        used.add(amount)
        sentences.append(template.format(person=person, other=other, n=amount))
    if difficulty >= 4 and 3 * have <= _LARGEST and draw.below(2):
        times = draw.between(2, min(9, _LARGEST // have - 1))
        have += times * have
        sentences.append(f"{other} has {times} times as many {item} as {person} has now.")
        sentences.append(f"How many {item} do both have together?")
    else:
        sentences.append(f"How many {item} does {person} have now?")
    return Draft({"problem": " ".join(sentences)}, (str(have),), INTEGER)


def _change(draw: DrawSource, difficulty: int, have: int, used: set[int]) -> tuple[str, int, int]:
    """A sentence's template, the amount it names, and how many there are after it.

    No amount is named twice, so that a chain of reasoning says which sentence it is at. What
    cannot be done to so many is replaced by what can.
    """
    kind = draw.below(2 if difficulty == 1 else 3 if difficulty == 2 else 4)
    if kind == 2:
        if have % 2 == 0 and draw.below(2):
            return _HALVED, 0, have // 2
        if 2 * have <= _LARGEST:
            return _DOUBLED, 0, 2 * have
    if kind == 3:
        bags = [n for n in range(2, 10) if have % n == 0 and have > n and n not in used]
        if bags:
            amount = draw.pick(bags)
            return _SHARED, amount, have // amount
    largest = _LARGEST_CHANGE[difficulty - 1]
    amount = draw.pick([n for n in range(2, largest + 1) if n not in used])
    # What would leave nothing is added instead: there is room, since no change reaches half of 999.
    if amount >= have or (kind == 0 and have + amount <= _LARGEST):
        return draw.pick(_MORE), amount, have + amount
    return draw.pick(_LESS), amount, have - amount
