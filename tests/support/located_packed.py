"""Locates in a checkpoint, VARIANT, of compressed-tensors: `VARIANT PARENT`. Prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from transformers import AutoModelForCausalLM
from written_traces import draw_traces

from lrmtest.locate.job import locate_and_suggest
from lrmtest.locate.opening import open_stack
from lrmtest.locate.task import LocateTask
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Shaping
from lrmtest.models.resolve import resolve


def main() -> None:
    """Draw the parent's traces, locate in the variant, and tell what its weights are."""
    variant, parent = (resolve(folder, {}) for folder in sys.argv[1:3])
    options = EngineOptions(device="cpu")
    model = AutoModelForCausalLM.from_pretrained(parent.location, dtype="float32").eval()
    written = draw_traces(model, [[257, n, 40, 7] for n in range(3)], Shaping(1.0), 6)
    stacks = [open_stack(each, options, written) for each in (variant, parent)]
    off = {}
    for index in range(len(stacks[0].layers)):
        its = stacks[1].linears(index)
        for name, linear in stacks[0].linears(index).items():
            weight = its[name].weight.float()
            off[name] = float((linear.weight.float() - weight).norm() / weight.norm())
    task = LocateTask(variant, parent, options, "run", written, 2, 0.3, budget=0.3)
    found, suggestion = locate_and_suggest(task, Path(sys.argv[1]) / "located", lambda *_: None)
    assert suggestion is not None
    told = {
        "off": off,
        "lost": found.lost.value,
        "rest": found.all_restored - found.parents_loss.value,
        "mends": {one.name: one.predicted.value for one in found.modules},
        "suggested": {one.name: one.cost / one.weights for one in suggestion.modules},
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
