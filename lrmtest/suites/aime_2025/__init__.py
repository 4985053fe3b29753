"""AIME 2025: the 30 problems of both contests, asked and graded as `lrmtest.suites.aime` says.

Two transcriptions are in use: MathArena's, which is on the hub, and one with ids such as
``2025-I-4``. They differ in words and symbols of 17 problems, and in no answer.
"""

from __future__ import annotations

from lrmtest.questions.hub import HubFile
from lrmtest.questions.sources import Release
from lrmtest.suites.aime import aime_suite

AIME_2025 = Release(
    name="aime-2025",
    title="AIME 2025",
    names=("aime_2025.jsonl", "aime_2025.parquet"),
    rows=30,
    licence="the MAA's, CC BY-NC-SA 4.0",
    hub=HubFile(
        repo="MathArena/aime_2025",
        path="data/train-00000-of-00001.parquet",
        revision="c94da77eb22bbd6439e62a323bec18493a421302",
        sha256="9f9066ff48ad2e31f9bf1b1ac6d5e80693195f987985f2859f89dd25ffa51c2d",
    ),
    obtain="save data/train-00000-of-00001.parquet of MathArena/aime_2025 on the hub as "
    "aime_2025.parquet",
    transcriptions=("aime-2025-other",),
)

AIME_2025_SUITE = aime_suite("aime-2025", AIME_2025)
