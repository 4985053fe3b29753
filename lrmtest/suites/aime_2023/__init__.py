"""AIME 2023: the 30 problems of both contests, asked and graded as `lrmtest.suites.aime` says."""

from __future__ import annotations

from dataclasses import replace

from lrmtest.suites.aime import aime_suite
from lrmtest.suites.aime_2022 import AIME_2022

# One file on the hub has both years.
AIME_2023 = replace(
    AIME_2022,
    name="aime-2023",
    title="AIME 2023",
    names=("aime_2023.jsonl", *AIME_2022.names[1:]),
)

AIME_2023_SUITE = aime_suite("aime-2023", AIME_2023)
