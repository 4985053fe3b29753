"""AIME 2026: the 30 problems of both contests, asked and graded as `lrmtest.suites.aime` says."""

from __future__ import annotations

from lrmtest.questions.hub import HubFile
from lrmtest.questions.sources import Release
from lrmtest.suites.aime import aime_suite

AIME_2026 = Release(
    name="aime-2026",
    title="AIME 2026",
    names=("aime_2026.jsonl", "aime_2026.parquet"),
    rows=30,
    licence="the MAA's, CC BY-NC-SA 4.0",
    hub=HubFile(
        repo="MathArena/aime_2026",
        path="data/train-00000-of-00001.parquet",
        revision="d2de22f3c656b4f56cf8981212186377d1e23bc3",
        sha256="d91db799651b4cc1f0734f52792a695c9cc60dac342524b3d8e5b2ff31c3e957",
    ),
    obtain="save data/train-00000-of-00001.parquet of MathArena/aime_2026 on the hub as "
    "aime_2026.parquet",
)

AIME_2026_SUITE = aime_suite("aime-2026", AIME_2026)
