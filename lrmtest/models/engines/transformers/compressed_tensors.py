"""Weights as compressed-tensors stores them, and the numbers that they stand for.

That is llm-compressor's format (`compressed-tensors
<https://github.com/vllm-project/compressed-tensors>`_), here where all quantized modules have one
scheme: ``W = scale * (q - zero point)``, with a scale for the whole matrix, for each output, for
each group of inputs of an output, or for each block of the matrix.

``int-quantized``, ``float-quantized`` and ``naive-quantized`` have q as it is, in 8 bits (W8A8 in
INT8 and FP8). ``pack-quantized`` packs an output's integers into words of 32 bits, the first in the
lowest, with 2^(bits - 1) added; zero points the same, down the outputs. Integers that cross words,
sparse formats, transforms and an order of inputs of its own (``actorder: group``) are left to the
package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lrmtest.models.engines.transformers.packed_words import damaged, spread

METHOD = "compressed-tensors"
_PLAIN = ("int-quantized", "float-quantized", "naive-quantized")
_PACKED = "pack-quantized"
_PACKED_BITS = (2, 4, 8)
_STRATEGIES = ("tensor", "channel", "group", "block")
_PARTS = ("weight_packed", "weight_shape", "weight_scale", "weight_zero_point")
_OF_ACTIVATIONS = tuple(
    f".{which}_{part}"
    for which in ("input", "output", "q", "k", "v")
    for part in ("scale", "zero_point", "global_scale")
)
"""Ends of the names of tensors that quantize activations."""


def known_scheme(settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How all quantized weights are stored; None where that is not one scheme that is known here.

    Args:
        settings: the checkpoint's ``quantization_config``.
    """
    sparsity = settings.get("sparsity_config")
    sparse = sparsity and not (isinstance(sparsity, dict) and sparsity.get("format") == "dense")
    if sparse or settings.get("transform_config"):
        return None
    schemes = [_scheme(group, settings) for group in _groups(settings)]
    return schemes[0] if schemes and all(each == schemes[0] for each in schemes) else None


def quantizes_activations(settings: Mapping[str, Any]) -> bool:
    """Whether what runs the checkpoint also rounds activations, which its weights do not say."""
    return any(group.get("input_activations") for group in _groups(settings))


def unpack(
    location: str, scheme: Mapping[str, Any], tensors: dict[str, Tensor], dtype: torch.dtype
) -> None:
    """Put a weight in place of what stands for it.

    Args:
        location: of the checkpoint.
        scheme: of its weights, by `known_scheme`.
        tensors: all of the checkpoint, which are changed.
        dtype: of the weights.

    Raises:
        ModelError: it is damaged, or has no quantized weights.
    """
    end = ".weight_scale"
    modules = [name.removesuffix(end) for name in tensors if name.endswith(end)]
    if not modules:
        raise damaged(location, "its config.json says that it is quantized, and no weight is")
    for module in modules:
        parts = {part: tensors.pop(f"{module}.{part}", None) for part in _PARTS}
        own = tensors.pop(f"{module}.weight", None)
        tensors[f"{module}.weight"] = _weight(f"{location}: {module}", own, parts, scheme).to(dtype)
    for name in [name for name in tensors if name.endswith(_OF_ACTIVATIONS)]:
        del tensors[name]


def _groups(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = settings.get("config_groups")
    found = list(groups.values()) if isinstance(groups, dict) else []
    return [each if isinstance(each, dict) else {} for each in found]


def _scheme(group: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of a group of modules; None if it is not known here."""
    weights = group.get("weights")
    if not isinstance(weights, dict):
        return None
    form = group.get("format") or settings.get("format")
    bits, strategy = weights.get("num_bits"), weights.get("strategy")
    if strategy not in _STRATEGIES or weights.get("actorder") == "group":
        return None
    if not (form in _PLAIN and bits == 8) and not (form == _PACKED and bits in _PACKED_BITS):
        return None
    size, block = weights.get("group_size"), weights.get("block_structure")
    if strategy == "group" and not (type(size) is int and 0 < size < 1 << 32):
        return None
    if strategy == "block" and not (
        isinstance(block, list)
        and len(block) == 2
        and all(type(side) is int and 0 < side < 1 << 32 for side in block)
    ):
        return None
    return {"packed": form == _PACKED, "bits": bits, "strategy": strategy} | (
        {"size": size} if strategy == "group" else {"block": block} if strategy == "block" else {}
    )


def _weight(
    where: str, own: Tensor | None, parts: Mapping[str, Tensor | None], scheme: Mapping[str, Any]
) -> Tensor:
    """A weight, (outputs, inputs), float32."""
    scale, zeros = parts["weight_scale"], parts["weight_zero_point"]
    assert scale is not None
    if not scale.is_floating_point():
        raise damaged(where, "its scales are no numbers with a point")
    if scheme["packed"]:
        integers = _integers(where, parts["weight_packed"], parts["weight_shape"], scheme["bits"])
        if zeros is not None and zeros.dtype == torch.int32:  # packed, too
            if zeros.dim() != 2:
                raise damaged(where, "its zero points are no matrix")
            zeros = _signed(zeros.T, scheme["bits"]).T[: len(integers)]
    else:
        if own is None or own.dim() != 2 or own.dtype not in (torch.int8, torch.float8_e4m3fn):
            raise damaged(where, "its weights are no matrix of 8 bits")
        integers = own
    scales = _each(where, scale.float(), integers.shape, scheme)
    if zeros is None:
        return integers.float() * scales
    return (integers.float() - _each(where, zeros.float(), integers.shape, scheme)) * scales


def _integers(where: str, words: Tensor | None, shape: Tensor | None, bits: int) -> Tensor:
    if words is None or words.dim() != 2 or words.dtype != torch.int32:
        raise damaged(where, "its words are no matrix of 32 bits")
    if shape is None or shape.numel() != 2 or shape.is_floating_point():
        raise damaged(where, "its shape is not told")
    rows, columns = (int(side) for side in shape.flatten())
    if rows != len(words) or words.shape[1] != -(-columns * bits // 32) or columns < 1:
        raise damaged(where, "its words are not as many as its shape needs")
    return _signed(words, bits)[:, :columns]


def _signed(words: Tensor, bits: int) -> Tensor:
    return spread(words, bits) - (1 << (bits - 1))


def _each(where: str, values: Tensor, shape: torch.Size, scheme: Mapping[str, Any]) -> Tensor:
    """Scales or zero points, so that one is there for each weight."""
    rows, columns = shape
    sides = {
        "tensor": (rows, columns),
        "channel": (1, columns),
        "group": (1, scheme.get("size", 1)),
        "block": scheme.get("block", (1, 1)),
    }[scheme["strategy"]]
    counts = -(-rows // sides[0]), -(-columns // sides[1])
    if values.numel() != counts[0] * counts[1]:
        raise damaged(where, "its weights, scales and zero points do not go together")
    down = torch.arange(rows) // sides[0]
    along = torch.arange(columns) // sides[1]
    return values.reshape(counts)[down][:, along]
