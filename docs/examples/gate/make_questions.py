"""Writes easy questions that even a very small language model can answer: questions.jsonl.

    python make_questions.py [COUNT] [SEED]

Three kinds: capitals of countries, where somebody lives, which color a thing has. Equal
arguments write equal files.
"""

import json
import random
import sys
from pathlib import Path

CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "Egypt": "Cairo", "Greece": "Athens", "Russia": "Moscow", "Norway": "Oslo", "Peru": "Lima",
    "Portugal": "Lisbon", "Austria": "Vienna", "Ireland": "Dublin", "Poland": "Warsaw",
    "Hungary": "Budapest", "Sweden": "Stockholm", "Finland": "Helsinki", "Denmark": "Copenhagen",
    "China": "Beijing", "Thailand": "Bangkok", "Cuba": "Havana", "Iraq": "Baghdad",
    "Iran": "Tehran", "Kenya": "Nairobi", "Canada": "Ottawa", "Argentina": "Buenos Aires",
    "Belgium": "Brussels", "Ukraine": "Kyiv", "Vietnam": "Hanoi", "South Korea": "Seoul",
}  # fmt: skip
NAMES = [
    "Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ida", "Jack", "Kate",
    "Leo", "Mia", "Noah", "Olivia",
]  # fmt: skip
COLORS = [
    "red", "blue", "green", "yellow", "black", "white", "orange", "purple", "brown", "pink",
]  # fmt: skip
THINGS = [
    "ball", "car", "hat", "house", "bag", "chair", "bike", "coat", "door", "cup",
]  # fmt: skip


def home(draw: random.Random) -> tuple[str, str]:
    name, city = draw.choice(NAMES), draw.choice(sorted(CAPITALS.values()))
    return f"{name} lives in {city}. Where does {name} live?", city


def color(draw: random.Random) -> tuple[str, str]:
    name, color, thing = draw.choice(NAMES), draw.choice(COLORS), draw.choice(THINGS)
    return f"{name} has a {color} {thing}. What color is {name}'s {thing}?", color


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 240
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    rows = [
        (f"capital-{country.replace(' ', '-')}", f"What is the capital of {country}?", capital)
        for country, capital in CAPITALS.items()
    ]
    for number in range(count - len(rows)):
        make = home if number % 2 else color
        rows.append((f"{make.__name__}-{number:03}", *make(draw)))
    lines = [
        json.dumps({"id": id_, "task": task, "answer": answer})
        for id_, task, answer in rows[:count]
    ]
    Path("questions.jsonl").write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
