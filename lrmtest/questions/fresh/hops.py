"""Questions that need two to four facts in a row, with the facts in front of the model.

The facts are drawn for the question, so that nothing a model knows of the world answers it: what
is tested is composition alone.
"""

from __future__ import annotations

from lrmtest.questions.fresh.draft import Draft
from lrmtest.questions.fresh.draws import DrawSource
from lrmtest.questions.fresh.words import PEOPLE
from lrmtest.questions.question import SHORT_TEXT

# fmt: off
RELATIONS = ("boss", "coach", "dentist", "landlord", "mentor", "neighbour", "tailor", "tutor")
ATTRIBUTES = {
    "home town": (
        "Arnsted", "Belwick", "Corvale", "Dunmere", "Eastby", "Fernholt", "Glenrick", "Harwold",
        "Ilverton", "Kesby", "Lowmoor", "Marfield", "Norwell", "Ostrand", "Pelham", "Ravensby",
    ),
    "surname": (
        "Ashdown", "Barlow", "Carver", "Draper", "Ellwood", "Fisher", "Garland", "Holt", "Ingram",
        "Kettle", "Lindqvist", "Marsh", "Novak", "Okafor", "Palmer", "Quist",
    ),
    "birth month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
    "favourite colour": (
        "amber", "beige", "black", "blue", "brown", "crimson", "green", "grey", "orange", "pink",
        "purple", "red", "teal", "violet", "white", "yellow",
    ),
}
# fmt: on


def hops(draw: DrawSource, difficulty: int) -> Draft:
    """From a person over one to three others to something about the last of them.

    Args:
        draw: makes the draws.
        difficulty: 1 has two or three hops and as many facts that mislead as facts that are
            needed; each step has three more of the former. From 2 on there may be four hops,
            from 3 on facts and question come in two wordings, from 4 on there are at least three
            hops.
    """
    fewest, most = (3 if difficulty >= 4 else 2), (3 if difficulty == 1 else 4)
    count = draw.between(fewest, most)
    people = draw.sample(PEOPLE, count + 2 * difficulty)
    *relations, spare = draw.sample(RELATIONS, count)
    attribute = draw.pick(list(ATTRIBUTES))
    answer, *others = draw.shuffled(ATTRIBUTES[attribute])

    chain = people[:count]
    steps = [*relations, attribute]
    facts = dict(zip(zip(chain, steps, strict=True), [*chain[1:], answer], strict=True))
    misleading = [
        (person, relation)
        for person in people
        for relation in (*steps, spare)
        if (person, relation) not in facts
    ]
    for person, relation in draw.sample(misleading, count + 3 * (difficulty - 1)):
        values = others if relation == attribute else [name for name in people if name != person]
        facts[person, relation] = draw.pick(values)

    told = [
        f"{value[0].upper()}{value[1:]} is {person}'s {relation}."
        if difficulty >= 3 and draw.below(2)
        else f"{person}'s {relation} is {value}."
        for (person, relation), value in facts.items()
    ]
    if difficulty >= 3 and draw.below(2):
        asked = " of ".join([*(f"the {step}" for step in reversed(steps)), chain[0]])
    else:
        asked = "'s ".join([chain[0], *steps])
    material = {"facts": draw.shuffled(told), "question": f"What is {asked}?"}
    return Draft(material, (answer,), SHORT_TEXT)
