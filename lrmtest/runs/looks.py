"""The looks at a test: how its error rates are spent when samples are added and it is repeated.

Whoever repeats a test with more samples until it decides gives chance another way in each time.
So a test spends its error rates over its looks: the first look may spend `FIRST_SHARE` of them,
each further one the same share of what is left. All shares together never exceed 1, so that
by the union bound alone, however the looks depend on each other, the test keeps its stated rates
over all of its looks (Lan & DeMets 1983 with this spending function). The same data again is the
same look.

Where the baseline's traces are read before anything is generated, that stage can say ok and nothing
else. So it spends of 1 - power alone, `READING_SHARE` of what is left, and alpha stays whole for
the looks. The looks that come after it spend their shares of the rest. The same traces again are
the same reading.

A look is remembered in the manifest of the run that was judged, by what it was compared with.

Reference:
    Lan & DeMets (1983), Discrete sequential boundaries for clinical trials. Biometrika 70.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from lrmtest.errors import StoreError
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.manifest import LooksSection, Manifest
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store

FIRST_SHARE = 0.8
"""Of what is left, that a look may spend."""
INCOMPLETE_SHARE = 0.05
"""The same, when engine errors have kept samples from arriving: the next attempt has the rest."""
LOOKING_SHARE = 0.5
"""Of what is left, that is reserved for looking early, at whatever time and however often; another
part where looks will hardly ever leave anything to decide (`lrmtest.analysis.known_table`)."""
READING_SHARE = 0.5
"""Of what is left of 1 - power, that a reading of the baseline's traces may spend."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a test; as it stands here, the only one.

    Attributes:
        number: from 1.
        share: of both error rates that the fixed test may spend in this look, in [0, 1].
        looking: of both, reserved for looking early.
        left: of both, what later looks have; 0 when there can be none.
        unread: of all that looks may spend of 1 - power, the part that reading has left them; alpha
            is not touched by it.
    """

    number: int = 1
    share: float = 1.0
    looking: float = 0.0
    left: float = 0.0
    unread: float = 1.0

    def with_looking(self, part: float = LOOKING_SHARE) -> Look:
        """The same look where part of it is for looking early."""
        if self.looking:
            return self
        looking = self.share * part
        return replace(self, share=self.share - looking, looking=looking)


@dataclass(frozen=True, slots=True)
class LookOptions:
    """What a user says of the looks.

    Attributes:
        number: of this look at least; for where no store remembers those before.
        only: this look is the only one and may spend all that is left.
    """

    number: int = 1
    only: bool = False


def look_of(looks: LooksSection) -> Look:
    """The last look that was taken."""
    spent = looks.spent or 0.0
    unread = 1.0 if looks.unread is None else looks.unread
    share, looking = looks.share or 0.0, looks.looking or 0.0
    return Look(looks.count or 1, share, looking, max(0.0, 1 - spent), unread)


def first_look(options: LookOptions | None = None) -> Look:
    """The first look at a test that nobody has looked at."""
    return look_of(next_look(LooksSection(), (1, 1), options or LookOptions()))


def next_look(
    looks: LooksSection,
    samples: tuple[int, int],
    options: LookOptions,
    *,
    complete: bool = True,
) -> LooksSection:
    """Take a look.

    Args:
        looks: those before.
        samples: how many have a verdict, in the run and in its baseline.
        options: what the user says of it.
        complete: nothing was lost to engine errors.
    """
    before, spent = looks.count or 0, looks.spent or 0.0
    if before and samples == (looks.samples, looks.baseline_samples):
        if not options.only or options.number > before:
            return looks
        return replace(looks, share=(looks.share or 0.0) + 1 - spent, spent=1.0)
    spent = max(spent, 1 - (1 - FIRST_SHARE) ** (options.number - 1))
    part = 1.0 if options.only else FIRST_SHARE
    share = (1 - spent) * (part if complete else INCOMPLETE_SHARE)
    return replace(
        looks,
        count=max(before + 1, options.number),
        samples=samples[0],
        baseline_samples=samples[1],
        share=share,
        # A sum of shares may miss 1 by its last digit.
        spent=1.0 if options.only and complete else min(1.0, spent + share),
    )


def reserve_looking(looks: LooksSection, order: str, part: float = LOOKING_SHARE) -> LooksSection:
    """Reserve what looking early may spend; once for each order that is looked at.

    Args:
        looks: those before.
        order: fingerprint of the order.
        part: of what is left.
    """
    if looks.order == order and looks.looking:
        return looks
    spent = looks.spent or 0.0
    looking = (1 - spent) * part
    return replace(looks, order=order, looking=looking, spent=spent + looking)


def reserve_reading(looks: LooksSection, read: str) -> LooksSection:
    """Reserve what a reading may spend of 1 - power; once for the same traces.

    Args:
        looks: those before.
        read: fingerprint of what is read.

    Returns:
        The looks, whose `reading` is that share of 1 - power.
    """
    if looks.read == read and looks.reading is not None:
        return looks
    unread = 1.0 if looks.unread is None else looks.unread
    reading = (1 - (looks.spent or 0.0)) * unread * READING_SHARE
    return replace(looks, read=read, reading=reading, unread=unread * (1 - READING_SHARE))


def test_of(baseline: Manifest, suites: Collection[str]) -> str:
    """What tells tests of one run apart: the baseline's model, and the suites."""
    return fingerprint({"model": baseline.model.to_json(), "suites": sorted(suites)})[:16]


