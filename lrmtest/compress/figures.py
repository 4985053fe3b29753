"""Figures of pruning, matrix by matrix and by kind of module."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

_LAYER = re.compile(r".*\.layers\.\d+\.")


@dataclass(frozen=True, slots=True)
class PrunedModule:
    """What became of one matrix.

    Attributes:
        name: of its module, dotted.
        weights: how many it has.
        zeros: how many of them are zero now.
        protected: how many of them were protected.
        error: ||W X - W' X||^2 / ||W X||^2 for the calibration inputs X: the share of its output
            that is lost, before what follows makes more or less of it.
    """

    name: str
    weights: int
    zeros: int
    protected: int
    error: float

    @property
    def kind(self) -> str:
        """The name within its layer, such as ``mlp.down_proj``."""
        return _LAYER.sub("", self.name)


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The matrices of one kind, over all layers.

    Attributes:
        kind: as in `PrunedModule`; ``all`` for all of them.
        weights, zeros, protected: of all together.
        mean_error, worst_error: over the matrices.
        worst: name of the matrix with the worst error.
    """

    kind: str
    weights: int
    zeros: int
    protected: int
    mean_error: float
    worst_error: float
    worst: str

    @property
    def sparsity(self) -> float:
        """Share of weights that are zero."""
        return self.zeros / self.weights

    @property
    def protected_share(self) -> float:
        """Share of weights that were protected."""
        return self.protected / self.weights


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of a model."""

    modules: tuple[PrunedModule, ...]

    @property
    def total(self) -> KindFigures:
        """All matrices together."""
        return _together("all", self.modules)

    def kinds(self) -> list[KindFigures]:
        """By kind, in the order in which they come in a layer."""
        kinds = dict.fromkeys(module.kind for module in self.modules)
        return [_together(kind, [m for m in self.modules if m.kind == kind]) for kind in kinds]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "sparsity": self.total.sparsity,
            "protected_share": self.total.protected_share,
            "kinds": [
                {**asdict(kind), "sparsity": kind.sparsity} for kind in (*self.kinds(), self.total)
            ],
            "modules": [asdict(module) for module in self.modules],
        }


def _together(kind: str, modules: list[PrunedModule] | tuple[PrunedModule, ...]) -> KindFigures:
    worst = max(modules, key=lambda module: module.error)
    return KindFigures(
        kind=kind,
        weights=sum(module.weights for module in modules),
        zeros=sum(module.zeros for module in modules),
        protected=sum(module.protected for module in modules),
        mean_error=sum(module.error for module in modules) / len(modules),
        worst_error=worst.error,
        worst=worst.name,
    )
