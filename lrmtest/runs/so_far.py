"""So far: what the store has of a run, and whether a session is at work on it now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lrmtest.runs.extent import Extent, reaches, selected
from lrmtest.runs.live import LiveState, live_states
from lrmtest.runs.records import RunHead
from lrmtest.runs.store import Store

RunState = Literal["running", "interrupted", "complete"]


@dataclass(slots=True)
class SuiteSoFar:
    """What there is of a suite's samples.

    Attributes:
        wanted: samples that were selected; None where that is not known.
        done: samples with a completion.
        graded: those of them that have a verdict.
        failed: samples that ended in an engine error.
        tokens: of the completions, reasoning and answer.
    """

    wanted: int | None = None
    done: int = 0
    graded: int = 0
    failed: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class RunSoFar:
    """How far a run is.

    Attributes:
        head: the run.
        state: ``running`` while a session is at work on it, else ``complete`` where everything that
            was planned is there, else ``interrupted``.
        sessions: what those at work tell of themselves.
        suites: what there is, by suite; that of tests' own prompts, which have none, is left out.
    """

    head: RunHead
    state: RunState
    sessions: Sequence[LiveState] = ()
    suites: Mapping[str, SuiteSoFar] = field(default_factory=dict)

    @property
    def total(self) -> SuiteSoFar:
        """All suites together."""
        each = self.suites.values()
        known = [one.wanted for one in each if one.wanted is not None]
        return SuiteSoFar(
            sum(known) if known and len(known) == len(self.suites) else None,
            sum(one.done for one in each),
            sum(one.graded for one in each),
            sum(one.failed for one in each),
            sum(one.tokens for one in each),
        )


def so_far(store: Store, run: RunHead, extent: Extent | None = None) -> RunSoFar:
    """How far a run is.

    Args:
        store: where it is.
        run: the run.
        extent: what of it; None for what its last session selected.

    Raises:
        StoreError: it cannot be read.
    """
    # A session notes that a run is complete, and only then is gone.
    sessions = live_states(store.path, run.run_id)
    run = store.head(run.run_id) or run
    extent = selected(run.manifest) if extent is None else extent
    wanted: Counter[str] = Counter()
    for (suite, _), samples in extent.items():
        wanted[suite] += samples
    suites = {name: SuiteSoFar(number) for name, number in wanted.items() if name}
    for place, tokens, graded in store.arrived(run.run_id):
        if place.suite and reaches(extent, place):
            one = suites.setdefault(place.suite, SuiteSoFar())
            one.done += 1
            one.graded += graded
            one.tokens += tokens
    for error in store.errors(run.run_id, extent=extent):
        if error.place.suite:
            suites.setdefault(error.place.suite, SuiteSoFar()).failed += 1
    state: RunState = "interrupted" if run.finished is None else "complete"
    return RunSoFar(run, "running" if sessions else state, sessions, suites)
