"""HMMT February 2026: 33 problems, asked and graded as `lrmtest.suites.hmmt` says."""

from __future__ import annotations

from lrmtest.questions.hub import HubFile
from lrmtest.questions.sources import Release
from lrmtest.suites.hmmt import matharena_suite

_SHA256 = "e5fcff6b1c2262841c0c37bf6d7b42529f284528d5f0d5c45c52e8bf0654a916"

HMMT_FEB_2026 = Release(
    name="hmmt-feb-2026",
    title="HMMT February 2026",
    names=("hmmt_feb_2026.parquet",),
    rows=33,
    licence="CC BY-NC-SA 4.0",
    hub=HubFile(
        repo="MathArena/hmmt_feb_2026",
        path="data/train-00000-of-00001.parquet",
        revision="02fba4f74d8e68e73e66a02d540fd979c05c274c",
        sha256=_SHA256,
    ),
    obtain="save data/train-00000-of-00001.parquet of MathArena/hmmt_feb_2026 on the hub as "
    "hmmt_feb_2026.parquet",
    # Its questions were not at hand when this was written, so that the whole file is checked.
    fingerprinted=False,
    sha256=_SHA256,
)

HMMT_FEB_2026_SUITE = matharena_suite(
    "hmmt-feb-2026",
    "Competition problems of the Harvard-MIT Mathematics Tournament of February 2026",
    HMMT_FEB_2026,
)
