"""Suggesting what to protect: sets within a budget of bits, really restored, the best taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

import torch
from torch import Tensor

from lrmtest.analysis.location import Sets, TraceLocation, restored_against, shares_of
from lrmtest.analysis.suggestion import (
    Candidate,
    SuggestedModule,
    Suggestion,
    proposals,
    taken_in_turn,
)
from lrmtest.errors import ModelError, UsageError
from lrmtest.locate.sets import set_name
from lrmtest.locate.suggesting.bits import ModuleBits

Restore = Callable[[Mapping[str, frozenset[str]], Callable[[str, Tensor], Tensor]], None]
"""Measures the losses with sets restored, by their names, to what becomes of the parent's weights
of a module, and keeps them."""
Beside = Callable[[frozenset[str], str, Callable[[str, Tensor], Tensor]], Mapping[str, float]]
"""By module, what it mends beside a set that is restored so; the set, its name, the form."""


@dataclass(frozen=True, slots=True)
class Purse:
    """What may be spent.

    Attributes:
        bits: of every module that can be protected.
        share: of what there is.
        of_weights: bits of all weights, of which it is a share then; None for a share of what
            compression has saved.
    """

    bits: Mapping[str, ModuleBits]
    share: float
    of_weights: float | None = None

    @property
    def whole(self) -> float:
        """Bits that it is a share of."""
        if self.of_weights is not None:
            return self.of_weights
        return fsum(each.cost for each in self.bits.values())

    @property
    def budget(self) -> float:
        """Bits that may be spent."""
        return self.share * self.whole

    @property
    def of(self) -> str:
        """What it is a share of, in words."""
        saved = "the bits that compression has saved"
        return saved if self.of_weights is None else "the weights"

    def refuse_too_little(self) -> None:
        """Refuse a budget in which no module has room.

        Raises:
            UsageError: it is that small.
        """
        costs = {name: each.cost for name, each in self.bits.items() if each.cost > 0}
        if not costs:
            raise UsageError(
                "--suggest has nothing to protect: no module takes fewer bits than in the parent"
            )
        least = min(costs, key=lambda name: costs[name])
        if costs[least] > self.budget * (1 + 1e-9):
            share = 100 * costs[least] / self.whole
            raise UsageError(
                f"--suggest {100 * self.share:g}%: the smallest module, {least}, takes "
                f"{share:.3g} % of {self.of}",
                hint=f"--suggest {share * 1.005:.3g}%, or more",
            )


def suggest(
    purse: Purse,
    weights: Mapping[str, int],
    sets: Sets | None,
    order: Sequence[str],
    traces: Callable[[], Sequence[TraceLocation]],
    random_sets: Callable[[Sequence[str]], Iterable[Sequence[str]]],
    restore: Restore,
    beside: Beside,
) -> Suggestion:
    """What to protect.

    Args:
        purse: what may be spent.
        weights: of every module, in the model's order.
        sets: what was restored before; None for nothing.
        order: all modules by rank.
        traces: all traces with what was measured of them so far.
        random_sets: sets of as many weights as these modules have, without them.
        restore: measures further sets.
        beside: attributes anew beside a set.

    Raises:
        UsageError: no module's protection would mend anything.
    """
    before = traces()
    shares = shares_of(one.question for one in before)
    alone = {} if sets is None else sets.alone
    candidates = [
        Candidate(name, purse.bits[name].cost, tuple(one.mend(name, alone) for one in before))
        for name in order
        if name in purse.bits and purse.bits[name].cost > 0
    ]
    types = {name: each.type for name, each in purse.bits.items() if each.type}
    form = _form(types)
    gains = {one.name: _mean(one.mends, shares) for one in candidates}
    in_turn = taken_in_turn(
        gains,
        {one.name: one.cost for one in candidates},
        purse.budget,
        lambda taken: beside(taken, set_name(taken, types), form),
        by_cost=True,
    )
    proposed = proposals(candidates, [one.lost for one in before], shares, purse.budget)
    proposed += [frozenset(in_turn)] * (frozenset(in_turn) not in [frozenset(), *proposed])
    if not proposed:
        raise UsageError(
            "--suggest finds no module whose protection would mend anything",
            hint="where next to nothing was lost, there is nothing to protect",
        )
    named = {set_name(each, types): each for each in proposed}
    restore(named, form)
    measured = restored_against(traces(), list(named), ())
    best = max(named, key=lambda name: (measured[name].mend.value, name))
    random = [frozenset(each) for each in random_sets(sorted(named[best]))]
    draws = [set_name(each, types) for each in random]
    restore(dict(zip(draws, random, strict=True)), form)
    after = traces()
    chosen = sorted(named[best], key=lambda name: -gains[name] / purse.bits[name].cost)
    modules = tuple(
        SuggestedModule(
            name=name,
            weights=weights[name],
            cost=purse.bits[name].cost,
            type=types.get(name, ""),
            mend=gains[name],
            measured=name in alone,
        )
        for name in chosen
    )
    return Suggestion(
        modules=modules,
        budget=purse.share,
        of=purse.of,
        spent=fsum(one.cost for one in modules),
        whole=purse.whole,
        share=sum(one.weights for one in modules) / sum(weights.values()),
        lost=_mean([one.lost for one in after], shares),
        together=restored_against(after, [best], draws)[best],
        tried=len(named),
    )


def _mean(values: Sequence[float], shares: Sequence[float]) -> float:
    return fsum(value * share for value, share in zip(values, shares, strict=True))


def _form(types: Mapping[str, str]) -> Callable[[str, Tensor], Tensor]:
    """What becomes of the parent's weights where a module is protected as these types."""

    def form(name: str, weight: Tensor) -> Tensor:
        return _as_type(weight, types[name]) if name in types else weight

    return form


def _as_type(weight: Tensor, type_: str) -> Tensor:
    """Weights as a GGUF file's tensor of this type has them."""
    try:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize, quantize
    except ImportError as error:  # pragma: no cover: without it no GGUF file is unpacked
        raise ModelError(
            f"GGUF files cannot be looked into here: {error}", hint="pip install gguf"
        ) from error
    kind = GGMLQuantizationType[type_]
    rows = weight.detach().float().cpu().numpy()
    return torch.from_numpy(dequantize(quantize(rows, kind), kind)).to(weight)
