"""The terms of rows: what each has of the fall of the loss, were it restored, to first order.

The module's is the sum over tokens of -g . (D x), g being the gradient by its outputs, x its inputs
and D what restoring adds to its weights (`lrmtest.locate.attribution.attribute`). A row of D makes
one of the outputs, and the product is a sum over outputs: so every row's own term is there without
a gradient of any weight. The loss is one of all traces together, which is why rows have no figures
trace by trace: there are thousands of them for each module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lrmtest.locate.attribution.gradients import (
    backward,
    beside_at_work,
    deltas_of,
    forward,
    noting,
    once,
)
from lrmtest.locate.attribution.restoring import as_it_is
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Stack
from lrmtest.models.reading import Written


def row_terms(
    variant: Stack,
    parent: Stack,
    written: Sequence[Written],
    counts: Mapping[str, float],
    passed: LayersPassed,
    beside: frozenset[str] = frozenset(),
) -> dict[str, Tensor]:
    """What restoring each row would take off the loss, to first order.

    Args:
        variant, parent: as for `attribute`.
        written: the traces.
        counts: by a trace's key, how much it counts in the loss.
        passed: is told twice for each layer.
        beside: units that are restored already: the others' terms are beside these, and theirs
            are 0.

    Returns:
        By module, in the model's order, a figure for each of its rows; float64, in nats.

    Raises:
        ModelError: a loss is not a number, or a module does not see whole sequences.
    """
    at_work = beside_at_work(variant, parent, beside, as_it_is)
    run = forward(variant, written, at_work, passed, signs=0)
    found = {
        name: torch.zeros(rows, dtype=torch.float64) for name, (rows, _) in variant.shapes.items()
    }
    shares = [
        torch.tensor([counts[one.place.key] for one in batch], dtype=torch.float64)
        for batch in run.batches
    ]
    for index in reversed(range(len(variant.layers))):
        with at_work(index):
            linears = variant.linears(index)
            deltas = deltas_of(linears, parent.linears(index))
            for at, passage in enumerate(run.passages):
                passage.hidden = run.states[index][at].detach().requires_grad_()
                with noting(linears, deltas, over=1) as noted:
                    output = variant.run(index, passage)
                    run.gradients[at] = [*backward(output, passage.hidden, run.gradients[at])]
                passage.hidden = passage.hidden.detach()
                for name in linears:
                    found[name] += shares[at] @ once(name, noted)
        passed()
    return found
