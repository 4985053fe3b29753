"""Inputs of the linear modules of one layer: for each, H = 2 X X^T over all sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lrmtest.errors import ModelError


class Hessians:
    """Collects H for every module while the layer runs, in float32.

    Modules that get the same tensor (queries, keys and values; gate and up) share one H: which do
    is seen from the first sequence.

    Args:
        linears: the modules, by name; they are on their device.
    """

    def __init__(self, linears: Mapping[str, nn.Linear]) -> None:
        self._linears = linears
        self._leader: dict[str, str] = {}
        self._sums: dict[str, Tensor] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Add up what goes into the modules meanwhile: one run of the layer on one sequence."""
        seen: dict[int, tuple[str, Tensor]] = {}
        hooks = [
            linear.register_forward_pre_hook(self._hook(name, seen))
            for name, linear in self._linears.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, name: str, seen: dict[int, tuple[str, Tensor]]) -> Callable[..., None]:
        def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs: Tensor = arguments[0]
            # `seen` keeps the tensor, so that no other can get its identity meanwhile.
            leader, _ = seen.setdefault(id(inputs), (name, inputs))
            if self._leader.setdefault(name, leader) == name:
                X = inputs.reshape(-1, inputs.shape[-1]).float()
                if name not in self._sums:
                    self._sums[name] = X.new_zeros(X.shape[1], X.shape[1])
                self._sums[name].addmm_(X.T, X, alpha=2)

        return note

    def of(self, name: str) -> Tensor:
        """H of a module, (columns, columns); zeros if nothing ever went into it.

        Raises:
            ModelError: it is not finite.
        """
        H = self._sums.get(self._leader.get(name, ""))
        if H is None:
            linear = self._linears[name]
            return torch.zeros(linear.in_features, linear.in_features, device=linear.weight.device)
        if not torch.isfinite(H).all():
            raise ModelError(
                f"what goes into {name} is not finite on the calibration texts",
                hint="is the checkpoint whole, and does it answer sensibly before it is pruned?",
            )
        return H
