"""AIME 2022: the 30 problems of both contests, asked and graded as `lrmtest.suites.aime` says."""

from __future__ import annotations

from lrmtest.questions.hub import HubFile
from lrmtest.questions.sources import Release
from lrmtest.suites.aime import aime_suite

AIME_2022 = Release(
    name="aime-2022",
    title="AIME 2022",
    names=("aime_2022.jsonl", "aimo_validation_aime.jsonl", "aimo_validation_aime.parquet"),
    rows=30,
    licence="the MAA's, Apache-2.0",
    # 90 problems, of 2022, 2023 and 2024, with the pages that they come from.
    hub=HubFile(
        repo="AI-MO/aimo-validation-aime",
        path="data/train-00000-of-00001.parquet",
        revision="13f9e12f613e720c2a2b2f345dd04b998a29494d",
        sha256="025484a99fea498e7d0c3b0ee42afcbec0176405c19c5dbf557b9f6ca6445675",
    ),
    obtain="save data/train-00000-of-00001.parquet of AI-MO/aimo-validation-aime on the hub, which "
    "has the years 2022 to 2024, as aimo_validation_aime.parquet",
)

AIME_2022_SUITE = aime_suite("aime-2022", AIME_2022)
