"""Packed checkpoints, unpacked to the weights that they stand for: GPTQ, AWQ, compressed-tensors.

The last is in `lrmtest.models.engines.transformers.compressed_tensors`. The other two keep integers
of few bits in words of 32, and a scale and a zero point for each group of inputs:
``W[o, i] = scale[g, o] * (q[i, o] - zero[g, o])``, g being the group of input i.

GPTQ (`AutoGPTQ <https://github.com/AutoGPTQ/AutoGPTQ>`_): words go down the inputs, the first in
the lowest bits; ``g_idx`` names each input's group; zero points are stored less one, but for the
checkpoint format ``gptq_v2``. AWQ (`llm-awq <https://github.com/mit-han-lab/llm-awq>`_, its layout
``gemm``): words go along the outputs, eight of them in the order 0, 2, 4, 6, 1, 3, 5, 7; zero
points as they are. Integers that cross words (3 bits) and other layouts are not unpacked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lrmtest.bounded import SETTINGS, read_json
from lrmtest.errors import ModelError
from lrmtest.models.engines.transformers.compressed_tensors import METHOD, known_scheme, unpack
from lrmtest.models.engines.transformers.packed_words import damaged, spread
from lrmtest.models.local import weight_files
from lrmtest.unicode import quote

_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
_PACKED = ("qweight", "qzeros", "scales", "g_idx")
_NEEDS = {"gptq": "optimum and gptqmodel", "awq": "gptqmodel"}


def packed_settings(location: str) -> Mapping[str, Any] | None:
    """``quantization_config`` of a packed checkpoint; None for any other.

    Raises:
        ModelError: its configuration cannot be read.
    """
    path = Path(location) / "config.json"
    if not path.is_file():
        return None
    content = read_json(path, SETTINGS, error=ModelError)
    found = content.get("quantization_config") if isinstance(content, dict) else None
    packed = isinstance(found, dict) and found.get("quant_method") in (*_NEEDS, METHOD)
    return found if packed else None


def is_unpacked_here(settings: Mapping[str, Any]) -> bool:
    """Whether `unpacked_tensors` is to read such a checkpoint, and not the package that made it."""
    return settings["quant_method"] != METHOD or known_scheme(settings) is not None


def unpacked_tensors(
    location: str, settings: Mapping[str, Any], dtype: torch.dtype
) -> dict[str, Tensor]:
    """All tensors of a packed checkpoint, with a weight in place of what stands for it.

    Args:
        location: its folder.
        settings: its ``quantization_config``, of which `is_unpacked_here` says yes.
        dtype: of the weights.

    Raises:
        ModelError: it is packed in another way than is known here, or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    scheme = known_scheme(settings) if settings["quant_method"] == METHOD else None
    if scheme is None:
        _refuse_unknown(location, settings)
    tensors: dict[str, Tensor] = {}
    for path in weight_files(Path(location)):
        try:
            tensors |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from error
    if scheme is not None:
        unpack(location, scheme, tensors, dtype)
        return tensors
    modules = [name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight")]
    if not modules:
        raise ModelError(
            f"{location} is packed, as its config.json says, and has no packed weights",
            hint="do config.json and the weights belong together?",
        )
    for module in modules:
        parts = {part: tensors.pop(f"{module}.{part}", None) for part in _PACKED}
        tensors[f"{module}.weight"] = _unpacked(f"{location}: {module}", parts, settings).to(dtype)
    return tensors


def _refuse_unknown(location: str, settings: Mapping[str, Any]) -> None:
    method, bits = settings["quant_method"], settings.get("bits")
    if method == "gptq":
        known = bits in (2, 4, 8) and settings.get("checkpoint_format", "gptq") in (
            "gptq",
            "gptq_v2",
        )
        known = known and settings.get("pack_dtype", "int32") == "int32"
    else:
        known = bits == 4 and str(settings.get("version", "gemm")).lower() == "gemm"
    group = settings.get("group_size")
    if not known or type(group) is not int or not (group == -1 or 0 < group < 1 << 32):
        said = {
            key: settings.get(key)
            for key in ("bits", "group_size", "checkpoint_format", "version", "pack_dtype")
            if key in settings
        }
        raise ModelError(
            f"{location} is packed as {method} in a way that is not unpacked here: "
            f"{quote(str(said), 200)}",
            hint=f"what is: gptq with 2, 4 or 8 bits, awq gemm with 4. transformers needs "
            f"{_NEEDS[method]} for others",
        )


def _unpacked(
    where: str, parts: Mapping[str, Tensor | None], settings: Mapping[str, Any]
) -> Tensor:
    """A weight, (outputs, inputs), float32."""
    words, zero_words, scales, groups = (parts[part] for part in _PACKED)
    if words is None or zero_words is None or scales is None:
        raise damaged(where, "it lacks words, zero points or scales")
    if any(one.dim() != 2 or not one.numel() for one in (words, zero_words, scales)):
        raise damaged(where, "its words, zero points or scales are no matrices")
    if words.dtype != torch.int32 or zero_words.dtype != torch.int32:
        raise damaged(where, "its words are not of 32 bits")
    if not scales.is_floating_point():
        raise damaged(where, "its scales are no numbers with a point")
    bits = int(settings["bits"])
    if settings["quant_method"] == "gptq":
        integers = spread(words.T, bits).T
        zeros = spread(zero_words, bits)
        if settings.get("checkpoint_format", "gptq") == "gptq":
            zeros = zeros + 1
    else:
        integers, zeros = (_in_order(spread(each, bits)) for each in (words, zero_words))
    inputs, outputs = integers.shape
    if zeros.shape != scales.shape or scales.shape[1] != outputs:
        raise damaged(where, "its words, zero points and scales do not go together")
    if groups is None:
        size = settings["group_size"] if settings["group_size"] > 0 else inputs
        groups = torch.arange(inputs) // size
    groups = groups.long()
    if groups.shape != (inputs,) or int(groups.min()) < 0 or int(groups.max()) >= len(scales):
        raise damaged(where, "an input is of a group that is not there")
    return ((integers - zeros[groups]) * scales.float()[groups]).T.contiguous()


def _in_order(integers: Tensor) -> Tensor:
    """AWQ's columns, which each word has in an order of its own."""
    order = torch.tensor(_AWQ_ORDER).argsort()
    return integers.reshape(len(integers), -1, len(order))[:, :, order].reshape(integers.shape)
