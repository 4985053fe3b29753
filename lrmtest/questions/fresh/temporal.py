"""Temporal sequences: when could somebody have been somewhere?"""

from __future__ import annotations

from lrmtest.questions.fresh.draft import Draft
from lrmtest.questions.fresh.draws import DrawSource
from lrmtest.questions.fresh.words import PEOPLE
from lrmtest.questions.lettered_options import OPTION_LETTERS, story_with_options
from lrmtest.questions.question import OPTION

# fmt: off
_PLACES = (
    "aquarium", "archive", "bicycle shop", "bookshop", "botanical garden", "bowling alley",
    "chess club", "cinema", "climbing hall", "dentist", "flea market", "hairdresser", "ice rink",
    "laundrette", "museum", "observatory", "pharmacy", "planetarium", "post office",
    "pottery studio", "skate park", "stadium", "town hall", "zoo",
)
_ACTIVITIES = (
    "arguing with a parking attendant", "baking bread in the community kitchen",
    "checking suitcases at the coach station", "drawing the harbour", "feeding ducks at the pond",
    "fixing a flat tyre by the canal", "flying a kite on the hill",
    "handing out leaflets at the square", "hanging pictures in the gallery",
    "having lunch on the terrace", "helping to move a piano", "judging a pie contest",
    "listening to a lecture on volcanoes", "mowing the lawn at the school", "painting a fence",
    "playing table tennis in the basement", "practising the trumpet in the church",
    "queueing at the bank", "repairing a radio at the workshop", "rowing on the lake",
    "selling tickets at the theatre", "sorting books in the library", "taking a driving lesson",
    "trying on shoes at the department store", "waiting for a train", "walking a neighbour's dog",
    "washing a van at the garage", "watching a football match",
)
# fmt: on


def temporal(draw: DrawSource, difficulty: int) -> Draft:
    """Exactly one of four time spans is free of sightings.

    The time from getting up to closing is cut into spans. In one of them nobody saw the person;
    the wrong options are spans in which somebody did, as in BIG-Bench Hard.

    Args:
        draw: makes the draws.
        difficulty: 1 has 3 to 7 sightings and whole hours; each step adds two sightings. From 2
            on there are half hours too, from 3 on the sightings are told in no order.
    """
    sightings = 3 + draw.below(5) + 2 * (difficulty - 1)
    per_hour = 1 if difficulty == 1 else 2
    wakes = (5 + draw.below(6)) * per_hour
    closes = (19 + draw.below(5)) * per_hour
    cuts = sorted(draw.sample(range(wakes + 1, closes), sightings))
    spans = [
        f"{_clock(start, per_hour)} to {_clock(end, per_hour)}"
        for start, end in zip([wakes, *cuts], [*cuts, closes], strict=True)
    ]
    free = spans.pop(draw.below(len(spans)))

    person, *witnesses = draw.sample(PEOPLE, 1 + sightings)
    place = draw.pick(_PLACES)
    activities = draw.sample(_ACTIVITIES, sightings)
    seen = [
        f"{witness} saw {person} {activity} from {span}."
        for witness, activity, span in zip(witnesses, activities, spans, strict=True)
    ]
    if difficulty >= 3:
        seen = draw.shuffled(seen)
    story = "\n".join(
        (
            f"{person} made one visit to the {place} today. This is known about the day:",
            f"{person} got up at {_clock(wakes, per_hour)}.",
            *seen,
            f"The {place} closed at {_clock(closes, per_hour)}.",
        )
    )
    options = draw.sample(spans, 3)
    answer = draw.below(4)
    options.insert(answer, free)
    question = f"During which of these times can {person} have been at the {place}?"
    return Draft(story_with_options(story, question, options), (OPTION_LETTERS[answer],), OPTION)


def _clock(time: int, per_hour: int) -> str:
    """A time from 1am to 11pm on the twelve-hour clock, in which noon is 12pm."""
    hour, part = divmod(time, per_hour)
    minutes = ":30" if part else ""
    return f"{(hour - 1) % 12 + 1}{minutes}{'am' if hour < 12 else 'pm'}"
