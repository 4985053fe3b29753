"""The variant and its parent, as layers whose weights can be compared."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lrmtest.errors import ModelError
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.transformers.fitting import refuse_foreign_ids, refuse_too_long
from lrmtest.models.engines.transformers.on_device import chosen_device, load_model
from lrmtest.models.engines.transformers.stack import Stack
from lrmtest.models.reading import Written
from lrmtest.models.spec import ModelSpec


def open_stack(spec: ModelSpec, options: EngineOptions, written: Sequence[Written]) -> Stack:
    """The layers of a model, its weights unpacked in main memory.

    Args:
        spec: the model, its files on disk.
        options: device, dtype and trust_remote_code are heeded.
        written: traces that it is to run on.

    Raises:
        UsageError: a trace does not fit its context or vocabulary; there is no such device.
        ModelError: it cannot be read, or is built so that its weights cannot be compared.
        MachineryError: it does not fit in memory.
    """
    device = chosen_device(options.device)
    refuse_too_long(spec, written, trust_remote_code=options.trust_remote_code)
    model = load_model(spec, options, device, home="cpu")
    refuse_foreign_ids(spec, model.get_input_embeddings().num_embeddings, written)
    model.requires_grad_(False)
    stack = Stack(model, device)
    for index in range(len(stack.layers)):
        for name, linear in stack.linears(index).items():
            if type(linear).forward is not nn.Linear.forward or "forward" in vars(linear):
                raise ModelError(
                    f"{name} of {spec.name} computes otherwise than by its weights alone, as where "
                    "activations are quantized, too",
                    hint="what can be located in: weights that transformers unpacks when it loads "
                    "them",
                )
    return stack
