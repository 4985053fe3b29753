"""The facts of a variant's modules: their shapes, and what became of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrmtest.models.engines.transformers.stack import Stack


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """One module, in the variant and in its parent.

    Attributes:
        rows, columns: of its matrix.
        zeros, parents_zeros: how many of its weights are zero.
        differs: whether any weight is another than the parent's.
    """

    rows: int
    columns: int
    zeros: int
    parents_zeros: int
    differs: bool

    @property
    def weights(self) -> int:
        """How many it has."""
        return self.rows * self.columns


def facts_of(variant: Stack, parent: Stack) -> dict[str, ModuleFacts]:
    """The facts of every module, in the model's order."""
    found = {}
    for index in range(len(variant.layers)):
        parents = parent.linears(index)
        for name, linear in variant.linears(index).items():
            own, its = linear.weight.detach(), parents[name].weight.detach()
            found[name] = ModuleFacts(
                rows=own.shape[0],
                columns=own.shape[1],
                zeros=int((own == 0).sum()),
                parents_zeros=int((its == 0).sum()),
                differs=bool((own != its.to(own.dtype)).any()),
            )
    return found
