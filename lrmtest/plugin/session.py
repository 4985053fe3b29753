"""The session's parts: settings, suites, models, the store, and one schedule per model."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lrmtest.errors import StoreError
from lrmtest.options.settings import Settings, project_folder, read_settings
from lrmtest.plugin.absent import Dispensable
from lrmtest.plugin.collector import RecordCollector
from lrmtest.plugin.gating.comparisons import Comparisons
from lrmtest.plugin.generation.generations import Generations
from lrmtest.plugin.generation.protocol import CompletionSources
from lrmtest.plugin.generation.schedule import Schedule
from lrmtest.plugin.lines import notice_writer
from lrmtest.plugin.models_under_test import ModelsUnderTest
from lrmtest.plugin.suites import Suites
from lrmtest.progress import Tell, silent
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.store import STORE_NAME, Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from lrmtest.analysis.certificate import Certificate
    from lrmtest.analysis.gate_settings import GateSettings
    from lrmtest.models.engines.base import Request
    from lrmtest.plugin.generation.protocol import GenerationPlan
    from lrmtest.runs.drafts import Drafts
    from lrmtest.runs.records import RunRecord


class LrmtestSession:
    """What the parts of one pytest session have in common.

    Args:
        config: pytest's configuration.

    Attributes:
        generations: what is generated in this process.
        sources: where this process's tests get completions: `generations`, or the way to those
            of another process.
        notice: prints one line that must be seen, even with -q.
        told: what the selection of tests has to say, one line each.

    Raises:
        UsageError: an option that cannot be meant, or an unknown model.
        DataError, StoreError: the baseline cannot be read.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings: Settings = read_settings(config)
        self.suites = Suites(
            self.settings.data,
            search=self.settings.search is not None,
            may_lack=Dispensable(self.settings),
        )
        self.models = ModelsUnderTest(self.settings, project_folder(config))
        options = replace(self.settings.engine_options, endpoints=self.models.endpoints)
        self.settings = replace(self.settings, engine_options=options)
        self.collector = RecordCollector()
        self.notice = notice_writer(config)
        self.told: list[str] = []
        drafts = self._drafts if self.settings.comparison.drafts is not None else None
        self.generations = Generations(
            self.settings, lambda: self.store, self.notice, drafts, self._baseline_tokens
        )
        self.sources: CompletionSources = self.generations
        self._schedules: dict[str, Schedule] = {}
        self._store: Store | None = None
        self.comparisons = Comparisons(
            self.settings.comparison,
            self.models.names,
            self.settings.reports_dir / STORE_NAME,
            self.settings.pass_threshold,
            fresh=self.settings.regenerate,
            check=not hasattr(config, "workerinput"),
            read=self._read if self.settings.comparison.read else None,
            notice=self.notice,
        )

    def _read(
        self, plan: GenerationPlan, baseline: RunRecord, gate: GateSettings, level: float
    ) -> Certificate:
        """Read a baseline's traces with the model of a plan."""
        from lrmtest.plugin.gating.reading import read_baseline_traces

        return read_baseline_traces(
            self.settings, self.store, self.notice, plan, baseline, gate, level
        )

    def _drafts(self, plan: GenerationPlan, run_id: str, requests: Collection[Request]) -> Drafts:
        """Find what samples of a plan may begin with."""
        from lrmtest.plugin.generation.drafting import find_drafts

        baseline = self.comparisons.baseline_of(plan.spec.name)
        return find_drafts(self.settings, self.store, self.notice, baseline, plan, run_id, requests)

    def _baseline_tokens(self, model: str) -> dict[QuestionKey, float]:
        """How long a model's baseline was, by question."""
        baseline = self.comparisons.baseline_of(model)
        outcomes = baseline.outcomes if baseline is not None else {}
        return {key: one.tokens / one.count for key, one in outcomes.items() if one.count}

    @property
    def store(self) -> Store:
        """The reports folder's store.

        Raises:
            StoreError: it cannot be opened.
        """
        if self._store is None:
            self._store = Store(
                self.settings.reports_dir / STORE_NAME,
                patience=self.settings.lock_timeout,
                tell=self.notice,
            )
        return self._store

    def schedule(self, name: str, say: Tell = silent) -> Schedule:
        """A model's schedule, made on first use."""
        if name not in self._schedules:
            spec = self.models.spec(name)
            self._schedules[name] = Schedule(spec, self.settings, self.store, say)
        return self._schedules[name]

    def flush(self) -> None:
        """Write the verdicts that have gathered, for whoever reads the store.

        Raises:
            StoreError: they could not be written.
        """
        for schedule in self._schedules.values():
            schedule.flush()

    def close(self) -> None:
        """Stop every engine, write what is left to write, and close the store."""
        self.generations.close()
        for schedule in self._schedules.values():
            with suppress(StoreError):  # What a full disk loses here, grading brings back.
                schedule.flush()
        if self._store is not None:
            self._store.close()
            self._store = None


SESSION = pytest.StashKey[LrmtestSession]()
"""Where pytest's configuration keeps the session's parts."""


def session_of(config: pytest.Config) -> LrmtestSession:
    """The parts of this pytest session."""
    return config.stash[SESSION]
