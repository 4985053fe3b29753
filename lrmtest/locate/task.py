"""The task of locating; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrmtest.analysis.units import MODULE, Unit
from lrmtest.locate.generating.traced_questions import TracedQuestions
from lrmtest.models.description import describe_model
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Written
from lrmtest.models.spec import ModelSpec
from lrmtest.runs.keys import fingerprint

_FORMAT = "lrmtest-locate/2"


@dataclass(frozen=True, slots=True)
class LocateTask:
    """What is to be located.

    Attributes:
        variant, parent: the models, their files on disk.
        options: of the engine; device, dtype and trust_remote_code are heeded.
        run_id: of the traces.
        written: the traces, none of them without tokens; at least one.
        confirm: how many of the first ranks are really restored; 0 for none.
        share: of the weights that are restored together, in (0, 1].
        budget: share of the bits that compression has saved, in (0, 1], which a suggestion may
            spend on protecting modules; None for no suggestion.
        by_weights: it is a share of the weights instead, as ``--protect random:2%`` counts, and
            what is suggested stays as it is in the parent, also in GGUF files.
        asked: the questions that are generated again with them restored; None for none.
        curve: shares of the weights at which the restoring curve is measured, each in (0, 1].
        curve_draws: random orders that it is compared with.
        through_layers: so many layers are run with each module restored, at least 1; see
            `lrmtest.locate.attribution.attribute`.
        unit: what is restored together, for `share` and `curve`: whole modules, or rows of all of
            them. A suggestion is of modules.
    """

    variant: ModelSpec
    parent: ModelSpec
    options: EngineOptions
    run_id: str
    written: Sequence[Written]
    confirm: int
    share: float
    budget: float | None = None
    by_weights: bool = False
    asked: TracedQuestions | None = None
    curve: tuple[float, ...] = ()
    curve_draws: int = 5
    through_layers: int = 1
    unit: Unit = MODULE

    @property
    def kept_name(self) -> str:
        """What its figures are kept under: a file, and a folder of what was generated."""
        return self.identity()[:32]

    def identity(self) -> str:
        """Equal for tasks whose traces have the same losses."""
        models = [describe_model(each, self.options) for each in (self.variant, self.parent)]
        for each in models:
            each.pop("name")
        return fingerprint({"format": _FORMAT, "models": models, "traces": self.run_id})
