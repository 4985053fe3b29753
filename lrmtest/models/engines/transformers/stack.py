"""A model's decoder layers, run one at a time, so that just one of them is at work in memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lrmtest.errors import ModelError

_HELD_SHARE = 0.25
"""Of the GPU's free memory that hidden states may take."""
_KNOWN = 4
"""Tensors of one shape beside hidden states that the next sequence's are compared with."""
PREFIX = "model.layers"
"""Where the layers are in a model of the kind that can be taken apart: Llama, Qwen2, Mistral."""


@dataclass(slots=True)
class Passage:
    """Sequences on their way through the layers.

    Attributes:
        hidden: what goes into the next layer, (sequences, tokens, width).
        beside: for each layer what it is called with beside, by place and by name.
    """

    hidden: Tensor
    beside: list[tuple[Any, Any]]


class KeysValues(Protocol):
    """Sees the keys and values that a layer computes, and says which ones it attends to."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *arguments: Any, **named: Any
    ) -> tuple[Tensor, Tensor]:
        """Keys and values, (sequences, heads, tokens, width of a head), in place of a layer's."""
        ...


class Stack:
    """The layers of a causal language model whose weights are in ``nn.Linear`` modules.

    The model stays in main memory. So do hidden states, unless `hold` finds room for them on the
    GPU. On a CPU a layer computes in float32, which is what the transformers engine does; on a GPU
    in the type that the weights have.

    Args:
        model: of transformers, in main memory, ready to run.
        device: where layers compute; None for a GPU if there is one.

    Raises:
        ModelError: it is built otherwise.
    """

    def __init__(self, model: Any, device: str | None = None) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._home = torch.device("cpu")
        self._known: dict[tuple[torch.Size, torch.dtype], list[Tensor]] = {}
        self.model = model
        layers = getattr(getattr(self.model, "model", None), "layers", None)
        if not isinstance(layers, nn.ModuleList) or not len(layers):
            raise _built_otherwise(self.model, f"it has no {PREFIX}")
        self.layers = layers
        self.stored: torch.dtype = self.model.dtype
        self._computed = self.stored
        if self.device.type == "cpu":
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
        layer = self.layers[index].to(self.device, self._computed)
        try:
            yield layer
        finally:
            layer.to("cpu", self.stored)

    def hold(self, tokens: int) -> None:
        """Keep the hidden states of so many tokens on the GPU from now on, if there is room."""
        if self.device.type != "cuda":
            return
        width = self.model.config.get_text_config().hidden_size
        free, _ = torch.cuda.mem_get_info(self.device)
        if tokens * width * self._computed.itemsize <= _HELD_SHARE * free:
            self._home = self.device

    def begin(self, *sequences: Sequence[int], behind: int = 0) -> Passage:
        """Sequences of one length before the first layer, behind so many tokens of their own.

        What a layer gets beside hidden states differs with the architecture and with the layer
        (positions, rotary embeddings, a mask, sliding or not), so that the model itself is asked:
        it runs with layers that note what they are called with and do nothing. It is asked once,
        since it computes in main memory, where this takes longer than a layer on a GPU; what is
        equal for all sequences of a length is kept once.
        """
        inputs: list[Tensor] = []
        beside: list[tuple[Any, Any]] = []
        seen: dict[int, tuple[Tensor, Tensor]] = {}  # most layers get the same tensors

        def kept(value: Tensor) -> Tensor:
            if id(value) not in seen:
                seen[id(value)] = value, self._kept(value)
            return seen[id(value)][1]

        def note(hidden_states: Tensor, *positional: Any, **named: Any) -> Tensor:
            inputs.append(hidden_states)
            beside.append((_each(positional, kept), _each(named, kept)))
            return hidden_states

        for layer in self.layers:
            layer.forward = note
        try:
            self.model.model(
                input_ids=torch.tensor([list(each) for each in sequences]),
                use_cache=False,
                **self._filled(behind, len(sequences)),
            )
        finally:
            for layer in self.layers:
                del layer.forward
        return Passage(inputs[0].to(self._home), beside)

    @contextmanager
    def head_at_work(self) -> Iterator[None]:
        """What is behind the layers on the device, for `logits`; afterwards in main memory again.

        Where the head is the embedding's own matrix, no sequence can be begun meanwhile.
        """
        behind = [self.model.get_output_embeddings()] + [
            module
            for name, module in self.model.model.named_children()
            if name != "layers" and module is not self.model.get_input_embeddings()
        ]
        for module in behind:
            module.to(self.device, self._computed)
        try:
            yield
        finally:
            for module in behind:
                module.to("cpu")

    @contextmanager
    def whole_at_work(self) -> Iterator[Any]:
        """All of the model on the device and in the type that is computed in; afterwards back."""
        self.model.to(self.device, self._computed)
        try:
            yield self.model
        finally:
            self.model.to("cpu")
            self.layers.to("cpu", self.stored)

    def logits(self, hidden: Tensor) -> Tensor:
        """What the model makes of hidden states behind its last layer, while its head is at work.

        The model's own code does it, so that whatever it has there (norms, scales, caps) is in it.

        Args:
            hidden: (sequences, places, width), any places.

        Returns:
            (sequences, places, vocabulary); differentiable by `hidden`.
        """
        hidden = hidden.to(self.device, self._computed)

        def passed(*positional: Any, **named: Any) -> Tensor:
            return hidden

        for layer in self.layers:
            layer.forward = passed
        try:
            output = self.model(inputs_embeds=hidden.detach(), use_cache=False)
        finally:
            for layer in self.layers:
                del layer.forward
        logits: Tensor = output.logits
        return logits

    def _kept(self, value: Tensor) -> Tensor:
        """`value` on the device; the tensor that is there already, if it is equal."""
        moved = value.to(self.device)
        known = self._known.setdefault((moved.shape, moved.dtype), [])
        for other in known:
            if torch.equal(other, moved):
                return other
        if len(known) < _KNOWN:  # what differs with every text is not looked for for ever
            known.append(moved)
        return moved

    def _filled(self, tokens: int, sequences: int) -> dict[str, Any]:
        """What tells a model that so many tokens are before those that it is given."""
        if not tokens:
            return {}
        from transformers import DynamicCache

        cache, nothing = DynamicCache(), torch.zeros(sequences, 1, tokens, 1)
        for index in range(len(self.layers)):
            cache.update(nothing, nothing, index)
        return {self._cache_name: cache}

    @property
    def _cache_name(self) -> str:
        """What the installed transformers calls the cache that a model is given."""
        names = inspect.signature(self.model.model.forward).parameters
        return "cache" if "cache" in names else "past_key_values"

    def run(self, index: int, passage: Passage, keys: KeysValues | None = None) -> Tensor:
        """What a layer that is at work makes of what goes into it.

        Args:
            index: of the layer.
            passage: where the sequences are.
            keys: is shown the keys and values, and may put others before them; None for neither.
        """
        positional, named = passage.beside[index]
        if keys is not None:
            named = {**named, self._cache_name: keys}
        output = self.layers[index](passage.hidden.to(self.device), *positional, **named)
        result: Tensor = output[0] if isinstance(output, tuple) else output
        return result.to(self._home)


def _built_otherwise(model: Any, why: str) -> ModelError:
    return ModelError(
        f"a model of class {type(model).__name__} cannot be taken layer by layer here: {why}",
        hint="what can be: models with decoder layers of nn.Linear at model.layers, such as "
        "Llama, Qwen2 and Mistral",
    )


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in it changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(_each(each, change) for each in value)
    if isinstance(value, dict):
        return {key: _each(each, change) for key, each in value.items()}
    return value
