"""A model on its device: which device and number format, loaded whole, and the memory left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lrmtest.errors import LrmtestError, MachineryError, ModelError, UsageError
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.tokenizers.checkpoint_files import (
    pretrained_arguments,
    quiet,
    unreadable,
)
from lrmtest.models.engines.transformers.context import check_layers
from lrmtest.models.engines.transformers.loading import load_causal_lm
from lrmtest.models.hardware import this_machine

if TYPE_CHECKING:
    from lrmtest.models.spec import ModelSpec

_MEMORY_SHARE = {"cpu": 0.5, "cuda": 0.85}
"""Of the memory that is free once the weights are loaded: what may be taken."""
LOGITS_SHARE = 0.25
"""Of what may be taken: what logits of many places together may have of it."""
_MOST_LOGITS = {"cpu": 1 << 30, "cuda": 8 << 30}  # bytes; more is not faster


def chosen_device(wanted: str) -> str:
    """The device that ``--device`` means; torch is imported.

    Raises:
        UsageError: there is none of that name.
    """
    # Read by OpenMP when torch is first imported. Its threads otherwise spin while they wait,
    # which slows everything several times over when anything else wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(wanted).type
    except RuntimeError as error:
        raise UsageError(
            f"there is no device {wanted!r}", hint="pass --device auto, cpu, cuda or cuda:1"
        ) from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"--device {wanted}: this torch sees no CUDA GPU",
            hint="pass --device cpu, or install a CUDA build of torch",
        )
    return wanted


def load_model(
    spec: ModelSpec, options: EngineOptions, device: str, *, home: str | None = None
) -> Any:
    """The model of `spec`, ready to run on `device`.

    Args:
        spec: the model, its files on disk.
        options: dtype, trust_remote_code and tell are heeded.
        device: where it is to compute.
        home: where its weights are put, packed ones as the numbers that they stand for; None for
            there, as transformers has them.

    Raises:
        UsageError: there is no such number format.
        ModelError: it cannot be read, is of a kind that cannot be run, or does not fit in memory.
    """
    import torch

    _, arguments = pretrained_arguments(spec.location)
    gguf = "gguf_file" in arguments
    dtype = _dtype(options.dtype, device, gguf=gguf)
    with quiet(gguf=gguf):
        try:
            model = load_causal_lm(
                spec.location,
                dtype=dtype,
                trust_remote_code=options.trust_remote_code,
                tell=options.tell,
                unpacked=home is not None,
            )
            model = model.to(home or device).eval()
        except LrmtestError:
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise MachineryError(
                f"model {spec.name!r} does not fit in the memory of {home or device} as {dtype}",
                hint="pass --dtype bfloat16, use a GPU with more memory, or run the GGUF file "
                "with --engine llamacpp, which does not unpack it",
            ) from error
        except Exception as error:
            raise _unreadable(spec, error) from error
    check_layers(model.config.get_text_config())
    return model


def free_memory(device: Any) -> int:
    """Bytes of a torch device's memory that may be taken."""
    if device.type == "cuda":
        import torch

        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = int(this_machine().available_gb * 1e9)
    return int(free * _MEMORY_SHARE.get(device.type, 0.5))


def places_at_once(device: Any, memory: int, width: int, each: int) -> int:
    """At how many places of some texts logits may be looked at together.

    Args:
        device: a torch device.
        memory: bytes of it that may be taken in all.
        width: logits of a place.
        each: bytes of one logit, with what is made of it.
    """
    most = min(int(memory * LOGITS_SHARE), _MOST_LOGITS.get(device.type, 1 << 30))
    return max(1, most // (width * each))


def _unreadable(spec: ModelSpec, error: Exception) -> ModelError:
    hint = "is the checkpoint complete, and of an architecture that transformers knows?"
    if spec.location.endswith(".gguf"):
        hint = "transformers reads some GGUF architectures only: try --engine llamacpp"
    elif isinstance(error, ImportError):
        hint = "how it is quantized needs that package in the environment of lrmtest"
    model = f"model {spec.name!r} at {spec.location}"
    return unreadable(f"{model} cannot be loaded", error, hint)


def _dtype(wanted: str, device: str, *, gguf: bool) -> Any:
    """Unless the user chose: float32 on a CPU, else the checkpoint's own or, for GGUF, bfloat16."""
    import torch

    if wanted == "auto":
        if device == "cpu":
            return torch.float32
        return torch.bfloat16 if gguf else "auto"
    if wanted not in ("float32", "bfloat16", "float16"):
        raise UsageError(f"--dtype {wanted} is none of auto, float32, bfloat16 and float16")
    return getattr(torch, wanted)
