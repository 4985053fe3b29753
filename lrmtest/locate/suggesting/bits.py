"""The bits that a variant's modules take, and that each would take if it were protected.

A pruned weight takes none, whatever the file has in its place. What is packed takes what the file
has, scales and zero points included. Weights that are stored as the 16-bit values that fewer bits
stand for take what the variant's card says; where nothing says it, none, so that modules cost by
their weights alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lrmtest.compress.gguf.names import module_of
from lrmtest.locate.facts import ModuleFacts
from lrmtest.models.engines.tokenizers.checkpoint_files import pretrained_arguments
from lrmtest.models.gguf_header import TYPE_BLOCKS, read_gguf_header
from lrmtest.models.local import safetensors_header, weight_files
from lrmtest.models.spec import ModelSpec

GGUF_TYPE = "Q8_0"
"""What a tensor of a GGUF file is protected as: it loses next to nothing, at half the bits of 16,
and llama-quantize needs no importance matrix for it."""
_WHOLE = 16.0
_BITS = {"F64": 64.0, "F32": 32.0, "F16": 16.0, "BF16": 16.0}


@dataclass(frozen=True, slots=True)
class ModuleBits:
    """One module.

    Attributes:
        compressed: bits that its weights take in the variant.
        protected: bits that they would take.
        type: the type of GGUF that it would have; empty where it would stay as it is.
    """

    compressed: float
    protected: float
    type: str = ""

    @property
    def cost(self) -> float:
        """Bits that protecting it takes."""
        return max(0.0, self.protected - self.compressed)


def bits_by_weights(facts: Mapping[str, ModuleFacts]) -> dict[str, ModuleBits]:
    """The same of modules that cost by their weights alone, whatever compression has saved."""
    return {
        name: ModuleBits(0.0, each.weights * _WHOLE) for name, each in facts.items() if each.differs
    }


def bits_of(
    variant: ModelSpec, parent: ModelSpec, facts: Mapping[str, ModuleFacts]
) -> dict[str, ModuleBits]:
    """The bits of every module whose weights are not the parent's.

    Args:
        variant, parent: the models, their files on disk.
        facts: of all modules.

    Raises:
        ModelError: a file cannot be read.
    """
    stored = _stored(variant)
    parents = _stored(parent)
    changed = {name: each for name, each in facts.items() if each.differs}
    rounded = _rounded(variant, facts)
    found = {}
    for name, each in changed.items():
        kept = each.weights - each.parents_zeros
        wide = max(_WHOLE, parents.get(name, _Tensors(_WHOLE)).floating)
        own = stored.get(name, _Tensors())
        if own.blocks:
            compressed = own.bits
            block, size = TYPE_BLOCKS[GGUF_TYPE]
            narrow = each.weights * 8 * size / block
            if not each.columns % block and compressed < narrow:
                found[name] = ModuleBits(compressed, narrow, GGUF_TYPE)
                continue
        elif not own.floating:
            compressed = own.bits
        elif each.zeros > each.parents_zeros:
            compressed = (each.weights - each.zeros) * min(own.floating, wide)
        else:
            compressed = each.weights * rounded
        found[name] = ModuleBits(compressed, kept * wide)
    return found


@dataclass(slots=True)
class _Tensors:
    """What a file has of a module.

    Attributes:
        floating: bits of a number, where its weights are stored as such.
        bits: of all its tensors but a bias.
        blocks: whether they are GGUF's.
    """

    floating: float = 0.0
    bits: float = 0.0
    blocks: bool = False


def _stored(model: ModelSpec) -> dict[str, _Tensors]:
    """By module, what the model's files have of it."""
    folder, arguments = pretrained_arguments(model.location)
    found: dict[str, _Tensors] = {}
    if arguments:
        for tensor in read_gguf_header(Path(folder) / arguments["gguf_file"]).tensors:
            if tensor.name.endswith(".weight"):
                block, size = TYPE_BLOCKS[tensor.type]
                own = found.setdefault(module_of(tensor.name), _Tensors())
                own.bits += tensor.weights * 8 * size / block
                own.floating = _BITS.get(tensor.type, 0.0)
                own.blocks = not own.floating
        return found
    for path in weight_files(Path(folder)):
        for name, entry in safetensors_header(path)[1].items():
            module, _, part = name.rpartition(".")
            if part == "bias":
                continue
            begin, end = entry["data_offsets"]
            own = found.setdefault(module, _Tensors())
            own.bits += 8 * (end - begin)
            if part == "weight":
                own.floating = _BITS.get(entry["dtype"], 0.0)
    return found


def _rounded(variant: ModelSpec, facts: Mapping[str, ModuleFacts]) -> float:
    """Bits of a weight that is stored as the value it stands for, as the variant's card has it."""
    card = variant.card
    said, parameters = card.compression.bits_per_weight, card.parameters
    linear = sum(each.weights for each in facts.values() if each.differs)
    if said is None or parameters is None or said >= _WHOLE or not linear:
        return 0.0
    # The card's are over all weights: embeddings and what else is whole count 16.
    total = max(parameters * 1e9, linear)
    return min(_WHOLE, max(0.0, (said * total - _WHOLE * (total - linear)) / linear))
