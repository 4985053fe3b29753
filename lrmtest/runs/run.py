"""A run being made: a model at stated settings, continued or begun anew.

A run is found again by its identity, the fingerprint of every setting that all its completions
share (model files or what an endpoint serves, engine, sampling, base seed). What belongs to one
suite (prompt, budget, dataset) is compared suite by suite: the same command continues an
interrupted run, a further suite joins it, and a changed prompt begins another run. Which questions
are selected, and how many samples, is no part of it: `--limit 3` and then all of a suite are one
run, which remembers what its last session selected (`lrmtest.runs.extent`).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lrmtest.errors import EngineError
from lrmtest.models.engines.base import Delivery
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.extent import extent_of, narrowed_manifest, reaches, selected
from lrmtest.runs.manifest import Manifest, SuiteSection
from lrmtest.runs.records import RunHead, StoredCompletion, StoredError
from lrmtest.runs.store import Store, utc_now


class Run:
    """A handle on one run in a store.

    Args:
        store: where its completions are.
        head: the run.

    Attributes:
        head: as it is in the store now.
    """

    def __init__(self, store: Store, head: RunHead) -> None:
        self._store = store
        self.head = head

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        return self.head.run_id

    @property
    def manifest(self) -> Manifest:
        """The run's manifest."""
        return self.head.manifest

    def arrived(self, deliveries: Sequence[Delivery], *, patience: float | None = None) -> bool:
        """Write completions and engine errors; they are safe when this returns.

        Args:
            deliveries: what an engine has delivered.
            patience: seconds to wait for a locked store, if not as long as usual.

        Returns:
            Whether the run had none of the completions yet.

        Raises:
            LockedStoreError: another program had it locked for all that time.
            StoreError: one could not be written. None of them is there.
        """
        now = utc_now()
        return self._store.add_arrived(
            self.run_id,
            [
                StoredCompletion(one.request.place, one.completion, now, None, one.trace)
                if one.completion is not None
                else StoredError(one.request.place, str(one.error), _attempts(one.error))
                for one in deliveries
            ],
            patience=patience,
        )

    def missing(
        self, keys: Sequence[str], *, adopt: bool, of: Collection[str] | None = None
    ) -> set[str]:
        """Those of `keys` that are still to be generated.

        Args:
            keys: completion keys.
            adopt: take completions with equal keys over from other runs of the store.
            of: ids of the runs that these may be; None for all.
        """
        absent = set(keys) - self._store.keys(self.run_id)
        if adopt and absent:
            absent -= self._store.adopt(self.run_id, absent, of=of)
        return absent

    def add_questions(
        self, questions: Iterable[tuple[str, str, Question | None, Sequence[tuple[str, str]]]]
    ) -> None:
        """Remember what is asked: (suite, question id, question or None, messages)."""
        self._store.add_questions(self.run_id, questions)

    def describe(self, manifest: Manifest, *, selects: bool = False) -> None:
        """Replace the manifest, if it says anything new; the run is not finished then.

        Suites that another session has added meanwhile stay in it, and so do the looks.

        Args:
            manifest: the new one.
            selects: its selection is a new one, too; that of the store stays otherwise.
        """
        with self._store.transaction():
            now = self._store.head(self.run_id) or self.head
            manifest = replace(
                manifest,
                suites={**now.manifest.suites, **manifest.suites},
                looks=now.manifest.looks,
                selection=manifest.selection if selects else now.manifest.selection,
                named_set=manifest.named_set if selects else now.manifest.named_set,
            )
            if manifest.to_json() == now.manifest.to_json():
                self.head = now
                return
            self._store.update_manifest(self.run_id, manifest)
            self.head = replace(now, manifest=manifest, finished=None)

    def select_also(self, places: Iterable[Place]) -> None:
        """Add samples to the selection that were not planned: a test has asked for them."""
        extent = selected(self.manifest)
        more = [place for place in places if place.suite and not reaches(extent, place)]
        if extent and more:
            wider = {**extent, **extent_of(more)}
            selection = narrowed_manifest(self.manifest, wider).selection
            self.describe(replace(self.manifest, selection=selection), selects=True)

    def finish(self) -> None:
        """Note that everything planned is there."""
        self.head = replace(self.head, finished=self._store.finish_run(self.run_id))


def _attempts(error: EngineError | None) -> int:
    return 1 if error is None else error.attempts


def open_run(store: Store, model: str, manifest: Manifest, *, fresh: bool = False) -> Run:
    """Continue the newest run with these settings, or begin one.

    Of several sessions that do so at once, one begins it.

    Args:
        store: the reports folder's store.
        model: the model's name.
        manifest: what is asked now; library versions and hardware are for a new run.
        fresh: begin a new run in any case.
    """
    with store.transaction():
        return _open_run(store, model, manifest, fresh)


def continued_run(store: Store, manifest: Manifest) -> RunHead | None:
    """The run that a session with these settings continues; None if it begins one."""
    for head in store.runs(identity=manifest.identity):
        before = head.manifest.suites
        if not any(
            name in before and suites_conflict(before[name], suite)
            for name, suite in manifest.suites.items()
        ):
            return head
    return None


def _open_run(store: Store, model: str, manifest: Manifest, fresh: bool) -> Run:
    head = None if fresh else continued_run(store, manifest)
    if head is not None:
        before = head.manifest.suites
        run = Run(store, head)
        merged = {
            name: merged_suite(before.get(name), suite) for name, suite in manifest.suites.items()
        }
        # A session that selects none, of tests' own prompts alone, leaves it as it is.
        selection = manifest.selection or head.manifest.selection
        named_set = manifest.named_set if manifest.selection else head.manifest.named_set
        asked = replace(
            head.manifest, suites={**before, **merged}, selection=selection, named_set=named_set
        )
        run.describe(asked, selects=True)
        return run
    run_id = f"{model}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return Run(store, store.add_run(run_id, model, manifest.identity, manifest))


def suites_conflict(before: SuiteSection, now: SuiteSection) -> bool:
    """Whether a suite was asked in another way, so that both cannot be in one run."""
    return (before.prompt_sha256, before.max_tokens, before.source) != (
        now.prompt_sha256,
        now.max_tokens,
        now.source,
    )


def merged_suite(before: SuiteSection | None, now: SuiteSection) -> SuiteSection:
    """The suite as asked now, with the larger of the counts where it was there before."""
    if before is None:
        return now
    return replace(
        now,
        raw=before.raw,
        samples=max(before.samples or 0, now.samples or 0),
        questions=max(before.questions or 0, now.questions or 0),
    )
