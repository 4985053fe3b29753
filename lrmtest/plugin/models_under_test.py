"""The models of a session: those that ``--model`` names, and the one of ``--against``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.kinds import kind_of, refuse_drafts, refuse_fields
from lrmtest.models.engines.recorded.placing import SelectedSuite, place
from lrmtest.models.engines.recorded.recording import Recording, open_recording
from lrmtest.models.engines.replicas.places import endpoints_of
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec, Placing
from lrmtest.options.property import PropertyOptions
from lrmtest.options.settings import Settings


class ModelsUnderTest:
    """What the user's names of models mean.

    Args:
        settings: what the user asked for.
        rootpath: folder whose ``pyproject.toml`` may hold further model cards.

    Raises:
        UsageError: an unknown model, two of one name, or one that cannot be searched.
        ModelError: a model's files say something that cannot be.
    """

    def __init__(self, settings: Settings, rootpath: Path) -> None:
        self._settings = settings
        self._against: ModelSpec | None = None
        self._specs: dict[str, ModelSpec] = {}
        self._recordings: dict[str, Recording] | None = None
        if settings.models:
            pyproject = rootpath / "pyproject.toml"
            self._resolve(load_cards(settings.cards, pyproject if pyproject.is_file() else None))

    def _resolve(self, cards: Mapping[str, ModelCard]) -> None:
        engine, search = self._settings.engine, self._settings.search
        for name in self._settings.models:
            spec = resolve(name, cards, engine=engine)
            if spec.name in self._specs:
                raise UsageError(
                    f"--model {name}: another model is called {spec.name!r} already",
                    hint="give one of them a card with a name of its own"
                    if kind_of(spec).generates
                    else f"several files of one model go into a folder: {spec.name}=recorded:"
                    "FOLDER; or give one of them a name of its own: NAME=recorded:FILE",
                )
            self._specs[spec.name] = spec
        told = self._settings.engine_options.told_ends
        if told and all(kind_of(spec).generates for spec in self._specs.values()):
            raise UsageError(
                f"--finish-reason {told}: none of the models is a recording",
                hint="it says how recorded texts ended; engines know it of theirs",
            )
        recorded = [spec.name for spec in self._specs.values() if not kind_of(spec).generates]
        if self._settings.all_recorded and len(recorded) < len(self._specs):
            others = ", ".join(name for name in self._specs if name not in recorded)
            raise UsageError(
                f"--samples recorded: {others} is not a recording",
                hint="say how many samples are to be generated: --samples K",
            )
        if search is not None:
            self._resolve_search(search, cards)
        self._check_request_fields()
        if self._settings.comparison.drafts is not None:
            for spec in self._all:
                refuse_drafts(spec)

    def _check_request_fields(self) -> None:
        """Refuse request fields of nobody, and those that an engine does not heed."""
        options = self._settings.engine_options
        fields = options.request_fields
        names = [spec.name for spec in self._all]
        if strange := [field for field in fields if field.model and field.model not in names]:
            raise UsageError(
                f"--request-field {strange[0].model}:{strange[0].name}: no model of this session "
                f"is called {strange[0].model!r}",
                hint=f"the models are {', '.join(names)}",
            )
        recorded = {spec.name for spec in self._all if not kind_of(spec).generates}
        for field in fields:
            if field.model in recorded or recorded.issuperset(names):
                raise UsageError(
                    f"--request-field {field.name}: nothing is asked of a recording, so it can "
                    "carry no request field",
                    hint="leave it out; how a recording was made is for its maker to say",
                )
        for spec in self._all:
            refuse_fields(spec, options)

    def _resolve_search(self, search: PropertyOptions, cards: Mapping[str, ModelCard]) -> None:
        """Resolve the model to search against, and see that all models can be asked."""
        engine = self._settings.engine
        if search.against is not None:
            self._against = resolve(search.against, cards, engine=engine)
            if self._against.name in self._specs:
                raise UsageError(
                    f"--against {search.against}: this is a model under test itself",
                    hint="name the model that it was made of",
                )
        for spec in self._all:
            if not kind_of(spec).generates:
                raise UsageError(
                    f"--property asks new questions, and {spec.name!r} is a recording",
                    hint="name a model that can be asked",
                )

    @property
    def _all(self) -> list[ModelSpec]:
        return [*self._specs.values(), *([] if self._against is None else [self._against])]

    @property
    def names(self) -> tuple[str, ...]:
        """The models under test, in the order of ``--model``."""
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
    def notices(self) -> tuple[str, ...]:
        """What the user should know of how the models were understood, one line each."""
        return tuple(notice for spec in self._all for notice in spec.notices)

    @property
    def endpoints(self) -> tuple[tuple[str, str], ...]:
        """Name and base URL of every model that is an endpoint."""
        return tuple(endpoint for spec in self._all for endpoint in endpoints_of(spec))

    def place(self, name: str, asked: Sequence[SelectedSuite]) -> Placing:
        """Place the outputs of a recording among the suites that are asked.

        Raises:
            UsageError: nothing says which of several suites an output belongs to.
            DataError: the recording has changed.
        """
        spec = self._specs[name]
        recording = self.recordings[name]
        placing = place(name, recording, asked, told=spec.recorded_suite)
        self._specs[name] = replace(spec, placing=placing)
        self.recordings[name] = recording.placed(placing)
        return placing

    @property
    def recordings(self) -> dict[str, Recording]:
        """What is recorded of each model that is a recording, by its name.

        Raises:
            DataError: a recording is malformed.
        """
        if self._recordings is None:
            self._recordings = {
                name: open_recording(spec.location, self._settings.engine_options.finish_column)
                for name, spec in self._specs.items()
                if kind_of(spec).source == "recording"
            }
        return self._recordings
