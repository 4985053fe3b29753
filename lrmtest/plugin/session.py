"""What one pytest session shares: settings, suites, the store, one schedule per model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from lrmtest.errors import LrmtestError, StoreError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.recorded.recording import Recording
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings, read_settings
from lrmtest.plugin.collector import RecordCollector
from lrmtest.plugin.gating.comparisons import Comparisons
from lrmtest.plugin.generation.generation import Generation
from lrmtest.plugin.generation.protocol import Desk
from lrmtest.plugin.generation.schedule import Schedule
from lrmtest.plugin.suites import Asked, Suites
from lrmtest.runs.store import STORE_NAME, Store

if TYPE_CHECKING:
    from lrmtest.options.property import PropertyOptions
    from lrmtest.plugin.distributed.worker import BrokerClient
    from lrmtest.plugin.ending.gate_statuses import GateWatch


@dataclass(slots=True)
class ModelItems:
    """One model's tests.

    Attributes:
        asking: tests that ask a suite's question, with what they ask.
        own_prompts: tests that build their own prompts.
    """

    asking: list[tuple[pytest.Item, Asked]] = field(default_factory=list)
    own_prompts: list[pytest.Item] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.asking or self.own_prompts)


def quiet(_line: str) -> None:
    """Say nothing."""


class LrmtestSession:
    """The session's parts, each made when it is first needed.

    Args:
        config: pytest's configuration.

    Raises:
        UsageError: an option that cannot be meant, or an unknown model.
        DataError, StoreError: the baseline cannot be read.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.settings: Settings = read_settings(config)
        self.suites = Suites(self.settings.data, search=self.settings.search is not None)
        self.collector = RecordCollector()
        self.generations: dict[str, Generation] = {}
        self._schedules: dict[str, Schedule] = {}
        self.failures: dict[str, LrmtestError] = {}
        self.broker: BrokerClient | None = None
        self.watch: GateWatch | None = None
        self._store: Store | None = None
        self._recordings: dict[str, Recording] | None = None
        self._against: ModelSpec | None = None
        self._specs = self._resolve(config) if self.settings.models else {}
        self.comparisons = Comparisons(
            self.settings.comparison,
            self.model_names,
            self.settings.reports_dir / STORE_NAME,
            self.settings.pass_threshold,
            check=not hasattr(config, "workerinput"),
        )

    def _resolve(self, config: pytest.Config) -> dict[str, ModelSpec]:
        pyproject = config.rootpath / "pyproject.toml"
        cards = load_cards(self.settings.cards, pyproject if pyproject.is_file() else None)
        specs: dict[str, ModelSpec] = {}
        for given in self.settings.models:
            spec = resolve(given, cards, engine=self.settings.engine)
            if spec.name in specs:
                raise UsageError(
                    f"--model {given}: another model is called {spec.name!r} already",
                    hint="give one of them a card with a name of its own",
                )
            specs[spec.name] = spec
        if self.settings.search is not None:
            self._resolve_search(self.settings.search, cards, specs)
        return specs

    def _resolve_search(
        self,
        search: PropertyOptions,
        cards: Mapping[str, ModelCard],
        specs: Mapping[str, ModelSpec],
    ) -> None:
        """Find what is searched against, and refuse models that cannot be asked anything new."""
        if search.against is not None:
            self._against = resolve(search.against, cards, engine=self.settings.engine)
            if self._against.name in specs:
                raise UsageError(
                    f"--against {search.against}: this is a model under test itself",
                    hint="name the model that it was made of",
                )
        for spec in (*specs.values(), *([self._against] if self._against else [])):
            if not kind_of(spec).generates:
                raise UsageError(
                    f"--property asks new questions, and {spec.name!r} is a recording",
                    hint="name a model that can be asked",
                )

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models under test, in the order they were given."""
        return tuple(self._specs)

    @property
    def against(self) -> str | None:
        """The name of the model that is searched against; None in other sessions."""
        return None if self._against is None else self._against.name

    def spec(self, name: str) -> ModelSpec:
        """The model of this name."""
        if self._against is not None and self._against.name == name:
            return self._against
        return self._specs[name]

    @property
    def store(self) -> Store:
        """The reports folder's store.

        Raises:
            StoreError: it cannot be opened.
        """
        if self._store is None:
            self._store = Store(self.settings.reports_dir / STORE_NAME)
        return self._store

    def schedule(self, name: str, say: Callable[[str], None] = quiet) -> Schedule:
        """A model's schedule, made on first use."""
        if name not in self._schedules:
            self._schedules[name] = Schedule(self.spec(name), self.settings, self.store, say)
        return self._schedules[name]

    def generation(self, name: str, say: Callable[[str], None] = quiet) -> Generation:
        """A model's generation in this process, made on first use."""
        if name not in self.generations:
            self.generations[name] = Generation(self.settings, self.store, say)
        return self.generations[name]

    def desk(self, name: str) -> Desk:
        """Where the tests of a model ask for completions.

        Raises:
            LrmtestError: the model could not be started.
        """
        if self.broker is not None:
            self.broker.raise_failure(name)
            return self.broker.desk(name)
        if name in self.failures:
            raise self.failures[name]
        return self.generation(name)

    def begun_desk(self, name: str, say: Callable[[str], None]) -> Desk:
        """Where a model that is not under test is asked; its run is opened on first use.

        Raises:
            LrmtestError: its files cannot be found or read, or the store cannot be written.
        """
        schedule = self.schedule(name, say)
        if self.broker is not None:
            self.broker.begin(name, schedule.plan([]))
            return self.broker.desk(name)
        generation = self.generation(name, say)
        if not generation.begun:
            generation.begin(schedule.plan([]))
        return generation

    @property
    def recordings(self) -> dict[str, Recording]:
        """What is recorded of each model that is a recording, by its name.

        Raises:
            DataError: a recording is malformed.
        """
        if self._recordings is None:
            self._recordings = {
                name: Recording(spec.location)
                for name, spec in self._specs.items()
                if kind_of(spec).source == "recording"
            }
        return self._recordings

    def sort_by_model(self, items: Sequence[pytest.Item]) -> dict[str, ModelItems]:
        """The tests of each model, in the order in which the models were given.

        Raises:
            UsageError: a test needs a model and none was given.
        """
        sorted_items = {name: ModelItems() for name in self.model_names}
        for item in items:
            name = model_of(item)
            if name is None:
                continue
            asked = self.suites.asked_by(item)
            if asked is None:
                sorted_items[name].own_prompts.append(item)
            else:
                sorted_items[name].asking.append((item, asked))
        return {name: found for name, found in sorted_items.items() if found}

    def flush(self) -> None:
        """Write the verdicts that have gathered, for whoever reads the store.

        Raises:
            StoreError: they could not be written.
        """
        for schedule in self._schedules.values():
            schedule.flush()

    def close(self) -> None:
        """Stop every engine, write what is left to write, and close the store."""
        for name, generation in self.generations.items():
            if name == self.against and generation.begun:
                with suppress(StoreError):
                    generation.finish()
            generation.close()
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


def model_of(item: pytest.Item) -> str | None:
    """The name of the model that a test runs against; None for a test without one.

    Raises:
        UsageError: the test wants a model and none was given.
    """
    if "model" not in getattr(item, "fixturenames", ()):
        return None
    names = session_of(item.config).model_names
    if not names:
        raise UsageError(
            f"{item.nodeid} needs a model",
            hint="name one: --model smollm2-135m (`lrmtest models` lists them)",
        )
    callspec = getattr(item, "callspec", None)
    chosen: str = callspec.params.get("model", names[0]) if callspec else names[0]
    return chosen
