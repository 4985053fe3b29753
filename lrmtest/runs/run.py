"""A run being made: a model at stated settings, continued or begun anew.

A run is found again by its identity, the fingerprint of every setting that all its completions
share (model files, engine, sampling, base seed). What belongs to one suite (prompt, budget,
dataset) is compared suite by suite: the same command continues an interrupted run, a further
suite joins it, and a changed prompt begins another run. Which questions are selected, and how
many samples, is no part of it: `--limit 3` and then all of a suite are one run.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.questions.suite import Source
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.store import Store, StoredRun


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What all completions of a run share.

    Attributes:
        model: what generates, JSON values: name, files and their hashes, engine, its options.
            Nothing in it may depend on the machine's folders, or a moved model is another one.
        temperature: 0 is greedy.
        top_p: nucleus mass.
        seed: base seed, from which every sample's own is derived.
    """

    model: Mapping[str, Any]
    temperature: float
    top_p: float
    seed: int

    @property
    def model_identity(self) -> str:
        """Fingerprint of what generates."""
        return fingerprint(self.model)

    @property
    def identity(self) -> str:
        """Fingerprint of everything here."""
        return fingerprint(asdict(self))


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What all completions of one suite share, beside the run's settings.

    Attributes:
        prompt_sha256: hash of the prompt template.
        max_tokens: the budget.
        samples: samples per question.
        source: where the questions came from.
        questions: how many were selected.
        answer_kinds: of all its questions, sorted; they say how answers are graded.
        tests: the test functions that asked it last, as in test ids.
        options: what pytest was given to ask it so, but for what only chooses or reports.
    """

    prompt_sha256: str
    max_tokens: int
    samples: int
    source: Source
    questions: int
    answer_kinds: Sequence[str] = ()
    tests: Sequence[str] = ()
    options: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        lists = ("answer_kinds", "tests", "options")
        return {**asdict(self), **{name: list(getattr(self, name)) for name in lists}}


_SAME_IN_A_RUN = ("prompt_sha256", "max_tokens", "source")


class Run:
    """A handle on one run in a store.

    Args:
        store: where its completions are.
        stored: its row.
    """

    def __init__(self, store: Store, stored: StoredRun) -> None:
        self.store = store
        self.run_id = stored.run_id
        self.manifest: dict[str, Any] = dict(stored.manifest)

    def completion_arrived(self, place: Place, completion: Completion) -> None:
        """Write a completion; it is safe when this returns.

        Raises:
            StoreError: it could not be written.
        """
        self.store.add_completion(self.run_id, place, completion)

    def error_arrived(self, place: Place, error: EngineError) -> None:
        """Remember that the engine failed to produce a completion.

        Raises:
            StoreError: it could not be written.
        """
        self.store.add_error(self.run_id, place, str(error), error.attempts)

    def missing(self, keys: Sequence[str], *, adopt: bool) -> set[str]:
        """Those of `keys` that are still to be generated.

        Args:
            keys: completion keys.
            adopt: take completions with equal keys over from other runs of the store.
        """
        absent = set(keys) - self.store.keys(self.run_id)
        if adopt and absent:
            absent -= self.store.adopt(self.run_id, absent)
        return absent

    def add_questions(
        self, questions: Iterable[tuple[str, str, Question | None, Sequence[tuple[str, str]]]]
    ) -> None:
        """Remember what is asked: (suite, question id, question or None, messages)."""
        self.store.add_questions(self.run_id, questions)

    def describe(self, section: str, content: Mapping[str, Any]) -> None:
        """Put a section into the manifest, replacing it."""
        if self.manifest.get(section) != content:
            self.manifest[section] = dict(content)
            self.store.update_manifest(self.run_id, self.manifest)

    def finish(self) -> None:
        """Note that everything planned is there."""
        self.store.finish_run(self.run_id)


def open_run(
    store: Store,
    model: str,
    settings: RunSettings,
    suites: Mapping[str, SuiteSettings],
    *,
    environment: Mapping[str, Any],
    fresh: bool = False,
) -> Run:
    """Continue the newest run with these settings, or begin one.

    Args:
        store: the reports folder's store.
        model: the model's name.
        settings: what all completions share.
        suites: per suite, what its completions share.
        environment: library versions and hardware, for the manifest of a new run.
        fresh: begin a new run in any case.
    """
    described = {name: suite.to_json() for name, suite in suites.items()}
    if not fresh:
        for stored in store.runs(identity=settings.identity):
            before = stored.manifest["suites"]
            if not any(_conflict(before.get(name), suite) for name, suite in described.items()):
                run = Run(store, stored)
                run.describe("suites", {**before, **_merged(before, described)})
                return run
    manifest = {
        **asdict(settings),
        "model": dict(settings.model),
        "suites": described,
        "environment": dict(environment),
    }
    run_id = f"{model}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return Run(store, store.add_run(run_id, model, settings.identity, manifest))


def _conflict(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    return before is not None and any(before[name] != now[name] for name in _SAME_IN_A_RUN)


def _merged(before: Mapping[str, Any], now: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The suites as asked now, with the larger of the counts where a suite was there before."""
    merged = {}
    for name, suite in now.items():
        old = before.get(name, suite)
        counts = {count: max(old[count], suite[count]) for count in ("samples", "questions")}
        merged[name] = {**suite, **counts}
    return merged
