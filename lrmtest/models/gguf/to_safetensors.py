"""From GGUF to safetensors, for engines and compression tools that read nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.gguf.read_once import read_once
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.local import gguf_parts

_DTYPES = ("float32", "float16", "bfloat16")
# Without the first, transformers asks on a terminal whether to run code that came along.
_LOCAL = {"trust_remote_code": False, "local_files_only": True}
_EXTRA = "pip install 'lrmtest[cpu]'"


def gguf_to_safetensors(path: Path, folder: Path, *, dtype: str = "float32") -> Path:
    """Write the GGUF model at `path` to `folder` as a checkpoint in the Hugging Face layout.

    Its weights are unpacked to `dtype`, so the copy computes what the quantized file does and is
    larger than it; tokenizer and chat template come along. The copy is complete or not there at
    all: it is written beside `folder` first.

    Args:
        path: a GGUF file that is not split, of an architecture that transformers can unpack.
        folder: must not exist yet, or be empty.
        dtype: ``float32``, which loses nothing, ``float16`` or ``bfloat16``.

    Returns:
        `folder`.

    Raises:
        UsageError: `folder` has something in it, or there is no such `dtype`.
        ModelError: the file is truncated, corrupted, split or of an architecture that
            transformers does not know as GGUF; what is needed is not installed; the copy cannot
            be written.
    """
    if dtype not in _DTYPES:
        raise UsageError(f"there is no dtype {dtype!r}", hint=f"one of {', '.join(_DTYPES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} has something in it already", hint="choose another folder")
    if len(gguf_parts(path)) > 1:
        raise ModelError(
            f"{path} is split over several files, which transformers cannot read",
            hint="join them with llama-gguf-split --merge",
        )
    header = read_gguf_header(path)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
            whole = Path(beside) / "copy"  # a temporary folder itself is readable to its owner only
            with read_once():
                _write(path, whole, dtype)
            whole.replace(folder)
    except OSError as error:
        raise MachineryError(f"cannot write {folder}: {error.strerror or error}") from error
    except ImportError as error:
        raise ModelError(f"GGUF files cannot be unpacked: {error}", hint=_EXTRA) from error
    except (ValueError, KeyError, NotImplementedError) as error:
        architecture = header.metadata.get("general.architecture", "unknown")
        raise ModelError(
            f"transformers cannot unpack {path}, a GGUF file of architecture {architecture!r}: "
            f"{error}",
            hint="start from the checkpoint that the GGUF file was made of",
        ) from error
    return folder


def _write(path: Path, folder: Path, dtype: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch_dtype = getattr(torch, dtype)
    unpacked = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch_dtype, **_LOCAL
    )
    # A model loaded from GGUF believes that it is still quantized and refuses to be saved, and
    # its configuration says so to whoever loads the copy.
    config = unpacked.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch_dtype)
    model.load_state_dict(unpacked.state_dict())
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, **_LOCAL)
    tokenizer.save_pretrained(folder)
