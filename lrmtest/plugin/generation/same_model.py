"""Whether an endpoint still serves the model whose completions are stored.

Behind one URL and one name another model can be loaded. So before anything of an endpoint's is
reused, or a run of it continued, the endpoint is asked what it serves, and its probe's answers are
compared with those that the run keeps. A run is continued only by the very model that began it,
and takes completions over only from runs of that model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.base import ServedModel
from lrmtest.models.engines.kinds import served_model
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.progress import Tell
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunHead
from lrmtest.runs.seen_model import SeenModel
from lrmtest.runs.store import Store

_REUSE = "--reuse-unverified reuses them without asking it"


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """What a run may be made of.

    Attributes:
        manifest: of the run to come, with what its model is known again by.
        reusable: ids of the runs whose completions are this model's; None for all that have the
            right keys, where a model is known by its files.
    """

    manifest: Manifest
    reusable: frozenset[str] | None = None


def verified(
    spec: ModelSpec,
    settings: Settings,
    store: Store,
    manifest: Manifest,
    keys: Collection[str],
    say: Tell,
) -> VerifiedModel:
    """Ask an endpoint for its model, and find the stored runs of the same one.

    Args:
        spec: the model.
        settings: what the user asked for.
        store: where runs are looked up.
        manifest: what is asked now.
        keys: of the completions that are wanted.
        say: is told, in one line each, why something stored is not reused.

    Raises:
        ModelError: the endpoint cannot be asked, or serves another model and the user refuses it.
        UsageError: it serves several, and none was chosen.
    """
    asked = served_model(spec, settings.engine_options)
    if asked is None:
        return VerifiedModel(manifest)
    return _Verification(spec, settings, store, manifest, keys, say).of(asked)


def difference_now(spec: ModelSpec, settings: Settings, manifest: Manifest) -> str:
    """In what an endpoint's model differs from that of a run; empty for in nothing.

    Raises:
        ModelError: the endpoint cannot be asked.
    """
    asked = served_model(spec, settings.engine_options)
    if asked is None or manifest.model.served is None:
        return ""
    return _seen(manifest).difference_as_far_as_known(asked)


class _Verification:
    """One look at an endpoint; the arguments are those of `verified`."""

    def __init__(
        self,
        spec: ModelSpec,
        settings: Settings,
        store: Store,
        manifest: Manifest,
        keys: Collection[str],
        say: Tell,
    ) -> None:
        self._name = spec.name
        self._where = spec.location
        self._settings = settings
        self._store = store
        self._manifest = manifest
        self._keys = keys
        self._say = say
        self._before = [
            run for run in store.runs() if _without_served(run.manifest) == manifest.model.to_json()
        ]

    def of(self, asked: ServedModel) -> VerifiedModel:
        if self._settings.reuse_unverified and self._before:
            return self._unverified()
        stored = None if self._settings.regenerate else self._with_stored()
        try:
            told = asked.told()
            known = [run for run in self._distinct() if run.manifest.model.served]
            why = ""
            for run in known:
                differs = _seen(run.manifest).difference(asked)
                if not differs:
                    return self._continuing(run)
                why = why or differs
        except ModelError as error:
            if stored is None:
                raise
            raise type(error)(
                f"{self._name}: {error.message}; so it cannot be seen whether it still serves the "
                f"model of run {stored.run_id}, and nothing is reused",
                hint=f"{error.hint + '. ' if error.hint else ''}`lrmtest report` and `lrmtest "
                f"show` need no endpoint; {_REUSE}",
            ) from None
        if stored is not None:
            self._tell_of_change(why, stored)
        return self._measured(asked, told)

    def _unverified(self) -> VerifiedModel:
        newest = self._before[0]
        self._say(
            f"{self._name}: {self._where} is not asked whether it still serves the model of run "
            f"{newest.run_id} (--reuse-unverified)"
        )
        return self._continuing(newest)

    def _continuing(self, run: RunHead) -> VerifiedModel:
        """The manifest as one of the same model as `run`."""
        served = run.manifest.model.served
        manifest = replace(
            self._manifest,
            model=replace(self._manifest.model, served=served),
            probe=run.manifest.probe,
        )
        same = [one.run_id for one in self._before if one.manifest.model.served == served]
        return VerifiedModel(manifest, frozenset(same))

    def _measured(self, asked: ServedModel, told: Mapping[str, Any]) -> VerifiedModel:
        """The manifest of a model that was not seen before."""
        seen = SeenModel.measured(
            asked,
            told,
            lambda why: self._say(
                f"{self._name}: {why}; without the probe's answers no later start can see that the "
                "model is the same, and none will continue this run by itself"
            ),
        )
        model = replace(self._manifest.model, served=seen.served)
        return VerifiedModel(replace(self._manifest, model=model, probe=seen.probe), frozenset())

    def _distinct(self) -> list[RunHead]:
        """The newest run of each model that was served."""
        found: dict[str, RunHead] = {}
        for run in self._before:
            found.setdefault(fingerprint(dict(run.manifest.model.served or {})), run)
        return list(found.values())

    def _with_stored(self) -> RunHead | None:
        """The newest run with something that would be reused."""
        wanted = set(self._keys)
        return next((run for run in self._before if wanted & self._store.keys(run.run_id)), None)

    def _tell_of_change(self, why: str, stored: RunHead) -> None:
        """Say why what is stored is not reused, or refuse to go on.

        Raises:
            ModelError: the user wants to.
        """
        if why:
            what = f"{self._where} now serves another model than in run {stored.run_id}: {why}"
        else:
            what = (
                f"run {stored.run_id} does not say which model {self._where} served then, as runs "
                "of lrmtest 0.1 do not"
            )
        if self._settings.refuse_other_model:
            raise MachineryError(
                f"{self._name}: {what}",
                hint="load that model again, or leave out --refuse-other-model to generate anew",
            )
        self._say(f"{self._name}: {what}; its completions are generated anew")


def _seen(manifest: Manifest) -> SeenModel:
    """The model of a run, as it was seen."""
    return SeenModel(manifest.model.served or {}, manifest.probe)


def _without_served(manifest: Manifest) -> dict[str, Any]:
    model = manifest.model.to_json()
    model.pop("served", None)
    return model
