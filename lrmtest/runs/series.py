"""The series of candidates that are gated against one baseline, with one alpha for all of them.

Each candidate of a series of N may spend alpha / N, so that N have spent all of it. Who has, is
remembered in the candidates' manifests, and a store counts those that it has: a gate is told which
one it is, and there is no place for one too many. A baseline is known by its run's id and its
model, so that its file and its run are one, and stay so when samples are added to it; samples that
are added to a candidate are another look of the same place. The same run on other suites is
another test and takes a place of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from lrmtest.errors import StoreError, UsageError
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.looks import test_of
from lrmtest.runs.manifest import SeriesSection
from lrmtest.runs.records import RunHead, RunRecord
from lrmtest.runs.store import Store

_ROUNDING = 1e-9


def place_in_series(
    store: Store,
    baseline: RunRecord,
    suites: Collection[str],
    run_id: str | None,
    size: int,
) -> int:
    """Which candidate of a series one is, or would be, from 1, as a store counts them.

    Args:
        store: where candidates are remembered.
        baseline: what all of the series are compared with.
        suites: those that the candidate was asked.
        run_id: the candidate's run; None for one that is not there yet.
        size: how many candidates the series has.

    Raises:
        UsageError: others have spent so much of the series' alpha that there is no place for it.
    """
    series, own = _names(baseline, suites)
    others: list[str] = []
    spent, number, has = 0.0, 0, 0.0
    for run in store.runs():
        for name, section in run.manifest.series.items():
            part = 1 / section.size if section.size is not None and section.size > 0 else 0.0
            if run.run_id == run_id and name == own:
                number, has = section.number or 0, part
            elif name.startswith(series):
                others.append(run.model)
                spent += part
    if has >= 1 / size:
        return number
    if spent + 1 / size > 1 + _ROUNDING:
        named = ", ".join(dict.fromkeys(others[:5])) + ", ..." * (len(others) > 5)
        known = f"{len(others)} other candidate{'s' * (len(others) != 1)}"
        raise UsageError(
            f"--series {size}: this store knows of {known} of the series against this baseline "
            f"({named}), and they have spent all of its alpha",
            hint="make a new baseline, with another --seed, and begin a series against it; without "
            "--series alpha is each candidate's own",
        )
    return number or len(others) + 1


def join_series(baseline: RunRecord, candidate: RunRecord, size: int) -> int:
    """Take a candidate's place in a series, and let its run remember that; once, however often.

    Returns:
        Which candidate of the series it is, from 1; 0 where nobody counts: without a series, and
        for a candidate in no store or in one that cannot be written.

    Raises:
        UsageError: as `place_in_series`.
    """
    if size == 1 or candidate.store is None:
        return 0
    with (
        suppress(StoreError),
        Store(candidate.store, create=False) as store,
        store.transaction(),
    ):
        head: RunHead = store.head(candidate.run_id) or candidate
        number = place_in_series(store, baseline, candidate.suites, candidate.run_id, size)
        _, own = _names(baseline, candidate.suites)
        before = head.manifest.series.get(own, SeriesSection())
        after = replace(before, number=number, size=min(size, before.size or size))
        if after != before:
            series = {**head.manifest.series, own: after}
            store.note(head.run_id, replace(head.manifest, series=series))
        return number
    return 0


def _names(baseline: RunRecord, suites: Collection[str]) -> tuple[str, str]:
    """What the series' names in manifests begin with, and the name of this candidate's."""
    known = {"run": baseline.run_id, "model": baseline.manifest.model.to_json()}
    series = fingerprint(known)[:16] + "-"
    return series, series + test_of(baseline.manifest, suites)