def take_look(
    baseline: RunRecord,
    candidate: RunRecord,
    options: LookOptions,
    *,
    allow_missing: bool = False,
    order: str = "",
    part: float = LOOKING_SHARE,
    read: str = "",
) -> Look:
    """Take a look at a run, and let it remember that.

    Args:
        baseline, candidate: the runs. A candidate that is in no store remembers nothing.
        options: what the user says of the look.
        allow_missing: samples that were lost to engine errors do not matter.
        order, part: of a gate that has looked early, and reserved for that what `reserve_looking`
            says.
        read: of a gate that has read the baseline's traces, and reserved for that what
            `reserve_reading` says.
    """
    samples = _verdicts(candidate), _verdicts(baseline)
    complete = allow_missing or all(sample.error is None for sample in candidate.samples)

    def change(looks: LooksSection) -> LooksSection:
        looks = reserve_reading(looks, read) if read else looks
        looks = reserve_looking(looks, order, part) if order else looks
        return next_look(looks, samples, options, complete=complete)

    return look_of(_remember(candidate, _test(baseline, candidate), change))


def note_looking(
    baseline: RunRecord,
    candidate: RunRecord,
    order: str = "",
    part: float = LOOKING_SHARE,
    *,
    read: str = "",
) -> Look:
    """Let a run remember that it was looked at early, or its baseline read, where that decided.

    Args:
        baseline, candidate: the runs.
        order, part, read: as in `take_look`.
    """

    def change(looks: LooksSection) -> LooksSection:
        looks = reserve_reading(looks, read) if read else looks
        return reserve_looking(looks, order, part) if order else looks

    return look_of(_remember(candidate, _test(baseline, candidate), change))


def note_certificate(
    baseline: RunRecord, candidate: RunRecord, certificate: Mapping[str, Any]
) -> None:
    """Let a run remember what reading its baseline came to.

    Args:
        baseline, candidate: the runs.
        certificate: JSON values.
    """
    _remember(
        candidate,
        _test(baseline, candidate),
        lambda looks: replace(looks, certificate=certificate),
    )


def _test(baseline: RunRecord, candidate: RunRecord) -> str:
    """The test of a candidate; one of which nothing was generated asks what it would have asked."""
    return test_of(baseline.manifest, candidate.suites or candidate.manifest.suites)


def _verdicts(run: RunRecord) -> int:
    return sum(question.count for question in run.outcomes.values())


def _remember(
    run: RunRecord, test: str, change: Callable[[LooksSection], LooksSection]
) -> LooksSection:
    """Change what a run remembers of one test, in one transaction.

    Who may only read the store can still look, and is not remembered.
    """
    if run.store is not None:
        with suppress(StoreError), Store(run.store, create=False) as store, store.transaction():
            head = store.head(run.run_id) or run
            before = head.manifest.looks.get(test, LooksSection())
            after = change(before)
            if after != before:
                looks = {**head.manifest.looks, test: after}
                store.note(run.run_id, replace(head.manifest, looks=looks))
            return after
    return change(run.manifest.looks.get(test, LooksSection()))
