"""Loading weights so that the model which runs is the checkpoint's, whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lrmtest.errors import ModelError
from lrmtest.models.engines.tokenizers.checkpoint_files import pretrained_arguments, unpacking
from lrmtest.models.local import weight_files
from lrmtest.progress import Tell, silent
from lrmtest.unicode import quote

_SHOWN = 3


def load_causal_lm(
    location: str,
    *,
    dtype: Any,
    trust_remote_code: bool = False,
    tell: Tell = silent,
    unpacked: bool = False,
) -> Any:
    """The model at `location`, with every weight from its files.

    transformers fills a tensor that is missing with random numbers and leaves out what it has no
    place for, both without an error. A missing one is refused here, and so is one that belongs to
    a module of the model, such as a bias or a scale that `config.json` does not know of: without
    it the model computes something else. What belongs to no module, such as layers for
    speculative decoding, is told, and so is all that a quantized checkpoint has too much of.

    Args:
        location: a GGUF file or a folder.
        dtype: of the weights; ``auto`` for the checkpoint's own.
        trust_remote_code: run Python code that comes with the checkpoint.
        tell: is told of tensors that are left out.
        unpacked: packed weights (GPTQ's, AWQ's, those of compressed-tensors) as the numbers that
            they stand for, in modules like any other, which no package of theirs is needed for.

    Raises:
        ModelError: a tensor is missing or without its module, or files are missing.
        Exception: whatever transformers raises on a checkpoint that it cannot load.
    """
    from transformers import AutoModelForCausalLM

    from lrmtest.models.engines.transformers.compressed_tensors import quantizes_activations
    from lrmtest.models.engines.transformers.packed import is_unpacked_here, packed_settings

    folder, arguments = pretrained_arguments(location)
    if not arguments:
        weight_files(Path(folder))  # transformers would follow an index out of the folder
    settings = packed_settings(location) if unpacked else None
    if settings is not None and quantizes_activations(settings):
        tell(
            f"{location}: engines round its activations, too; here its weights alone are taken as "
            "they are"
        )
    if settings is not None and is_unpacked_here(settings):
        model, loading = _unpacked(location, settings, dtype, trust_remote_code)
        _check(location, model, loading, tell)
        return model
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation="sdpa",
        trust_remote_code=trust_remote_code,
        local_files_only=True,
        output_loading_info=True,
        **arguments,
        **unpacking(location),
    )
    _check(location, model, loading, tell)
    return model


def _unpacked(
    location: str, settings: Mapping[str, Any], dtype: Any, trust_remote_code: bool
) -> tuple[Any, dict[str, Iterable[str]]]:
    """The model of a packed checkpoint, and the names of tensors that are missing or too many."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from lrmtest.models.engines.transformers.packed import unpacked_tensors

    trust = {"trust_remote_code": trust_remote_code}
    config = AutoConfig.from_pretrained(location, local_files_only=True, **trust)
    del config.quantization_config
    own = dtype if isinstance(dtype, torch.dtype) else config.dtype
    kind = own if isinstance(own, torch.dtype) else torch.float16
    tensors = unpacked_tensors(location, settings, kind)
    model = AutoModelForCausalLM.from_config(
        config, dtype=kind, attn_implementation="sdpa", **trust
    )
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    return model, {"missing_keys": missing, "unexpected_keys": unexpected}


def _check(location: str, model: Any, loading: Mapping[str, Iterable[str]], tell: Tell) -> None:
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    missing = sorted(set(loading["missing_keys"]) - tied)
    if missing:
        raise ModelError(
            f"{location}: {_tensors(missing)} missing from the weights; transformers would make "
            "them up",
            hint="do the weights and config.json belong together? Copy or download them again",
        )
    modules = {name for name, _ in model.named_modules()} - {""}
    unexpected = sorted(loading["unexpected_keys"])
    lost = [name for name in unexpected if name.rpartition(".")[0] in modules]
    # Quantized checkpoints have such tensors that need not matter: scales of a cache that is not
    # quantized here, biases of zero.
    quantized = getattr(model.config, "quantization_config", None) is not None
    if lost and not quantized:
        raise ModelError(
            f"{location}: {_tensors(lost)} in the weights, but not in the model that config.json "
            "describes",
            hint="do they belong together? Of a quantized checkpoint, quantization_config may be "
            "missing in config.json",
        )
    if unexpected:
        tell(f"{location}: {_tensors(unexpected)} in the weights, and of no use to the model")


def _tensors(names: list[str]) -> str:
    """``2 tensors (model.norm.weight, lm_head.weight) are``, the first few by name."""
    shown = ", ".join(quote(name, 80) for name in names[:_SHOWN])
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''} ({shown}{more}) " + (
        "are" if len(names) > 1 else "is"
    )
