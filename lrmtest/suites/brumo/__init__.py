"""BRUMO 2025: the 30 problems of the Brown University Math Olympiad, as `lrmtest.suites.hmmt`'s."""

from __future__ import annotations

from lrmtest.questions.hub import HubFile
from lrmtest.questions.sources import Release
from lrmtest.suites.hmmt import matharena_suite

BRUMO_2025 = Release(
    name="brumo-2025",
    title="BRUMO 2025",
    names=("brumo_2025.jsonl", "brumo_2025.parquet"),
    rows=30,
    licence="CC BY-NC-SA 4.0",
    hub=HubFile(
        repo="MathArena/brumo_2025",
        path="data/train-00000-of-00001.parquet",
        revision="6de9bc0987f5710c6376ee980e1483dbeb55cfda",
    ),
    obtain="save data/train-00000-of-00001.parquet of MathArena/brumo_2025 on the hub as "
    "brumo_2025.parquet",
)

BRUMO = matharena_suite(
    "brumo", "Competition problems of the Brown University Math Olympiad of 2025", BRUMO_2025
)
