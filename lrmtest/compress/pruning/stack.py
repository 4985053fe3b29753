"""A model's decoder layers, run one at a time, so that just one of them is at work in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lrmtest.errors import LrmtestError, ModelError
from lrmtest.models.engines.tokenizers.checkpoint_files import first_line, quiet
from lrmtest.models.engines.transformers.loading import load_causal_lm

PREFIX = "model.layers"
"""Where the layers are in a model of the kind that can be pruned: Llama, Qwen2, Mistral, ..."""


class Stack:
    """The layers of a causal language model whose weights are in ``nn.Linear`` modules.

    Hidden states stay in main memory. On a CPU a layer computes in float32, which is what the
    transformers engine does; on a GPU in the checkpoint's own type.

    Args:
        folder: a checkpoint with safetensors.

    Raises:
        ModelError: it cannot be loaded, is quantized, or is built otherwise.
    """

    def __init__(self, folder: str) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Any = _loaded(folder)
        layers = getattr(getattr(self.model, "model", None), "layers", None)
        if not isinstance(layers, nn.ModuleList) or not len(layers):
            raise _built_otherwise(self.model, f"it has no {PREFIX}")
        self.layers = layers
        self.stored: torch.dtype = self.model.dtype
        self._computed = self.stored
        if self._device.type == "cpu":
            self._computed = torch.float32
            for name, child in self.model.model.named_children():
                if name != "layers":
                    child.float()
        self.shapes: Mapping[str, tuple[int, int]] = {
            name: tuple(linear.weight.shape)
            for index in range(len(layers))
            for name, linear in self.linears(index).items()
        }

    def linears(self, index: int) -> dict[str, nn.Linear]:
        """The linear modules of a layer, by dotted name in the model.

        Raises:
            ModelError: the layer has matrices elsewhere.
        """
        layer = self.layers[index]
        found = {
            f"{PREFIX}.{index}.{name}": module
            for name, module in layer.named_modules()
            if isinstance(module, nn.Linear)
        }
        weights = {id(module.weight) for module in found.values()}
        for name, parameter in layer.named_parameters():
            if parameter.dim() >= 2 and id(parameter) not in weights:
                raise _built_otherwise(self.model, f"{PREFIX}.{index}.{name} is in no nn.Linear")
        for name, module in found.items():
            if not module.weight.is_floating_point():
                raise _built_otherwise(self.model, f"{name} is quantized")
        return found

    @contextmanager
    def at_work(self, index: int) -> Iterator[nn.Module]:
        """A layer on the device and in the type that is computed in; afterwards back again."""
        layer = self.layers[index].to(self._device, self._computed)
        try:
            yield layer
        finally:
            layer.to("cpu", self.stored)

    def embedded(self, sequence: Sequence[int]) -> Tensor:
        """What goes into the first layer, (1, tokens, width)."""
        hidden, _, _ = self._calls(sequence)[0]
        return hidden

    def run(self, index: int, sequence: Sequence[int], hidden: Tensor) -> Tensor:
        """What a layer that is at work makes of what goes into it.

        Args:
            index: the layer's.
            sequence: the tokens, which say what positions and mask it gets beside.
            hidden: its input, (1, tokens, width), in main memory.
        """
        _, positional, named = self._calls(sequence)[index]
        output = self.layers[index](
            hidden.to(self._device),
            *_moved(positional, self._device),
            **_moved(named, self._device),
        )
        result: Tensor = output[0] if isinstance(output, tuple) else output
        return result.to("cpu")

    def _calls(self, sequence: Sequence[int]) -> list[tuple[Tensor, Any, Any]]:
        """How the model calls each layer: the input of the first, and everything beside it.

        What a layer gets beside hidden states differs with the architecture and with the layer
        (positions, rotary embeddings, a mask, sliding or not), so that the model itself is asked:
        it runs with layers that note what they are called with and do nothing.
        """
        calls: list[tuple[Tensor, Any, Any]] = []

        def note(hidden_states: Tensor, *positional: Any, **named: Any) -> Tensor:
            calls.append((hidden_states, positional, named))
            return hidden_states

        for layer in self.layers:
            layer.forward = note
        try:
            self.model.model(input_ids=torch.tensor([list(sequence)]), use_cache=False)
        finally:
            for layer in self.layers:
                del layer.forward
        return calls


def _loaded(folder: str) -> Any:
    with quiet():
        try:
            model = load_causal_lm(folder, dtype="auto")
        except LrmtestError:
            raise
        except Exception as error:
            raise ModelError(
                f"the model at {folder} cannot be loaded: {first_line(error)}",
                hint="is the checkpoint complete, and of an architecture that transformers knows?",
            ) from error
    if getattr(model.config, "quantization_config", None) is not None:
        raise ModelError(
            f"the model at {folder} is quantized already: its weights cannot be pruned",
            hint="prune the model that it was made from",
        )
    return model.eval()


def _built_otherwise(model: Any, why: str) -> ModelError:
    return ModelError(
        f"a model of class {type(model).__name__} cannot be pruned here: {why}",
        hint="what can be: models with decoder layers of nn.Linear at model.layers, such as "
        "Llama, Qwen2 and Mistral",
    )


def _moved(value: Any, device: torch.device) -> Any:
    """`value` with every tensor in it on `device`."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple | list):
        return type(value)(_moved(each, device) for each in value)
    if isinstance(value, dict):
        return {key: _moved(each, device) for key, each in value.items()}
    return value
